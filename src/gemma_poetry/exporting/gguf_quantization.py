"""How the matrices of a GGUF file are held: in float32, bfloat16, or in blocks of few bits as `llama-quantize` lays them out.

In: the name and width of a matrix, and what the file is to be. Out: its type, and its values packed.

`q8_0` packs every matrix in blocks of 32. `q4_k_m` and `q5_k_m` are llama.cpp's mixtures: 4 or 5 bits, 6 for the embedding
(which is the head too) and for the value and down projections of the first and last eighth of the layers and of every third
between. K-quants pack 256 values at a time; a row that is no multiple of that gets the older type of the next size: Gemma 3
270M is 640 wide, so that most of it is in 5 and 8 bits. The package `gguf` packs the older types, `libgguf` the K-quants.

A base model that was itself read from such a file lies on the very steps that its values are rounded to. An update is smaller
than half a step almost everywhere, so that the nearest step is the old one: rounding gives the base model back. There each
value is rounded up or down by chance, the nearer the likelier (dithering), which leaves the sums over a row what they were.
"""

from __future__ import annotations

from typing import Any

from gemma_poetry.extras import require
from gemma_poetry.languages import _

QUANTIZATIONS = ("q8_0", "q5_k_m", "q4_k_m")
"""What a GGUF file can be beside `float32` and `bfloat16`."""

EMBEDDING = "token_embd.weight"
"""The name in GGUF of the matrix that is the head too."""

_DEEPER = ("attn_v.weight", "ffn_down.weight")
_BLOCK = 32
_MIXTURES = {"q4_k_m": "Q4_K", "q5_k_m": "Q5_K"}
_OLDER = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
# Type -> values that share their steps, how many steps there are, and whether from the least to the largest value (else
# from nought to the largest size).
_STEPS = {
    "Q8_0": (32, 127, False),
    "Q6_K": (16, 32, False),
    "Q5_0": (32, 16, False),
    "Q5_1": (32, 31, True),
    "Q5_K": (32, 31, True),
    "Q4_K": (32, 15, True),
}
_FILE_TYPES = {"float32": "ALL_F32", "bfloat16": "MOSTLY_BF16"} | {name: f"MOSTLY_{name.upper()}" for name in QUANTIZATIONS}


def require_quantization(dtype: str) -> None:
    """Refuses a type that nothing installed can pack.

    Raises:
        MissingExtraError: `libgguf` is not installed.
    """
    if dtype in _MIXTURES:
        require(
            "libgguf",
            extra="quantize",
            purpose=f"--dtype {dtype}",
            otherwise=_("write --dtype bfloat16 and run llama.cpp's llama-quantize"),
        )


def file_type(dtype: str) -> int:
    """The number of a file's type in its header."""
    import gguf

    return int(gguf.LlamaFileType[_FILE_TYPES[dtype]])


def matrix_kind(name: str, width: int, dtype: str, layers: int) -> str:
    """The type of a matrix, as `llama-quantize` chooses it for a model whose head is its embedding.

    Args:
        name: Its name in GGUF.
        width: The length of its rows.
        dtype: `float32`, `bfloat16` or one of `QUANTIZATIONS`.
        layers: The model's layers.

    Returns:
        The name of a `GGMLQuantizationType`.
    """
    if dtype in ("float32", "bfloat16"):
        return {"float32": "F32", "bfloat16": "BF16"}[dtype]
    if width % _BLOCK:
        return "F16"
    if dtype == "q8_0":
        return "Q8_0"
    deeper = name == EMBEDDING or (name.endswith(_DEEPER) and _has_more_bits(int(name.split(".")[1]), layers))
    kind = "Q6_K" if deeper else _MIXTURES[dtype]
    return kind if width % 256 == 0 else _OLDER[kind]


def _has_more_bits(layer: int, layers: int) -> bool:
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def share_kept(before: Any, after: Any, kind: str) -> float:
    """How much of an update is left when a matrix is rounded: about 1 where the old values lie anywhere, 0 on the steps.

    Args:
        before: The matrix without the update, float32, (rows, width).
        after: The matrix with it.
        kind: The name of a `GGMLQuantizationType`.
    """
    import gguf

    update = after - before
    moved = gguf.quants.dequantize(pack(after, kind), gguf.GGMLQuantizationType[kind]) - before
    length = float((update * update).sum())
    return float((moved * update).sum()) / length if length else 1.0


def pack(values: Any, kind: str, chance: Any = None) -> Any:
    """The bytes of a matrix.

    Args:
        values: Float32, (rows, width).
        kind: The name of a `GGMLQuantizationType`.
        chance: A generator of numpy, where values are to be rounded up or down by chance; `None`: to the nearest.
    """
    import gguf

    if chance is not None and kind in _STEPS:
        values = _dithered(values, kind, chance)
    if not kind.endswith("_K"):
        return gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind])
    import libgguf

    return libgguf.quantize_rows(values, libgguf.GGMLQuantizationType[kind])


def _dithered(values: Any, kind: str, chance: Any) -> Any:
    """Values moved by up to half a step; the largest of a block stays, since it makes the steps."""
    import numpy

    width, steps, ranged = _STEPS[kind]
    blocks = values.reshape(len(values), -1, width)
    sizes = abs(blocks)
    largest = sizes.max(-1, keepdims=True)
    span = blocks.max(-1, keepdims=True).clip(0) - blocks.min(-1, keepdims=True).clip(None, 0) if ranged else largest
    noise = chance.random(blocks.shape, dtype=numpy.float32) - numpy.float32(0.5)
    noise[sizes == largest] = 0
    return (blocks + noise * (span / numpy.float32(steps))).reshape(values.shape)
