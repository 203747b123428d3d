"""How llama.cpp cuts text into tokens, told from the table that is written, against the tokenizer itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_poetry.exporting.gguf_file import PieceCutter, token_table
from gemma_poetry.model.fixed_poems import FIXED_POEMS
from tests.families import genuine_tokenizer, small_tokenizer
from tests.tiny import make_tokenizer

TEXTS = [poem.text for poem in FIXED_POEMS] + [
    "体裁：五言绝句\n题目：春江花\n诗：",
    "moonlight over a river",
    "五五言绝句句",
    "𠮷野",
    "a  b",
]


@pytest.mark.parametrize("tokenizer", [small_tokenizer("gemma3_text", True), make_tokenizer()], ids=["merges", "characters"])
def test_small_tokenizers(tokenizer):  # type: ignore[no-untyped-def]
    table = token_table(tokenizer, len(tokenizer) + 3)
    assert table[0][-1] == f"[PAD{len(tokenizer) + 2}]" and table[2][-3:] == [5, 5, 5]
    cutter = PieceCutter(*table)
    for text in TEXTS:
        assert cutter.cut(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text


def test_the_genuine_tokenizer(gemma_tokenizer_model: Path):
    tokenizer = genuine_tokenizer(gemma_tokenizer_model, "gemma3_text")
    table = token_table(tokenizer, len(tokenizer))
    cutter = PieceCutter(*table)
    for text in TEXTS:
        assert cutter.cut(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text
