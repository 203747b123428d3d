"""Folding by look-up is folding."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.variants import fold
from gemma_poetry.evaluation import folding
from gemma_poetry.evaluation.folding import fold_all, fold_quickly

TEXTS = ["窻前明月光", "處處聞啼鳥", "春眠不觉晓", "", "𠮷野家，。a1"]


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_equal_to_fold(text):
    assert fold_quickly(text) == fold(text)
    assert len(fold_quickly(text)) == len(text)


def test_many_texts_at_once():
    assert fold_all(TEXTS) == [fold(text) for text in TEXTS]
    assert fold_all([]) == []


def test_known_characters_are_not_folded_again(monkeypatch):
    fold_quickly("春眠不觉晓")
    monkeypatch.setattr(folding, "fold", lambda text: pytest.fail(f"folded {text} again"))
    assert fold_quickly("晓觉不眠春") == "晓觉不眠春"
