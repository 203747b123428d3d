"""A domain says of a language or style what the four verbs must know to work with it.

In: one class a domain, written by anybody. Out: a `Domain`; the verbs ask it, and never which one it is.

    prepare     divide (plain text -> texts), clean (text -> Poem, or why it is left out), template (labels of the prompt),
                symbols (what is compared when near-duplicates are sought)
    train       count (what perplexity is divided by)
    evaluate    count and unit, check (conformity), metrics
    generate    forms, template, and where lines are counted: measure (what each line costs), wordstock (what words cost);
                with them the sum of every line is guaranteed

A domain knows poems, prosody and prompts, never models: what its words cost goes to the decoder as a `Wordstock`, whose
kind is defined in `prosody`, below both. Everything but `name`, `description`, `forms`, `clean` and `check` has a default
that suits texts of lines.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from gemma_poetry.corpus.poem import Poem, SourcePoem
from gemma_poetry.data.prompts import Conditions, Template
from gemma_poetry.domains.scripts import normal_text, single_spaces
from gemma_poetry.errors import UnknownFormError, UsageError, nearest_names
from gemma_poetry.extras import require
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.check_result import CheckResult, Finding, UnknownWord
from gemma_poetry.prosody.measures import Measure, split_measured
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.wordstock import Wordstock

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, Han, and the syllables of Hangul."""
_SIGNS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"
"""Accents and vowel signs that stand inside words: Latin, Hebrew, Arabic, the scripts of India."""
_WORD = rf"(?:[^\W{_UNSPACED}]|[{_SIGNS}])+"
_SYMBOLS = re.compile(rf"[{_UNSPACED}]|{_WORD}(?:['’]{_WORD})*")
_HEADING = re.compile(r"#\s*(?P<title>.*?)(?:\s+—\s+(?P<author>\S.*))?\s*")


class Domain(ABC):
    """One language or style.

    Attributes:
        name: What `--domain` names it, in small letters with hyphens.
        description: One sentence for `gemma-poetry domains`.
        forms: The forms it knows; the first is taken where none is named.
        template: The labels of its prompts.
        reader: Which reader of `corpus.readers` serves it: `texts` asks `divide`, `clean` and `symbols`.
        engine: Which engine of `generation.writer` serves it: `words` asks `measure` and `wordstock`; `slots` writes under the
            forms of `prosody.forms`, whose every character has a place of its own.
        unit: What `count` counts, as it stands behind `ppl_` in results: `char`, `word`, ...
        endings: Files that it reads.
        languages: ISO 639 codes of its texts, for dataset cards; empty: any.
        packages: Modules that must be there for it to work.
        extra: The extra of this project that brings them; empty: none does.
        metrics: Beginnings of the names of metrics that make sense for it, beside perplexity and conformity.
        symbol: What `symbols` divides a line into, in the plural, as figures of novelty and variety name it.
        max_tokens: Tokens after which a text that is not counted is broken off.
        feature: What can be asked for beside form, title and author, and its prompts name (`template.feature`), in words for
            people; empty: nothing.
        book: The rhyme book that it judges by, where it has such; empty: the usual one.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    forms: ClassVar[tuple[str, ...]]
    template: ClassVar[Template] = Template("Form: ", "\nTitle: ", "\nAuthor: ", "\nText:\n")
    reader: ClassVar[str] = "texts"
    engine: ClassVar[str] = "words"
    unit: ClassVar[str] = "char"
    endings: ClassVar[tuple[str, ...]] = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
    languages: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    metrics: ClassVar[tuple[str, ...]] = ("chrf", "distinct", "self_bleu", "copied_lines", "longest_span")
    symbol: ClassVar[str] = "symbols"
    max_tokens: ClassVar[int] = 512
    feature: ClassVar[str] = ""
    book: str = ""

    @property
    def example(self) -> Conditions:
        """What a model of this domain is asked for where an example is wanted, as on a model card."""
        return Conditions(self.forms[0], template=self.template)

    def sample(self) -> Path | None:
        """The folder of a small sample, read where the source is called `sample`; `None`: it has none."""
        return None

    def require(self) -> None:
        """Makes sure that the packages it needs are there.

        Raises:
            MissingExtraError: One is missing; the error says how it is installed.
        """
        require(*self.packages, extra=self.extra, purpose=_("the domain {name}", name=self.name))

    def form_name(self, name: str) -> str:
        """The name of a form as the domain writes it.

        Raises:
            UnknownFormError: It knows no form of that name; the nearest names are offered.
        """
        wanted = name.strip() or self.forms[0]
        for form in self.forms:
            if form.casefold() == wanted.casefold():
                return form
        near = nearest_names(wanted, self.forms)
        raise UnknownFormError(
            _("{name} knows no form {name_2!r}", name=self.name, name_2=name),
            expected=_("one of {forms}", forms=listed(self.forms)),
            action=_("did you mean {near}?", near=listed(near, " or ")) if near else _("choose a name of the list"),
        )

    def by_book(self, name: str) -> Domain:
        """The domain as it judges by a rhyme book; by the usual one where the name is empty.

        Raises:
            UsageError: It has no rhyme books, or none of that name.
        """
        if not name:
            return self
        raise UsageError(
            _("{domain} has no rhyme books (found {name!r})", domain=self.name, name=name),
            expected=_("the domain classical-chinese, whose rhymes go by a book"),
            action=_("leave --book out"),
        )

    def divide(self, text: str, name: str) -> Iterator[SourcePoem]:
        """The texts of a plain text file.

        Where some line begins with `#`, such lines are headings (`# Title — Author`), and each begins a text whose blank
        lines part stanzas; else blank lines part the texts.
        """
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        number, title, author = 0, "", ""
        headed = any(line.startswith("#") for line in lines)
        gathered: list[str] = []
        for line in [*lines, "#" if headed else ""]:
            ends = line.startswith("#") if headed else not line.strip()
            if not ends:
                gathered.append(line)
                continue
            if any(own.strip() for own in gathered):
                number += 1
                yield SourcePoem(tuple(gathered), f"{name}#{number}", title=title, author=author)
            gathered = []
            if headed and (heading := _HEADING.fullmatch(line)):
                title, author = heading["title"], heading["author"] or ""

    @abstractmethod
    def clean(self, source: SourcePoem) -> Poem:
        """A clean text with its form.

        Raises:
            RefusedError: It is left out; the reason is counted in stats.json.
        """

    @abstractmethod
    def check(self, lines: Sequence[str], form: str) -> CheckResult:
        """What is right and wrong with a text; see `check_result`."""

    def symbols(self, line: str) -> Sequence[str]:
        """What a line is made of when texts are compared: words of scripts that part them by spaces, characters of others.

        Korean is parted by spaces, but a word there goes on into particles: its syllables are compared.
        """
        return _SYMBOLS.findall(unicodedata.normalize("NFKC", line).casefold())

    def count(self, lines: Sequence[str]) -> int:
        """The units (see `unit`) of a text; by default the characters of its lines."""
        return sum(map(len, lines))

    def measure(self, form: str) -> Measure | None:
        """What each line of a form costs; `None`: its lines are not counted, and texts are written freely."""
        return None

    def feature_name(self, wish: str) -> str:
        """A feature as prompts name it.

        Raises:
            UsageError: The domain has none, or none of that name.
        """
        raise UsageError(
            _("{name} has nothing to be asked for beside form, title and author (found {wish!r})", name=self.name, wish=wish),
            action=_("leave --feature out"),
        )

    def narrowed(self, measure: Measure, feature: str) -> Measure:
        """The measure of texts that have a feature (see `feature_name`).

        Raises:
            ConstraintError: No text of that measure can have it.
        """
        return measure

    def feature_faults(self, lines: Sequence[str], feature: str) -> list[Finding]:
        """What lacks to a feature in a text; see `fault`."""
        return []

    def judges(self, poem: Poem) -> bool:
        """Whether a check can say anything of a text's form."""
        return True

    def check_poem(self, poem: Poem, form: str = "", feature: str = "") -> CheckResult:
        """The check of a whole text.

        Args:
            poem: The text.
            form: The form that it must keep, as `form_name` writes it; empty: its own.
            feature: What was asked of it besides, as `feature_name` writes it; empty: nothing.

        Raises:
            TextError: It is not of the form's shape.
        """
        found = replace(self.check(poem.lines, form or poem.form), title=poem.title, author=poem.author)
        faults = self.feature_faults(poem.lines, feature) if feature else []
        if not faults:
            return found
        return replace(found, verdict=Verdict.FAIL, every_reading=False, faults=(*found.faults, *faults))

    def wordstock(self, characters: Collection[str]) -> Wordstock:
        """The words that lines are made of, spelt in the characters that a vocabulary has.

        Raises:
            ConstraintError: The vocabulary cannot spell enough of them.
        """
        raise UsageError(_("{name} cannot say what a word costs", name=self.name), expected=_("a form without counted lines"))

    def lines_of(self, text: str, form: str) -> tuple[tuple[str, ...], str]:
        """The lines and closing marks of a running text of a form."""
        measure = self.measure(form)
        return split_measured(text, measure.marks if measure else "\n" * text.count("\n"))


def fault(line: int, position: int, rule: str, expected: object, actual: object) -> Finding:
    """One fault of a check; line and position count from 1, position 0 means the whole line, line 0 the whole text."""
    expected, actual = (text if isinstance(text, str) else str(text) for text in (expected, actual))
    return Finding(line, position, rule, expected, actual)


def cleaned_text(source: SourcePoem, lines: Sequence[str], form: str) -> Poem:
    """What a domain makes of a source that it keeps: a line break behind each line; title and author in one line each.

    Raises:
        RefusedError: Title or author hold damaged characters.
    """
    return Poem(
        tuple(lines),
        "\n" * len(lines),
        single_spaces(normal_text(source.title)),
        single_spaces(normal_text(source.author)),
        form=form,
        script="",
        source_id=source.source_id,
    )


def check_result(
    form: str,
    lines: Sequence[str],
    faults: Sequence[Finding],
    unknowns: Sequence[UnknownWord] = (),
    *,
    every_reading: bool = True,
    rhyme_group: str = "",
    judged: bool = True,
    rescued: bool = False,
    licences: Sequence[Finding] | None = None,
    **details: Any,
) -> CheckResult:
    """The result of a check with the verdict that follows from it.

    The verdict is `fail` where there is a fault, else `not-judged` where a word is unknown or the form has no rules, else
    `strict` where every pronunciation keeps the form, `minor` where some does, and `rescued` where only an unusual one does.

    Args:
        form: The form that was asked for.
        lines: The lines.
        faults: What is wrong under every pronunciation, see `fault`.
        unknowns: Words that no dictionary has.
        every_reading: Whether every choice of pronunciations keeps the form.
        rhyme_group: The rhyme scheme that was found.
        judged: Whether the form has rules at all.
        rescued: Whether the form is kept only by pronunciations that are not the likeliest.
        licences: Departures that the rules allow; `None`: the form knows none.
        **details: Further keys of the record, of the domain's own.
    """
    if faults:
        verdict = Verdict.FAIL
    elif unknowns or not judged:
        verdict = Verdict.NOT_JUDGED
    elif every_reading:
        verdict = Verdict.STRICT
    else:
        verdict = Verdict.RESCUED if rescued else Verdict.MINOR
    return CheckResult(
        form,
        tuple(lines),
        verdict,
        every_reading and verdict is Verdict.STRICT,
        rhyme_group,
        tuple(faults),
        tuple(unknowns),
        None if licences is None else tuple(licences),
        details,
    )


def sample_folder(name: str) -> Path:
    """The folder of a domain's sample; `prepare` says so where it is missing."""
    return Path(str(resources.files("gemma_poetry") / "assets" / "domains" / name))
