"""Wishes: what they prescribe, and why some cannot be granted."""

from __future__ import annotations

import pytest

from gemma_poetry.errors import ConstraintError, UnknownFormError
from gemma_poetry.generation.given_characters import Template, parse_template
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme_books import CILIN, TONGYUN, XINYUN, YUAN, rhyme_book
from gemma_poetry.prosody.tunes import shipped_tunes


def given(form) -> list[str]:
    """The lines of a form with □ where no character is given."""
    return ["".join(slot.char or "□" for slot in slots) for slots in form.lines]


def tones(slots) -> str:
    return "".join(slot.tone.value if slot.tone else "中" for slot in slots)


@pytest.mark.parametrize(
    ("text", "lines", "marks"),
    [
        ("空山□□□，□□□□秋。", ("空山□□□", "□□□□秋"), "，。"),
        ("空山＿＿＿,____秋.", ("空山□□□", "□□□□秋"), "，。"),
        ("□月□山□", ("□月□山□",), "。"),
        ("□□\n□□\n□□", ("□□", "□□", "□□"), "，。。"),
        ("明月几时有？把酒问青天。", ("明月几时有", "把酒问青天"), "。。"),
    ],
)
def test_templates(text, lines, marks):
    assert parse_template(text) == Template(lines, marks)


@pytest.mark.parametrize(
    ("request_", "form", "first"),
    [
        (PoemRequest("七绝", acrostic="春夏"), "七言绝句", ["春□□□□□□", "夏□□□□□□", "□□□□□□□", "□□□□□□□"]),
        (PoemRequest("五绝", acrostic_end="月霜"), "五言绝句", ["□□□□月", "□□□□霜", "□□□□□", "□□□□□"]),
        (PoemRequest("五绝", first_line="床前明月光。"), "五言绝句", ["床前明月光", "□□□□□", "□□□□□", "□□□□□"]),
        (PoemRequest("五绝", template="空山□□□，□□□□秋。"), "五言绝句", ["空山□□□", "□□□□秋", "□□□□□", "□□□□□"]),
        (PoemRequest(template="空山□□□，□□□□秋。□□□□□，□□□□□。"), "五言绝句", ["空山□□□", "□□□□秋", "□□□□□", "□□□□□"]),
        (PoemRequest(template="□□□，□□□□。"), "杂言诗", ["□□□", "□□□□"]),
        (PoemRequest("五绝", rhyme_words="霜乡", pattern="仄起"), "五言绝句", ["□□□□□", "□□□□霜", "□□□□□", "□□□□乡"]),
        (PoemRequest("如梦令", acrostic="常记"), "如梦令", ["常□□□□□", "记□□□□□", "□□□□□", "□□□□□□", "□□", "□□", "□□□□□□"]),
        (PoemRequest("五古", lines=3), "五言古诗", ["□□□□□"] * 3),
    ],
)  # fmt: skip
def test_given_characters_stand_in_their_slots(request_, form, first):
    prescription = prescribe(request_)
    assert prescription.form == form
    assert given(prescription.forms[0]) == first


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", {"平起首句入韵", "平起首句不入韵", "仄起首句入韵", "仄起首句不入韵"}),
        ("平起", {"平起首句入韵", "平起首句不入韵"}),
        ("入韵", {"平起首句入韵", "仄起首句入韵"}),
        ("不入韵", {"平起首句不入韵", "仄起首句不入韵"}),
        ("仄起 首句入韵", {"仄起首句入韵"}),
    ],
)
def test_patterns(pattern, expected):
    assert {form.pattern for form in prescribe(PoemRequest("七律", pattern=pattern)).forms} == expected


OBLIQUE = {"仄韵平起首句入韵", "仄韵平起首句不入韵", "仄韵仄起首句入韵", "仄韵仄起首句不入韵"}


@pytest.mark.parametrize(
    ("request_", "patterns"),
    [
        (PoemRequest("五绝", rhymes=("九屑",)), OBLIQUE),
        (PoemRequest("七绝", pattern="仄韵"), OBLIQUE),
        (PoemRequest("五绝", pattern="仄韵 不入韵"), {pattern for pattern in OBLIQUE if "不" in pattern}),
        (PoemRequest("五绝", rhyme_words="绝灭雪"), {pattern for pattern in OBLIQUE if "不" not in pattern}),
        (PoemRequest("六绝"), {"不粘仄起首句不入韵", "仄起首句不入韵", "平起首句不入韵", "仄起首句入韵", "平起首句入韵"}),
    ],
)
def test_an_oblique_rhyme_is_asked_for_by_pattern_group_or_words(request_, patterns):
    prescription = prescribe(request_)
    assert {form.pattern for form in prescription.forms} == patterns
    for form in prescription.forms:
        rhyming = [slots[-1] for slots in form.lines if slots[-1].rhyme]
        assert {slot.tone.value for slot in rhyming} == ({"仄"} if "仄韵" in form.pattern else {"平"})


def test_the_prompt_names_lines_of_six_as_models_know_them():
    assert prescribe(PoemRequest("六律")).form == "六言诗"


def test_rhyme_words_choose_the_pattern_that_rhymes_as_often():
    assert {form.pattern[-3:] for form in prescribe(PoemRequest("五绝", rhyme_words="光霜乡")).forms} == {"句入韵"}


def test_free_metre_asks_for_no_tone_and_rhymes_only_where_asked():
    bare = prescribe(PoemRequest("七绝", metre="free"))
    assert not bare.sounding and len(bare.forms) == 1
    rhymed = prescribe(PoemRequest("七古", rhymes=("阳",), lines=4))
    assert [slots[-1].rhyme for slots in rhymed.forms[0].lines] == [None, "a", None, "a"]
    assert rhymed.rhymes == {"a": frozenset({"七阳"})} and rhymed.sounding


@pytest.mark.parametrize(
    ("request_", "book", "rhymes"),
    [
        (PoemRequest("五绝", book="xinyun", rhymes=("庚",)), XINYUN, {"十一庚"}),
        (PoemRequest("五绝", book="中华通韵", rhymes=("15",)), TONGYUN, {"十五雍"}),
        (PoemRequest("五绝", book="cilin", rhymes=("一",)), CILIN, {"第一部"}),
        (PoemRequest("如梦令", book="xinyun", rhymes=("姑",)), XINYUN, {"十四姑"}),
        (PoemRequest("如梦令", book="pingshui", rhymes=("七虞",)), rhyme_book("pingshui", sung=True), {"七虞"}),
        (PoemRequest("五古", book="tongyun", rhymes=("一啊",)), TONGYUN, {"一啊"}),
        (PoemRequest("天净沙", rhymes=("家麻",)), YUAN, {"家麻"}),
        (PoemRequest("天净沙", book="xinyun", rhymes=("麻",)), XINYUN, {"一麻"}),
    ],
)
def test_a_form_goes_by_the_rhyme_book_that_is_asked_for(request_, book, rhymes):
    prescription = prescribe(request_)
    assert prescription.book is book
    assert prescription.rhymes["a"] == rhymes


@pytest.mark.parametrize(
    "request_",
    [
        PoemRequest("五绝", book="xinyun", rhymes=("麻",), pattern="仄韵"),
        PoemRequest("七绝", book="tongyun", rhyme_words="语雨"),
        PoemRequest("七绝", book="cilin", rhymes=("十五",)),
    ],
)
def test_an_oblique_rhyme_may_be_asked_for_by_every_book(request_):
    prescription = prescribe(request_)
    assert all(form.pattern.startswith("仄韵") for form in prescription.forms)
    assert {slot.tone for form in prescription.forms for slots in form.lines for slot in slots if slot.rhyme} == {Tone.OBLIQUE}


def test_rhyme_words_tell_the_tone_where_groups_hold_both():
    told = [
        prescribe(PoemRequest("五古", book=book, rhyme_words="语雨去住")).forms[0].lines[1][-1].tone for book in ("", "xinyun")
    ]
    assert told == [None, Tone.OBLIQUE]


def test_an_upper_line_is_answered_by_the_tones_of_the_book():
    old, new = (prescribe(PoemRequest(answer="春风又绿旧家国", book=book)).forms for book in ("", "xinyun"))
    assert {tones(form.lines[1])[-1] for form in old} == {"平"}, "国 has an entering tone"
    assert {tones(form.lines[1])[-1] for form in new} == {"仄"}


def test_a_tune_takes_parts_and_as_many_rhymes_as_it_has():
    prescription = prescribe(PoemRequest("菩萨蛮", rhymes=("3", "第七部")))
    assert prescription.book is CILIN and prescription.tune == "菩萨蛮"
    assert prescription.rhymes == {"a": frozenset({"第三部"}), "b": frozenset({"第七部"})}


def test_a_tune_is_written_by_what_many_poems_tell_and_by_few_where_they_alone_grant_the_wish():
    tune = shipped_tunes().require("渔家傲")
    few = next(variant.form for variant in tune.variants if variant not in tune.solid)
    assert set(prescribe(PoemRequest("渔家傲")).forms) <= {variant.form for variant in tune.solid}
    assert prescribe(PoemRequest("渔家傲", pattern=few.pattern)).forms == (few,)


@pytest.mark.parametrize(
    ("upper", "form", "expected", "why"),
    [
        ("海内存知己", "五言律诗", ["平平中仄平"], "beats opposite, a level ending without 孤平"),
        ("山光悦鸟性", "五言律诗", ["中仄仄平平"], "beats opposite, without 三平尾"),
        ("明月松间照，", "五言律诗", ["平平中仄平"], "间 has two tones: its beat is free, and the ending decides"),
        ("无边落木萧萧下", "七言律诗", ["中仄平平仄仄平"], "萧萧 is answered by a doubled character"),
        ("无边落木寒江下", "七言律诗", ["中仄平平中仄平"], "seven characters"),
        ("风声雨声读书声", "七言律诗", ["中仄中仄中仄仄"], "a level upper line is answered by an oblique one"),
        ("四面荷花", "杂言诗", ["中平中仄"], "four characters: the beats alone"),
    ],
)
def test_the_answer_contrasts_with_the_upper_line(upper, form, expected, why):
    prescription = prescribe(PoemRequest(answer=upper))
    assert prescription.form == form
    assert {given(one)[0] for one in prescription.forms} == {upper.rstrip("，")}
    assert [tones(one.lines[1]) for one in prescription.forms] == expected, why


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (PoemRequest(), "neither a form nor a template"),
        (PoemRequest("七绝", acrostic="春夏秋冬月"), "the acrostic has 5 characters, 七言绝句 has 4 lines"),
        (PoemRequest("五绝", acrostic="a"), "the acrostic has 'a' at character 1"),
        (PoemRequest("五绝", first_line="空山新雨后天"), "the first line has 6 characters, line 1 of 五言绝句 has 5"),
        (PoemRequest("五绝", template="空山□□□□"), "line 1 of the template has 6 characters, 五言绝句 has 5"),
        (PoemRequest("五绝", template="□□□□□，" * 5), "the template has 5 lines, 五言绝句 has 4"),
        (PoemRequest("五绝", template="空x"), "the template has 'x' at character 2"),
        (PoemRequest("五绝", template="，。"), "the template is empty"),
        (PoemRequest("五绝", acrostic="空", first_line="天山新雨后"), "line 1, character 1"),
        (PoemRequest("五绝", acrostic="空", template="天□□□□"), "the template asks for 天, the acrostic for 空"),
        (PoemRequest("五绝", rhyme_words="东风红霜"), "4 rhyme words are given"),
        (PoemRequest("五律", rhymes=("一董",)), "一董 is no level rhyme"),
        (PoemRequest("五绝", rhymes=("一东",), pattern="仄韵"), "一东 is a level rhyme"),
        (PoemRequest("七律", pattern="仄韵"), "no pattern is called '仄韵'"),
        (PoemRequest("五绝", rhymes=("桐",)), "平水韵 has no group '桐'"),
        (PoemRequest("菩萨蛮", rhymes=("一东",)), "词林正韵 has no group '一东'"),
        (PoemRequest("五绝", rhymes=("一东", "二冬")), "2 rhymes are asked for, 五言绝句 has 1"),
        (PoemRequest("七绝", pattern="横起"), "no pattern is called '横起'"),
        (PoemRequest("七绝", pattern="平起", metre="free"), "a pattern is asked for, and free metre too"),
        (PoemRequest("七绝", lines=6), "七言绝句 has 4 lines, not 6"),
        (PoemRequest("五古", lines=0), "a poem of 0 lines"),
        (PoemRequest("菩萨蛮", lines=4), "a poem of 4 lines"),
        (PoemRequest(template="□□，□□□。", lines=9), "a poem of 9 lines"),
        (PoemRequest(answer="春风得意马蹄疾", lines=4), "an upper line is given, and also lines"),
        (PoemRequest(answer="春风得意马蹄疾", distinct=False), "an upper line is given, and also distinct=False"),
        (PoemRequest("五古", pattern="平起"), "no pattern is called '平起'"),
        (PoemRequest(template="□□，□□□。", pattern="平起"), "no pattern is called '平起'"),
        (PoemRequest("杂言诗"), "杂言诗 has no shape of its own"),
        (PoemRequest(answer="海内存x己"), "the upper line has 'x' in it"),
        (PoemRequest("五绝", answer="海内存知己"), "an upper line is given, and also form"),
    ],
)
def test_impossible_wishes_say_why(request_, found):
    with pytest.raises(ConstraintError) as refused:
        prescribe(request_)
    assert found in refused.value.found


def test_an_unknown_form_is_met_with_the_nearest_names():
    with pytest.raises(UnknownFormError, match="十言绝句") as refused:
        prescribe(PoemRequest("十言绝句"))
    assert "七言绝句" in refused.value.action
