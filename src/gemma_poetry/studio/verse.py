"""Poems as HTML: characters with their tones, rhyme words, faults and locks, in columns or in rows.

In: a poem's lines and marks, its scansion where a rule judges it, what is locked. Out: HTML in which nothing that a person
wrote is markup.

    Verse ──cells──> character, tone, rhyme, fault, lock ──verse_html──> <figure class="poem"> … </figure>

Each character that can be tapped is a button that bears its place (`data-spot="2.5"`: line and position from 1), each
closing mark one that bears its line. They are spans in the role of buttons, for the text of a button cannot be selected.
`assets/studio/studio.css` gives them their looks; `studio.js` their keys, and puts lines on the clipboard.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import interpret
from gemma_poetry.prosody.pinyin import pinyin_of
from gemma_poetry.prosody.scansion_record import tone_mark
from gemma_poetry.studio.texts import Language, say, verdict_text

Spot = tuple[int, int]
"""Line and position in it, from 1; position 0: the whole line."""

_TONE_CLASSES = {Tone.LEVEL.value: "level", Tone.OBLIQUE.value: "oblique", "通": "open"}
_SENTENCE_ENDS = "。！？；"


def escape(text: object) -> str:
    """Text that is no markup, neither to a browser nor to the templates of the page (`${…}`, `{{…}}`)."""
    escaped = html.escape(str(text), quote=True)
    return re.sub(r"[${}`\\]", lambda match: f"&#{ord(match[0])};", escaped)


@dataclass(frozen=True, slots=True)
class Verse:
    """What is shown of a poem.

    Attributes:
        lines: Its lines, the last perhaps unfinished.
        marks: The closing mark of each line that is finished.
        heading: What stands above it.
        caption: What stands below the heading, item by item.
        scansion: What a scansion found; `None`: tones are told from the readings alone.
        locked: Places that are locked.
        given: Places that were asked for.
        chosen: The place that alternatives are shown for.
        tappable: Whether its characters are buttons.
        locks: Whether a tap can lock them, and their line by its closing mark.
    """

    lines: tuple[str, ...]
    marks: str
    heading: str = ""
    caption: tuple[str, ...] = ()
    scansion: Scansion | None = None
    locked: frozenset[Spot] = frozenset()
    given: frozenset[Spot] = frozenset()
    chosen: Spot | None = None
    tappable: bool = False
    locks: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """How poems are laid out.

    Attributes:
        vertical: In columns from right to left; else in rows.
        tones: With tone marks.
        pinyin: With the Mandarin reading above each character.
    """

    vertical: bool = True
    tones: bool = True
    pinyin: bool = False


def verse_html(verse: Verse, layout: Layout, language: Language) -> str:
    """A poem as a figure."""
    classes = "poem " + ("vertical" if layout.vertical else "horizontal") + ("" if layout.tones else " bare")
    if sum(map(len, verse.lines)) > 60 or len(verse.lines) > 8:
        classes += " long"
    if layout.pinyin:
        classes += " read"
    longest = max(map(len, verse.lines), default=1)
    more = escape(say("continues", language))
    parts = [f'<figure class="{classes}" style="--longest:{longest}" data-more="{more}">']
    if verse.heading or verse.caption:
        caption = "".join(f"<span>{escape(item)}</span>" for item in verse.caption if item)
        parts.append(f"<figcaption><h3 lang='zh'>{escape(verse.heading)}</h3><p class='caption'>{caption}</p></figcaption>")
    parts.append('<div class="sheet"><div class="verse" lang="zh">')
    tones = _tones(verse)
    readings = pinyin_of(verse.lines, verse.scansion) if layout.pinyin else ()
    sentence: list[str] = []
    for number, line in enumerate(verse.lines, 1):
        heard = readings[number - 1] if readings else ("",) * len(line)
        cells = [_cell(verse, tones, number, position, reading, language) for position, reading in enumerate(heard, 1)]
        mark = verse.marks[number - 1] if number <= len(verse.marks) else ""
        if mark:
            cells.append(_mark(verse, number, mark, language))
        sentence.append(f'<div class="line">{"".join(cells)}</div>')
        if mark in _SENTENCE_ENDS or number == len(verse.lines):
            parts.append(f'<div class="sentence">{"".join(sentence)}</div>')
            sentence = []
    parts.append("</div></div>")
    parts.append("</figure>")
    return "".join(parts)


def _tones(verse: Verse) -> list[list[str]]:
    """The tone class (`level`, `oblique`, `open`, or nothing) of every place."""
    if verse.scansion is not None:
        return [[_TONE_CLASSES.get(tone_mark(place), "") for place in places] for places in verse.scansion.places]
    found = []
    for heard in interpret(verse.lines) if verse.lines else ():
        row = []
        for place in heard:
            own = {reading.tone.value for reading in place.readings}
            row.append("" if not own else _TONE_CLASSES[own.pop() if len(own) == 1 else "通"])
        found.append(row)
    return found


def _cell(verse: Verse, tones: Sequence[Sequence[str]], line: int, position: int, reading: str, language: Language) -> str:
    spot = (line, position)
    char = verse.lines[line - 1][position - 1]
    classes, notes = ["zi"], [char]
    tone = tones[line - 1][position - 1]
    if tone:
        notes.append(say(f"legend_{tone}", language))
    scansion = verse.scansion
    if scansion is not None:
        if scansion.places[line - 1][position - 1].rhyme:
            classes.append("rhyme")
            notes.append(say("rhyme_word", language))
        for name, found in (("fault", scansion.faults), ("licence", scansion.licences)):
            rules = [one.rule for one in found if (one.line, one.position) in (spot, (line, 0))]
            if rules:
                classes.append(name)
                notes += [rule.chinese if language == "zh" else rule.english for rule in rules]
    for name, places in (("locked", verse.locked), ("given", verse.given)):
        if spot in places:
            classes.append(name)
            notes.append(say(name, language))
    if spot == verse.chosen:
        classes.append("chosen")
    inner = f'<span class="han">{escape(char)}</span>'
    if reading:
        inner = f'<ruby>{inner}<rt lang="zh-Latn">{escape(reading)}</rt></ruby>'
    inner += f'<i class="tone {tone}"></i>'
    label = escape(" · ".join(notes))
    if not verse.tappable:
        return f'<span class="{" ".join(classes)}" title="{label}">{inner}</span>'
    pressed = f' aria-pressed="{str(spot in verse.locked).lower()}"' if verse.locks else ""
    return (
        f'<span role="button" tabindex="0" class="{" ".join(classes)}" data-spot="{line}.{position}"{pressed}'
        f' aria-label="{label}" title="{label}">{inner}</span>'
    )


def _mark(verse: Verse, line: int, mark: str, language: Language) -> str:
    if not (verse.tappable and verse.locks):
        return f'<span class="stop">{escape(mark)}</span>'
    label = escape(say("line_lock", language, line=line))
    return (
        f'<span role="button" tabindex="0" class="stop" data-spot="{line}.0" aria-label="{label}" title="{label}">'
        f"{escape(mark)}</span>"
    )


def legend_html(language: Language, items: Collection[str]) -> str:
    """What the signs mean.

    Args:
        language: The language.
        items: Of `level`, `oblique`, `open`, `rhyme`, `fault`, `licence`, `locked`, those to explain.
    """
    signs = {name: f'<i class="tone {name}"></i>' for name in _TONE_CLASSES.values()}
    signs |= {name: f'<b class="sign {name}" lang="zh">字</b>' for name in ("rhyme", "fault", "licence", "locked")}
    shown = "".join(f"<li>{signs[name]} {escape(say(f'legend_{name}', language))}</li>" for name in signs if name in items)
    return f'<ul class="legend">{shown}</ul>'


def verdict_html(scansion: Scansion, language: Language) -> str:
    """The verdict, the pattern and the rhyme of a poem, as one row."""
    parts = [f'<span class="verdict {scansion.verdict.value}">{escape(verdict_text(scansion.verdict, language))}</span>']
    details = [scansion.form, scansion.pattern, scansion.rhyme_group and say("rhyme_is", language, group=scansion.rhyme_group)]
    if scansion.verdict.passes:
        details.append(say("readings_all" if scansion.every_reading else "readings_some", language))
    parts += [f"<span>{escape(detail)}</span>" for detail in details if detail]
    return f'<p class="judgement">{"".join(parts)}</p>'


def notice_html(text: str) -> str:
    """A quiet notice (waiting, loading, an empty page)."""
    return f'<p class="notice">{escape(text)}</p>'
