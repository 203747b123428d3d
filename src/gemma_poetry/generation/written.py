"""What writers of every engine have in common: how they are asked, and what they give back.

In: `PoemRequest`s, of a domain that is seen from below as a `WritableDomain`. Out: `Written`s, each as it was asked for and
read back by the domain's check.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Template
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.languages import _, listed, localized
from gemma_poetry.prosody.check_result import CheckResult, verdict_name
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.prosody.measures import Measure
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.tunes import stanza_breaks
from gemma_poetry.prosody.wordstock import Wordstock

Watch = Callable[[Mapping[int, str]], None]
"""Is told running texts, by the number of the text among all that are written (from 0); what it raises ends the writing."""

BEST_FIRST = (Verdict.STRICT, Verdict.MINOR, Verdict.RESCUED, Verdict.NOT_JUDGED, Verdict.FAIL)


def check_effort(effort: int | None, best_of: int | None) -> None:
    """Refuses an effort beside a number of drafts, which polishes nothing.

    Args:
        effort: The effort that was asked for; `None`: none was.
        best_of: The number of drafts that was asked for; `None`: none was.

    Raises:
        UsageError: Both are asked for.
    """
    if effort is not None and best_of is not None:
        drafts, other = f"effort={effort}", f"best_of={best_of}"
        raise UsageError(
            _("{drafts} is asked for, and also {other}", drafts=drafts, other=other),
            expected=_("one of them: an effort says itself how many drafts are written, and what is done with the best"),
            action=_("leave one of them out"),
        )


def check_drafts(settings: GenerateSettings, beams: int, *, effort: int | None, best_of: int | None) -> None:
    """Refuses several drafts of a text where all would be the same one, and what `check_effort` refuses.

    Args:
        settings: Sampling.
        beams: Beams of each text.
        effort: The effort that was asked for; `None`: none was.
        best_of: The number of drafts that was asked for; `None`: none was.

    Raises:
        UsageError: Drafts are asked for, and the likeliest tokens or beams besides; or an effort and a number of drafts.
    """
    check_effort(effort, best_of)
    name, count = ("effort", effort or 1) if best_of is None else ("best_of", best_of)
    if count == 1 or (settings.temperature and beams == 1):
        return
    drafts, other = f"{name}={count}", f"beams={beams}" if beams > 1 else "temperature=0"
    raise UsageError(
        _("{drafts} is asked for, and also {other}", drafts=drafts, other=other),
        expected=_("one of them: beams and the likeliest tokens have no chance in them that could be tried twice"),
        action=_("leave one of them out"),
    )


class WritableDomain(Protocol):
    """What this room asks of a domain."""

    name: ClassVar[str]
    engine: ClassVar[str]
    template: ClassVar[Template]
    unit: ClassVar[str]
    max_tokens: ClassVar[int]

    def form_name(self, name: str) -> str: ...
    def by_book(self, name: str) -> WritableDomain: ...
    def feature_name(self, wish: str) -> str: ...
    def measure(self, form: str) -> Measure | None: ...
    def narrowed(self, measure: Measure, feature: str) -> Measure: ...
    def wordstock(self, characters: Collection[str]) -> Wordstock: ...
    def lines_of(self, text: str, form: str) -> tuple[tuple[str, ...], str]: ...
    def count(self, lines: Sequence[str]) -> int: ...
    def judges(self, poem: Poem) -> bool: ...
    def check(self, lines: Sequence[str], form: str) -> CheckResult: ...
    def check_poem(self, poem: Poem, form: str = "", feature: str = "") -> CheckResult: ...


@dataclass(frozen=True, slots=True, repr=False)
class Written(ABC):
    """A text and what is known of it.

    Attributes:
        poem: The text: lines and marks, title, author, form.
        seed: The seed of the run that it belongs to.
        check: The domain's check of it; `None` where no rule judges its form.
        perplexity: Per unit of the domain, under the model that wrote it; `None`: not asked.
    """

    poem: Poem
    seed: int
    check: CheckResult | None
    perplexity: float | None

    @abstractmethod
    def to_record(self) -> dict[str, Any]:
        """The record that `gemma-poetry generate --json` prints."""

    @abstractmethod
    def text(self, notes: Sequence[str] = ()) -> str:
        """The text as a person reads it, title and author above it, with notes below."""

    def annotated(self) -> str:
        """The text with what its check found below."""
        return self.text([*self.check.notes()] if self.check else [])

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class WrittenPoem(Written):
    """A classical Chinese poem.

    Attributes:
        words: Which words the prompt named, which of them were offered, and where words were put (`words_record`).
        own: Whether a person brought it: its author wrote it, where of others it is the one whose style was asked for (拟).
    """

    words: dict[str, Any] = field(default_factory=dict)
    own: bool = False

    def to_record(self) -> dict[str, Any]:
        """With `nearest_line` null: the corpus is not known here."""
        poem = self.poem
        return {
            "title": poem.title,
            "form": poem.kind,
            "author": poem.author,
            "script": poem.script,
            "seed": self.seed,
            "words": self.words,
            "lines": list(poem.lines),
            "ppl_char": self.perplexity,
            "scansion": self.check.to_record() if self.check else None,
            "nearest_line": None,
        }

    def text(self, notes: Sequence[str] = ()) -> str:
        """Title and author where given, then what `verse` gives."""
        poem = self.poem
        author = poem.author if self.own or not poem.author else f"拟{poem.author}"
        head = "　".join(part for part in (poem.title and f"《{poem.title}》", author) if part)
        return "\n".join([*([head] if head else []), self.verse, *notes])

    @property
    def verse(self) -> str:
        """The lines as the person set them who brought them; else one sentence a row.

        That is of a 诗 a couplet, of a 词 what the tune closes with 。; the stanzas of a 词 stand apart.
        """
        poem = self.poem
        if poem.laid_out:
            return poem.laid_out
        ends = stanza_breaks(poem.tune, list(map(len, poem.lines)), poem.marks) if poem.tune else ()
        marked = [line + mark + ("\n" if mark == FULL_STOP else "") for line, mark in zip(poem.lines, poem.marks)]
        return "".join(line + ("\n" if number in ends else "") for number, line in enumerate(marked, 1)).rstrip("\n")

    def annotated(self) -> str:
        """Tones and rhyme beside each line, as `gemma-poetry check` shows them."""
        return str(self.check) if self.check else self.text()


@dataclass(frozen=True, slots=True)
class Change:
    """A line that was rewritten.

    Attributes:
        line: The line, from 1.
        old: What stood there.
        new: What stands there now.
        reason: Why, in one sentence; a message.
    """

    line: int
    old: str
    new: str
    reason: str

    @property
    def changed(self) -> tuple[int, ...]:
        """The positions, from 1, whose characters differ."""
        return tuple(place for place, (one, other) in enumerate(zip(self.old, self.new), 1) if one != other)

    def __str__(self) -> str:
        marked = "".join(f"[{char}]" if place in self.changed else char for place, char in enumerate(self.new, 1))
        new = marked.replace("][", "")
        return localized(_("line {line}: {old} -> {new} ({reason})", line=self.line, old=self.old, new=new, reason=self.reason))


_MEASURES = {
    "ppl_char": _("ppl_char"),
    "closeness": _("closeness"),
    "coherence": _("coherence"),
    "usage": _("usage"),
    "parallelism": _("parallelism"),
}
"""The measures by what a person is told of them."""


@dataclass(frozen=True, slots=True, repr=False)
class Polished:
    """A poem before and after its weakest places were rewritten.

    Attributes:
        before: The poem as it was.
        after: The poem as it is now; the same where nothing was found that is better.
        changes: The lines that differ, from first to last.
        measures: By name (`ppl_char`, `closeness`, `coherence`, `usage`, `parallelism`): before and after; see
            `reranking.Merits`.
    """

    before: WrittenPoem
    after: WrittenPoem
    changes: tuple[Change, ...]
    measures: dict[str, tuple[float | None, float | None]]

    def to_record(self) -> dict[str, Any]:
        """The record that `gemma-poetry polish --json` prints: that of the poem now, with what became of it.

        `text` is the poem with the marks and rows of whoever brought it.
        """
        changes = [
            {"line": one.line, "old": one.old, "new": one.new, "changed": list(one.changed), "reason": one.reason}
            for one in self.changes
        ]
        measures = {name: {"before": old, "after": new} for name, (old, new) in self.measures.items()}
        before = {
            "lines": list(self.before.poem.lines),
            "text": self.before.verse,
            "scansion": self.before.check.to_record() if self.before.check else None,
        }
        now = {**self.after.to_record(), "text": self.after.verse}
        return {**now, "before": before, "changes": changes, "measures": measures}

    def __str__(self) -> str:
        """The poem now, below it each change and what it did to the measures."""
        notes = [""]
        notes += map(str, self.changes) if self.changes else [localized(_("nothing was found that is better"))]
        if self.changes:
            told = [
                _("{name} {old:.2f} -> {new:.2f}", name=_MEASURES[name], old=old, new=new)
                for name, (old, new) in self.measures.items()
                if old is not None and new is not None
            ]
            notes.append(localized(listed(told)))
        checks = [verdict_name(one.check) for one in (self.before, self.after) if one.check]
        notes += [localized(_("verdict {verdicts}", verdicts=listed(dict.fromkeys(checks), " -> ")))] if checks else []
        return self.after.text(notes)

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class WrittenText(Written):
    """A text of another domain.

    Attributes:
        domain: The name of its domain.
        unit: What the perplexity is divided by.
        feature: What was asked for beside form, title and author.
        complete: Whether the model ended it; else it was broken off at the most tokens.
    """

    domain: str
    unit: str
    feature: str = ""
    complete: bool = True

    @property
    def rank(self) -> tuple[int, bool, float]:
        """Its place among texts written for the same request; the least is the best."""
        assert self.check is not None
        perplexity = math.inf if self.perplexity is None else self.perplexity
        return BEST_FIRST.index(self.check.verdict), not self.complete, perplexity

    def to_record(self) -> dict[str, Any]:
        """`scansion` is the domain's check."""
        assert self.check is not None
        return {
            "title": self.poem.title,
            "form": self.poem.form,
            "author": self.poem.author,
            "feature": self.feature,
            "domain": self.domain,
            "seed": self.seed,
            "lines": list(self.poem.lines),
            "marks": self.poem.marks,
            "complete": self.complete,
            f"ppl_{self.unit}": self.perplexity,
            "scansion": self.check.to_record(),
        }

    def text(self, notes: Sequence[str] = ()) -> str:
        """Title and author where given, then the lines."""
        head = " — ".join(part for part in (self.poem.title, self.poem.author) if part)
        broken_off = [] if self.complete else [localized(_("[broken off at the most tokens]"))]
        return "\n".join([*([head] if head else []), self.poem.text.rstrip("\n"), *notes, *broken_off])


class Writer(ABC):
    """Writes texts of one domain with one model; what is worked out for forms and tokenizer is kept between calls."""

    domain: WritableDomain
    guarded: ClassVar[bool]

    @staticmethod
    @abstractmethod
    def no_guards(domain: str) -> str:
        """What a person is told who asks for new lines that cannot be promised in a domain of that name."""

    @staticmethod
    @abstractmethod
    def check_request(domain: WritableDomain, request: PoemRequest, feature: str = "", options: Sequence[str] = ()) -> None:
        """Makes sure that a request can be met, before a model is loaded.

        Args:
            domain: The domain.
            request: What is asked for.
            feature: What else the domain is asked for.
            options: Options of the command line beside the request, of those that only some domains have.

        Raises:
            UsageError: It cannot.
        """

    def stream(
        self,
        request: PoemRequest | Sequence[PoemRequest],
        count: int = 1,
        *,
        seed: int | None = None,
        effort: int | None = None,
        best_of: int | None = None,
        assess: bool | None = None,
        feature: str = "",
        watch: Watch | None = None,
    ) -> Iterator[Written]:
        """Writes texts, and gives each as soon as it is whole.

        The same requests, settings, model and seed give the same texts on the same machine.

        Args:
            request: What is asked for; of several, all in order.
            count: How many texts are kept of each.
            seed: Seed of sampling; `None`: that of the settings, or one drawn at random.
            effort: Quality for time, 1 to 5, of poems; `None`: that of the settings. Other texts know none.
            best_of: Texts written for each that is kept; `None`: of poems as many as the effort says, else one.
            assess: Tell the perplexity; `None`: where `best_of` is more than 1, `False`: where no work is done for that.
            feature: What else the domain can be asked for: of haiku a season word.
            watch: Is called at each step of decoding.

        Raises:
            UsageError: The request cannot be met.
            GenerationError: A text met dead ends only.
        """
        asked = [request] if isinstance(request, PoemRequest) else request
        for one in asked:
            self.check_request(self.domain, one, feature)
        return self._stream([one for one in asked for _ in range(count)], seed, effort, best_of, assess, feature, watch)

    def write(
        self,
        request: PoemRequest | Sequence[PoemRequest],
        count: int = 1,
        *,
        seed: int | None = None,
        effort: int | None = None,
        best_of: int | None = None,
        assess: bool | None = None,
        feature: str = "",
    ) -> list[Written]:
        """The same, all at once."""
        return list(self.stream(request, count, seed=seed, effort=effort, best_of=best_of, assess=assess, feature=feature))

    @abstractmethod
    def _stream(
        self,
        requests: list[PoemRequest],
        seed: int | None,
        effort: int | None,
        best_of: int | None,
        assess: bool | None,
        feature: str,
        watch: Watch | None,
    ) -> Iterator[Written]: ...
