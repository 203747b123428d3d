"""What a check found is laid out for a person.

In: findings of a check, or a scansion with how its faults could be mended. Out: rows of text, of classical Chinese poems with
tones and readings beside each line; the same rows as a piece of HTML.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gemma_poetry.errors import visible
from gemma_poetry.languages import _, localized, session_language
from gemma_poetry.prosody.findings import Fault, Place, Scansion
from gemma_poetry.prosody.mending import Mend
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.scansion_record import is_choice, tone_mark
from gemma_poetry.prosody.tune_variants import poems_text, tier_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_VERDICT_WORDS = {
    Verdict.STRICT: _("passes, strict (合律)"),
    Verdict.MINOR: _("passes, with minor departures (小拗)"),
    Verdict.RESCUED: _("passes, with mended departures (拗救)"),
    Verdict.FAIL: _("fails (不合律)"),
    Verdict.NOT_JUDGED: _("not judged (不判)"),
}
BY_RHYME = _("passes, by its rhyme alone (合韵)")
_VERDICT_STYLES = {Verdict.FAIL: "bold red", Verdict.NOT_JUDGED: "yellow"}


def scansion_rows(scansion: Scansion, mends: Sequence[Mend] = (), title: str = "", author: str = "") -> Iterator[Text]:
    """A poem as rows of coloured text."""
    from rich.text import Text

    heading = " ".join(part for part in (title and f"《{title}》", author) if part)
    if heading:
        yield Text(heading, style="bold")
    book, pattern = scansion.book, scansion.pattern
    if scansion.poems:
        pattern = f"{pattern} ({tier_of(scansion.poems).value}, {poems_text(scansion.poems)})"
    parts = [scansion.form, pattern, scansion.rhyme_group and f"韵 {scansion.rhyme_group}", book.title * book.modern]
    row = Text("".join((" · ".join(part for part in parts if part), ": ")) if any(parts) else "")
    words = BY_RHYME if keeps_rhyme_alone(scansion) else _VERDICT_WORDS[scansion.verdict]
    row.append(localized(words), style=_VERDICT_STYLES.get(scansion.verdict, "bold green"))
    if scansion.verdict.passes:
        sure = _("; with every reading") if scansion.every_reading else _("; with the readings taken, not with all")
        row.append(localized(sure))
    yield row
    faulty = {(fault.line, fault.position) for fault in scansion.faults}
    licensed = {(licence.line, licence.position) for licence in scansion.licences}
    width = max(map(len, scansion.lines), default=0)
    for number, places in enumerate(scansion.places, 1):
        row = Text(f"{number:>3}  ")
        for mark in (lambda place: place.char, tone_mark, lambda place: place.expected):
            for position, place in enumerate(places, 1):
                spot = (number, position)
                style = "bold red" if spot in faulty else "yellow" if spot in licensed else "cyan" if place.rhyme else ""
                row.append(mark(place), style=style)
            row.append("　" * (width - len(places)) + "  ")
        groups = (_rhyme_of(place, book) for place in places if place.rhyme)
        row.append(next((f"韵 {group}" for group in groups if group), ""), style="cyan")
        row.rstrip()
        yield row
    for number, places in enumerate(scansion.places, 1):
        for position, place in enumerate(places, 1):
            if place.taken and is_choice(place):
                spot_text, told = _spot(number, position), _reading_text(place, book)
                reading = _("  reading: {spot} {char} {reading}", spot=spot_text, char=place.char, reading=told)
                yield Text(localized(reading), style="dim")
    for mend in mends:
        fault = mend.fault
        row = Text("  ")
        row.append(localized(_("fault: ")), style="bold red")
        row.append(localized(_fault_text(scansion, mend.fault.line, fault.position)))
        row.append(localized(_finding_text(fault)))
        yield row
        for found in mend.alternatives:
            spot_text, characters = _spot(found.line, found.position), " ".join(found.characters)
            yield Text(localized(_("      mend: {spot} {characters}", spot=spot_text, characters=characters)))
        if mend.advice:
            yield Text(localized(_("      mend: {advice}", advice=mend.advice)))
    for licence in scansion.licences:
        row = Text("  ")
        row.append(localized(_("licence: ")), style="yellow")
        row.append(localized(_fault_text(scansion, licence.line, licence.position)))
        row.append(localized(_licence_text(licence)))
        yield row
    for line, position, char in scansion.unknown:
        unread = _(
            "  unknown: {spot} {char}: no reading is known, so nothing is said of it", spot=_spot(line, position), char=char
        )
        yield Text(localized(unread), style="yellow")
    for other in scansion.passing_books:
        passes = _("  by another book: 按{title}合律, it passes by {name} (--book {name})", title=other.title, name=other.name)
        yield Text(localized(passes), style="green")
    for remark in scansion.remarks:
        yield Text(localized(_("  remark: {remark}", remark=remark)), style="dim")


def keeps_rhyme_alone(scansion: Scansion) -> bool:
    """Whether a form that asks no tones is kept: ancient verse is not 合律 for its rhyme."""
    toneless = all(place.expected == "中" for places in scansion.places for place in places)
    return toneless and scansion.verdict is Verdict.STRICT


def _spot(line: int, position: int) -> str:
    if position:
        return _("line {line}, position {position}", line=line, position=position)
    return _("line {line}", line=line)


def finding_text(scansion: Scansion, found: Fault) -> str:
    """A fault or licence in one row: where, which character, what was expected."""
    said = _finding_text(found) if found.rule.verdict is Verdict.FAIL else _licence_text(found)
    return localized(_fault_text(scansion, found.line, found.position)) + localized(said)


def _fault_text(scansion: Scansion, line: int, position: int) -> str:
    char = scansion.lines[line - 1][position - 1] if position and line <= len(scansion.lines) else ""
    return _spot(line, position) + (_(" {char}: ", char=char) if char else ": ")


def _rule_name(rule: Rule) -> str:
    return rule.chinese if session_language() == "zh" else _("{chinese}, {english}", chinese=rule.chinese, english=rule.english)


def _finding_text(fault: Fault) -> str:
    return _(
        "{rule}: expected {expected}, found {actual}",
        rule=_rule_name(fault.rule),
        expected=fault.expected,
        actual=fault.actual,
    )


def _licence_text(licence: Fault) -> str:
    return _(
        "{rule}: usual {expected}, found {actual}",
        rule=_rule_name(licence.rule),
        expected=licence.expected,
        actual=licence.actual,
    )


def _rhyme_of(place: Place, book: RhymeBook) -> str:
    """The group that a rhyme word was read in, or those that it may be in; empty where no reading of it is known."""
    if place.taken:
        return book.rhyme(place.taken)
    asked = "平仄" if place.expected == "中" else place.expected
    return "/".join(dict.fromkeys(book.rhyme(reading) for reading in book.readings(place.char) if reading.tone.value in asked))


def _reading_text(place: Place, book: RhymeBook) -> str:
    assert place.taken is not None
    tone = place.taken.tone
    # Where only the tone is decided, more than one rhyme may have it.
    sure = place.rhyme or len({reading.rhyme for reading in book.readings(place.char) if reading.tone is tone}) == 1
    parts = (tone.value, place.taken.pinyin, book.rhyme(place.taken)) if sure else (tone.value,)
    reading = " ".join(part for part in parts if part)
    if place.taken.later:
        return _("{reading} ({reason}, a later reading)", reading=reading, reason=place.reason)
    return _("{reading} ({reason})", reading=reading, reason=place.reason)


def shown(rows: Iterable[str | Text]) -> Console:
    """A console that has printed the rows to nowhere, and can say them again as text or HTML."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(), record=True, force_jupyter=False, highlight=False, markup=False, emoji=False, soft_wrap=True
    )
    for row in rows:
        console.print(visible(localized(row)) if isinstance(row, str) else row)
    return console


def as_html(rows: Iterable[str | Text]) -> str:
    """Rows as a piece of a page, for a notebook."""
    page = '<pre style="line-height: 1.4; overflow-x: auto">{code}</pre>'
    return shown(rows).export_html(inline_styles=True, code_format=page)
