"""Fused operations compute what torch and PEFT compute, with less kept for the backward pass.

In: an adapted model. Out: the same model, its norms, dropout and LoRA projections replaced; gradients are equal to rounding.
The benchmark of trainings and the tests compare both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemma_poetry.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemma_poetry.training.fused.apply import apply_fused as apply_fused
    from gemma_poetry.training.fused.dropout import replace_dropout as replace_dropout
    from gemma_poetry.training.fused.lora_linear import fuse_projections as fuse_projections
    from gemma_poetry.training.fused.rms_norm import fuse_norms as fuse_norms
else:
    __getattr__, __dir__ = lazy_exports(__name__)
