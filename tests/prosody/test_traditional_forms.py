"""Simplified text: the traditional forms that its characters can mean, and verdicts that do not depend on the script."""

from __future__ import annotations

import re

import pytest

from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.interpretation import heard_widened, interpret, traditional
from gemma_poetry.prosody.scansion import scan_auto
from gemma_poetry.prosody.traditional_forms import misprinted_forms, other_forms, put_right, usual_forms
from gemma_poetry.prosody.verdicts import regulated_verdict

# Poems whose verdict hangs on what one character means: (text, whether it passes, why).
POEMS = [
    ("海上潮来去，天边月满亏。故人今不见，渔火一灯孤。", False, "亏 is 虧, 四支; 于 is another word"),
    ("小草生幽谷，无人为汝怜。春来自开落，不肯怨山青。", False, "怜 is 憐, 一先; 青 is 九青"),
    ("老妪当窗坐，终宵不下机。故人今不见，心事有谁知。", False, "机 is 機, 五微; 知 is 四支"),
    ("独倚朱阑干，春风吹面寒。故人今不见，明月为谁团。", False, "阑干 is level: 三平尾"),
    ("雨过山如洗，云开水自净。故人今不见，独坐听秋声。", False, "净 is 仄"),
    ("白首仍从征，黄沙万里行。故人今不见，落日照空城。", False, "从征 is level: 三平尾"),
    ("落日照边城，黄沙送远征。将军头已白，犹作少年行。", True, "nothing wrong"),
    ("落葉隨風去，殘花逐水寒。故人今不見，明月為誰團。", True, "為 has the readings of 爲"),
    ("小草生幽谷，無人爲汝怜。春來自開落，不肯怨山青。", False, "怜 is 憐 in traditional text too"),
]


def lines_of(text: str) -> list[str]:
    return [line for line in re.split("[，。]", text) if line]


@pytest.mark.parametrize(("text", "passes", "why"), POEMS, ids=[case[-1] for case in POEMS])
def test_a_poem_is_judged_by_what_its_characters_can_mean(text, passes, why):
    assert scan_auto(lines_of(text)).verdict.passes is passes
    assert regulated_verdict(lines_of(text)).passes is passes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("独倚朱阑干", "獨倚朱闌干"),
        ("落花干", "落花乾"),
        ("白发三千丈", "白髮三千丈"),
        ("烟花三月下扬州", "煙花三月下揚州"),
        ("日午闲眠", "日午閑眠"),
        ("夜来占月晕", "夜來占月暈"),
    ],
)
def test_a_line_is_read_with_the_forms_that_its_company_attests(line: str, expected: str):
    assert list(traditional([line])) == [expected]


def test_opencc_is_overruled_only_where_another_form_is_more_probable():
    assert put_right("海上见征帆", "海上見徵帆") == "海上見征帆"
    assert put_right("海上见征帆", "海上見征帆") == "海上見征帆"


def test_where_nothing_is_known_of_either_both_are_possible():
    # No poem has 柠 or 檸: nothing overrules OpenCC, and either may stand alone.
    assert usual_forms("柠") == ""
    assert put_right("柠", "檸") == "檸"
    assert other_forms("柠", "檸") == {}
    assert heard_widened("柠", False).readings


@pytest.mark.parametrize("char", "亏怜机园丽体虫净")
def test_a_form_that_no_poem_has_is_never_meant(char: str):
    assert char not in usual_forms(char)


def test_a_misprint_is_found_by_its_company_and_a_sound_form_is_none():
    assert misprinted_forms("公干寂寥", "公干寂寥") == {1: "幹"}
    assert misprinted_forms("干戈未定", "干戈未定") == {}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("独坐秋窗下，微风入小亭。远山浮暮色，疏竹映流萤。酒向灯前尽，诗从枕上听。故人书未到，落叶满空庭。", "五言律诗"),
        ("獨坐秋窗下，微風入小亭。遠山浮暮色，疏竹映流螢。酒向燈前盡，詩從枕上聽。故人書未到，落葉滿空庭。", "五言律诗"),
    ],
)
def test_the_form_does_not_depend_on_the_script(text: str, form: str):
    assert classify(lines_of(text)) == form
    assert scan_auto(lines_of(text)).verdict.passes


@pytest.mark.parametrize("word", "与丽几医号听忧担朴泛累苧虫蚕")
def test_a_simplified_rhyme_word_is_read_as_its_traditional_form(word: str):
    line = f"春风日暮{word}"
    (read,) = traditional([line])
    simple, full = interpret([line])[0][-1], interpret(["萬里歸來見" + read[-1]])[0][-1]
    assert simple.readings == full.readings
    assert read[-1] != word or word in usual_forms(word)
