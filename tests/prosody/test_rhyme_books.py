"""Rhyme books: what each says of characters, and how poems fare by them."""

from __future__ import annotations

import pickle

import pytest

from gemma_poetry.errors import ConstraintError, UsageError
from gemma_poetry.prosody.forms import FIXED_SHAPES, Tone
from gemma_poetry.prosody.mending import mends
from gemma_poetry.prosody.modern_readings import FINALS
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import BOOKS, CILIN, PINGSHUI, TONGYUN, XINYUN, YUAN, rhyme_book
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.scansion import scan, scan_auto, with_passing_books
from gemma_poetry.prosody.verdicts import every_reading_passes, regulated_verdict

OLD = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
NEW = "一夜东风到小楼，千山冰雪化清流。春江桥下何人唱，不问归帆不问秋。"
# By modern sounds 国 and 歌 rhyme with 波; by 平水韵 国 has an entering tone.
MODERN = "万里长江卷浪波，春风又绿旧家国。归来不用多言语，且向船头听放歌。"


# 语 and 雨 are two groups by 平水韵, one by every other book.
OBLIQUE = "青山落日时，小径闻人语。暮鸟过前村，风吹千点雨。"
SIX = "小桥流水人家，古道西风晚霞。断雁寒云落日，孤帆远浦飞花。"


def heard(book: RhymeBook, char: str) -> set[tuple[str, str]]:
    return {(reading.tone.value, book.rhyme(reading)) for reading in book.readings(char)}


@pytest.mark.parametrize(
    ("char", "xinyun", "tongyun", "why"),
    [
        ("国", {("平", "二波")}, {("平", "二喔")}, "an entering tone is level: guó"),
        ("白", {("平", "四开")}, {("平", "七哀")}, "bái"),
        ("月", {("仄", "三皆")}, {("仄", "三鹅")}, "yuè"),
        ("冬", {("平", "十一庚")}, {("平", "十五雍")}, "dōng"),
        ("风", {("平", "十一庚")}, {("平", "十四英")}, "fēng: with 冬 in 新韵, not in 通韵"),
        ("翁", {("平", "十一庚")}, {("平", "十四英")}, "wēng is ueng"),
        ("歌", {("平", "二波")}, {("平", "三鹅")}, "gē: with 波 in 新韵, not in 通韵"),
        ("知", {("平", "十三支")}, {("平", "四衣")}, "-i: with 衣 in 通韵, not in 新韵"),
        ("儿", {("平", "十二齐")}, {("平", "十六儿")}, "ér"),
        ("鱼", {("平", "十二齐")}, {("平", "六迂")}, "yú is ü"),
        ("吾", {("平", "十四姑")}, {("平", "五乌")}, "wú"),
        ("泉", {("平", "八寒")}, {("平", "十一安")}, "quán is üan"),
        ("群", {("平", "九文")}, {("平", "十二恩")}, "qún is ün"),
        ("雪", {("仄", "三皆")}, {("仄", "三鹅")}, "xuě is üe"),
        ("九", {("仄", "七尤")}, {("仄", "十欧")}, "jiǔ is iou"),
        ("归", {("平", "五微")}, {("平", "八欸")}, "guī is uei"),
        ("一", {("平", "十二齐")}, {("平", "四衣")}, "its own tone, whatever stands behind it"),
        ("不", {("仄", "十四姑")}, {("仄", "五乌")}, "its own tone"),
        ("了", {("仄", "六豪")}, {("仄", "九熬")}, "the neutral le counts as liǎo"),
        ("長", {("平", "十唐"), ("仄", "十唐")}, {("平", "十三昂"), ("仄", "十三昂")}, "traditional: cháng, zhǎng"),
        ("裳", {("平", "十唐")}, {("平", "十三昂")}, "the neutral tone of 衣裳 counts as cháng"),
    ],
)
def test_modern_readings(char, xinyun, tongyun, why):
    assert heard(XINYUN, char) == xinyun, why
    assert heard(TONGYUN, char) == tongyun, why


@pytest.mark.parametrize("book", [XINYUN, TONGYUN])
def test_every_final_of_mandarin_is_in_a_group(book):
    used = {
        reading.rhyme
        for char in "啊呀蛙波哟多歌街学来外飞归高小头秋山天船泉门心春群江光长风星翁东雄西之书鱼儿"
        for reading in book.readings(char)
    }
    assert used == FINALS
    assert len(book.rhymes) == {"xinyun": 14, "tongyun": 16}[book.name]


@pytest.mark.parametrize(
    ("line", "place", "pinyin", "why"),
    [
        ("重阳独酌杯中酒", 0, {"chóng"}, "重阳 is a word of one foot"),
        ("音乐声中看夕阳", 1, {"yuè"}, "音乐"),
        ("一年快乐少人知", 3, {"lè"}, "快乐"),
        ("此中音乐久无闻", 3, {"yuè"}, "a foot later"),
        ("今日音乐久无闻", 3, {"yuè"}, "the same"),
        ("夜长江水自东流", 1, {"cháng", "zhǎng"}, "长江 runs across two feet: no word"),
        ("重陽獨酌杯中酒", 0, {"chóng"}, "traditional characters"),
    ],
)
def test_a_word_settles_a_modern_reading(line, place, pinyin, why):
    (places,) = XINYUN.interpret([line])
    assert {reading.pinyin for reading in places[place].readings} == pinyin, why


@pytest.mark.parametrize(
    ("text", "verdicts", "why"),
    [
        (OLD, ("strict", "strict", "fail", "fail"), "一层楼 ends in three level tones by modern sounds"),
        (NEW, ("strict", "strict", "strict", "strict"), "no entering tone decides"),
        (MODERN, ("fail", "fail", "strict", "fail"), "波 国 歌: one group of 新韵, two of 通韵"),
    ],
)
def test_a_poem_by_every_book(text, verdicts, why):
    found = tuple(scan_auto(text, book=book.name).verdict.value for book in BOOKS)
    assert found == verdicts, why


def test_an_octave_is_one_by_the_book_that_it_rhymes_in():
    text = MODERN + "两岸青山难画尽，一川明月更如何。沙鸥不管人间事，飞入芦花自在多。"
    assert scan_auto(text).form == "七言古诗"
    assert scan_auto(text, book="新韵").form == "七言律诗"


def test_the_books_by_which_a_failing_poem_passes():
    assert [book.name for book in with_passing_books(scan_auto(MODERN)).passing_books] == ["xinyun"]
    assert [book.name for book in with_passing_books(scan_auto(OLD, book="xinyun")).passing_books] == ["pingshui", "cilin"]
    assert with_passing_books(scan_auto(OLD)).passing_books == ()


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("text", [OLD, NEW, MODERN])
def test_the_fast_verdict_is_that_of_the_scansion(book, text):
    lines = [line for line in text.replace("。", "，").split("，") if line]
    form = next(name for name, shape in FIXED_SHAPES.items() if shape == (len(lines), len(lines[0])))
    scansion = scan(lines, form, book=book.name)
    assert regulated_verdict(lines, book) is scansion.verdict
    assert (scansion.verdict.passes and every_reading_passes(lines, book)) is scansion.every_reading


def test_a_tune_by_modern_sounds_and_by_the_groups_of_verse():
    text = "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。"
    assert scan(text, "如梦令").rhyme_group == "第四部仄"
    assert scan(text, "如梦令", book="xinyun").rhyme_group == "十四姑仄"
    by_groups = scan(text, "如梦令", book="pingshui")
    assert [fault.rule for fault in by_groups.faults] == [Rule.RHYME], "处 is 六御, the others 七遇"
    assert by_groups.faults[0].expected == "七虞"


def test_a_tune_of_the_entering_tone_rhymes_oblique_by_modern_sounds():
    # 满江红 asks for 入声; 新韵 has none, and takes any oblique words of one group.
    assert not XINYUN.stopped_parts
    assert CILIN.stopped_parts == {15, 16, 17, 18, 19}


@pytest.mark.parametrize(
    ("name", "book"),
    [
        ("pingshui", PINGSHUI), ("平水韵", PINGSHUI), ("詞林正韻", CILIN), ("中华新韵", XINYUN), ("中華新韻", XINYUN),
        ("新韵", XINYUN), ("中华通韵", TONGYUN), ("通韵", TONGYUN), (" XinYun", XINYUN), ("", PINGSHUI),
    ],
)  # fmt: skip
def test_books_by_name(name, book):
    assert rhyme_book(name) is book


@pytest.mark.parametrize(("name", "near"), [("xinyum", "xinyun"), ("pinsui", "pingshui"), ("中华韵", "中华新韵")])
def test_a_book_that_does_not_exist(name, near):
    with pytest.raises(UsageError) as refused:
        rhyme_book(name)
    assert near in refused.value.action
    assert "tongyun" in refused.value.expected


@pytest.mark.parametrize(
    ("book", "verdict", "group"),
    [
        (PINGSHUI, Verdict.FAIL, "六语"), (CILIN, Verdict.STRICT, "第四部"),
        (XINYUN, Verdict.STRICT, "十二齐"), (TONGYUN, Verdict.STRICT, "六迂"),
    ],
)  # fmt: skip
def test_a_quatrain_on_an_oblique_rhyme_goes_by_the_book(book, verdict, group):
    scansion = scan(OBLIQUE, "五绝", book=book.name)
    assert (scansion.pattern, scansion.verdict, scansion.rhyme_group) == ("仄韵平起首句不入韵", verdict, group)
    assert [(fault.rule, fault.line) for fault in scansion.faults] == [(Rule.RHYME, 4)] * (verdict is Verdict.FAIL)
    strange = scan(OBLIQUE.replace("雨", "月"), "五绝", book=book.name)
    (mend,) = mends(strange)
    (there,) = mend.alternatives
    for char in there.characters:
        lines = [*strange.lines]
        lines[there.line - 1] = lines[there.line - 1][:-1] + char
        assert scan(lines, "五绝", book=book.name).verdict.passes, char


def test_groups_of_level_and_oblique_words_rhyme_in_one_tone_only():
    """诗 is level, 世 oblique, and both are in one group of the modern books."""
    for book in (XINYUN, TONGYUN):
        assert book.rhyme(book.readings("诗")[0]) == book.rhyme(book.readings("世")[0])
        assert scan("青山落日时，小径闻人世。暮鸟过前村，风吹千点诗。", "五绝", book=book.name).verdict is Verdict.FAIL
        assert not every_reading_passes("青山落日时，小径闻人世。暮鸟过前村，风吹千点诗。", book, Tone.OBLIQUE)


@pytest.mark.parametrize("book", BOOKS)
def test_verse_of_six_goes_by_the_book(book):
    scansion = scan_auto(SIX, book=book.name)
    assert (scansion.form, scansion.verdict) == ("六言绝句", Verdict.STRICT)
    assert scansion.book is book and scansion.rhyme_group in book.level_rhymes


@pytest.mark.parametrize("book", [*BOOKS, rhyme_book("pingshui", sung=True), YUAN])
def test_every_reading_is_in_a_group_of_its_tone(book):
    for char in "春江花月夜语雨国白霁泰卦重":
        for reading in book.readings(char):
            assert book.rhyme(reading) in book.rhymes_in(reading.tone), char
    assert set(book.rhymes) == {*book.level_rhymes, *book.oblique_rhymes}


def test_words_tell_readings_by_the_book():
    assert PINGSHUI.tones_by_words("更闻□□□")[1] is Tone.LEVEL
    assert XINYUN.tones_by_words("更闻□□□") == {}, "likely readings are those of the old books"
    assert XINYUN.tones_by_words("重阳□□□") == TONGYUN.tones_by_words("重陽□□□") == {0: Tone.LEVEL}
    assert not any(
        place.likely for book in (XINYUN, TONGYUN) for (line,) in [book.interpret(["更闻山月乘舟"])] for place in line
    )


@pytest.mark.parametrize(
    ("book", "wish", "group"),
    [
        (PINGSHUI, "东", "一东"), (PINGSHUI, "董", "一董"), (CILIN, "14", "第十四部"), (CILIN, "一", "第一部"),
        (XINYUN, "庚", "十一庚"), (XINYUN, "11", "十一庚"), (TONGYUN, "十五", "十五雍"), (TONGYUN, "十六儿", "十六儿"),
    ],
)  # fmt: skip
def test_groups_by_name(book, wish, group):
    assert book.find(wish) == group


@pytest.mark.parametrize(("book", "wish"), [(PINGSHUI, "1"), (XINYUN, "一东"), (TONGYUN, "17"), (CILIN, "第二十部")])
def test_a_group_that_a_book_has_not(book, wish):
    with pytest.raises(ConstraintError, match=f"{book.title} has no group"):
        book.find(wish)


def test_first_lines_have_neighbours_in_the_old_verse_alone():
    assert PINGSHUI.neighbours("一东") == {"二冬"}
    assert all(not book.neighbours(rhyme) for book in (CILIN, XINYUN, TONGYUN) for rhyme in book.level_rhymes)


def test_books_survive_pickling():
    for book in (*BOOKS, rhyme_book("pingshui", sung=True), YUAN):
        assert pickle.loads(pickle.dumps(book)) is book


def test_what_no_source_knows_has_no_reading():
    for book in BOOKS:
        assert book.readings("□") == ()


def test_a_neutral_tone_without_another_may_be_either():
    assert {reading.tone for reading in XINYUN.readings("鞡")} == {Tone.LEVEL, Tone.OBLIQUE}


def test_an_unknown_book_is_refused_before_the_poem_is_read():
    with pytest.raises(UsageError, match="no rhyme book"):
        scan_auto(OLD, book="qieyun")
    assert scan_auto(OLD, book="").verdict is Verdict.STRICT
