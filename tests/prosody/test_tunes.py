"""The shipped templates: against what handbooks (词谱) say, and found by any name."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from importlib import resources

import pytest

from gemma_poetry.errors import DataError, UnknownFormError
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.known_names import KNOWN_NAMES, SONG_NAMES
from gemma_poetry.prosody.tune_variants import Tier
from gemma_poetry.prosody.tunes import find_tune, shipped_tunes, table_from_record, table_to_record, tune_forms

# Line lengths, and for each line its rhyme: capitals 平, small letters 仄, · none. 词谱 divides some lines by a pause (、)
# that is not counted as a line here.
HANDBOOK = [
    ("菩萨蛮", "7 7 5 5 5 5 5 5", "aaBBccDD"),
    ("虞美人", "7 5 7 9 7 5 7 9", "aaBBccDD"),
    ("减字木兰花", "4 7 4 7 4 7 4 7", "aaBBccDD"),
    ("更漏子", "3 3 6 3 3 5 3 3 6 3 3 5", "·aa·BB·cc·DD"),
    ("清平乐", "4 5 7 6 6 6 6 6", "aaaaBB·B"),
    ("昭君怨", "6 6 5 3 6 6 5 3", "aaBBccDD"),
    ("西江月", "6 6 7 6 6 6 7 6", "·AAa·AAa"),
    ("浣溪沙", "7 7 7 7 7 7", "AAA·AA"),
    ("蝶恋花", "7 4 5 7 7 7 4 5 7 7", "a·aaaa·aaa"),
    ("如梦令", "6 6 5 6 2 2 6", "aa·aaaa"),
    ("念奴娇", "4 5 4 7 6 4 4 5 4 6 6 4 5 7 6 4 4 5 4 6", "··a·a··a·a··a·a··a·a"),
    ("鹧鸪天", "7 7 7 7 3 3 7 7 7", "AA·A·AA·A"),
    ("临江仙", "7 6 7 5 5 7 6 7 5 5", "·AA·A·AA·A"),
    ("点绛唇", "4 7 4 5 4 5 3 4 5", "·aaa·aaaa"),
    ("卜算子", "5 5 7 5 5 5 7 5", "·a·a·a·a"),
    ("采桑子", "7 4 4 7 7 4 4 7", "·AAA·AAA"),
    ("忆江南", "3 5 7 7 5 3 5 7 7 5", "·A·AA·A·AA"),
    ("忆秦娥", "3 7 3 4 4 7 7 3 4 4", "aaa·aaaa·a"),
    ("浪淘沙", "5 4 7 7 4 5 4 7 7 4", "AAA·AAAA·A"),
    ("踏莎行", "4 4 7 7 7 4 4 7 7 7", "·aa·a·aa·a"),
    ("鹊桥仙", "4 4 6 7 7 4 4 6 7 7", "··a·a··a·a"),
    ("渔家傲", "7 7 7 3 7 7 7 7 3 7", "aaaaaaaaaa"),
    ("江城子", "7 3 3 4 5 7 3 3 7 3 3 4 5 7 3 3", "AAA·A··AAAA·A··A"),
    ("定风波", "7 7 7 2 7 7 2 7 7 2 7", "AAbbAccAddA"),
    ("长相思", "3 3 7 5 3 3 7 5", "AAAAAAAA"),
    ("齐天乐", "7 6 4 4 6 4 5 4 4 7 6 5 4 4 4 6 4 5 4 4 5", "·a··aa·a·a·" + "·a··aa·a·a"),
]  # fmt: skip


def scheme(name: str) -> str:
    form = tune_forms(name)[0]
    letters = []
    for line in form.lines:
        slot = line[-1]
        rhyme = slot.rhyme or "·"
        letters.append(rhyme.upper() if slot.tone is Tone.LEVEL else rhyme)
    return "".join(letters)


@pytest.mark.parametrize(("name", "lengths", "rhymes"), HANDBOOK)
def test_commonest_variant_is_that_of_the_handbooks(name: str, lengths: str, rhymes: str) -> None:
    assert " ".join(map(str, tune_forms(name)[0].line_lengths)) == lengths
    assert scheme(name) == rhymes


@pytest.mark.parametrize(
    ("name", "line", "tones"),
    [
        ("菩萨蛮", 1, "中平中仄平平仄"),
        ("菩萨蛮", 3, "中仄仄平平"),
        ("虞美人", 2, "中仄平平仄"),
        ("西江月", 2, "中平中仄平平"),
        ("蝶恋花", 3, "中仄平平仄"),
        ("水调歌头", 2, "中仄仄平平"),
        ("水调歌头", 12, "仄平平"),
        ("卜算子", 1, "中仄仄平平"),
        ("忆江南", 1, "平中仄"),
        ("摸鱼儿", 5, "平中仄"),
        ("千秋岁", 4, "平平仄"),
        ("更漏子", 1, "仄平平"),
    ],
)
def test_tones_of_well_known_lines(name: str, line: int, tones: str) -> None:
    slots = tune_forms(name)[0].lines[line - 1]
    assert "".join(slot.tone.value if slot.tone else "中" for slot in slots) == tones


def test_variants_by_rhyme_tone() -> None:
    for name in ("柳梢青", "忆秦娥", "声声慢"):
        assert {form.lines[-1][-1].tone for form in tune_forms(name)} == set(Tone), name


def test_echoes() -> None:
    assert tune_forms("如梦令")[0].echoes == ((6, 5),)
    assert tune_forms("忆秦娥")[0].echoes == ((3, 2), (8, 7))
    # 错错错, 莫莫莫
    assert tune_forms("撷芳词")[0].repeats == ((8, 2, 1), (8, 3, 2), (16, 2, 1), (16, 3, 2))


@pytest.mark.parametrize(("known", "name"), [*KNOWN_NAMES.items(), *SONG_NAMES.items()])
def test_names_that_the_collection_lacks_are_found(known: str, name: str) -> None:
    found = [tune for tune in shipped_tunes().called(known) if name == tune.name.removeprefix(tune.mode)]
    assert found and known in found[0].aliases
    assert len(KNOWN_NAMES) + len(SONG_NAMES) <= 30


def test_a_song_and_a_tune_of_one_name_are_told_apart() -> None:
    table = shipped_tunes()
    assert not table.require("满庭芳").mode and table.require("中吕满庭芳").mode == "中吕"
    assert table.require("【中吕】满庭芳") is table.require("中吕・满庭芳") is table.require("中吕满庭芳")
    assert "中吕满庭芳" in [tune.name for tune in table.called("满庭芳")]
    assert table.require("越调天净沙") is table.require("天净沙")
    for tune in table.tunes.values():
        assert not tune.mode or table.require(tune.name) is tune


def test_table_holds_the_tunes_it_should() -> None:
    table = shipped_tunes()
    assert len(table.judged) >= 600
    assert Counter(tune.tier for tune in table.judged.values())[Tier.SOLID] >= 150
    for tune in table.judged.values():
        counts = [variant.poems for variant in tune.variants]
        assert sum(counts) <= tune.poems
        assert len({variant.form.pattern for variant in tune.variants}) == len(counts)
    assert not table.tunes["啄木儿"].judged
    assert len(resources.files("gemma_poetry").joinpath("assets/prosody/tunes.json").read_bytes()) < 2 << 20


def test_every_shipped_form_can_be_generated() -> None:
    for tune in shipped_tunes().judged.values():
        for form in (variant.form for variant in tune.variants):
            assert len(form.marks) == len(form.lines) and set(form.marks) <= set("，。")
            rhymed = [line[-1] for line in form.lines if line[-1].rhyme]
            assert len(rhymed) >= 2 and (tune.mode or all(slot.tone for slot in rhymed))
            assert all(slot.rhyme is None for line in form.lines for slot in line[:-1])
            names = list(dict.fromkeys(slot.rhyme for slot in rhymed))
            assert names == [chr(ord("a") + index) for index in range(len(names))]
            for number, earlier in form.echoes:
                line, source = form.lines[number - 1], form.lines[earlier - 1]
                assert earlier < number and len(line) <= len(source)
                for mine, theirs in zip(line, source[-len(line) :]):
                    assert mine.tone is None or theirs.tone is None or mine.tone is theirs.tone


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("念奴娇", "念奴娇"),
        ("酹江月", "念奴娇"),
        ("大江东去", "念奴娇"),
        ("百字令", "念奴娇"),
        ("菩薩蠻", "菩萨蛮"),
        ("賀新郎", "贺新郎"),
        ("金縷曲", "贺新郎"),
        ("一剪梅", "一翦梅"),
        ("丑奴儿", "采桑子"),
        ("望江南", "忆江南"),
        ("木兰花", "玉楼春"),
        ("扬州慢", "扬州慢"),
    ],
)
def test_any_name_finds_the_tune(asked: str, name: str) -> None:
    tune = find_tune(asked)
    assert tune is not None and tune.name == name


def test_unknown_names() -> None:
    assert find_tune("无此词牌") is None
    with pytest.raises(UnknownFormError, match="菩萨蛮"):
        tune_forms("菩萨满")
    with pytest.raises(UnknownFormError, match="啄木儿 has no template"):
        tune_forms("啄木儿")


def test_record_gives_the_table_back() -> None:
    table = shipped_tunes()
    again = table_from_record(json.loads(json.dumps(table_to_record(table), ensure_ascii=False)))
    assert dict(again.tunes) == dict(table.tunes)
    assert again.provenance == table.provenance


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("tunes"),
        lambda record: record["tunes"]["菩萨蛮"].pop("poems"),
        lambda record: record["tunes"]["菩萨蛮"].update(like="无此词牌"),
        lambda record: record["tunes"]["菩萨蛮"]["variants"][0].__setitem__(2, "平仄"),
        lambda record: record["tunes"]["菩萨蛮"]["variants"][0].__setitem__(3, "1 2 3"),
        lambda record: record["tunes"]["菩萨蛮"]["variants"][0].__setitem__(3, "x"),
        lambda record: record["tunes"]["菩萨蛮"]["variants"][0].pop(),
        lambda record: record.update(tunes=[1]),
    ],
)
def test_damaged_record_is_refused(damage: object) -> None:
    record = table_to_record(shipped_tunes())
    assert callable(damage)
    damage(record)
    with pytest.raises(DataError):
        list(table_from_record(record).tunes["菩萨蛮"].variants)


def test_a_tune_is_read_when_it_is_asked_for() -> None:
    record = table_to_record(shipped_tunes())
    record["tunes"]["菩萨蛮"]["variants"][0][2] = "no pattern"
    table = table_from_record(record)
    assert table.require("卜算子").variants[0].form.line_lengths == (5, 5, 7, 5) * 2
    with pytest.raises(DataError, match="no pattern"):
        list(table.require("菩萨蛮").variants)


def test_tunes_of_one_pattern_name_each_other() -> None:
    table = shipped_tunes()
    for one, other in (("渔歌子", "渔父"), ("浪淘沙令", "浪淘沙"), ("思佳客", "鹧鸪天"), ("摊破浣溪沙", "山花子")):
        assert other in table.tunes[one].like and one in table.tunes[other].like
    assert "临江仙" not in table.tunes["浣溪沙"].like
    assert table.called("渔歌子")[0].name == "渔歌子"
    assert "渔父" in [tune.name for tune in table.called("漁歌子")]


def test_fit_needs_the_length_and_a_line_end_at_each_rhyme() -> None:
    variant = shipped_tunes().tunes["忆江南"].variants[0]
    half = (3, 5, 7, 7, 5)
    assert variant.fits(half * 2)
    assert variant.fits((8, 7, 7, 5, 3, 5, 7, 7, 5)), "a pause before the first rhyme may be missing"
    assert not variant.fits((3, 12, 7, 5, *half)), "a rhyme inside a line"
    assert not variant.fits(half), "half the characters"
    assert list(itertools.accumulate((3, 5))) == [3, 8]
