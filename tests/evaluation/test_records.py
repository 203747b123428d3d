"""The files that models and evaluation meet through."""

from __future__ import annotations

import json

import pytest

from gemma_poetry.errors import DataError
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, read_records, write_records

LIKELIHOOD = Likelihood("base", "tang#1", "c7", "五言绝句", 61.5, 25, 20)
WRITING = Generation(
    "tuned", Protocol.COUPLET, "tang#1", "", "秋夜", "五言绝句", ("空山不见人", "但闻人语响"),
    ("返景入深林", "复照青苔上"), "，。", ("一二三四五", "六七八九十"), {"author": "王维", "overlap": 0.5},
)  # fmt: skip


def test_what_is_written_is_read_back(tmp_path):
    assert write_records(tmp_path / "l.jsonl", [LIKELIHOOD]) == 1
    write_records(tmp_path / "w.jsonl", [WRITING])
    assert read_records(tmp_path / "l.jsonl", Likelihood) == [LIKELIHOOD]
    assert read_records(tmp_path / "w.jsonl", Generation) == [WRITING]
    record = json.loads((tmp_path / "w.jsonl").read_text(encoding="utf-8"))
    assert record["protocol"] == "couplet" and record["lines"] == ["返景入深林", "复照青苔上"]


def test_poems_without_a_cluster_are_drawn_alone():
    assert (LIKELIHOOD.unit, WRITING.unit) == ("c7", "tang#1")


def test_texts_are_characters_alone():
    assert (WRITING.text, WRITING.reference_text) == ("返景入深林复照青苔上", "一二三四五六七八九十")


@pytest.mark.parametrize("line", ['{"system": "base"}', '{"protocol": "dream"}', "[1]", '{"colour": 1}'])
def test_a_record_of_another_kind_is_named(tmp_path, line):
    path = tmp_path / "w.jsonl"
    write_records(path, [WRITING])
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="record 2 is no generation") as caught:
        read_records(path, Generation)
    assert str(path) in str(caught.value)
