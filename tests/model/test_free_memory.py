"""Memory: what was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from gemma_poetry.model.free_memory import return_freed_memory


def resident() -> int:
    """Pages of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="wants glibc")
def test_freed_blocks_behind_one_that_lives_on_go_back():
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    size = 64 * 2**10  # below the size from which blocks are mapped one by one
    blocks = [libc.malloc(size) for _ in range(1_000)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    *freed, last = blocks
    for block in freed:
        libc.free(block)
    before = resident()
    return_freed_memory()
    assert resident() < before - 10_000, "of 16,000 pages most are the system's again"
    libc.free(last)
