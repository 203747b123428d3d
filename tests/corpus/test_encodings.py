"""Encodings that can be told are read, all others refused."""

from __future__ import annotations

import codecs

import pytest

from gemma_poetry.corpus.encodings import decode
from gemma_poetry.errors import SourceError

SIMPLIFIED = "静夜思\n李白\n床前明月光，疑是地上霜。举头望明月，低头思故乡。\n"
TRADITIONAL = "靜夜思\n李白\n床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。\n"


@pytest.mark.parametrize("text", [SIMPLIFIED, TRADITIONAL])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "gb18030"),
    ],
)
def test_what_can_be_told_is_read(text: str, mark: bytes, encoding: str) -> None:
    assert decode(mark + text.encode(encoding), "f") == (text, encoding)


def test_big5_is_told_from_gbk() -> None:
    assert decode(TRADITIONAL.encode("big5"), "f") == (TRADITIONAL, "big5hkscs")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (SIMPLIFIED.encode("utf-16-le"), "no UTF-8"),
        ("ab".encode("utf-16-le"), "zero bytes"),
        (bytes(range(128, 256)) * 4, "no UTF-8"),
        ("夜の海".encode("shift_jis"), "no UTF-8"),
    ],
)
def test_what_cannot_be_told_is_refused(content: bytes, found: str) -> None:
    with pytest.raises(SourceError, match=found) as caught:
        decode(content, "poems.txt")
    assert caught.value.where == "poems.txt"
    assert "UTF-8" in caught.value.expected and "iconv" in caught.value.action


@pytest.mark.parametrize("cut", [1, 2])
def test_utf8_that_breaks_off_is_named_with_its_line(cut: int) -> None:
    content = SIMPLIFIED.rstrip("\n").encode()[:-cut]
    with pytest.raises(SourceError, match="no valid UTF-8") as caught:
        decode(content, "poems.txt")
    assert caught.value.where == "poems.txt:3"


def test_utf16_that_breaks_off_is_refused() -> None:
    with pytest.raises(SourceError, match="no valid UTF-16-LE"):
        decode(codecs.BOM_UTF16_LE + SIMPLIFIED.encode("utf-16-le")[:-1], "f")
