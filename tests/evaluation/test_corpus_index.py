"""Where characters come from, against plain search over small corpora."""

from __future__ import annotations

import random

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.corpus_index import CorpusIndex


def poem(*lines: str, title: str = "") -> Poem:
    return Poem(lines, "。" * len(lines), title=title, source_id=title)


CORPUS = [
    poem("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡", title="静夜思"),
    poem("春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少", title="春晓"),
    poem("昔人已乘黄鹤去", "此地空余黄鹤楼", title="黄鹤楼"),
    poem("春眠不觉晓", "明月光", title="后来"),
]
INDEX = CorpusIndex(CORPUS)

SPANS = [
    ("a whole line and the next character", ["甲乙床前明月光疑", "丙"], "床前明月光疑", "静夜思"),
    ("over a line end", ["甲地上霜", "举头丙"], "地上霜举头", "静夜思"),
    ("not from one poem into the next", ["低头思故乡春眠"], "低头思故乡", "静夜思"),
    ("the first poem that has it", ["春眠不觉晓"], "春眠不觉晓", "春晓"),
    ("traditional characters and variants", ["牀前朙月光", "處處聞啼鳥"], "處處聞啼鳥", "春晓"),
    ("the end of the corpus", ["晓明月光"], "晓明月光", "后来"),
    ("a pair", ["甲明月乙"], "明月", "静夜思"),
]


@pytest.mark.parametrize(("why", "lines", "text", "title"), SPANS, ids=[case[0] for case in SPANS])
def test_the_longest_span(why, lines, text, title):
    span = INDEX.longest_span(lines)
    assert span is not None
    assert (span.text, span.poem.title) == (text, title)


@pytest.mark.parametrize("lines", [["光疑"[::-1]], ["甲乙丙"], ["月"], []])
def test_no_span_is_shared(lines):
    assert INDEX.longest_span(lines) is None


def test_spans_are_those_of_plain_search():
    draw = random.Random(1)
    corpus = [poem(*("".join(draw.choices("春江花月夜山", k=5)) for _ in range(4))) for _ in range(30)]
    index = CorpusIndex(corpus)
    texts = ["".join(other.lines) for other in corpus]
    for _ in range(100):
        lines = ["".join(draw.choices("春江花月夜山水", k=5)) for _ in range(2)]
        query = "".join(lines)
        pieces = [query[i:j] for i in range(10) for j in range(i + 2, 11)]
        shared = [piece for piece in pieces if any(piece in text for text in texts)]
        span = index.longest_span(lines)
        assert (len(span.text) if span else 0) == max(map(len, shared), default=0)
        assert span is None or span.text in "".join(span.poem.lines)


NEAREST = [
    ("床前明月光", "床前明月光", "静夜思", 5),
    ("床前看月花", "床前明月光", "静夜思", 3),
    ("牀前看月花", "床前明月光", "静夜思", 3),
    ("昔人已乘白云去", "昔人已乘黄鹤去", "黄鹤楼", 5),
    ("春眠不知晓", "春眠不觉晓", "春晓", 4),
]


@pytest.mark.parametrize(("line", "text", "title", "shared"), NEAREST)
def test_the_nearest_line(line, text, title, shared):
    found = INDEX.nearest_line(line)
    assert found is not None
    assert (found.text, found.poem.title, found.shared) == (text, title, shared)


@pytest.mark.parametrize("line", ["前床月明光甲", "甲乙丙丁戊", "甲" * 9])
def test_a_line_like_no_other(line):
    assert INDEX.nearest_line(line) is None


def test_nearest_lines_are_those_of_plain_search():
    draw = random.Random(2)
    corpus = [poem(*("".join(draw.choices("春江花月夜山", k=draw.choice([5, 7]))) for _ in range(4))) for _ in range(30)]
    index = CorpusIndex(corpus)
    lines = [line for other in corpus for line in other.lines]
    for _ in range(50):
        query = "".join(draw.choices("春江花月夜山水", k=5))
        counts = [sum(a == b for a, b in zip(query, line)) for line in lines if len(line) == 5]
        found = index.nearest_line(query)
        assert (found.shared if found else 0) == max(counts)


def test_similar_poems_have_the_shape_and_share_most_pairs():
    query = ["床前明月花", "疑是地上雪", "举头望青山", "低头思故人"]
    assert [found.title for found in INDEX.similar_poems(query, 5)] == ["静夜思"]
    assert INDEX.similar_poems(["床前明月光"], 5) == []
    wider = CorpusIndex([*CORPUS, poem("床前明月花", "疑是地上雪", "举头望青山", "低头思故人", title="仿作")])
    assert [found.title for found in wider.similar_poems(query, 5)] == ["仿作", "静夜思"]
    assert [found.title for found in wider.similar_poems(query, 1)] == ["仿作"]
