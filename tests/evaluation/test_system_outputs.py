"""Poems of other systems, in whatever file they come."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import SourceError
from gemma_poetry.evaluation.records import Generation, Protocol, write_records
from gemma_poetry.evaluation.system_outputs import read_system_outputs

LINES = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
JUDGED = [
    Poem(LINES, "，。，。", title="登鹳雀楼", author="王之涣", form="五言绝句", source_id="t#1", cluster_id="c1"),
    Poem(LINES, "，。，。", title="无题", form="五言绝句", source_id="t#2"),
    Poem(LINES, "，。，。", title="无题", form="五言绝句", source_id="t#3"),
]
WRITTEN = ("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")

FILES = {
    "lines.jsonl": json.dumps({"title": "登鹳雀楼", "form": "五言绝句", "lines": WRITTEN}, ensure_ascii=False),
    "short.jsonl": json.dumps(
        {"title": "登鹳雀楼", "form": "五绝", "text": "床前明月光，疑是地上霜。举头望明月，低头思故乡。"}
    ),
    "list.json": json.dumps([{"title": "登鹳雀楼", "paragraphs": ["床前明月光，疑是地上霜。", "举头望明月，低头思故乡。"]}]),
    "plain.txt": "登鹳雀楼\n\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n",
    "traditional.txt": "登鸛雀樓\n床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n",
    "table.csv": "title,text\n登鹳雀楼,床前明月光，疑是地上霜。举头望明月，低头思故乡。\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_poem_is_held_against_the_judged_poem_of_its_title(tmp_path, name):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    (writing,) = read_system_outputs(tmp_path / name, JUDGED)
    assert (writing.system, writing.protocol, writing.form) == (name.split(".")[0], Protocol.TITLE, "五言绝句")
    assert (writing.lines, writing.marks) == (WRITTEN, "，。，。")
    assert (writing.source_id, writing.unit, writing.reference) == ("t#1", "c1", LINES)


def test_poems_to_no_judged_title_are_judged_alone(tmp_path):
    (tmp_path / "x.txt").write_text("望月\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。", encoding="utf-8")
    for judged in (JUDGED, []):
        (writing,) = read_system_outputs(tmp_path / "x.txt", judged)
        assert (writing.reference, writing.source_id, writing.title) == ((), "x:x.txt#1", "望月")


def test_files_of_one_name_have_no_poem_in_common(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("望月\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。", encoding="utf-8")
    (first,) = read_system_outputs(tmp_path / "one" / "x.txt", JUDGED)
    (second,) = read_system_outputs(tmp_path / "other" / "x.txt", JUDGED, taken=[first.system])
    assert first.system != second.system and first.source_id != second.source_id and first.unit != second.unit


def test_several_poems_to_one_title_answer_its_references_in_turn(tmp_path):
    records = [{"title": "无题", "lines": [char * 5 for char in chars]} for chars in ("一二三四", "甲乙丙丁", "天地山水")]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    generations = read_system_outputs(tmp_path / "x.jsonl", JUDGED)
    assert [writing.source_id for writing in generations] == ["t#2", "t#3", "t#2~2"]
    assert [writing.unit for writing in generations] == ["t#2", "t#3", "t#2"]


def test_broken_poems_are_kept_and_stay_broken(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"title": "登鹳雀楼", "form": "五言绝句", "text": "床前moon光，疑是地上霜。"}))
    (writing,) = read_system_outputs(tmp_path / "x.jsonl", JUDGED)
    assert writing.lines == ("床前moon光", "疑是地上霜")
    assert writing.reference == LINES


def test_our_own_generations_keep_their_systems_apart(tmp_path):
    ours = Generation("tuned", Protocol.COUPLET, "t#1", "c1", "题", "五言绝句", LINES[:2], LINES[2:], "，。", LINES[2:])
    write_records(tmp_path / "old.jsonl", [ours, replace(ours, system="human")])
    assert read_system_outputs(tmp_path / "old.jsonl", JUDGED) == [replace(ours, system="old tuned")]


def test_names_that_are_taken_give_way_to_the_path(tmp_path):
    for name in ("tuned", "mine"):
        (tmp_path / f"{name}.txt").write_text(FILES["plain.txt"], encoding="utf-8")
        (writing,) = read_system_outputs(tmp_path / f"{name}.txt", JUDGED, taken=["mine"])
        assert writing.system == str(tmp_path / f"{name}.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty"), ('{"title": ', "not valid JSON"), ("[1, 2]", "is a list")],
    ids=["empty", "cut", "no poem"],
)
def test_what_is_no_file_of_poems_is_refused(tmp_path, content, message):
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(SourceError, match=message):
        read_system_outputs(tmp_path / "x.jsonl")
    with pytest.raises(SourceError, match="cannot be read"):
        read_system_outputs(tmp_path / "none.jsonl")


HAIKU = ("はつゆきや", "ちいさきくつの", "みぎひだり")
JUDGED_HAIKU = [
    Poem(HAIKU, "\n\n\n", title="ゆき", form="有季俳句", script="", source_id="h#1", cluster_id="c1"),
    Poem(HAIKU, "\n\n\n", title="みち", form="俳句", script="", source_id="h#2"),
    Poem(HAIKU, "\n\n\n", title="みち", form="有季俳句", script="", source_id="h#3"),
]


@pytest.mark.parametrize(
    ("record", "form", "source", "lines"),
    [
        ({"title": "ゆき", "lines": ["えきまえの", "くつみがきだけ", "そらをみる"]}, "有季俳句", "h#1", 3),  # as was asked for
        ({"title": "ゆき", "form": "俳句", "lines": HAIKU}, "俳句", "x:x.jsonl#1", 3),  # as the file says
        ({"title": "みち", "lines": HAIKU}, "有季俳句", "h#3", 3),  # asked for in two forms: as the domain finds
        ({"title": "うみ", "lines": HAIKU}, "有季俳句", "x:x.jsonl#1", 3),
        ({"title": "ゆき", "text": "first snow\nя\n"}, "有季俳句", "h#1", 2),  # would be left out of training; is judged
        ({"text": "Furuike ya"}, "俳句", "x:x.jsonl#1", 1),
    ],
)
def test_texts_of_another_domain(tmp_path, record, form, source, lines):
    from gemma_poetry.corpus.readers import reader_of
    from gemma_poetry.domains.registry import load_domain

    (tmp_path / "x.jsonl").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    (found,) = read_system_outputs(tmp_path / "x.jsonl", JUDGED_HAIKU, reader=reader_of(load_domain("japanese-haiku")))
    assert (found.system, found.form, found.source_id, len(found.lines)) == ("x", form, source, lines)
    assert bool(found.reference) is source.startswith("h#") and len(found.marks) == lines
