"""A poem as a picture: whole in itself, right in columns and rows."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import InputError
from gemma_poetry.prosody.lines import split_lines
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.tune_variants import stanza_ends
from gemma_poetry.studio import glyphs
from gemma_poetry.studio.card import ZOOM, Card, card_png, card_svg
from gemma_poetry.studio.glyphs import face
from gemma_poetry.studio.picture import picture_html, poem_card
from gemma_poetry.studio.verse import Layout

pytest.importorskip("fontTools", reason="fontTools is not installed (pip install 'gemma-poetry[studio]')")
pytest.importorskip("resvg_py", reason="resvg is not installed (pip install 'gemma-poetry[studio]')")

LINES = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
CARD = Card(LINES, "，。，。", "登鹳雀楼", "王之涣", ("五言绝句", "合律"))


@pytest.fixture(autouse=True)
def font():
    try:
        face("simplified")
    except InputError as error:
        pytest.skip(f"{error.found}: {error.action}")


def places(svg: str) -> list[tuple[str, float, float]]:
    """(outline, x, y) of every character, in the order that they were drawn."""
    found = re.findall(r'<use href="#(g\d+)" fill="[^"]*" transform="translate\(([-\d.]+) ([-\d.]+)\)', svg)
    return [(name, float(x), float(y)) for name, x, y in found]


def test_columns_go_from_right_to_left_and_downwards():
    drawn = places(card_svg(replace(CARD, title="", byline="", notes=()), vertical=True))
    columns = [drawn[number * 6 : number * 6 + 6] for number in range(4)]
    assert all(len({x for _, x, _ in column[:5]}) == 1 for column in columns)
    assert [column[0][1] for column in columns] == sorted((column[0][1] for column in columns), reverse=True)
    assert all([y for _, _, y in column[:5]] == sorted(y for _, _, y in column[:5]) for column in columns)


def test_rows_hold_a_couplet_each():
    drawn = places(card_svg(replace(CARD, title="", byline="", notes=()), vertical=False))
    heights = [y for _, _, y in drawn[:24]]
    assert len({y for place, y in enumerate(heights[:12]) if place % 6 != 5}) == 1
    assert heights[12] > heights[0]


def test_nothing_leaves_the_sheet():
    for vertical in (True, False):
        svg = card_svg(replace(CARD, title="登" * 30, byline="王" * 9), vertical=vertical)
        width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())  # type: ignore[union-attr]
        assert all(0 < x < width and 0 < y < height for _, x, y in places(svg))


def test_marks_turn_in_columns():
    own = face("simplified")
    assert own.outline("，").path != own.outline("，", column=True).path
    assert own.outline("山").path == own.outline("山", column=True).path


def test_each_script_has_its_own_shapes():
    assert face("simplified").outline("骨").path != face("traditional").outline("骨").path


def test_a_character_that_no_font_has_is_seen_to_be_missing():
    own = face("simplified")
    assert own.outline("\U0003ffff").path == own.outline("〓").path


def test_the_png_is_the_svg_in_pixels():
    svg = card_svg(CARD, vertical=True)
    png = card_png(svg)
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())  # type: ignore[union-attr]
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[16:24]) == (ZOOM * width, ZOOM * height)


def test_the_svg_says_the_poem_and_needs_no_font():
    svg = card_svg(replace(CARD, title="<b>&"), vertical=True)
    assert "白日依山尽，" in svg and "<text" not in svg and "font" not in svg
    assert "<b>" not in svg and "&lt;b&gt;&amp;" in svg


def test_readings_stand_above_their_characters():
    poem = Poem(LINES, "，。，。", title="登鹳雀楼", form="五言绝句")
    card = poem_card(poem, scan(LINES, "五言绝句"), pinyin=True, model="mini", seed=7)
    assert card.readings[0] == ("bái", "rì", "yī", "shān", "jìn")
    assert card.notes[0] == "五言绝句" and "合律" in card.notes and card.notes[-1] == "诗斋 mini 种子 7"
    bare, read = (len(places(card_svg(one, vertical=True))) for one in (replace(card, readings=()), card))
    assert read - bare == sum(len(reading) for row in card.readings for reading in row)


def test_stanzas_of_a_tune_stand_apart():
    lines = ("冷红叶叶下塘秋", "长与行云共一舟", "零落江南不自由", "两绸缪", "料得吟鸾夜夜愁")
    card = Card(lines * 2, "。。。，。" * 2, breaks=frozenset({5}))
    gaps = [
        a - b
        for a, b in zip(*(lambda xs: (xs, xs[1:]))(sorted({x for _, x, _ in places(card_svg(card, vertical=True))})[::-1]))
    ]
    assert max(gaps[:6]) > min(gap for gap in gaps[:6] if gap > 60)


def test_a_song_has_one_stanza():
    text = "峰峦如聚，波涛如怒，山河表里潼关路。望西都，意踌躇，伤心秦汉经行处。宫阙万间都做了土。兴，百姓苦；亡，百姓苦。"
    lines, marks = split_lines(text)
    assert stanza_ends("山坡羊", list(map(len, lines)), marks), "of a 词 it would have several"
    assert not poem_card(Poem(tuple(lines), marks, tune="山坡羊"), None, pinyin=False).breaks


def test_where_there_is_no_font_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(glyphs, "FONTS", ())
    monkeypatch.setattr(glyphs.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="no font with Chinese characters") as refused:
        glyphs.face.__wrapped__("simplified")
    assert refused.value.action == "apt-get install fonts-noto-cjk"


def test_the_page_shows_the_picture_and_saves_it():
    shown = picture_html(replace(CARD, title='登"<鹳>'), Layout(), "zh")
    assert 'download="登鹳.png"' in shown and 'download="登鹳.svg"' in shown
    assert shown.count("data:image/svg+xml;base64,") == 2 and "<鹳>" not in shown
