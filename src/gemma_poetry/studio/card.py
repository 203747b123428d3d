"""A poem as a picture (诗笺): in columns or rows, with what is known of it, and a seal.

In: a `Card`. Out: an SVG that needs no font, for it holds the outlines of its characters; or a PNG of the same.

    Card ──place──> (character, x, y, size) each ──outline──> <svg> ──resvg──> PNG

Measures are pixels of the SVG; the PNG has twice as many each way.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from gemma_poetry.extras import require
from gemma_poetry.languages import _
from gemma_poetry.studio.glyphs import Face, face

ZOOM = 2
"""Pixels of the PNG for one of the SVG."""

_PAPER, _RULE, _INK, _FADED, _CINNABAR = "#fbf6e9", "#c9b88f", "#2c2824", "#6f675b", "#a5301f"
_SIZE, _TITLE, _NOTE, _READING = 46, 34, 20, 15
_MARGIN, _EDGE = 72, 22
_MOST_IN_COLUMN = 16
_FEW_LINES = 8
_SEAL, _SEAL_SIZE = 30, 76
# Where the baseline stands in the square of a character.
_BASELINE = 0.88


@dataclass(frozen=True, slots=True)
class Card:
    """What a picture shows.

    Attributes:
        lines: The lines.
        marks: The closing mark of each.
        title: 题目.
        byline: The author, or whose style it is in.
        notes: The colophon, item by item: form, rhyme, verdict, who wrote it.
        script: `simplified` or `traditional`.
        readings: A reading above each character, line by line; empty: none.
        breaks: Lines (from 1) behind which a stanza ends.
        seal: What the seal says, two characters or four.
    """

    lines: tuple[str, ...]
    marks: str
    title: str = ""
    byline: str = ""
    notes: tuple[str, ...] = ()
    script: Literal["simplified", "traditional"] = "simplified"
    readings: tuple[tuple[str, ...], ...] = ()
    breaks: frozenset[int] = frozenset()
    seal: str = "诗斋"


@dataclass(slots=True)
class _Canvas:
    """Characters in their places, as SVG."""

    face: Face
    parts: list[str] = field(default_factory=list)
    outlines: dict[str, str] = field(default_factory=dict)

    def put(
        self, char: str, x: float, y: float, size: float, colour: str, *, column: bool = False, turned: bool = False
    ) -> None:
        """Draws a character whose square has its upper left corner here; a turned one lies on its side."""
        outline = self.face.outline(char, column=column)
        if not outline.path:
            return
        name = self.outlines.setdefault(outline.path, f"g{len(self.outlines)}")
        scale = size / self.face.units
        turn = f"translate({x + (1 - _BASELINE) * size:.2f} {y:.2f}) rotate(90)" if turned else ""
        turn = turn or f"translate({x:.2f} {y + _BASELINE * size:.2f})"
        self.parts.append(f'<use href="#{name}" fill="{colour}" transform="{turn} scale({scale:.5f} {-scale:.5f})"/>')

    def width(self, text: str, size: float) -> float:
        """How wide a text is in a row."""
        return sum(self.face.outline(char).advance for char in text) * size

    def row(self, text: str, x: float, y: float, size: float, colour: str) -> None:
        """Draws a text in a row."""
        for char in text:
            self.put(char, x, y, size, colour)
            x += self.face.outline(char).advance * size

    def column(self, text: str, x: float, y: float, size: float, colour: str, pitch: float) -> float:
        """Draws a text downwards; what is narrower than a square lies on its side. Returns where it ends."""
        for char in text:
            advance = self.face.outline(char).advance
            narrow = unicodedata.east_asian_width(char) not in "WF"
            self.put(char, x, y, size, colour, column=True, turned=narrow)
            y += advance * size if narrow else pitch
        return y

    def reading(self, text: str, x: float, y: float, width: float) -> None:
        """Draws a reading above the middle of a character."""
        self.row(text, x + (width - self.width(text, _READING)) / 2, y, _READING, _FADED)


def card_svg(card: Card, *, vertical: bool) -> str:
    """The picture as SVG.

    Raises:
        MissingExtraError: fontTools is not installed.
        InputError: This machine has no font with Chinese characters.
    """
    require("fontTools", extra="studio", purpose=_("a picture"))
    canvas = _Canvas(face(card.script))
    width, height = (_columns if vertical else _rows)(canvas, card)
    shapes = "".join(f'<path id="{name}" d="{path}"/>' for path, name in canvas.outlines.items())
    said = html.escape("\n".join([card.title, card.byline, *(line + mark for line, mark in zip(card.lines, card.marks))]))
    inner = f'width="{width - 2 * _EDGE:.0f}" height="{height - 2 * _EDGE:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img"><title>{html.escape(card.title)}</title><desc>{said}</desc>'
        f'<defs>{shapes}</defs><rect width="100%" height="100%" fill="{_PAPER}"/>'
        f'<rect x="{_EDGE}" y="{_EDGE}" {inner} fill="none" stroke="{_RULE}"/>{"".join(canvas.parts)}</svg>'
    )


def card_png(svg: str) -> bytes:
    """A picture of `card_svg` as PNG.

    Raises:
        MissingExtraError: resvg is not installed.
    """
    require("resvg_py", extra="studio", purpose=_("a picture in PNG"), otherwise=_("ask for SVG"))
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM, skip_system_fonts=True))


def _runs(card: Card, together: int) -> list[list[int]]:
    """Which lines (from 0) stand in one column or row: each by itself where they are few, else as many as `together` allows."""
    runs: list[list[int]] = []
    length = 0
    for number, line in enumerate(card.lines):
        begins = number == 0 or number in card.breaks or len(card.lines) <= _FEW_LINES
        if begins or length + len(line) + 1 > together:
            runs.append([])
            length = 0
        runs[-1].append(number)
        length += len(line) + 1
    return runs


def _columns(canvas: _Canvas, card: Card) -> tuple[float, float]:
    """Draws everything in columns from right to left; returns width and height."""
    pitch = _SIZE + (_READING + 11 if card.readings else 10)
    runs = _runs(card, _MOST_IN_COLUMN)
    stanzas = [run for run in runs[1:] if run[0] in card.breaks]
    longest = max(sum(len(card.lines[number]) + 1 for number in run) for run in runs)
    notes = [note for note in card.notes if note]
    height = 2 * _MARGIN + max(longest * pitch, len(card.title) * (_TITLE + 6), 6 * pitch, _notes_length(canvas, notes))
    step, small = _SIZE + 32, _NOTE + 14
    head = (step if card.title else 0) + (small if card.byline else 0)
    foot = max(len(notes) * small, _SEAL_SIZE) + 24
    width = 2 * _MARGIN + head + len(runs) * step + len(stanzas) * small + foot
    x = width - _MARGIN
    if card.title:
        canvas.column(card.title, x - _TITLE - (step - _TITLE) / 2, _MARGIN, _TITLE, _INK, _TITLE + 6)
        x -= step
    if card.byline:
        canvas.column(card.byline, x - _NOTE, _MARGIN + _TITLE, _NOTE + 4, _FADED, _NOTE + 9)
        x -= small
    for run in runs:
        if run in stanzas:
            x -= small
        x -= step
        y: float = _MARGIN
        for number in run:
            y = _written_column(canvas, card, number, x + (step - _SIZE) / 2, y, pitch)
    x -= 24
    for note in notes:
        x -= small
        canvas.column(note, x, _MARGIN, _NOTE, _FADED, _NOTE + 4)
    _stamp(canvas, card.seal, _MARGIN - 18, height - _MARGIN - _SEAL_SIZE + 18)
    return width, height


def _notes_length(canvas: _Canvas, notes: Sequence[str]) -> float:
    """How far the longest note of a column reaches, and the seal below it."""
    return max((canvas.width(note, _NOTE) + 4 * len(note) for note in notes), default=0) + _SEAL_SIZE


def _written_column(canvas: _Canvas, card: Card, number: int, x: float, y: float, pitch: float) -> float:
    for place, char in enumerate(card.lines[number]):
        if card.readings:
            canvas.reading(card.readings[number][place], x, y, _SIZE)
        canvas.put(char, x, y + (_READING + 3 if card.readings else 0), _SIZE, _INK, column=True)
        y += pitch
    canvas.put(card.marks[number], x, y, _SIZE * 0.8, _FADED, column=True)
    return y + _SIZE * 0.8


def _rows(canvas: _Canvas, card: Card) -> tuple[float, float]:
    """Draws everything in rows; returns width and height."""
    pitch = _SIZE + (12 if card.readings else 4)
    regular = len(set(map(len, card.lines))) == 1 and len(card.lines) % 2 == 0 and len(card.lines[0]) <= _FEW_LINES
    if regular:
        runs = [[number, number + 1] for number in range(0, len(card.lines), 2)]
    else:
        runs = _runs(card, _MOST_IN_COLUMN)
    widths = [sum(len(card.lines[number]) * pitch + _SIZE * 0.8 for number in run) for run in runs]
    note = "　".join(note for note in card.notes if note)
    width = 2 * _MARGIN + max(*widths, canvas.width(card.title, _TITLE), canvas.width(note, _NOTE), 360)
    y: float = _MARGIN
    for text, size, colour in ((card.title, _TITLE, _INK), (card.byline, _NOTE + 2, _FADED)):
        if text:
            canvas.row(text, (width - canvas.width(text, size)) / 2, y, size, colour)
            y += size + 16
    y += 14
    step = _SIZE + 26 + (_READING + 6 if card.readings else 0)
    for run, own in zip(runs, widths):
        if run[0] in card.breaks and run is not runs[0]:
            y += step / 2
        x = (width - own) / 2
        for number in run:
            for place, char in enumerate(card.lines[number]):
                if card.readings:
                    canvas.reading(card.readings[number][place], x, y, pitch)
                canvas.put(char, x + (pitch - _SIZE) / 2, y + (_READING + 6 if card.readings else 0), _SIZE, _INK)
                x += pitch
            canvas.put(card.marks[number], x, y + (_READING + 12 if card.readings else 8), _SIZE * 0.8, _FADED)
            x += _SIZE * 0.8
        y += step
    y += 10
    canvas.row(note, (width - canvas.width(note, _NOTE)) / 2, y, _NOTE, _FADED)
    y += _NOTE + 22
    _stamp(canvas, card.seal, width - _MARGIN - _SEAL_SIZE + 18, y)
    return width, y + _SEAL_SIZE + _MARGIN - 26


def _stamp(canvas: _Canvas, seal: str, x: float, y: float) -> None:
    """A seal: white characters on red, downwards from the right."""
    each = (len(seal) + 1) // 2 if len(seal) > 2 else len(seal)
    columns = -(-len(seal) // each)
    wide = _SEAL_SIZE if columns > 1 else _SEAL + 16
    canvas.parts.append(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide}" height="{_SEAL_SIZE}" rx="6" fill="{_CINNABAR}"/>'
        f'<rect x="{x + 3:.1f}" y="{y + 3:.1f}" width="{wide - 6}" height="{_SEAL_SIZE - 6}" rx="4" fill="none"'
        f' stroke="{_PAPER}" stroke-width="1.4"/>'
    )
    for place, char in enumerate(seal):
        column, row = divmod(place, each)
        left = x + wide - (column + 1) * (wide / columns) + (wide / columns - _SEAL) / 2
        canvas.put(char, left, y + (_SEAL_SIZE - each * (_SEAL + 2)) / 2 + row * (_SEAL + 2), _SEAL, _PAPER)
