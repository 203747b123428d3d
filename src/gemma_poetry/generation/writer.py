"""A writer writes texts of a domain with one model, whichever engine serves it.

In: a domain (seen from below, as a `WritableDomain`), a loaded model, sampling settings. Out: a `Writer`; of it `Written`s,
each as it was asked for and read back by the domain's check.

    domain.engine == "slots"   PoemWriter over PoemGenerator: every character keeps its slot
    domain.engine == "words"   TextWriter over TextGenerator: every counted line keeps its sum; other lines are free

Of several texts written for one (`best_of`) poems are kept by their merits (see `reranking`); of texts that one which the check
finds best; among equals one that its model ended; among these the likeliest a unit of the domain.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions, Template
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest, simplify
from gemma_poetry.prosody.check_result import CheckResult
from gemma_poetry.prosody.forms import FULL_STOP
from gemma_poetry.prosody.measures import Measure
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.wordstock import Wordstock

if TYPE_CHECKING:
    from gemma_poetry.generation.text_generator import GeneratedText
    from gemma_poetry.model.loading import LoadedModel

_SHARED = {"form", "title", "author", "novel"}
"""Fields of a `PoemRequest` that mean something in every domain."""

_BEST_FIRST = (Verdict.STRICT, Verdict.MINOR, Verdict.RESCUED, Verdict.NOT_JUDGED, Verdict.FAIL)


class WritableDomain(Protocol):
    """What this room asks of a domain."""

    name: ClassVar[str]
    engine: ClassVar[str]
    template: ClassVar[Template]
    unit: ClassVar[str]
    max_tokens: ClassVar[int]

    def form_name(self, name: str) -> str: ...
    def feature_name(self, wish: str) -> str: ...
    def measure(self, form: str) -> Measure | None: ...
    def narrowed(self, measure: Measure, feature: str) -> Measure: ...
    def wordstock(self, characters: Collection[str]) -> Wordstock: ...
    def lines_of(self, text: str, form: str) -> tuple[tuple[str, ...], str]: ...
    def count(self, lines: Sequence[str]) -> int: ...
    def judges(self, poem: Poem) -> bool: ...
    def check(self, lines: Sequence[str], form: str) -> CheckResult: ...
    def check_poem(self, poem: Poem, form: str = "", feature: str = "") -> CheckResult: ...


@dataclass(frozen=True, slots=True)
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

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True, slots=True)
class WrittenPoem(Written):
    """A classical Chinese poem."""

    def to_record(self) -> dict[str, Any]:
        """With `nearest_line` null: the corpus is not known here."""
        poem = self.poem
        return {
            "title": poem.title,
            "form": poem.kind,
            "author": poem.author,
            "script": poem.script,
            "seed": self.seed,
            "lines": list(poem.lines),
            "ppl_char": self.perplexity,
            "scansion": self.check.to_record() if self.check else None,
            "nearest_line": None,
        }

    def text(self, notes: Sequence[str] = ()) -> str:
        """Title and author where given, then one sentence a line: of a 诗 a couplet, of a 词 what the tune closes with 。."""
        poem = self.poem
        head = "　".join(part for part in (poem.title and f"《{poem.title}》", poem.author and f"拟{poem.author}") if part)
        sentences = poem.text.replace(FULL_STOP, FULL_STOP + "\n").splitlines()
        return "\n".join([*([head] if head else []), *sentences, *notes])


@dataclass(frozen=True, slots=True)
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
        return _BEST_FIRST.index(self.check.verdict), not self.complete, perplexity

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
        broken_off = [] if self.complete else ["[broken off at the most tokens]"]
        return "\n".join([*([head] if head else []), self.poem.text.rstrip("\n"), *notes, *broken_off])


class Writer(ABC):
    """Writes texts of one domain with one model; what is worked out for forms and tokenizer is kept between calls.

    Attributes:
        domain: The domain.
        guarded: Whether it keeps known lines out.
        no_guards: What a person is told who asks for new lines that cannot be promised.
    """

    domain: WritableDomain
    guarded: ClassVar[bool]
    no_guards: ClassVar[str]

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
        best_of: int = 1,
        assess: bool = False,
        feature: str = "",
    ) -> Iterator[Written]:
        """Writes texts, and gives each as soon as it is whole.

        The same requests, settings, model and seed give the same texts on the same machine.

        Args:
            request: What is asked for; of several, all in order.
            count: How many texts are kept of each.
            seed: Seed of sampling; `None`: that of the settings.
            best_of: Texts written for each that is kept.
            assess: Tell the perplexity, also where `best_of` is 1.
            feature: What else the domain can be asked for: of haiku a season word.

        Raises:
            UsageError: The request cannot be met.
            GenerationError: A text met dead ends only.
        """
        asked = [request] if isinstance(request, PoemRequest) else request
        for one in asked:
            self.check_request(self.domain, one, feature)
        return self._stream([one for one in asked for _ in range(count)], seed, best_of, assess, feature)

    def write(
        self,
        request: PoemRequest | Sequence[PoemRequest],
        count: int = 1,
        *,
        seed: int | None = None,
        best_of: int = 1,
        assess: bool = False,
        feature: str = "",
    ) -> list[Written]:
        """The same, all at once."""
        return list(self.stream(request, count, seed=seed, best_of=best_of, assess=assess, feature=feature))

    @abstractmethod
    def _stream(
        self, requests: list[PoemRequest], seed: int | None, best_of: int, assess: bool, feature: str
    ) -> Iterator[Written]: ...


class PoemWriter(Writer):
    """Classical Chinese poems, over `PoemGenerator`.

    Attributes:
        generator: The engine.
    """

    no_guards = "no list of known lines is at hand, so new lines are not promised (give --data)"
    guarded = True

    def __init__(self, domain: WritableDomain, loaded: LoadedModel, settings: GenerateSettings, **engine: Any) -> None:
        from gemma_poetry.generation.poem_generator import PoemGenerator

        self.domain = domain
        self.generator = PoemGenerator(loaded.model, loaded.tokenizer, settings, **engine)

    @staticmethod
    def check_request(domain: WritableDomain, request: PoemRequest, feature: str = "", options: Sequence[str] = ()) -> None:
        """Whether there are forms that grant it."""
        if feature:
            domain.feature_name(feature)
        prescribe(simplify(request))

    def _stream(
        self, requests: list[PoemRequest], seed: int | None, best_of: int, assess: bool, feature: str
    ) -> Iterator[Written]:
        for one in self.generator.write(requests, seed=seed, best_of=best_of, assess=assess):
            poem = one.poem
            check = self.domain.check(poem.lines, poem.kind) if self.domain.judges(poem) else None
            if check is not None:
                check = replace(check, title=poem.title, author=poem.author)
            yield WrittenPoem(poem, one.seed, check, one.merits.ppl_char if one.merits else None)


class TextWriter(Writer):
    """Texts of any language, over `TextGenerator`.

    Attributes:
        generator: The engine.
    """

    no_guards = "in the domain {domain} new lines are not promised"
    guarded = False

    def __init__(
        self, domain: WritableDomain, loaded: LoadedModel, settings: GenerateSettings, *, beams: int = 1, **_: Any
    ) -> None:
        from gemma_poetry.generation.text_generator import TextGenerator

        self.domain = domain
        engine = {"wordstock": domain.wordstock, "max_tokens": domain.max_tokens, "beams": beams}
        self.generator = TextGenerator(loaded.model, loaded.tokenizer, settings, **engine)  # type: ignore[arg-type]

    @staticmethod
    def check_request(domain: WritableDomain, request: PoemRequest, feature: str = "", options: Sequence[str] = ()) -> None:
        """Whether it has what every domain has, and the domain has its form and feature."""
        plain = PoemRequest()
        wished = [
            f"--{field.name.replace('_', '-')}"
            for field in fields(PoemRequest)
            if field.name not in _SHARED and getattr(request, field.name) != getattr(plain, field.name)
        ]
        if wished or options:
            raise UsageError(
                f"the domain {domain.name} has no {', '.join([*wished, *options])}",
                expected="--form, --title, --author, --feature, -n, --best-of, --beams, --seed, --annotate, --json, --out",
                action="leave these options out: they are of classical Chinese poems",
            )
        _measure_of(domain, domain.form_name(request.form), domain.feature_name(feature) if feature else "")

    def _stream(
        self, requests: list[PoemRequest], seed: int | None, best_of: int, assess: bool, feature: str
    ) -> Iterator[Written]:
        from gemma_poetry.generation.text_generator import TextRequest

        domain = self.domain
        feature = domain.feature_name(feature) if feature else ""
        seed = self.generator.settings.seed if seed is None else seed
        wishes = []
        for one in requests:
            form = domain.form_name(one.form)
            conditions = Conditions(form, one.title, one.author, domain.template, feature)
            wishes += [TextRequest(conditions, _measure_of(domain, form, feature))] * best_of
        written = self.generator.write(wishes, seed=seed)
        while group := list(itertools.islice(written, best_of)):
            nats: list[float | None] = [None] * len(group)
            if assess or best_of > 1:
                nats = [*self._nats([(text.wish.conditions, text.text) for text in group])]
            yield min((self._read(text, own, seed) for text, own in zip(group, nats)), key=lambda text: text.rank)

    def _read(self, text: GeneratedText, nats: float | None, seed: int) -> WrittenText:
        """A text as its domain reads it, with its nats under the model where these were asked for."""
        domain, asked = self.domain, text.wish.conditions
        lines, marks = domain.lines_of(text.text, asked.form)
        poem = Poem(lines, marks, asked.title, asked.author, form=asked.form, script="")
        units = domain.count(lines)
        perplexity = math.exp(nats / units) if nats is not None and units else None
        check = domain.check_poem(poem, asked.form, asked.feature)
        return WrittenText(poem, seed, check, perplexity, domain.name, domain.unit, asked.feature, text.complete)

    def _nats(self, texts: Sequence[tuple[Conditions, str]]) -> Iterator[float]:
        from gemma_poetry.data.tokenization import encode_samples
        from gemma_poetry.model.scoring import score_completions

        samples = list(encode_samples(self.generator.tokenizer, texts))
        return (score.nll for score in score_completions(self.generator.model, samples))


ENGINES: dict[str, type[PoemWriter] | type[TextWriter]] = {"slots": PoemWriter, "words": TextWriter}
"""By the name that a domain gives as its `engine`."""


def open_writer(
    domain: WritableDomain,
    loaded: LoadedModel,
    settings: GenerateSettings | None = None,
    *,
    beams: int = 1,
    byte_characters: bool = False,
    guards: Sequence[KnownLines] = (),
) -> Writer:
    """The writer of a domain's texts.

    Args:
        domain: The domain.
        loaded: The model.
        settings: Sampling and batch size; `None`: the defaults.
        beams: Beams of each text; 1 samples.
        byte_characters: Also write characters that the vocabulary has only as bytes.
        guards: Lines that new poems do without.
    """
    engine = ENGINES[domain.engine]
    return engine(domain, loaded, settings or GenerateSettings(), beams=beams, byte_characters=byte_characters, guards=guards)


def _measure_of(domain: WritableDomain, form: str, feature: str) -> Measure | None:
    measure = domain.measure(form)
    return domain.narrowed(measure, feature) if measure is not None and feature else measure
