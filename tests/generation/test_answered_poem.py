"""Answers to a whole poem (和诗): its form and its rhyme words, read as they are read there."""

from __future__ import annotations

import re

import pytest

from gemma_poetry.corpus.script import convert
from gemma_poetry.errors import ConstraintError, UnknownFormError
from gemma_poetry.generation.alphabet import Alphabet
from gemma_poetry.generation.answered_poem import read_answered
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.slot_automaton import SlotAutomaton
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme_books import PINGSHUI
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion import scan
from tests.generation.conftest import NOTHING_KNOWN

ASCENT = (
    "风急天高猿啸哀，渚清沙白鸟飞回。无边落木萧萧下，不尽长江滚滚来。"
    "万里悲秋常作客，百年多病独登台。艰难苦恨繁霜鬓，潦倒新停浊酒杯。"
)
PLUM = (
    "众芳摇落独暄妍，占尽风情向小园。疏影横斜水清浅，暗香浮动月黄昏。"
    "霜禽欲下先偷眼，粉蝶如知合断魂。幸有微吟可相狎，不须檀板共金樽。"
)
RETURN = "少小离家老大回，乡音无改鬓毛衰。儿童相见不相识，笑问客从何处来。"
SNOW = "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。"
DRINKING = "结庐在人境，而无车马喧。问君何能尔，心远地自偏。采菊东篱下，悠然见南山。山气日夕佳，飞鸟相与还。"
MOON = (
    "明月几时有，把酒问青天。不知天上宫阙，今夕是何年。我欲乘风归去，又恐琼楼玉宇，高处不胜寒。起舞弄清影，何似在人间。"
    "转朱阁，低绮户，照无眠。不应有恨，何事长向别时圆。人有悲欢离合，月有阴晴圆缺，此事古难全。但愿人长久，千里共婵娟。"
)
MOUNTAIN = "平林漠漠烟如织，寒山一带伤心碧。暝色入高楼，有人楼上愁。玉阶空伫立，宿鸟归飞急。何处是归程，长亭更短亭。"
SIX = "杨柳鸣蜩绿暗，荷花落日红酣。三十六陂春水，白头想见江南。"


def words(form) -> str:
    """The characters that a form gives, □ where it gives none at a line's end."""
    return "".join(slots[-1].char or "□" for slots in form.lines)


@pytest.mark.parametrize(
    ("poem", "form", "patterns", "given", "why"),
    [
        (ASCENT, "七言律诗", {"平起首句入韵", "仄起首句入韵"}, "哀回□来□台□杯", "回 and 台 have two readings each"),
        (PLUM, "七言律诗", {"平起首句入韵", "仄起首句入韵"}, "妍园□昏□魂□樽", "妍 is 先 in front of 元: 邻韵"),
        (SNOW, "五言绝句", {"仄韵平起首句入韵", "仄韵仄起首句入韵"}, "绝灭□雪", "an oblique rhyme, though it is 古绝"),
        (SIX, "六言诗", {"平起首句不入韵", "仄起首句不入韵", "不粘仄起首句不入韵"}, "□酣□南", "named as models know it"),
        (DRINKING, "五言古诗", {""}, "□喧□偏□山□还", "ancient verse joins 元 先 删"),
        (MOUNTAIN, "菩萨蛮", {"44字换韵"}, "织碧楼愁立急程亭", "four rhymes of a tune"),
        (MOON, "水调歌头", {"95字平韵"}, None, "its sentences divided otherwise than in the template"),
    ],
)  # fmt: skip
def test_rhyme_words_stand_where_the_poem_has_them(poem, form, patterns, given, why):
    prescription = prescribe(PoemRequest(answer_poem=poem))
    assert prescription.form == form, why
    assert {one.pattern for one in prescription.forms} == patterns
    if given:
        assert {words(one) for one in prescription.forms} == {given}
    else:
        asked = "".join(slot.char or "" for slots in prescription.forms[0].lines for slot in slots)
        assert asked == "天年寒间眠圆全娟"


def test_other_orders_keep_the_words_of_each_rhyme_among_themselves():
    forms = prescribe(PoemRequest(answer_poem=ASCENT, answer_by="用韵")).forms
    orders = {words(form) for form in forms}
    assert len(orders) > 10 and words(prescribe(PoemRequest(answer_poem=ASCENT)).forms[0]) not in orders
    assert all(sorted(order) == sorted("哀回□来□台□杯") and order[2::2] == "□□□" for order in orders)
    for form in prescribe(PoemRequest(answer_poem=MOUNTAIN, answer_by="用韵")).forms:
        given = words(form)
        assert [set(given[index : index + 2]) for index in range(0, 8, 2)] == [
            set("织碧"),
            set("楼愁"),
            set("立急"),
            set("程亭"),
        ]


def test_other_words_of_the_rhyme_are_asked_in_its_group():
    prescription = prescribe(PoemRequest(answer_poem=ASCENT, answer_by="依韵"))
    assert {words(form) for form in prescription.forms} == {"□" * 8}
    assert prescription.rhymes == {"a": frozenset({"十灰"})}


@pytest.mark.parametrize(
    ("poem", "group"), [(ASCENT, "十灰"), (RETURN, "十灰"), (PLUM, "十三元")], ids=["登高", "回乡偶书", "山园小梅"]
)
def test_words_are_read_as_the_answered_poem_reads_them(poem, group):
    assert read_answered(poem).rhymes == {"a": frozenset({group})}


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({"answer_poem": ASCENT, "rhyme_words": "东风"}, "a poem to answer is given, and also rhyme_words"),
        ({"answer_poem": ASCENT, "lines": 8}, "a poem to answer is given, and also lines"),
        ({"answer_poem": ASCENT, "answer": "空山新雨后"}, "an upper line is given, and also answer_poem"),
        ({"answer_poem": ASCENT, "answer_by": "叠韵"}, "an answer by '叠韵' is asked for"),
        ({"answer_poem": "空山x，新雨后。"}, "the poem that is answered cannot be read: 'x' stands in line 1"),
        ({"answer_poem": ASCENT, "form": "五律"}, "the poem that is answered cannot be read: line 1"),
        ({"answer_poem": "空山，新雨后。天气晚来秋，明月。"}, "the poem that is answered has no rhyme that is known"),
        ({"answer_poem": ASCENT, "acrostic_end": "花"}, "asks for 花, the answered poem for 哀"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(wishes, found):
    with pytest.raises(ConstraintError) as refused:
        prescribe(PoemRequest(**wishes))
    assert found in refused.value.found


def test_an_unknown_form_is_not_answered_in():
    with pytest.raises(UnknownFormError):
        prescribe(PoemRequest("十言绝句", answer_poem=ASCENT))


# What the vocabulary of the tests can write: 回 has two readings, and 推 is in two groups.
LEVEL_QUATRAIN = "山月山山月月回，月山山月月山推。月山月月山山月，山月山山月月杯。"
OBLIQUE_QUATRAIN = "月月山山灭，山山山月节。山山月月山，月月山山结。"


@pytest.mark.parametrize(
    ("poem", "manner", "script"),
    [
        (LEVEL_QUATRAIN, "步韵", "simplified"),
        (LEVEL_QUATRAIN, "用韵", "traditional"),
        (LEVEL_QUATRAIN, "依韵", "simplified"),
        (OBLIQUE_QUATRAIN, "步韵", "simplified"),
        (OBLIQUE_QUATRAIN, "依韵", "traditional"),
    ],
)
def test_an_answer_keeps_form_and_rhyme(tiny, tokenizer, poem, manner, script):
    generator = PoemGenerator(tiny, tokenizer, guards=NOTHING_KNOWN)
    request = PoemRequest(answer_poem=poem, answer_by=manner, script=script, distinct=False)
    (written,) = generator.write([request], seed=3, best_of=1)
    scansion = scan(written.poem.lines, written.poem.form)
    assert scansion.verdict is Verdict.STRICT, scansion.faults
    own = [line[-1] for line in re.split("[，。]", poem) if line]
    ends = convert([line[-1] for line in written.poem.lines], "simplified")
    if manner == "步韵":
        assert ends[:2] + ends[3:] == own[:2] + own[3:]
    elif manner == "用韵":
        assert ends[:2] + ends[3:] != own[:2] + own[3:] and sorted(ends[:2] + ends[3:]) == sorted(own[:2] + own[3:])
    assert {scansion.rhyme_group} == read_answered(poem).rhymes["a"]


def test_a_given_rhyme_word_of_two_readings_is_read_in_the_rhyme():
    """回 is 灰 and 队, 看 寒 and 翰: where they must rhyme, the rhyme decides."""
    for words in ("回来", "看寒"):
        alphabet = Alphabet("回来看寒山月，。", BookSounds(PINGSHUI, "every"))
        forms = prescribe(PoemRequest("五绝", rhyme_words=words, pattern="仄起")).forms
        assert SlotAutomaton(forms, alphabet).forms == list(forms)
    with pytest.raises(ConstraintError, match="no rhyme group has words for all of them with 回 寒"):
        SlotAutomaton(
            prescribe(PoemRequest("五绝", rhyme_words="回寒")).forms, Alphabet("回寒山月，。", BookSounds(PINGSHUI, "every"))
        )


def test_a_given_character_of_two_readings_is_read_in_its_word():
    """更闻 is level in its second place; 闻 alone is level or oblique, and no tone can be kept with it."""
    alphabet = Alphabet("更闻山月江花，。秋流", BookSounds(PINGSHUI, "every"))
    level = prescribe(PoemRequest("五绝", template="更闻□□□，□□□□□。□□□□□，□□□□□。")).forms
    kept = SlotAutomaton(level, alphabet).forms
    assert kept and all(form.lines[0][1].tone is Tone.LEVEL for form in kept)
    with pytest.raises(ConstraintError, match="闻 is read 平 and 仄"):
        SlotAutomaton(prescribe(PoemRequest("五绝", template="□闻□□□，□□□□□。□□□□□，□□□□□。")).forms, alphabet)


@pytest.mark.parametrize(
    ("book", "groups", "first"),
    [
        ("", {"六语", "六御"}, "五言绝句"),
        ("xinyun", {"十二齐"}, "仄韵平起首句不入韵"),
        ("tongyun", {"六迂"}, "仄韵平起首句不入韵"),
    ],
)
def test_a_poem_is_answered_by_the_book_that_is_asked_for(book, groups, first):
    """语 and 雨 are two groups by 平水韵, so that the poem is a 古绝."""
    prescription = prescribe(
        PoemRequest(answer_poem="青山落日时，小径闻人语。暮鸟过前村，风吹千点雨。", answer_by="依韵", book=book)
    )
    assert prescription.rhymes == {"a": groups}
    assert (prescription.forms[0].pattern or prescription.form) == first


def test_an_answer_to_ancient_verse_keeps_its_tone_where_groups_hold_both():
    poem = "床前明月光，疑是地上霜。举头望明月，低头思故乡。出门皆远方，四海夜茫茫。"
    for book in ("cilin", "xinyun"):
        forms = prescribe(PoemRequest(answer_poem=poem, answer_by="依韵", book=book)).forms
        assert {slot.tone for form in forms for slots in form.lines for slot in slots if slot.rhyme} == {Tone.LEVEL}
