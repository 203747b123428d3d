"""These functions tell what a machine has free.

In: a device. Out: bytes; or memory given back.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def gib(amount: float) -> str:
    """Bytes as GiB with two digits."""
    return f"{amount / 2**30:.2f} GiB"


_DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")
"""What drivers of accelerators that torch knows as CUDA leave on Linux: NVIDIA, its boards, WSL, ROCm."""


def may_have_accelerator() -> bool:
    """Whether the machine can have a GPU at all: where it cannot, torch, a second to import, need not be asked."""
    return sys.platform != "linux" or any(Path(driver).exists() for driver in _DRIVERS)


def available_memory(device: torch.device | str) -> int:
    """Bytes that are free where a model will be: on the GPU, else in the machine's RAM."""
    import psutil

    if str(device).startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def return_freed_memory() -> None:
    """Gives memory that was freed back to the system, where the C library keeps it (glibc).

    It puts tensors of up to 32 MiB on its heap, and one small block that lives on behind them keeps all of them: writing
    poems with 256,000 pieces on a CPU, 3.6 GB after two batches of 32, of which 2.8 GB were free.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
