"""How the matrices of a GGUF file are held: in float32, bfloat16, or in blocks of few bits as `llama-quantize` lays them out.

In: the name and width of a matrix, and what the file is to be. Out: its type, and its values packed.

`q8_0` packs every matrix in blocks of 32. `q4_k_m` is llama.cpp's mixture: 4 bits, 6 for the embedding (which is the head
too) and for the value and down projections of the first and last eighth of the layers and of every third between them.
K-quants pack 256 values at a time; a row that is no multiple of that gets the older type of the next size: Gemma 3 270M is
640 wide, so that most of it is in 5 and 8 bits. The package `gguf` packs the older types, `libgguf` the K-quants.
"""

from __future__ import annotations

from typing import Any

from gemma_poetry.extras import require
from gemma_poetry.languages import _

QUANTIZATIONS = ("q8_0", "q4_k_m")
"""What a GGUF file can be beside `float32` and `bfloat16`."""

_EMBEDDING = "token_embd.weight"
_DEEPER = ("attn_v.weight", "ffn_down.weight")
_BLOCK = 32
_OLDER = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}
_FILE_TYPES = {"float32": "ALL_F32", "bfloat16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0", "q4_k_m": "MOSTLY_Q4_K_M"}


def require_quantization(dtype: str) -> None:
    """Refuses a type that nothing installed can pack.

    Raises:
        MissingExtraError: `libgguf` is not installed.
    """
    if dtype == "q4_k_m":
        require(
            "libgguf",
            extra="quantize",
            purpose=_("--dtype q4_k_m"),
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
    deeper = name == _EMBEDDING or (name.endswith(_DEEPER) and _has_more_bits(int(name.split(".")[1]), layers))
    kind = "Q6_K" if deeper else "Q4_K"
    return kind if width % 256 == 0 else _OLDER[kind]


def _has_more_bits(layer: int, layers: int) -> bool:
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def pack(values: Any, kind: str) -> Any:
    """The bytes of a matrix.

    Args:
        values: Float32, (rows, width).
        kind: The name of a `GGMLQuantizationType`.
    """
    import gguf

    if not kind.endswith("_K"):
        return gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind])
    import libgguf

    return libgguf.quantize_rows(values, libgguf.GGMLQuantizationType[kind])
