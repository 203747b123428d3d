"""A check result says what a domain's check found in a text: verdict, faults, unknown words.

In: what the check of any language or style found. Out: a `CheckResult`, and its record with the keys of
`gemma-poetry check --json`; printed, it is what `gemma-poetry check` prints. A `ScansionResult` is the same of classical
Chinese poems, with their scansion inside.

Lines and positions count from 1; position 0 means the whole line, line 0 the whole text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gemma_poetry.languages import _
from gemma_poetry.prosody.check_layout import BY_RHYME, as_html, keeps_rhyme_alone, scansion_rows, shown
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.mending import Mend
from gemma_poetry.prosody.rules import VERDICT_NAMES, Verdict
from gemma_poetry.prosody.scansion_record import scansion_record

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken, or a licence that is made use of.

    Attributes:
        line: The line.
        position: The place in the line.
        rule: The rule's name.
        expected: What the form asks for there.
        actual: What stands there instead.
    """

    line: int
    position: int
    rule: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A word that no dictionary has; nothing is guessed of it."""

    line: int
    position: int
    word: str


@dataclass(frozen=True, slots=True, repr=False)
class CheckResult:
    """What is right and wrong with a text.

    Attributes:
        form: The form that it was held against.
        lines: Its lines.
        verdict: What it amounts to.
        every_reading: Whether every choice of pronunciations keeps the form.
        rhyme_group: The rhyme scheme or group that was found, empty where there is none.
        faults: What is wrong under every pronunciation.
        unknown: The words that no dictionary has.
        licences: The departures that the rules allow; `None`: the form knows none.
        details: What else the domain has to say, as JSON values by their names in the record.
        title: Its title, where it has one.
        author: Its author, where known.
    """

    form: str
    lines: tuple[str, ...]
    verdict: Verdict
    every_reading: bool = False
    rhyme_group: str = ""
    faults: tuple[Finding, ...] = ()
    unknown: tuple[UnknownWord, ...] = ()
    licences: tuple[Finding, ...] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    author: str = ""

    @property
    def passes(self) -> bool:
        """Whether the text keeps its form."""
        return self.verdict.passes

    def to_record(self) -> dict[str, Any]:
        """The record of the check, title and author left out."""
        return {
            "form": self.form,
            "lines": list(self.lines),
            "verdict": self.verdict.value,
            "every_reading": self.every_reading,
            "rhyme_group": self.rhyme_group,
            "faults": [asdict(fault) for fault in self.faults],
            "unknown": [asdict(word) for word in self.unknown],
            **({} if self.licences is None else {"licences": [asdict(licence) for licence in self.licences]}),
            **self.details,
        }

    def rows(self, source_id: str = "") -> Iterator[str | Text]:
        """What was found, row by row, title or place in its file first."""
        yield self.title or source_id
        yield from ("  " + row for row in self.notes())

    def notes(self) -> Iterator[str]:
        """What was found, without the text's heading."""
        yield (
            _("{form}: ", form=self.form)
            + VERDICT_NAMES[self.verdict]
            + (_(" ({rhyme_group})", rhyme_group=self.rhyme_group) if self.rhyme_group else "")
        )
        for one in self.faults:
            yield _("  fault: {place}: {finding}", place=_place_of(one), finding=_told(one))
        for one in self.licences or ():
            yield _("  licence: {place}: {finding}", place=_place_of(one), finding=_told(one))
        for word in self.unknown:
            yield _(
                "  unknown: line {line}, position {position} {word}: in no dictionary, nothing is guessed",
                line=word.line,
                position=word.position,
                word=word.word,
            )

    def __str__(self) -> str:
        return shown(self.rows()).export_text().strip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.rows())


def _place_of(one: Finding) -> str:
    if not one.line:
        return _("text")
    if not one.position:
        return _("line {line}", line=one.line)
    return _("line {line}, position {position}", line=one.line, position=one.position)


def _told(one: Finding) -> str:
    return _("{rule}: expected {expected}, found {actual}", rule=one.rule, expected=one.expected, actual=one.actual)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScansionResult(CheckResult):
    """What the scansion of a classical Chinese poem found, as the result of a check.

    Attributes:
        scansion: The scansion.
        mends: How each fault could be mended, where that was asked for.
        layout: How a person set the poem; see `corpus.poem.Poem`.
    """

    scansion: Scansion
    mends: tuple[Mend, ...] = ()
    layout: str = ""

    def to_record(self) -> dict[str, Any]:
        """See `scansion_record`."""
        return scansion_record(self.scansion, self.mends)

    def rows(self, source_id: str = "") -> Iterator[str | Text]:
        """Tones and readings beside each line, faults with their mends below, an empty row last."""
        yield from scansion_rows(self.scansion, self.mends, self.title, self.author)
        yield ""


def verdict_name(check: CheckResult) -> str:
    """What the verdict of a check is called where people read it, as `gemma-poetry check` has it."""
    if isinstance(check, ScansionResult) and keeps_rhyme_alone(check.scansion):
        return BY_RHYME
    return VERDICT_NAMES[check.verdict]


def scansion_result(
    scansion: Scansion, mends: Sequence[Mend] = (), title: str = "", author: str = "", layout: str = ""
) -> ScansionResult:
    """A scansion as the result of a check."""
    faults, licences = (
        tuple(Finding(one.line, one.position, one.rule.key, one.expected, one.actual) for one in found)
        for found in (scansion.faults, scansion.licences)
    )
    return ScansionResult(
        form=scansion.form,
        lines=scansion.lines,
        verdict=scansion.verdict,
        every_reading=scansion.every_reading,
        rhyme_group=scansion.rhyme_group,
        faults=faults,
        unknown=tuple(UnknownWord(*found) for found in scansion.unknown),
        licences=licences,
        title=title,
        author=author,
        scansion=scansion,
        mends=tuple(mends),
        layout=layout,
    )
