"""Scansion: the lines of a poem, read back against a form.

In: lines of Han characters and a form (its name, a `Form` with a pattern, or nothing: `scan_auto` finds the form).
Out: a `Scansion`: the verdict, each fault and licence with line and position, the readings taken and why.

    lines ──interpretation──> readings of every place ──┬─ 绝句 律诗 排律: regulated_scan
                                                        ├─ 古诗: ancient_scan (rhyme alone)
                                                        └─ 词牌: tune_scan

Two scores: `verdict` is that of the best choice of readings; `every_reading` tells whether all choices pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gemma_poetry.errors import TextError
from gemma_poetry.prosody.forms import Form
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rules import Rule, Verdict


@dataclass(frozen=True, slots=True)
class Place:
    """A character where it stands.

    Attributes:
        char: The character.
        tones: The tone classes that its readings give: `平`, `仄`, `平仄` (both), or empty for an unknown character.
        expected: What the form asks for here: `平`, `仄` or `中` (either).
        rhyme: The form's rhyme variable here, empty where none.
        taken: The reading taken; `None` where several stay possible, or none is known.
        reason: Why that reading was taken (`only reading`, `metre`, `rhyme`, or the word that decides it).
    """

    char: str
    tones: str
    expected: str
    rhyme: str = ""
    taken: Reading | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that is broken, or a licence that is made use of.

    Attributes:
        rule: The rule.
        line: The line, from 1.
        position: The character in the line, from 1; 0 for the whole line.
        expected: What the form asks for there: a tone, a rhyme group, a character.
        actual: What stands there instead.
    """

    rule: Rule
    line: int
    position: int
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Scansion:
    """What a scansion found.

    Attributes:
        form: The form (体裁 or 词牌) that the poem was read against.
        pattern: Which of its patterns (平起首句入韵 …, 又一体); empty where it has one only.
        lines: The lines.
        verdict: That of the best choice of readings.
        every_reading: Whether every choice of readings passes.
        rhyme_group: The 平水韵 group, or the 词林正韵 parts, that the poem rhymes in; empty where there is none.
        places: The characters where they stand, line by line.
        faults: The rules that are broken, in the order of the text.
        licences: The departures that the rules allow, in the order of the text.
        remarks: What else is worth knowing, one sentence each.
    """

    form: str
    pattern: str
    lines: tuple[str, ...]
    verdict: Verdict
    every_reading: bool
    rhyme_group: str
    places: tuple[tuple[Place, ...], ...]
    faults: tuple[Fault, ...] = ()
    licences: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[tuple[int, int, str], ...]:
        """The characters without a known reading: line and position from 1, character."""
        return tuple(
            (line, position, place.char)
            for line, places in enumerate(self.places, 1)
            for position, place in enumerate(places, 1)
            if not place.tones
        )


def scan(lines: Sequence[str], form: Form | str) -> Scansion:
    """Reads a poem against a form.

    Args:
        lines: The lines, Han characters only.
        form: A form's or tune's name, or a `Form`, whose `pattern` then is the only one that counts.

    Raises:
        TextError: There are no lines, or not of the number and length that the form has.
        UnknownFormError: No form or tune is called so.
    """
    from gemma_poetry.prosody.regulated_scan import scan_regulated

    if not lines:
        raise TextError("there is no line to read")
    if {len(line) for line in lines} not in ({5}, {7}) or len(lines) % 2:
        lengths = " ".join(str(len(line)) for line in lines)
        raise TextError(f"the lines have {lengths} characters", expected="an even number of lines of five or seven characters")
    if isinstance(form, Form):
        return scan_regulated(lines, form.name, form.pattern)
    return scan_regulated(lines, form)


def scan_auto(lines: Sequence[str]) -> Scansion:
    """Reads a 诗 against the form that its lines suggest."""
    from gemma_poetry.prosody.forms import classify

    if not lines:
        raise TextError("there is no line to read")
    return scan(lines, classify(lines))
