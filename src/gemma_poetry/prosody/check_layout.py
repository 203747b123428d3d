"""What a check found is laid out for a person.

In: findings of a check, or a scansion with how its faults could be mended. Out: rows of text, of classical Chinese poems with
tones and readings beside each line; the same rows as a piece of HTML.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gemma_poetry.errors import visible
from gemma_poetry.prosody.findings import Place, Scansion
from gemma_poetry.prosody.mending import Mend
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion_record import is_choice, tone_mark

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_VERDICT_WORDS = {
    Verdict.STRICT: "passes, strict (合律)",
    Verdict.MINOR: "passes, with minor departures (小拗)",
    Verdict.RESCUED: "passes, with mended departures (拗救)",
    Verdict.FAIL: "fails (不合律)",
    Verdict.NOT_JUDGED: "not judged (不判)",
}
_VERDICT_STYLES = {Verdict.FAIL: "bold red", Verdict.NOT_JUDGED: "yellow"}


def scansion_rows(scansion: Scansion, mends: Sequence[Mend] = (), title: str = "", author: str = "") -> Iterator[Text]:
    """A poem as rows of coloured text.

    Args:
        scansion: What was found in it.
        mends: How each fault could be mended.
        title: Its title, where it has one.
        author: Its author, where known.
    """
    from rich.text import Text

    heading = " ".join(part for part in (title and f"《{title}》", author) if part)
    if heading:
        yield Text(heading, style="bold")
    book = scansion.book
    parts = [scansion.form, scansion.pattern, scansion.rhyme_group and f"韵 {scansion.rhyme_group}", book.title * book.modern]
    row = Text("".join((" · ".join(part for part in parts if part), ": ")) if any(parts) else "")
    row.append(_VERDICT_WORDS[scansion.verdict], style=_VERDICT_STYLES.get(scansion.verdict, "bold green"))
    if scansion.verdict.passes:
        row.append("; with every reading" if scansion.every_reading else "; with the readings taken, not with all")
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
                yield Text(f"  reading: {_spot(number, position)} {place.char} {_reading_text(place, book)}", style="dim")
    for mend in mends:
        fault = mend.fault
        row = Text("  ")
        row.append("fault: ", style="bold red")
        row.append(_fault_text(scansion, mend.fault.line, fault.position))
        row.append(f"{fault.rule.chinese}, {fault.rule.english}: expected {fault.expected}, found {fault.actual}")
        yield row
        for found in mend.alternatives:
            yield Text(f"      mend: {_spot(found.line, found.position)} {' '.join(found.characters)}")
        if mend.advice:
            yield Text(f"      mend: {mend.advice}")
    for licence in scansion.licences:
        row = Text("  ")
        row.append("licence: ", style="yellow")
        row.append(_fault_text(scansion, licence.line, licence.position))
        row.append(f"{licence.rule.chinese}, {licence.rule.english}: usual {licence.expected}, found {licence.actual}")
        yield row
    for line, position, char in scansion.unknown:
        yield Text(f"  unknown: {_spot(line, position)} {char}: no reading is known, so nothing is said of it", style="yellow")
    for other in scansion.passing_books:
        yield Text(f"  by another book: 按{other.title}合律, it passes by {other.name} (--book {other.name})", style="green")
    for remark in scansion.remarks:
        yield Text(f"  remark: {remark}", style="dim")


def _spot(line: int, position: int) -> str:
    return f"line {line}, position {position}" if position else f"line {line}"


def _fault_text(scansion: Scansion, line: int, position: int) -> str:
    char = scansion.lines[line - 1][position - 1] if position and line <= len(scansion.lines) else ""
    return f"{_spot(line, position)}{f' {char}' if char else ''}: "


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
    later = ", a later reading" if place.taken.later else ""
    told = " ".join(part for part in (tone.value, place.taken.pinyin, book.rhyme(place.taken)) if part) if sure else tone.value
    return f"{told} ({place.reason}{later})"


def shown(rows: Iterable[str | Text]) -> Console:
    """A console that has printed the rows to nowhere, and can say them again as text or HTML."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(), record=True, force_jupyter=False, highlight=False, markup=False, emoji=False, soft_wrap=True
    )
    for row in rows:
        console.print(visible(row) if isinstance(row, str) else row)
    return console


def as_html(rows: Iterable[str | Text]) -> str:
    """Rows as a piece of a page, for a notebook."""
    page = '<pre style="line-height: 1.4; overflow-x: auto">{code}</pre>'
    return shown(rows).export_html(inline_styles=True, code_format=page)
