"""Known lines: none is forgotten, few others are taken for known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gemma_poetry.corpus import known_lines
from gemma_poetry.corpus.known_lines import KnownLines, extend_hash, fold, hash_text
from gemma_poetry.errors import DataError

HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 60)]
LINES = ["".join(chars) for chars in itertools.islice(itertools.product(HAN, repeat=5), 0, 4_000_000, 997)]
OTHERS = ["".join(chars) for chars in itertools.islice(itertools.product(HAN, repeat=6), 0, 4_000_000, 997)]


def test_no_line_is_forgotten_and_few_are_taken_for_known():
    guard = KnownLines.build(LINES)
    assert all(line in guard for line in LINES)
    mistaken = sum(line in guard for line in OTHERS) / len(OTHERS)
    assert mistaken < 0.02
    assert guard.lines == len(set(LINES))


def test_lines_are_known_in_either_script_and_however_often_they_come():
    guard = KnownLines.build(["雲想衣裳花想容", "雲想衣裳花想容", "春風"])
    assert "云想衣裳花想容" in guard and "雲想衣裳花想容" in guard and "春风" in guard
    assert "云想衣裳花想" not in guard
    assert guard.lines == 2


def test_lines_are_known_whatever_glyph_stands_for_a_word():
    guard = KnownLines.build(["惟有泪沾巾"])
    assert "唯有泪沾巾" in guard and "唯有淚沾巾" in guard and "惟有泪沾衣" not in guard
    assert hash_text("惟有") == hash_text("唯有") and fold("惟窻").tolist() == [ord("唯"), ord("窗")]


def test_a_list_that_was_folded_otherwise_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(known_lines, "_VERSION", 1)
    KnownLines.build(LINES[:3]).save(tmp_path / "known_lines.npz")
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"version 1(.|\n)*prepare again"):
        KnownLines.load(tmp_path / "known_lines.npz")


def test_single_characters_are_words_not_lines():
    assert "归" not in KnownLines.build(["归", "归去"])


def test_many_candidates_are_asked_at_once():
    guard = KnownLines.build(["明月光", "明月照"])
    codes = fold("光照山")
    hashes = extend_hash(np.full(3, hash_text("明月"), dtype=np.uint64), codes)
    assert guard.knows(hashes).tolist() == [True, True, False]
    assert [int(value) for value in hashes] == [int(hash_text("明月" + char)) for char in "光照山"]


def test_an_empty_corpus_knows_nothing():
    assert "明月" not in KnownLines.build([])


def test_saved_and_read_back(tmp_path):
    KnownLines.build(LINES, provenance="test").save(tmp_path / "known_lines.npz")
    read = KnownLines.load(tmp_path / "known_lines.npz")
    assert all(line in read for line in LINES[:100]) and read.provenance == "test" and read.lines == len(LINES)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"not a file of lines"])
def test_what_is_no_guard_is_refused(tmp_path, content):
    path = tmp_path / "known_lines.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as refused:
        KnownLines.load(path)
    assert str(path) in str(refused.value)
