"""What the fork server of the fuzz imports once, so that a case costs no import of torch."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import peft  # noqa: F401
import torch

import gemma_poetry.config
import gemma_poetry.generation.poem_generator
import gemma_poetry.model.loading
import gemma_poetry.model.scoring
import gemma_poetry.verbs.check
import gemma_poetry.verbs.generate  # noqa: F401

torch.set_num_threads(1)
