"""Poems as HTML."""

from __future__ import annotations

import re

import pytest

from gemma_poetry.prosody.scansion import scan
from gemma_poetry.studio.verse import Layout, Verse, escape, legend_html, verdict_html, verse_html

LINES = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
STOREYS = Verse(LINES, "，。，。", "登鹳雀楼", ("王之涣",), scan(LINES, "五言绝句"), tappable=True)


def cell(markup: str, spot: str) -> str:
    found = re.search(rf'<span role="button" tabindex="0" class="([^"]*)" data-spot="{re.escape(spot)}"', markup)
    assert found, spot
    return found[1]


def test_characters_bear_tone_and_rhyme():
    markup = verse_html(STOREYS, Layout(), "zh")
    tones = re.findall(r'class="tone (\w*)"', markup)
    assert len(tones) == 20
    assert tones[:5] == ["oblique", "oblique", "level", "level", "oblique"]
    rhymes = [spot for spot in ("1.5", "2.5", "3.5", "4.5") if "rhyme" in cell(markup, spot)]
    assert rhymes == ["2.5", "4.5"]
    assert 'aria-label="流 · 平 · 韵脚"' in markup


def test_locks_gifts_and_the_chosen_place_are_told_apart():
    verse = Verse(LINES, "，。，。", locked=frozenset({(1, 2)}), given=frozenset({(1, 1)}), chosen=(2, 3), tappable=True)
    markup = verse_html(verse, Layout(), "en")
    assert [cell(markup, spot) for spot in ("1.1", "1.2", "2.3", "2.4")] == ["zi given", "zi locked", "zi chosen", "zi"]
    assert re.findall(r'data-spot="(\d\.\d)" aria-pressed="true"', markup) == ["1.2"]
    assert re.findall(r'data-spot="(\d)\.0"', markup) == ["1", "2", "3", "4"]


def test_faults_stand_where_they_are():
    lines = ("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")
    markup = verse_html(Verse(lines, "，。，。", scansion=scan(lines, "五言绝句"), tappable=True), Layout(), "en")
    faulty = [spot for spot in re.findall(r'data-spot="(\d\.[1-9])"', markup) if "fault" in cell(markup, spot)]
    assert "2.4" in faulty and len(faulty) < 20


@pytest.mark.parametrize("vertical", [True, False])
@pytest.mark.parametrize("tones", [True, False])
def test_the_layout_is_a_matter_of_classes(vertical: bool, tones: bool):
    classes = re.match('<figure class="([^"]*)"', verse_html(STOREYS, Layout(vertical, tones), "zh"))
    assert classes and classes[1].split() == ["poem", "vertical" if vertical else "horizontal"] + ([] if tones else ["bare"])


def test_an_unfinished_poem_is_shown_as_far_as_it_is():
    markup = verse_html(Verse(("白日依山尽", "黄河"), "，"), Layout(), "zh")
    assert markup.count('class="zi"') == 7 and "button" not in markup
    assert markup.count('class="tone level"') == 4  # 依 山 黄 河


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "${alert(1)}", "{{#each value}}", "`${1}`", "\\u003c"]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_person_wrote_is_markup(text: str):
    safe = escape(text)
    assert not re.search(r"[<>\"'${}`\\]", safe)
    markup = verse_html(Verse(LINES, "，。，。", text, (text,)), Layout(), "en")
    assert text not in markup and markup.count(safe) == 2


def test_the_verdict_says_form_rhyme_and_readings():
    assert STOREYS.scansion is not None
    text = re.sub("<[^>]*>", " ", verdict_html(STOREYS.scansion, "en")).split()
    assert "passes," in text and "五言绝句" in text and "十一尤" in text


def test_the_legend_explains_what_is_asked_for():
    assert re.findall(r"</i> (\S+)</li>|</b> (\S+)</li>", legend_html("zh", {"level", "fault"})) == [("平", ""), ("", "出律")]
