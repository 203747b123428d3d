"""What can be told of the judged poems and the training of a model."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.contamination import Verdict, find_contamination, find_tuning_contamination


def poem(*lines: str) -> Poem:
    return Poem(lines, "，。"[: len(lines)], source_id="".join(lines))


POEMS = [poem("床前明月光", "疑是地上霜"), poem("春眠不觉晓", "处处闻啼鸟"), poem("君不", "见")]
BOTH_LINES, ONE_LINE = ["床前明月光", "疑是地上霜"], ["床前明月光", "春眠不觉晓"]
MANIFEST = {"data": {"clusters": {"train": "t", "val": "v", "test": "x"}}}

CASES = [
    ("nothing is known of a model of the Hub", None, None, "?", Verdict.UNKNOWN, None),
    ("a manifest names the poems as held out", MANIFEST, None, "x", Verdict.KEPT_OUT, None),
    ("validation poems are held out as well", MANIFEST, BOTH_LINES, "v", Verdict.KEPT_OUT, None),
    ("a manifest names the poems as training", MANIFEST, None, "t", Verdict.SEEN, 3),
    ("another draw without lines to look up", MANIFEST, None, "?", Verdict.UNKNOWN, None),
    ("one of the two poems that can be looked up is known", MANIFEST, BOTH_LINES, "?", Verdict.SEEN, 1),
    ("a line of each is quotation: half of a poem is no poem", MANIFEST, ONE_LINE, "?", Verdict.KEPT_OUT, 0),
]


@pytest.mark.parametrize(("why", "manifest", "lines", "digest", "verdict", "known"), CASES, ids=[case[0] for case in CASES])
def test_what_can_be_told(why, manifest, lines, digest, verdict, known):
    found = find_contamination(POEMS, "mini", digest, manifest, lines)
    assert (found.verdict, found.known) == (verdict, known)
    assert found.doubtful is (verdict is not Verdict.KEPT_OUT)
    assert "mini" in found.sentence


def test_known_poems_are_counted_among_those_that_can_be_looked_up():
    found = find_contamination(POEMS, "mini", "?", MANIFEST, BOTH_LINES)
    assert found.poems == 2 and "of 2 poems 1 (50.0%)" in found.sentence
    assert found.to_record() == {"verdict": "seen", "poems": 2, "known": 1, "sentence": found.sentence}


@pytest.mark.parametrize(
    ("split", "same_data", "verdict"),
    [("test", True, Verdict.KEPT_OUT), ("train", True, Verdict.SEEN), ("test", False, Verdict.UNKNOWN)],
)
def test_what_a_run_was_tuned_on(split, same_data, verdict):
    assert find_tuning_contamination("run", 3, split, same_data).verdict is verdict
