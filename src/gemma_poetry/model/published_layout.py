"""A model is written as checkpoints are published: for transformers, for converters, for whatever reads such a folder.

In: a model whose weights are all its own, its tokenizer, the folder of the base model. Out: a folder with its weights (tied
embeddings one tensor), the towers of a multimodal base, the tokenizer, and both stops in `generation_config.json`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.tokenization import stop_ids
from gemma_poetry.model.towers import restore_towers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TOKENIZER_FILES = ("tokenizer.model",)


def write_model(
    model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path, *, base: Path, dtype: str, sampling: GenerateSettings
) -> None:
    """Writes a model folder.

    Args:
        model: The model, not wrapped by PEFT; afterwards it is in `dtype`.
        tokenizer: Its tokenizer.
        folder: Where to.
        base: The folder of the base model, which has what a training never loads.
        dtype: `bfloat16` or `float32`.
        sampling: What `generation_config.json` recommends.

    Raises:
        SafetensorError: The weights cannot be written.
    """
    import torch

    _set_generation_defaults(model, tokenizer, sampling)
    model.to(torch.bfloat16 if dtype == "bfloat16" else torch.float32).save_pretrained(str(folder))
    restore_towers(base, folder)
    tokenizer.save_pretrained(str(folder))
    for name in _TOKENIZER_FILES:  # converters to other formats ask for it
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _set_generation_defaults(model: Any, tokenizer: PreTrainedTokenizerBase, sampling: GenerateSettings) -> None:
    """Both stops, padding and the recipe's sampling, for programs that read `generation_config.json`."""
    from transformers import GenerationConfig

    sampled = sampling.temperature > 0
    chosen = {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p} if sampled else {}
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=stop_ids(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        do_sample=sampled,
        **chosen,
    )
