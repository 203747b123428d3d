"""A Japanese haiku has three lines of 5, 7 and 5 morae, with or without a season word.

    俳句        5-7-5 morae (定型)
    有季俳句    5-7-5 with a season word (季語) of the list
    自由律俳句  free lines: not judged

In: lines in kana and kanji, or one line with spaces between its three parts. Out: their form; a check of the morae under
every reading that kana, brackets and the dictionary allow; kana for generation, in which every line costs what it must.

    strict     every reading of every line has the morae that it must have
    minor      the likeliest reading of every line has
    rescued    some line has them only under another reading of the dictionary, which is named as a licence

A prompt names season and season word, `季語：春・さくら`, as training finds them in the poem; a request may name either, and
what is written then ends in that word, or in one of that season. The season words are a short list of the project's own
(`season_words.tsv` in the assets): spellings, reading, season.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.data.prompts import Template
from gemma_poetry.domains.domain import Domain, check_result, cleaned_text, fault, sample_folder
from gemma_poetry.domains.japanese_sounds import can_end_a_line, count_morae, read_line, without_readings, wordstock
from gemma_poetry.domains.scripts import normal_text, refuse_other_scripts, scripts_of
from gemma_poetry.errors import ConstraintError, UsageError, nearest_names
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.check_result import CheckResult, Finding, UnknownWord
from gemma_poetry.prosody.measures import Measure, MeasuredLine
from gemma_poetry.prosody.wordstock import Wordstock

HAIKU, SEASONAL_HAIKU, FREE_HAIKU = "俳句", "有季俳句", "自由律俳句"
MORAE = (5, 7, 5)
_SCRIPTS = {"Han", "Kana"}
_SEASON = "季語"
_DOT = "・"


class SeasonWord(NamedTuple):
    """A season word (季語).

    Attributes:
        spellings: How it is written, kana among them.
        season: 春, 夏, 秋, 冬 or 新年.
    """

    spellings: tuple[str, ...]
    season: str

    @property
    def name(self) -> str:
        """How prompts name it, and the rhyme group of its spellings: 春・桜."""
        return f"{self.season}{_DOT}{self.spellings[0]}"


class JapaneseHaiku(Domain):
    """俳句, 有季俳句, 自由律俳句."""

    name = "japanese-haiku"
    description = _("Japanese haiku: 5-7-5 morae, season words (季語)")
    forms = (HAIKU, SEASONAL_HAIKU, FREE_HAIKU)
    languages = ("ja",)
    template: ClassVar[Template] = Template(
        "形式：", "\n題：", "\n作者：", "\n句：\n", "\n季語：", lambda poem: first_season_word(poem.lines)
    )
    feature = _("a season word (季語) of the list, or a season: 春 夏 秋 冬 新年")
    extra = "japanese"
    symbol = "characters"
    max_tokens = 60

    def sample(self) -> Path:
        """Original haiku of this project, in kana."""
        return sample_folder(self.name)

    def divide(self, text: str, name: str) -> Iterator[SourcePoem]:
        """Where every line holds a whole haiku, its parts apart by spaces, each line is a text; else see `Domain`."""
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if lines and all(len(re.split(r"\s+", line)) == len(MORAE) for line in lines):
            for number, line in enumerate(lines, 1):
                yield SourcePoem(tuple(re.split(r"\s+", line)), f"{name}#{number}")
        else:
            yield from super().divide(text, name)

    def clean(self, source: SourcePoem) -> Poem:
        """The three lines, marks and readings in brackets taken out."""
        text = normal_text("\n".join(source.paragraphs))
        lines = [line for line in (re.sub(r"[、。，．]", "", part).strip() for part in text.split("\n")) if line]
        if len(lines) == 1:
            lines = re.split(r"\s+", lines[0])
        lines = [re.sub(r"\s", "", line) for line in lines]
        if not lines:
            raise RefusedError(_("no text"))
        refuse_other_scripts("".join(lines), _SCRIPTS)
        form = source.form if source.form in self.forms else self._form_of(lines)
        return cleaned_text(source, [without_readings(line) for line in lines], form)

    def _form_of(self, lines: Sequence[str]) -> str:
        found = self.check(lines, HAIKU)
        if found.unknown:
            raise RefusedError(_("a word whose reading is not known (kanji are read with the extra `japanese`)"))
        if found.faults:
            return FREE_HAIKU
        return SEASONAL_HAIKU if found.details["season_words"] else HAIKU

    def check(self, lines: Sequence[str], form: str) -> CheckResult:
        """The morae of each line, and the season words."""
        faults, unknowns, readings, licences = [], [], [], []
        certain, counted = True, form != FREE_HAIKU
        if counted and len(lines) != len(MORAE):
            faults.append(fault(0, 0, _("lines"), len(MORAE), len(lines)))
            counted = False
        for number, line in enumerate(lines, 1):
            foreign = sorted(scripts_of(line) - _SCRIPTS)
            if foreign:
                faults.append(fault(number, 0, _("script"), _("kana and kanji"), " ".join(foreign)))
                readings.append("")
                continue
            read = read_line(line)
            unknowns += [UnknownWord(number, position, word) for position, word in read.unknown]
            taken = read.kana
            if counted and not read.unknown:
                wanted = MORAE[number - 1]
                certain &= list(read.by_morae) == [wanted]
                if wanted not in read.by_morae:
                    faults.append(fault(number, 0, _("morae"), wanted, "/".join(map(str, read.by_morae))))
                elif read.morae != wanted:
                    taken = read.by_morae[wanted]
                    licences.append(fault(number, 0, _("reading"), read.kana, taken))
            readings.append(taken)
        seasons = season_words("\n".join(map(without_readings, lines)))
        if form == SEASONAL_HAIKU and not seasons:
            faults.append(fault(0, 0, _("season word"), _("a season word of the list"), _("none")))
        return check_result(
            form,
            lines,
            faults,
            unknowns,
            every_reading=certain,
            judged=form != FREE_HAIKU,
            rescued=bool(licences),
            licences=licences,
            readings=readings,
            season_words=[{"word": word, "season": season} for word, season in seasons],
        )

    def symbols(self, line: str) -> Sequence[str]:
        """Characters."""
        return list(line)

    def measure(self, form: str) -> Measure | None:
        """5, 7 and 5 morae, of a seasonal haiku with a season word at the end; no line of a free haiku is counted."""
        if form == FREE_HAIKU:
            return None
        *before, last = MORAE
        group = _SEASON if form == SEASONAL_HAIKU else ""
        return Measure(form, (*map(MeasuredLine, before), MeasuredLine(last, rhyme=group)))

    def feature_name(self, wish: str) -> str:
        """`春` or `春・桜`."""
        wanted = wish.strip()
        for entry in season_list():
            if wanted in (entry.season, entry.name):
                return wanted
            if wanted in entry.spellings:
                return entry.name
        known = [spelling for entry in season_list() for spelling in entry.spellings]
        near = nearest_names(wanted, known)
        raise UsageError(
            _("the list of season words has no {wish!r}", wish=wish),
            expected=self.feature,
            action=_("did you mean {near}?", near=listed(near, " or "))
            if near
            else _("name a season, or leave the season word out"),
        )

    def narrowed(self, measure: Measure, feature: str) -> Measure:
        """The last line, or the middle one for words that are too long for it, ends in the season word."""
        wanted = _of_feature(feature)
        lengths = {entry: _shortest_written(entry) for entry in wanted}
        for number in (2, 1):
            names = tuple(sorted(entry.name for entry in wanted if (lengths[entry] or MORAE[1] + 1) <= MORAE[number]))
            if names:
                lines = [MeasuredLine(line.cost, line.mark) for line in measure.lines]
                lines[number] = MeasuredLine(MORAE[number], lines[number].mark, rhyme=_SEASON, groups=names)
                return Measure(measure.name, tuple(lines))
        raise ConstraintError(
            _("no line can be made to end in {feature}", feature=feature),
            expected=_("a season word of at most seven morae whose kana have no っ"),
            action=_("name another season word, or the season alone"),
        )

    def feature_faults(self, lines: Sequence[str], feature: str) -> list[Finding]:
        """A fault where neither the season word nor another of its spellings stands in the text."""
        text = "\n".join(map(without_readings, lines))
        if any(spelling in text for entry in _of_feature(feature) for spelling in entry.spellings):
            return []
        return [fault(0, 0, _("season word"), feature, " ".join(word for word, _season in season_words(text)) or _("none"))]

    def wordstock(self, characters: Collection[str]) -> Wordstock:
        """Kana; the spellings of each season word are a rhyme group, so that a line can be made to end in one."""
        return wordstock(characters, {spelling: entry.name for entry in season_list() for spelling in entry.spellings})


@functools.cache
def season_list() -> tuple[SeasonWord, ...]:
    """The season words of the list."""
    rows = (sample_folder(JapaneseHaiku.name).parent / "season_words.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(SeasonWord(tuple(words.split()), season) for words, season in (row.split("\t") for row in rows if row))


def _of_feature(feature: str) -> list[SeasonWord]:
    """The season words that a feature allows."""
    return [entry for entry in season_list() if feature in (entry.season, entry.name)]


def _shortest_written(entry: SeasonWord) -> int | None:
    """The morae of its shortest spelling that can end a line; `None`: none can."""
    return min((count_morae(spelling) for spelling in entry.spellings if can_end_a_line(spelling)), default=None)


def first_season_word(lines: Sequence[str]) -> str:
    """The season word of a poem as prompts name it: of several the longest; empty: none."""
    found = season_words("\n".join(lines))
    if not found:
        return ""
    word, _unused = found[0]
    return next(entry.name for entry in season_list() if word in entry.spellings)


def season_words(text: str) -> list[tuple[str, str]]:
    """The season words in a text with their seasons; of words inside one another the longest counts."""
    found: list[tuple[str, str]] = []
    for word, season in sorted(
        ((spelling, entry.season) for entry in season_list() for spelling in entry.spellings), key=lambda pair: -len(pair[0])
    ):
        if word in text and not any(word in longer for longer, _ in found):
            found.append((word, season))
    return found
