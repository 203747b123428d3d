"""All shortcuts of a LoRA training that leave its function as it is are applied in the order that they need.

In: an adapted model, on the device that it is trained on. Out: the same model, hastened.
"""

from __future__ import annotations

from typing import Any

import torch

from gemma_poetry.training.fused.dropout import replace_dropout
from gemma_poetry.training.fused.lora_linear import fuse_projections
from gemma_poetry.training.fused.rms_norm import fuse_norms


def apply_fused(model: Any) -> None:
    """Takes norms by formula everywhere; on CPUs coarse dropout, and then updates as one operation with their projection."""
    fuse_norms(model)
    if not torch.cuda.is_available():
        replace_dropout(model)
        fuse_projections(model)
