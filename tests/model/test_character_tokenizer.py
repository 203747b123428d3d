"""The character tokenizer: any text encodes, and decodes to itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.model.character_tokenizer import build_character_tokenizer, collect_characters

TOKENIZER = build_character_tokenizer("春江花月夜")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("春江", ["春", "江"]),
        ("春龘", ["春", "<0xE9>", "<0xBE>", "<0x98>"]),
        ("a b", ["<0x61>", "▁", "<0x62>"]),
        ("体裁：五言绝句\n题目：月\n诗：", ["体裁：", "五言绝句", "\n题目：", "月", "\n诗："]),
        ("月，夜。\n", ["月", "，", "夜", "。", "\n"]),
    ],
)
def test_pieces(text, pieces):
    assert TOKENIZER.convert_ids_to_tokens(TOKENIZER.encode(text, add_special_tokens=False)) == pieces


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁<"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_decodes_to_itself(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False)) == text


def test_gemma_conventions():
    assert TOKENIZER.convert_tokens_to_ids(["<pad>", "<eos>", "<bos>", "<unk>"]) == [0, 1, 2, 3]
    assert TOKENIZER.encode("春")[0] == 2


def test_rare_characters_are_left_to_bytes():
    poems = [Poem(("春江春",), "。", title="夜 夜", form="词"), Poem(("江",), "。", form="词")]
    assert collect_characters(poems, 2) == ["。", "夜", "春", "江"]
