"""`check`: what it prints, its JSON, its exit status, and every kind of bad input."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from gemma_poetry.errors import GemmaPoetryError, InputError, TextError, UnknownFormError
from gemma_poetry.verbs.check import check, main

TOWER = "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。\n"
STREAM = "滁州西涧\n韦应物\n独怜幽草涧边生，上有黄鹂深树鸣。\n春潮带雨晚来急，野渡无人舟自横。\n"
PALACE = "寥落古行宫，宫花寂寞红。白头宫女在，闲坐说玄宗。\n"


@pytest.fixture
def poem_file(tmp_path: Path):
    def write(content: str | bytes, name: str = "poems.txt") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_a_sound_poem_is_laid_out_and_passes(poem_file, capsys):
    assert check(poem_file(TOWER)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "五言绝句 · 仄起首句不入韵 · 韵 十一尤: passes, strict (合律); with every reading",
        "  1  白日依山尽  仄仄平平仄  中仄平平仄",
        "  2  黄河入海流  平平仄仄平  平平中仄平  韵 十一尤",
        "  3  欲穷千里目  仄平平仄仄  中平平仄仄",
        "  4  更上一层楼  通仄仄平平  中仄仄平平  韵 十一尤",
        "",
    ]


def test_a_faulty_poem_is_told_where_why_and_what_to_do(poem_file, capsys):
    assert check(poem_file(PALACE)) == 1
    out = capsys.readouterr().out
    assert "fault: line 4, position 5 宗: 出韵, out of rhyme: expected 一东, found 二冬" in out
    assert "mend: line 4, position 5 " in out
    assert "fails (不合律)" in out
    assert "\x1b[" not in out


def test_title_and_author_stand_above_the_poem(poem_file, capsys):
    assert check(poem_file(STREAM)) == 1
    out = capsys.readouterr().out
    assert out.startswith("《滁州西涧》 韦应物\n")
    assert "失粘, no adhesion between the couplets" in out
    assert "mend: build lines 3 and 4 as" in out


def test_several_poems_are_parted_by_empty_lines(poem_file, capsys):
    assert check(poem_file(TOWER + "\n" + PALACE + "\n" + STREAM), as_json=True) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["verdict"] for record in records] == ["strict", "fail", "fail"]
    assert [record["title"] for record in records] == ["", "", "滁州西涧"]


def test_the_json_record(poem_file, capsys):
    check(poem_file("山行\n" + "远上寒山石径斜，白云生处有人家。停车坐爱枫林晚，霜叶红于二月山。"), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert list(record) == [
        "title", "author", "form", "pattern", "lines", "verdict", "every_reading", "rhyme_group",
        "faults", "licences", "tones", "expected", "taken", "unknown", "remarks",
    ]  # fmt: skip
    assert record["form"] == "七言绝句"
    assert record["lines"][0] == "远上寒山石径斜"
    assert (record["verdict"], record["every_reading"], record["unknown"]) == ("fail", False, [])
    (fault,) = record["faults"]
    assert {name: fault[name] for name in ("line", "position", "rule", "chinese", "expected", "actual")} == {
        "line": 4, "position": 7, "rule": "rhyme", "chinese": "出韵", "expected": "六麻", "actual": "十五删",
    }  # fmt: skip
    assert fault["mends"][0]["position"] == 7
    assert fault["mends"][0]["characters"]
    assert all(len(text) == len(line) for text, line in zip(record["tones"], record["lines"]))
    assert all(
        set(taken) == {"line", "position", "character", "tone", "rhyme", "group", "part", "later", "reason"}
        for taken in record["taken"]
    )


def test_nothing_but_json_on_standard_output(poem_file, capsys):
    assert check(poem_file(TOWER + "\n床前😀明月光，疑是。\n"), as_json=True) == 2
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert "poem 2" in captured.err


@pytest.mark.parametrize(("form", "status"), [("auto", 0), ("五绝", 0), ("五言绝句", 0), ("五言古诗", 0)])
def test_a_form_may_be_named(poem_file, form, status):
    assert check(poem_file(TOWER), form) == status


@pytest.mark.parametrize(("title", "form"), [("浣溪沙", "auto"), ("浣溪沙·游蕲水", "auto"), ("", "浣溪沙"), ("", "auto")])
def test_a_tune_is_named_by_title_or_form_or_told_by_its_lines(poem_file, capsys, title, form):
    text = "山下兰芽短浸溪，松间沙路净无泥。萧萧暮雨子规啼。\n谁道人生无再少，门前流水尚能西。休将白发唱黄鸡。\n"
    check(poem_file(f"{title}\n{text}" if title else text), form, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["form"] == ("浣溪沙" if title or form != "auto" else "七言古诗")
    if record["form"] == "浣溪沙":
        assert record["verdict"] in ("strict", "minor")


@pytest.mark.parametrize(
    "text",
    [
        "白日依山尽,黄河入海流.欲穷千里目;更上一层楼!",
        "白日依山尽，黄河入海流；欲穷千里目，更上一层楼？",
        "「白日依山尽」，黄河入海流。欲穷《千里目》，更上一层楼。",
        "白日依山尽　黄河入海流　欲穷千里目　更上一层楼",
        "白日依山尽\n黄河入海流\n欲穷千里目\n更上一层楼",
        "　　白日依山尽，　黄河入海流。\r\n\t欲穷千里目，更上一层楼。",
        "白日依山尽（注）,黄河入海流[1]。欲穷千里目，更上一层楼。",
        "﻿白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    ],
)
def test_punctuation_of_every_kind_and_none(poem_file, capsys, text):
    assert check(poem_file(text), as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "strict"


def test_legacy_encodings_are_read(poem_file, capsys):
    assert check(poem_file(TOWER.encode("gb18030")), as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["lines"][0] == "白日依山尽"


@pytest.mark.parametrize(
    ("text", "form", "error", "said"),
    [
        ("", "auto", InputError, "empty"),
        ("  \n\n　", "auto", InputError, "empty"),
        ("，。！", "auto", GemmaPoetryError, ""),
        ("白日依山尽", "auto", TextError, "one line only"),
        ("白日依山尽，黄河入海流。欲穷千里，更上一层楼。", "五绝", TextError, "line 3 (欲穷千里) has 4 characters"),
        ("白日依山尽，黄河入海流。", "五绝", TextError, "2 lines"),
        ("Roses are red, violets are blue", "auto", TextError, "'R' in row 1, position 1"),
        ("白日依山尽，黄河入海流😀。欲穷千里目，更上一层楼。", "auto", TextError, "'😀'"),
        ("白日依□尽，黄河入海流。欲穷千里目，更上一层楼。", "auto", TextError, "'□' in row 1, position 4"),
        ("床前明月光" * 20_000, "auto", TextError, "prose"),
        (TOWER, "五言绝诗", UnknownFormError, "五言绝诗"),
    ],
)
def test_bad_input_is_a_clear_error(poem_file, text, form, error, said):
    with pytest.raises(error) as caught:
        check(poem_file(text), form)
    assert said in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_file_of_a_hundred_thousand_characters_is_read(poem_file, capsys):
    status = check(poem_file("".join(TOWER.split()) * 4200), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert len(record["lines"]) == 16_800
    # Every rhyme word returns 4,199 times.
    assert {fault["rule"] for fault in record["faults"]} == {"repeated-rhyme"}
    assert status == 1


def test_uneven_lines_are_not_judged_rather_than_failed(poem_file, capsys):
    assert check(poem_file("白日依山尽，黄河入海。欲穷千里目，更上楼。"), as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "not-judged"


def test_a_missing_file_and_a_folder_are_clear_errors(tmp_path, capsys):
    for path in (tmp_path / "nowhere.txt", tmp_path):
        assert main([str(path)]) == 2
        assert str(path) in capsys.readouterr().err


def test_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TOWER.encode())))
    assert main(["-"]) == 0
    assert "strict" in capsys.readouterr().out


def test_records_are_read_as_prepare_reads_them(poem_file, capsys):
    content = json.dumps({"title": "登鹳雀楼", "author": "王之涣", "paragraphs": TOWER.split()}, ensure_ascii=False)
    assert check(poem_file(content, "poems.jsonl"), as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "登鹳雀楼"
