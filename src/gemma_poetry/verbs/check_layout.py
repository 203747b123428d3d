"""What a check found is laid out for a person.

In: a `CheckedPoem`, or the record of another domain's check. Out: rows of text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemma_poetry.prosody.findings import Place, Scansion
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.mending import Mend
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion_record import is_choice, tone_mark

if TYPE_CHECKING:
    from rich.text import Text


_VERDICT_WORDS = {
    Verdict.STRICT: "passes, strict (合律)",
    Verdict.MINOR: "passes, with minor departures (小拗)",
    Verdict.RESCUED: "passes, with mended departures (拗救)",
    Verdict.FAIL: "fails (不合律)",
    Verdict.NOT_JUDGED: "not judged (不判)",
}


_VERDICT_STYLES = {Verdict.FAIL: "bold red", Verdict.NOT_JUDGED: "yellow"}


@dataclass(frozen=True, slots=True)
class CheckedPoem:
    """One poem, read.

    Attributes:
        title: 题目, empty where there is none.
        author: 作者, empty where unknown.
        scansion: What the scansion found.
        mends: How each fault could be mended.
    """

    title: str
    author: str
    scansion: Scansion
    mends: tuple[Mend, ...] = ()


def rows(checked: CheckedPoem) -> Iterator[Text]:
    """A poem as rows of coloured text."""
    from rich.text import Text

    scansion = checked.scansion
    heading = " ".join(part for part in (checked.title and f"《{checked.title}》", checked.author) if part)
    if heading:
        yield Text(heading, style="bold")
    parts = [scansion.form, scansion.pattern, scansion.rhyme_group and f"韵 {scansion.rhyme_group}"]
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
        row.append(next((f"韵 {group}" for place in places if place.rhyme and (group := _rhyme_of(place))), ""), style="cyan")
        row.rstrip()
        yield row
    for number, places in enumerate(scansion.places, 1):
        for position, place in enumerate(places, 1):
            if place.taken and is_choice(place):
                yield Text(f"  reading: {_spot(number, position)} {place.char} {_reading_text(place)}", style="dim")
    for mend in checked.mends:
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
    for remark in scansion.remarks:
        yield Text(f"  remark: {remark}", style="dim")


def _spot(line: int, position: int) -> str:
    return f"line {line}, position {position}" if position else f"line {line}"


def _fault_text(scansion: Scansion, line: int, position: int) -> str:
    char = scansion.lines[line - 1][position - 1] if position and line <= len(scansion.lines) else ""
    return f"{_spot(line, position)}{f' {char}' if char else ''}: "


def _rhyme_of(place: Place) -> str:
    """The group that a rhyme word was read in, or those that it may be in; empty where no reading of it is known."""
    if place.taken:
        return place.taken.group
    asked = "平仄" if place.expected == "中" else place.expected
    return "/".join(dict.fromkeys(reading.group for reading in readings(place.char) if reading.tone.value in asked))


def _reading_text(place: Place) -> str:
    assert place.taken is not None
    tone = place.taken.tone
    # Where only the tone is decided, more than one rhyme may have it.
    sure = place.rhyme or len({reading.rhyme for reading in readings(place.char) if reading.tone is tone}) == 1
    later = ", a later reading" if place.taken.later else ""
    return f"{tone.value} {place.taken.group} ({place.reason}{later})" if sure else f"{tone.value} ({place.reason}{later})"


def check_rows(found: dict[str, Any]) -> Iterator[str]:
    """The record of a check as rows of text."""
    yield f"{found['form']}: {found['verdict']}" + (f" ({found['rhyme_group']})" if found["rhyme_group"] else "")
    for kind in ("faults", "licences"):
        for one in found.get(kind, ()):
            place = f"line {one['line']}" if one["line"] else "text"
            place += f", position {one['position']}" if one["position"] else ""
            yield f"  {kind[:-1]}: {place}: {one['rule']}: expected {one['expected']}, found {one['actual']}"
    for one in found["unknown"]:
        yield f"  unknown: line {one['line']}, position {one['position']} {one['word']}: in no dictionary, nothing is guessed"
