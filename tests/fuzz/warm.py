"""What the fork server of the fuzz imports once, so that a case costs no import of torch."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import peft  # noqa: E402, F401
import torch  # noqa: E402
import transformers.generation  # noqa: E402
import transformers.models.gemma3.modeling_gemma3  # noqa: E402
import transformers.models.gemma.tokenization_gemma  # noqa: E402, F401

import gemma_poetry.config  # noqa: E402
import gemma_poetry.generation.generator  # noqa: E402
import gemma_poetry.model.base  # noqa: E402
import gemma_poetry.model.scoring  # noqa: E402
import gemma_poetry.verbs.check  # noqa: E402
import gemma_poetry.verbs.generate  # noqa: E402, F401

torch.set_num_threads(1)
