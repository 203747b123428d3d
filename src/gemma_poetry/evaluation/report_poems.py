"""Sample poems stand in a report with the tone, the rhyme and the faults of every character.

In: writings of several systems to the same titles. Out: `SampleTitle`s, plain values that a page sets in columns.

A poem is read against the form that was asked for; one that cannot be (wrong shape, no rules) is shown without marks. Texts of
other domains are read by their own check, and run from line to line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.evaluation.conformity import Judge
from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.retrieval_oracle import RETRIEVAL
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import CheckResult, ScansionResult
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import alternating_marks
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.scansion_record import OPEN, tone_mark

REFERENCE = "held-out poem"
"""What the poem that the title is from is called."""

TONE_SIGNS = {"平": "○", "仄": "●", OPEN: "◐"}
"""The signs that books of metre use: level, oblique, either."""

_LONGEST_SAMPLE = 64
_VERDICTS = {
    Verdict.STRICT: "合律",
    Verdict.MINOR: "小拗",
    Verdict.RESCUED: "拗救",
    Verdict.FAIL: "不合",
    Verdict.NOT_JUDGED: "不判",
}


@dataclass(frozen=True, slots=True)
class SampleCharacter:
    """A character where it stands.

    Attributes:
        char: The character.
        sign: The sign of its tone; empty where it is not known.
        rhymes: Whether it stands in a rhyme place.
        fault: The rule that is broken here, for people; empty where none is.
    """

    char: str
    sign: str = ""
    rhymes: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class SamplePoem:
    """A poem of one system.

    Attributes:
        system: The system.
        source: Author and title of the poem, where no model wrote it; else empty.
        lines: The characters, line by line.
        marks: One closing mark a line.
        verdict: What the scansion says, in Chinese.
        passes: Whether it keeps its form; `None`: it is not judged.
        rhyme: The rhyme group, empty where there is none.
        running: Whether it is set line under line, in place of columns: a text of another domain.
        told: What the check found of whole lines, for people.
    """

    system: str
    source: str
    lines: tuple[tuple[SampleCharacter, ...], ...]
    marks: str
    verdict: str
    passes: bool | None
    rhyme: str
    running: bool = False
    told: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The running text."""
        return "".join("".join(one.char for one in line) + mark for line, mark in zip(self.lines, self.marks))


@dataclass(frozen=True, slots=True)
class SampleTitle:
    """What the systems wrote to one title."""

    title: str
    form: str
    poems: tuple[SamplePoem, ...]


def sample_titles(
    generations: Sequence[Generation], count: int, judge: Judge | None = None, book: str = ""
) -> list[SampleTitle]:
    """Some titles with everything that was written to them: those that most systems answered, forms in turn.

    Args:
        generations: The writings; only whole poems from a title are shown, and not the retrieval ceiling.
        count: How many titles at most.
        judge: The check of another domain; `None`: tones and rhymes.
        book: The rhyme book that these are by; empty: the usual one.
    """
    by_poem: dict[str, list[Generation]] = {}
    for writing in generations:
        if writing.protocol is Protocol.TITLE and writing.system != RETRIEVAL:
            by_poem.setdefault(writing.source_id, []).append(writing)
    fullest = sorted(by_poem.values(), key=lambda poems: (-len(poems), _length(poems[0]) > _LONGEST_SAMPLE))
    return [_sample(poems, judge, book) for poems in list(_forms_in_turn(fullest))[:count]]


def _length(writing: Generation) -> int:
    return len(writing.reference_text or writing.text)


def _forms_in_turn(poems: Sequence[list[Generation]]) -> Iterator[list[Generation]]:
    """The same lists: one of each form and number of systems, then a second one, and so on."""
    seen: dict[str, int] = {}
    rounds = []
    for place, own in enumerate(poems):
        form = own[0].form
        seen[form] = seen.get(form, 0) + 1
        rounds.append((-len(own), _length(own[0]) > _LONGEST_SAMPLE, seen[form], place))
    for *_unused, place in sorted(rounds):
        yield poems[place]


def _sample(generations: Sequence[Generation], judge: Judge | None, book: str) -> SampleTitle:
    first = generations[0]
    shown = list(generations)
    if first.reference:
        usual = alternating_marks(len(first.reference)) if judge is None else "\n" * len(first.reference)
        marks = first.marks if len(first.marks) == len(first.reference) else usual
        shown.append(replace(first, system=REFERENCE, lines=first.reference, marks=marks, origin={}))
    return SampleTitle(first.title, first.form, tuple(_poem(one, judge, book) for one in shown))


def _poem(writing: Generation, judge: Judge | None, book: str) -> SamplePoem:
    # A stranger's file may be named as the origin; it is the system already.
    title, author = writing.origin.get("title", ""), writing.origin.get("author", "")
    source = f"{author}《{title}》" if title else str(author)
    if judge is not None:
        named = ", ".join(str(part) for part in (author, title) if part)
        return _judged(writing.lines, writing.marks, judge(writing.lines, writing.form), writing.system, named)
    return read_sample(writing.lines, writing.marks, writing.form, writing.system, source, book)


def read_sample(lines: Sequence[str], marks: str, form: str, system: str = "", source: str = "", book: str = "") -> SamplePoem:
    """Reads one poem against a form, to be shown.

    Args:
        lines: Its lines.
        marks: One closing mark a line.
        form: 体裁 or 词牌
        system: Who wrote it.
        source: Author and title, where it is another's.
        book: The rhyme book; empty: the usual one.
    """
    marks = marks.ljust(len(lines), "　")
    try:
        scansion = scan(lines, form, book=book)
    except UnknownFormError:
        return SamplePoem(system, source, _bare(lines), marks, "不判", None, "")
    except TextError:
        return SamplePoem(system, source, _bare(lines), marks, "句式不合", False, "")
    verdict = scansion.verdict
    passes = None if verdict is Verdict.NOT_JUDGED else verdict.passes
    return SamplePoem(system, source, _read(scansion), marks, _VERDICTS[verdict], passes, scansion.rhyme_group)


def written_sample(poem: Poem, found: CheckResult | None) -> SamplePoem:
    """One poem with what its domain's check found, to be shown."""
    name = f"《{poem.title}》" if poem.title else ""
    if found is None or isinstance(found, ScansionResult):
        book = found.scansion.book.name if found else ""
        return read_sample(poem.lines, poem.marks, poem.kind, name, book=book)
    return _judged(poem.lines, poem.marks, found, poem.title)


def _judged(lines: Sequence[str], marks: str, found: CheckResult, system: str, source: str = "") -> SamplePoem:
    """A text of another domain beside what its check found."""
    rules = {(one.line, one.position): one.rule for one in found.faults}
    shown = tuple(
        tuple(SampleCharacter(char, fault=rules.get((number, position), "")) for position, char in enumerate(line, 1))
        for number, line in enumerate(lines, 1)
    )
    told = tuple(
        (_("line {line}: ", line=one.line) if one.line else "")
        + _("{rule}: expected {expected}, found {actual}", rule=one.rule, expected=one.expected, actual=one.actual)
        for one in found.faults
    )
    passes = None if found.verdict is Verdict.NOT_JUDGED else found.passes
    marks = marks.ljust(len(lines), "\n")
    verdict = found.verdict.value.replace("-", " ")
    return SamplePoem(system, source, shown, marks, verdict, passes, found.rhyme_group, True, told)


def _bare(lines: Sequence[str]) -> tuple[tuple[SampleCharacter, ...], ...]:
    return tuple(tuple(map(SampleCharacter, line)) for line in lines)


def _read(scansion: Scansion) -> tuple[tuple[SampleCharacter, ...], ...]:
    faults = {(fault.line, fault.position): f"{fault.rule.chinese}: {fault.rule.english}" for fault in scansion.faults}
    return tuple(
        tuple(
            SampleCharacter(
                place.char, TONE_SIGNS.get(tone_mark(place), ""), bool(place.rhyme), faults.get((line, position), "")
            )
            for position, place in enumerate(places, 1)
        )
        for line, places in enumerate(scansion.places, 1)
    )
