"""The memory of a training, stage by stage, by the formula of `model.memory`, against what is free.

In: a `PeftModel`, the samples, a recipe, the bytes that are free. Out: the estimate, and a finding on it; or the refusal of a
training that could only end for want of memory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch

from gemma_poetry.config import Recipe
from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.errors import TrainingError
from gemma_poetry.languages import _, listed, localized
from gemma_poetry.model.free_memory import gib
from gemma_poetry.model.memory import MemoryEstimate, estimate_training, greatest, read_shape

_FULL_MEMORY_SHARE = 0.9
_SMALLER = _(
    "lower train.batch_size (and raise train.gradient_accumulation), lower "
    "train.max_tokens, or set train.gradient_checkpointing=true"
)


def training_memory(
    model: Any,
    samples: Sequence[TokenizedPoem],
    recipe: Recipe,
    vocabulary_rows: int | None = None,
    *,
    bfloat16: bool = False,
) -> dict[str, MemoryEstimate]:
    """The memory of every stage of a training, whose steps are `train.batch_size` rows as long as the longest sample.

    A batch of more than `train.pass_tokens` goes through the model in parts, of which the largest counts.

    Args:
        model: The `PeftModel`, or the plain model whose every weight is trained.
        samples: Samples that training takes.
        recipe: Its `train`, `lora` and `generate` sections are used.
        vocabulary_rows: Rows that training keeps of the vocabulary; `None`: all.
        bfloat16: Whether products are in bfloat16 though every weight is trained, and so is in float32.
    """
    longest, full = max(samples, key=len), recipe.train.method == "full"
    on_gpu = model.device.type == "cuda"
    rows = recipe.train.rows_of_pass(len(longest), on_gpu=on_gpu)
    titles = recipe.train.watched_titles
    return estimate_training(
        read_shape(model.config),
        batch=rows,
        tokens=len(longest),
        dtype="bfloat16" if bfloat16 or (model.dtype == torch.bfloat16 and not full) else "float32",
        lora_rank=recipe.lora.rank,
        targets=recipe.lora.targets,
        dropout=recipe.lora.dropout > 0,
        vocabulary_rows=vocabulary_rows,
        completion_tokens=rows * max(len(sample.completion_ids) for sample in samples),
        gradient_checkpointing=recipe.train.gradient_checkpointing,
        quantized=recipe.lora.four_bit,
        on_gpu=on_gpu,
        full=full,
        titles=titles if titles > 1 else 0,
    )


def check_memory(stages: Mapping[str, MemoryEstimate], available: int) -> Finding:
    """What the stage of a training that wants most takes, against what there is.

    Args:
        stages: From `training_memory`.
        available: Bytes that are free.
    """
    name = greatest(stages)
    estimate = stages[name]
    parts = listed(f"{part.name} {getattr(estimate, part.name) / 2**30:.2f}" for part in fields(estimate))
    found = _(
        "{total} wanted by {stage} ({parts}), {available} free",
        total=gib(estimate.total),
        stage=name,
        parts=parts,
        available=gib(available),
    )
    expected = _("a training that fits, whatever its stage")
    if estimate.total > available:
        return Finding(_("memory"), "fault", found, expected, _SMALLER)
    return judge(_("memory"), estimate.total <= _FULL_MEMORY_SHARE * available, found, expected, _SMALLER, otherwise="warning")


def require_memory(
    model: Any,
    samples: Sequence[TokenizedPoem],
    recipe: Recipe,
    vocabulary_rows: int | None,
    available: int,
    *,
    bfloat16: bool = False,
) -> None:
    """Refuses a training that cannot have the memory it wants, and warns of one that may not.

    Args:
        model: The `PeftModel`.
        samples: Samples that training takes.
        recipe: Its `train` and `lora` sections are used.
        vocabulary_rows: Rows that training keeps of the vocabulary; `None`: all.
        available: Bytes that were free before the model was loaded.
        bfloat16: Whether products are in bfloat16, whatever the weights are in.

    Raises:
        TrainingError: What it takes for certain, an allowance for a torn heap left out, is more than is free.
    """
    stages = training_memory(model, samples, recipe, vocabulary_rows, bfloat16=bfloat16)
    finding = check_memory(stages, available)
    if max(estimate.certain for estimate in stages.values()) > available:  # the libraries are loaded already
        raise TrainingError(
            _("the training wants more memory than there is: {found}", found=finding.found),
            expected=finding.expected,
            action=_SMALLER,
        )
    if finding.verdict == "fault":
        print(localized(_("gemma-poetry: note: memory may not suffice: {found}", found=finding.found)), file=sys.stderr)
