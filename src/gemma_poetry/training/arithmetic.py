"""The arithmetic of a training is settled when it is begun, and whoever goes on with it keeps to that.

In: the `dtype` that a recipe asks for, the run with what it was begun in, the model's configuration. Out: the dtype that frozen
weights are loaded in, or whether products of float32 weights are computed in bfloat16.

Only one process that works alone times a CPU: several must not come to different conclusions.
"""

from __future__ import annotations

from typing import Any

import torch

from gemma_poetry.model.families import FASTEST, gpu_has_bfloat16, is_faster_in_bfloat16, matrix_sizes
from gemma_poetry.runs import RunFolder
from gemma_poetry.training.processes import process_count


def weights_dtype(run: RunFolder, wanted: str) -> str:
    """What to load weights in that stay as they are, as `choose_dtype` takes it."""
    settled = _settled(run, wanted)
    return FASTEST if settled == "auto" and process_count() == 1 else settled


def multiplies_in_bfloat16(run: RunFolder | None, wanted: str, config: Any) -> bool:
    """Whether products are computed in bfloat16 where all weights are trained, and so are in float32.

    Args:
        run: The run; `None`: none is begun yet.
        wanted: `auto`, `bfloat16` or `float32`.
        config: The model's configuration.
    """
    settled = _settled(run, wanted)
    if settled != "auto":
        return settled == "bfloat16"
    if torch.cuda.is_available():
        return gpu_has_bfloat16()
    return process_count() == 1 and is_faster_in_bfloat16(*matrix_sizes(config.get_text_config()))


def _settled(run: RunFolder | None, wanted: str) -> str:
    return wanted if wanted != "auto" or run is None else run.begun_dtype() or "auto"
