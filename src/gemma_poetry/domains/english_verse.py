"""English verse has three forms: the sonnet, common metre, and the haiku.

    sonnet          fourteen lines of ten syllables, iambic, rhyming ABAB CDCD EFEF GG
    common metre    quatrains of 8, 6, 8 and 6 syllables, iambic, the second line rhyming with the fourth
    haiku           three lines of 5, 7 and 5 syllables
    free verse      everything else: not judged

In: lines of English. Out: their form; a check of syllables, metre and rhyme under every pronunciation of the dictionary;
measures and words for generation, which keeps all three.

Metre: the main stress of a word of several syllables stands on a strong place; words of one syllable stand anywhere.
Two licences of old standing are noted, not faulted: the first foot inverted, and an unstressed syllable more at the end.
Source: T. Steele, All the Fun's in How You Say a Thing (1999), chapters 1 to 3.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.data.prompts import Template
from gemma_poetry.domains.domain import Domain, check_result, cleaned_text, fault, sample_folder
from gemma_poetry.domains.english_sounds import Pronunciation, pronunciations, words_of, wordstock
from gemma_poetry.domains.scripts import normal_text, refuse_other_scripts, single_spaces
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import CheckResult, Finding, UnknownWord
from gemma_poetry.prosody.measures import STRONG, WEAK, Measure, MeasuredLine
from gemma_poetry.prosody.wordstock import Wordstock

SONNET, COMMON_METRE, HAIKU, FREE_VERSE = "sonnet", "common metre", "haiku", "free verse"

_SCHEMES = {SONNET: "ABABCDCDEFEFGG", COMMON_METRE: "xAxA", HAIKU: "xxx"}
_SYLLABLES = {SONNET: (10,) * 14, COMMON_METRE: (8, 6, 8, 6), HAIKU: (5, 7, 5)}
_IAMBIC = (SONNET, COMMON_METRE)
_WRITTEN_QUATRAINS = 2
# The dictionary has many foreign names: a German text is found in it to more than half.
_KNOWN_SHARE = 0.8


class EnglishVerse(Domain):
    """Sonnet, common metre, haiku."""

    name = "english-verse"
    description = _("English verse: sonnet, common metre, haiku (syllables, metre, rhyme)")
    forms = (SONNET, COMMON_METRE, HAIKU, FREE_VERSE)
    languages = ("en",)
    template: ClassVar[Template] = Template("Form: ", "\nTitle: ", "\nPoet: ", "\nPoem:\n")
    unit = "word"
    packages = ("pronouncing",)
    extra = "english"
    symbol = "words"
    max_tokens = 400

    def sample(self) -> Path:
        """Original verse of this project."""
        return sample_folder(self.name)

    def clean(self, source: SourcePoem) -> Poem:
        """The lines of the poem; stanza breaks follow from the form and are left out."""
        text = normal_text("\n".join(source.paragraphs)).replace("’", "'").replace("‘", "'")
        lines = tuple(line for line in map(single_spaces, text.split("\n")) if line)
        refuse_other_scripts(text, {"Latin"})
        words = [word for line in lines for _, word in words_of(line)]
        if not words:
            raise RefusedError(_("no text"))
        if sum(bool(pronunciations(word)) for word in words) < _KNOWN_SHARE * len(words):
            raise RefusedError(_("not English (too many words are in no dictionary)"))
        form = source.form if source.form in self.forms else self._form_of(lines)
        return cleaned_text(source, lines, form)

    def _form_of(self, lines: Sequence[str]) -> str:
        for form in (SONNET, COMMON_METRE, HAIKU):
            if len(lines) == len(_SYLLABLES[form]) or (form == COMMON_METRE and len(lines) % 4 == 0):
                # A word that nobody can pronounce leaves the shape to decide.
                rules = {one.rule for one in self.check(lines, form).faults}
                if not rules & {"syllables", "lines"}:
                    return form
        return FREE_VERSE

    def check(self, lines: Sequence[str], form: str) -> CheckResult:
        """Syllables, metre and rhyme, each under every pronunciation."""
        if form not in _SCHEMES:
            return check_result(form, lines, [], judged=False)
        period = len(_SYLLABLES[form])
        whole = bool(lines) and (len(lines) % period == 0 if form == COMMON_METRE else len(lines) == period)
        if not whole:
            return check_result(form, lines, [fault(0, 0, _("lines"), period, len(lines))])
        faults, unknowns, licences = [], [], []
        certain = True
        endings: list[tuple[str, set[str]]] = []
        for number, line in enumerate(lines, 1):
            words = [(position, word, pronunciations(word)) for position, word in words_of(line)]
            lacking = [UnknownWord(number, position, word) for position, word, ways in words if not ways]
            unknowns += lacking
            endings.append((words[-1][1].lower(), {way.rhyme for way in words[-1][2]}) if words else ("", set()))
            if lacking:
                continue
            wanted = _SYLLABLES[form][(number - 1) % period]
            read = _read([ways for _, _, ways in words], wanted, form in _IAMBIC)
            if read.rule:
                faults.append(fault(number, 0, read.rule, wanted if read.rule == "syllables" else _("iambic"), read.found))
            if read.licence:
                licences.append(fault(number, 0, read.licence, wanted, read.found))
            certain &= read.certain
        rhyme_faults, rhymes_certain = _check_rhymes(endings, form, period)
        return check_result(
            form,
            lines,
            [*faults, *rhyme_faults],
            unknowns,
            every_reading=certain and rhymes_certain,
            rhyme_group=_SCHEMES[form] if "A" in _SCHEMES[form] else "",
            licences=licences,
        )

    def count(self, lines: Sequence[str]) -> int:
        """Words."""
        return sum(len(re.findall(r"\w+(?:['’]\w+)*", line)) for line in lines)

    def measure(self, form: str) -> Measure | None:
        """What each line costs in syllables, how it rhymes, where its beats fall."""
        if form not in _SCHEMES:
            return None
        rounds = _WRITTEN_QUATRAINS if form == COMMON_METRE else 1
        lines = []
        for number in range(rounds):
            for cost, variable in zip(_SYLLABLES[form], _SCHEMES[form]):
                rhyme = "" if variable == "x" else f"{variable}{number}"
                metre = (WEAK + STRONG) * (cost // 2) if form in _IAMBIC else ""
                lines.append(MeasuredLine(cost, rhyme=rhyme, metre=metre))
        return Measure(form, tuple(lines))

    def wordstock(self, characters: Collection[str]) -> Wordstock:
        """The words of the dictionary whose syllables are beyond doubt."""
        return wordstock(characters)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a line reads at best: the rule that it breaks, the licence that it takes, what was found instead."""

    rule: str = ""
    licence: str = ""
    found: str = ""
    certain: bool = True


def _read(words: Sequence[Sequence[Pronunciation]], wanted: int, iambic: bool) -> _Reading:
    """Reads a line under every choice of pronunciations; the best choice decides, the others make it uncertain."""
    outcomes: set[tuple[int, int, str]] = {(0, 0, "")}
    for ways in words:
        # (syllables so far, how far the metre is kept: 0 strictly, 1 the first foot inverted, 2 not, last stresses)
        outcomes = {
            (length + way.syllables, max(kept, _kept(way, length)), way.stresses)
            for length, kept, _ in outcomes
            for way in ways
        }
    lengths = sorted({length for length, _, _ in outcomes})
    exact = [(kept, last) for length, kept, last in outcomes if length == wanted]
    if not iambic:
        found = "/".join(map(str, lengths))
        return _Reading(certain=lengths == [wanted]) if exact else _Reading(_("syllables"), found=found)
    best = min((kept for kept, _ in exact), default=3)
    if best == 0:
        return _Reading(certain=len(exact) == len(outcomes) and all(kept == 0 for kept, _ in exact))
    if best == 1:
        return _Reading(licence=_("first foot inverted"), found="/x", certain=False)
    longer = [kept for length, kept, last in outcomes if length == wanted + 1 and last.endswith("0") and len(last) > 1]
    if longer and min(longer) < 2:
        return _Reading(licence=_("unstressed syllable more"), found=str(wanted + 1), certain=False)
    if exact:
        return _Reading(_("metre"), found=_("a main stress on a weak place"))
    return _Reading(_("syllables"), found="/".join(map(str, lengths)))


def _kept(way: Pronunciation, before: int) -> int:
    weak = [before + place for place in way.accents if (before + place) % 2 == 0]
    return 0 if not weak else 1 if weak == [0] else 2


def _check_rhymes(endings: Sequence[tuple[str, set[str]]], form: str, period: int) -> tuple[list[Finding], bool]:
    """Faults of rhyme, and whether every pronunciation rhymes. Lines that end in an unknown word are not judged."""
    faults, certain = [], True
    for begin in range(0, len(endings), period):
        first: dict[str, int] = {}
        for offset, variable in enumerate(_SCHEMES[form]):
            if variable == "x":
                continue
            number = begin + offset
            word, rhymes = endings[number]
            earlier = first.setdefault(variable, number)
            if earlier == number:
                continue
            other, others = endings[earlier]
            if not rhymes or not others:
                certain = False
            elif word == other:
                faults.append(fault(number + 1, 0, _("rhyme word repeated"), _("another word than {other}", other=other), word))
            elif not rhymes & others:
                wanted = _("a rhyme to {other} (line {number})", other=other, number=earlier + 1)
                faults.append(fault(number + 1, 0, _("rhyme"), wanted, word))
            else:
                certain &= len(rhymes | others) == 1
    return faults, certain
