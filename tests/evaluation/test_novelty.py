"""What stands in the corpus already, on a corpus of two poems."""

from __future__ import annotations

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import CorpusIndex
from gemma_poetry.evaluation.novelty import most_copied, novelty_sums, trace

CORPUS = CorpusIndex(
    [
        Poem(("床前明月光", "疑是地上霜"), "，。", title="静夜思", author="李白", source_id="a"),
        Poem(("春眠不觉晓", "处处闻啼鸟"), "，。", title="春晓", author="孟浩然", source_id="b"),
    ]
)
COPY = trace(["床前明月光", "甲乙丙丁戊"], CORPUS)
MIX = trace(["春眠不得晓", "床前闻啼鸟"], CORPUS)
NEW = trace(["甲乙丙丁戊", "子丑寅卯辰"], CORPUS)
SHORT = trace(["春眠", "晓"], CORPUS)


def test_copied_lines_are_named_with_their_source():
    ((line, near),) = COPY.copied
    assert (line, near.poem.title) == ("床前明月光", "静夜思")
    assert MIX.copied == NEW.copied == SHORT.copied == ()


def test_spans_are_named_with_their_source():
    assert (MIX.span.text, MIX.span.poem.author) == ("春眠不", "孟浩然")
    assert NEW.span is None


def test_the_sums_of_each_figure():
    sums = novelty_sums([COPY, MIX, NEW, SHORT])
    assert sums["copied_lines"].tolist() == [[1, 2], [0, 2], [0, 2], [0, 0]]
    assert sums["longest_span"].tolist() == [[5, 1], [3, 1], [0, 1], [2, 1]]
    # 春眠不得晓 shares 4 places, 床前闻啼鸟 shares 3 with 处处闻啼鸟.
    assert sums["nearest_line"].tolist() == [[5, 10], [7, 10], [0, 10], [0, 0]]


def test_the_most_copied_come_first():
    assert most_copied([NEW, SHORT, MIX, COPY], 2) == [COPY, MIX]
    assert COPY.to_record() == {
        "lines": ["床前明月光", "甲乙丙丁戊"],
        "span": {"text": "床前明月光", "length": 5, "author": "李白", "title": "静夜思", "source_id": "a"},
        "copied": [{"line": "床前明月光", "author": "李白", "title": "静夜思", "source_id": "a"}],
        "nearest": [
            {
                "line": "床前明月光",
                "text": "床前明月光",
                "shared": 5,
                "author": "李白",
                "title": "静夜思",
                "source_id": "a",
            }
        ],
    }
    assert NEW.to_record()["span"] is None
