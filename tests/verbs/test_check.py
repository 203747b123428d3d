"""`check`: what it prints, its JSON, its exit status, and every kind of bad input."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.corpus.single_poems import read_strictly
from gemma_poetry.domains.classical_chinese import ClassicalChinese
from gemma_poetry.errors import GemmaPoetryError, InputError, TextError, UnknownFormError, UsageError
from gemma_poetry.verbs.check import check

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


def test_a_poem_that_a_book_is_not_for_is_named_and_the_others_are_judged(tmp_path, capsys):
    song = {
        "title": "秋思",
        "tune": "天净沙",
        "paragraphs": ["枯藤老树昏鸦，小桥流水人家，古道西风瘦马。", "夕阳西下，断肠人在天涯。"],
    }
    verse = {"title": "登鹳雀楼", "paragraphs": ["白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。"]}
    path = tmp_path / "poems.jsonl"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in (song, verse, song)), encoding="utf-8")
    assert check(str(path), as_json=True, book="yuan") == 2
    captured = capsys.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines()]
    assert [(record["form"], record["book"], record["verdict"]) for record in records] == [("天净沙", "yuan", "strict")] * 2
    assert "poem 2: 中原音韵 (yuan) is the rhyme book of 曲" in captured.err


def test_the_json_record(poem_file, capsys):
    check(poem_file("山行\n" + "远上寒山石径斜，白云生处有人家。停车坐爱枫林晚，霜叶红于二月山。"), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert list(record) == [
        "title", "author", "form", "pattern", "lines", "verdict", "every_reading", "book", "passes_by", "rhyme_group",
        "faults", "licences", "tones", "expected", "taken", "unknown", "remarks", "evidence",
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
    assert check(poem_file(TOWER + "\n床前明月光，疑是。\n"), "五绝", as_json=True) == 2
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert "poem 2" in captured.err


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("床前😀月光，疑是地上霜。\n举头望明月，低头思故乡。", "symbols or emoji ('😀' in row 1, position 3)"),
        ("白日依□尽，黄河入海流。\n欲穷千里目，更上一层楼。", "lost characters (□ ？ …) ('□' in row 1, position 4)"),
        ("白日依山尽，黄河入海流。\n欲穷千里目，更上Ｘ层楼。", "Latin letters or digits ('Ｘ' in row 2, position 9)"),
    ],
)
def test_a_poem_that_cannot_be_read_is_not_judged_and_the_others_are(poem_file, capsys, bad, said):
    assert check(poem_file(f"{TOWER}\n{bad}\n\n{TOWER}"), as_json=True) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["verdict"] for record in records] == ["strict", "not-judged", "strict"]
    line = 4 + said.count("row 2")
    assert records[1]["remarks"] == [f"poem 2, line {line} of poems.txt: it cannot be read: {said}"]
    assert set(records[0]) == set(records[1])
    assert check(poem_file(f"{TOWER}\n{bad}\n\n{PALACE}")) == 1
    out = capsys.readouterr().out
    assert "not judged (不判)" in out and said in out
    assert check(poem_file(f"{bad}\n\n{bad}")) == 2


WASHED = "山下兰芽短浸溪，松间沙路净无泥。萧萧暮雨子规啼。谁道人生无再少，门前流水尚能西。休将白发唱黄鸡。"


@pytest.mark.parametrize(
    ("title", "text", "form", "verdict"),
    [
        ("出塞", "秦时明月汉时关，万里长征人未还。但使龙城飞将在，不教胡马度阴山。", "七言绝句", "strict"),
        ("江南曲", "嫁得瞿塘贾，朝朝误妾期。早知潮有信，嫁与弄潮儿。", "五言绝句", "strict"),
        ("浪淘沙", "九曲黄河万里沙，浪淘风簸自天涯。如今直上银河去，同到牵牛织女家。", "七言绝句", "strict"),
        ("浪淘沙·其一", "九曲黄河万里沙，浪淘风簸自天涯。如今直上银河去，同到牵牛织女家。", "七言绝句", "strict"),
        (
            "乌夜啼",
            "黄云城边乌欲栖，归飞哑哑枝上啼。机中织锦秦川女，碧纱如烟隔窗语。停梭怅然忆远人，独宿孤房泪如雨。",
            "七言古诗",
            "minor",
        ),
        ("长相思", "长相思，在长安。络纬秋啼金井阑，微霜凄凄簟色寒。", "杂言诗", "not-judged"),
        ("将进酒", "岑夫子，丹丘生，将进酒，杯莫停。与君歌一曲，请君为我倾耳听。", "杂言诗", "not-judged"),
        ("渔歌子", "西塞山前白鹭飞，桃花流水鳜鱼肥。青箬笠，绿蓑衣，斜风细雨不须归。", "渔歌子", "minor"),
        ("浣溪沙", WASHED, "浣溪沙", "strict"),
        ("浣溪沙·游蕲水清泉寺", WASHED, "浣溪沙", "strict"),
    ],
    ids=lambda value: value if len(value) < 12 else "",
)
def test_the_shape_decides_and_not_the_title(title, text, form, verdict):
    scansion = ClassicalChinese().check_poem(read_strictly(SourcePoem((text,), "x", title=title))).scansion
    assert (scansion.form, scansion.verdict.value) == (form, verdict)


def test_a_quotation_inside_a_line_does_not_end_it(poem_file, capsys):
    check(poem_file("少小离家老大回，乡音无改鬓毛衰。儿童相见不相识，笑问：“客从何处来？”"), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["form"], record["lines"][3]) == ("七言绝句", "笑问客从何处来")


def test_ancient_verse_is_never_said_to_keep_tones(poem_file, capsys):
    check(poem_file("千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。"))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "五言绝句 · 古绝 · 韵 九屑: passes, by its rhyme alone (合韵); with every reading"
    assert "  remark: it does not keep the metre of 仄韵绝句: line 3 失粘" in rest


def test_rhyme_words_are_never_printed_under_a_letter(poem_file, capsys):
    # 教 and 看 have a level and an oblique reading each, and rhyme with nothing here: none is taken.
    check(poem_file("山月山月教，山月山月看。山月山月𰻝，山月山月云。山月山月楼，山月山月归。"), "五古")
    out = capsys.readouterr().out
    assert "韵 a" not in out and "韵 b" not in out
    assert "韵 十四寒/十五翰" in out


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


MODERN = "万里长江卷浪波，春风又绿旧家国。归来不用多言语，且向船头听放歌。"


def test_a_poem_by_another_book(poem_file, capsys):
    assert check(poem_file(MODERN), book="中华新韵") == 0
    out = capsys.readouterr().out
    assert out.startswith("七言绝句 · 仄起首句入韵 · 韵 二波 · 中华新韵: passes, strict (合律)")
    assert "韵 二波" in out


def test_a_poem_that_fails_by_one_book_and_passes_by_another(poem_file, capsys):
    assert check(poem_file(MODERN)) == 1
    assert "  by another book: 按中华新韵合律, it passes by xinyun (--book xinyun)\n" in capsys.readouterr().out
    assert check(poem_file(MODERN), as_json=True) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["book"], record["passes_by"]) == ("pingshui", ["xinyun"])
    check(poem_file(MODERN), as_json=True, book="xinyun")
    record = json.loads(capsys.readouterr().out)
    assert (record["book"], record["passes_by"], record["rhyme_group"]) == ("xinyun", [], "二波")


def test_the_readings_of_a_modern_book_are_told_in_pinyin(poem_file, capsys):
    check(poem_file("重阳山下雨初休，万里长河向海流。不见去年人独立，西风吹老一江秋。"), as_json=True, book="xinyun")
    taken = json.loads(capsys.readouterr().out)["taken"]
    assert [(taken[0][name]) for name in ("character", "pinyin", "reason")] == ["重", "chóng", "word 重阳: chóng"]


@pytest.mark.parametrize(
    ("domain", "book", "found"),
    [
        ("classical-chinese", "xinyum", "no rhyme book is called 'xinyum'"),
        ("english-verse", "xinyun", "english-verse has no rhyme books (found 'xinyun')"),
        ("prose", "通韵", "prose has no rhyme books (found '通韵')"),
    ],
)
def test_a_book_that_is_not_there(poem_file, domain, book, found):
    with pytest.raises(UsageError) as refused:
        check(poem_file(TOWER), domain=domain, book=book)
    assert refused.value.found == found


def test_a_missing_file_and_a_folder_are_clear_errors(tmp_path):
    for path in (tmp_path / "nowhere.txt", tmp_path):
        with pytest.raises(InputError, match=re.escape(str(path))):
            check(str(path))


def test_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TOWER.encode())))
    assert check("-") == 0
    assert "strict" in capsys.readouterr().out


def test_records_are_read_as_prepare_reads_them(poem_file, capsys):
    content = json.dumps({"title": "登鹳雀楼", "author": "王之涣", "paragraphs": TOWER.split()}, ensure_ascii=False)
    assert check(poem_file(content, "poems.jsonl"), as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "登鹳雀楼"


def test_marks_that_a_record_keeps_apart_are_read():
    """Without them a 词 would get those of a 诗."""
    lines = ("一片春愁待酒浇", "江上舟摇", "楼上帘招", "秋娘渡与泰娘桥", "风又飘飘", "雨又潇潇")
    assert read_strictly(SourcePoem(lines, "x", marks="。，。。，。")).marks == "。，。。，。"
