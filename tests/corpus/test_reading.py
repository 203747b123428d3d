"""Prepared records come back as the poems they were."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.errors import DataError, UsageError

POEMS = [
    Poem(("床前明月光", "疑是地上霜"), "，。", "静夜思", "李白", "唐", "五言古诗", "", "simplified", "p#1", "0" * 16),
    Poem(("山一程", "水一程"), "，。", form="词", tune="长相思"),
]


def test_round_trip(tmp_path: Path) -> None:
    (tmp_path / "val.jsonl").write_bytes(b"".join(orjson.dumps(poem.to_record()) + b"\n" for poem in POEMS))
    assert load_poems(tmp_path, "val") == POEMS


@pytest.mark.parametrize("line", [b'{"lines": ["a', b"{}", b"7", b'{"lines": ["a", "b"], "marks": "x"}'])
def test_a_broken_line_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "val.jsonl").write_bytes(orjson.dumps(POEMS[0].to_record()) + b"\n" + line + b"\n")
    with pytest.raises(DataError) as caught:
        load_poems(tmp_path, "val")
    assert caught.value.where == f"{tmp_path / 'val.jsonl'}:2"


def test_a_missing_file_and_an_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_poems(tmp_path, "test")
    with pytest.raises(UsageError, match="no split is called 'tests'"):
        load_poems(tmp_path, "tests")
