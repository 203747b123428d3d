"""The memory of a training's largest pass: by the formula of `model.memory`, and by what autograd is seen to keep.

In: a `PeftModel`, the samples, a recipe, the bytes that are free. Out: the estimate, and a finding on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch

from gemma_poetry.config import Recipe
from gemma_poetry.data.dataset import IGNORED, pass_tokens
from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.model.findings import Finding, judge
from gemma_poetry.model.memory import MemoryEstimate, estimate_memory, read_shape
from gemma_poetry.model.probe import plain_loss, probe_batch
from gemma_poetry.model.room import activation_meter, gib

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FULL_MEMORY_SHARE = 0.9


def step_memory(
    model: Any,
    samples: Sequence[TokenizedPoem],
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    vocabulary_rows: int | None = None,
) -> MemoryEstimate:
    """The memory of the largest pass of a training: `train.batch_size` rows as long as the longest sample.

    A batch of more than `train.pass_tokens` goes through the model in parts, of which the largest counts.

    The formula of `model.memory`; its activations are raised to what autograd is seen to keep of one such row, where that
    is more (eager attention keeps the weights of all pairs of tokens).

    Args:
        model: The `PeftModel`.
        samples: Samples that training takes.
        tokenizer: Their tokenizer.
        recipe: Its `train` and `lora` sections are used.
        vocabulary_rows: Rows that training keeps of the vocabulary; `None`: all.
    """
    longest = max(samples, key=len)
    at_once = pass_tokens(recipe.train, on_gpu=model.device.type == "cuda")
    rows, checkpointing = min(recipe.train.batch_size, max(1, at_once // len(longest))), recipe.train.gradient_checkpointing
    estimate = estimate_memory(
        read_shape(model.config),
        batch=rows,
        tokens=len(longest),
        dtype="bfloat16" if model.dtype == torch.bfloat16 else "float32",
        lora_rank=recipe.lora.rank,
        targets=recipe.lora.targets,
        dropout=recipe.lora.dropout > 0,
        vocabulary_rows=vocabulary_rows,
        completion_tokens=rows * max(len(sample.completion_ids) for sample in samples),
        gradient_checkpointing=checkpointing,
    )
    if checkpointing:
        return estimate
    row = probe_batch([longest], tokenizer, model.device)
    row["labels"][:, :-1] = IGNORED  # one label: logits are a part of their own
    model.train()
    with activation_meter(model) as kept:
        loss = plain_loss(model, row)
        measured = kept[0]
    del loss
    model.eval()
    return replace(estimate, activations=max(estimate.activations, rows * measured))


def check_memory(estimate: MemoryEstimate, available: int) -> Finding:
    """What a step takes against what there is."""
    parts = ", ".join(f"{part.name} {getattr(estimate, part.name) / 2**30:.2f}" for part in fields(estimate))
    found = f"{gib(estimate.total)} wanted ({parts}), {gib(available)} free"
    expected = "a step that fits"
    action = (
        "lower train.batch_size (and raise train.gradient_accumulation), lower train.max_tokens, or set "
        "train.gradient_checkpointing=true"
    )
    if estimate.total > available:
        return Finding("memory", "fault", found, expected, action)
    return judge("memory", estimate.total <= _FULL_MEMORY_SHARE * available, found, expected, action, otherwise="warning")
