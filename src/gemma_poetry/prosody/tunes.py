"""The shipped 词牌 templates: how they are written down, and how they are found by name.

In: `assets/prosody/tunes.json`, made by `gemma-poetry tunes induce` from 宋词, or another table of the same make.
Out: a `Tune` with its variants (又一体), the most frequent first; the variants' `Form`s for constrained generation.

A place of a template is fixed, usual or free. Usual is what most poems keep and not all: whoever writes to the template keeps
it, and a poem that does not has made use of a licence.

    tunes.json
      provenance           source, its commit and sha256, thresholds, versions
      tunes                name, aliases, poems, variants: label, poems, pattern (see tune_patterns), and level, the
                           percentage of level tones in each place; shapes: other line lengths that poems have
      not_judged           tunes with too few poems or no common pattern, and how many poems there are
      not_judged_aliases   their other names
      not_judged_characters   how many characters their poems have
      not_judged_like      the tunes whose templates most of their poems keep
"""

from __future__ import annotations

import functools
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from importlib import resources
from typing import Any

from gemma_poetry.errors import DataError, UnknownFormError, nearest_names
from gemma_poetry.languages import _
from gemma_poetry.prosody.conversion import converter
from gemma_poetry.prosody.forms import FULL_STOP, Form, Slot, Tone
from gemma_poetry.prosody.tune_patterns import parse_pattern, pattern_text

MIN_POEMS = 30
"""Fewer poems than this leave a tune not judged."""
MIN_FIXED_PERCENT = 98
"""A place is fixed where so many in a hundred poems have its tone, else usual: of the places that 90 to 97 keep the handbook
of 1715 leaves a third free, of those that 98 keep 15 in a hundred, of those that all keep five."""
MIN_SHAPE_POEMS = 2
"""Line lengths near to a variant that fewer poems have may be a slip of one editor."""
_NEAR_CHARACTERS = 0.1
_NEAR_LINES = 0.6


@dataclass(frozen=True)
class TuneVariant:
    """One variant (体) of a tune.

    Attributes:
        form: Its slots, marks and echoes; `form.pattern` tells variants apart (`44字平仄换韵`).
        poems: How many poems it was induced from.
        level_shares: Percent of poems that have a level tone, for each slot (poems whose character there may be both
            left out); -1 where no poem could tell.
    """

    form: Form
    poems: int
    level_shares: tuple[tuple[int, ...], ...]

    @functools.cached_property
    def characters(self) -> int:
        """The number of characters."""
        return sum(self.form.line_lengths)

    @functools.cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Its slots, one behind the other."""
        return tuple(slot for line in self.form.lines for slot in line)

    @functools.cached_property
    def rhyme_ends(self) -> frozenset[int]:
        """Where rhymes stand, as 0-based places in the running characters."""
        return frozenset(end for end, slots in zip(line_ends(self.form.line_lengths), self.form.lines) if slots[-1].rhyme)

    def fits(self, lengths: Sequence[int]) -> bool:
        """Whether a poem with such line lengths can be laid over the variant character by character.

        It needs as many characters, and a line end wherever the variant rhymes: editors divide the sentence between
        two rhymes in different ways (水调歌头: 4+7 or 6+5).
        """
        return sum(lengths) == self.characters and self.rhyme_ends <= set(line_ends(lengths))

    def is_near(self, lengths: Sequence[int]) -> bool:
        """Whether a poem with such line lengths may be meant for the variant: about as long, and most lines alike."""
        if abs(sum(lengths) - self.characters) > _NEAR_CHARACTERS * self.characters:
            return False
        return SequenceMatcher(a=lengths, b=self.form.line_lengths, autojunk=False).ratio() >= _NEAR_LINES

    def is_fixed(self, slot: Slot, level_share: int) -> bool:
        """Whether a slot's tone is asked for, and not merely usual."""
        if slot.rhyme or level_share < 0:
            return True
        return (level_share if slot.tone is Tone.LEVEL else 100 - level_share) >= MIN_FIXED_PERCENT


_SHORTEST_TWOFOLD = 36
"""Characters of the shortest tunes of two stanzas (双调), 长相思 and 相见欢."""

_STANZAS = {"调笑令": (), "兰陵王": (10, 18)}
"""Tunes whose stanzas lines do not tell, of one (单调) and of three (三叠), and the lines that end the earlier stanzas."""


def stanza_ends(tune: str, lengths: Sequence[int], marks: str) -> tuple[int, ...]:
    """The lines (from 1) after which a new stanza (片) begins; none for a tune of one stanza.

    Two stanzas are about as long as each other, and mostly end alike (换头 changes their beginnings): the break stands
    behind the full stop where the characters of equal lines at both ends, less the difference in length, are most.

    Args:
        tune: The name of the tune.
        lengths: Characters of each line.
        marks: One closing mark a line.
    """
    if tune in _STANZAS:
        return tuple(end for end in _STANZAS[tune] if end < len(lengths))
    total = sum(lengths)
    if total < _SHORTEST_TWOFOLD:
        return ()

    def alike(end: int) -> int:
        equal = itertools.takewhile(
            lambda pair: pair[0] == pair[1],
            zip(zip(lengths[:end][::-1], marks[:end][::-1]), zip(lengths[end:][::-1], marks[end:][::-1])),
        )
        return sum(length for (length, _), _ in equal)

    stops = [end for end in range(1, len(lengths)) if marks[end - 1] == FULL_STOP]
    best = max(stops, key=lambda end: alike(end) - abs(total - 2 * sum(lengths[:end])), default=None)
    return () if best is None else (best,)


def line_ends(lengths: Iterable[int]) -> list[int]:
    """The last place of each line, 0-based in the running characters."""
    return [total - 1 for total in itertools.accumulate(lengths)]


@dataclass(frozen=True, slots=True)
class Tune:
    """One tune (词牌).

    Attributes:
        name: Its standard name, in simplified characters.
        poems: How many poems of it were read, those that fit no variant among them.
        variants: Its variants, the most frequent first; none for a tune that is not judged.
        aliases: Its other names.
        shapes: Line lengths of further poems, which no variant fits: rare variants (又一体) without a template.
        characters: How many characters its poems have, for a tune that is not judged.
        like: The tune whose template most of its poems keep, for a tune that is not judged; else empty.
    """

    name: str
    poems: int
    variants: tuple[TuneVariant, ...] = ()
    aliases: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    characters: tuple[int, ...] = ()
    like: str = ""

    @property
    def judged(self) -> bool:
        """Whether there is a template to judge by."""
        return bool(self.variants)

    def fits(self, lengths: Sequence[int]) -> bool:
        """Whether a variant fits a poem with such line lengths."""
        return any(variant.fits(lengths) for variant in self.variants)

    def is_near(self, lengths: Sequence[int]) -> bool:
        """Whether a poem with such line lengths may be meant for a variant."""
        return any(variant.is_near(lengths) for variant in self.variants)

    def attests(self, lengths: Sequence[int]) -> bool:
        """Whether poems that no template is made of have such line lengths, or the same more or less finely divided.

        Of a tune without a template it is the number of characters that counts.
        """
        if not self.judged:
            return sum(lengths) in self.characters
        ends = set(line_ends(lengths))
        return any(
            ends <= own or own <= ends for own in (set(line_ends(shape)) for shape in self.shapes if sum(shape) == sum(lengths))
        )


@dataclass(frozen=True)
class TuneTable:
    """Tunes by name.

    Attributes:
        tunes: Every tune of the corpus by its standard name, most poems first among those with and without a template.
        provenance: What the table was made from and with.
    """

    tunes: Mapping[str, Tune]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def judged(self) -> dict[str, Tune]:
        """The tunes that have a template."""
        return {name: tune for name, tune in self.tunes.items() if tune.judged}

    @functools.cached_property
    def _by_any_name(self) -> dict[str, list[Tune]]:
        named: dict[str, list[Tune]] = defaultdict(list)
        # A tune with a template before one without, a name before an alias.
        for judged in (True, False):
            tunes = [tune for tune in self.tunes.values() if tune.judged is judged]
            for tune in tunes:
                named[tune.name].append(tune)
            for tune in tunes:
                for alias in tune.aliases:
                    named[alias].append(tune)
        for called in named.values():
            called += [self.tunes[tune.like] for tune in called if tune.like and self.tunes[tune.like] not in called]
        return dict(named)

    def called(self, name: str) -> Sequence[Tune]:
        """The tunes of this name or alias, in simplified or traditional characters, and those that they are like.

        Those with a template come first, and last those that only a tune without one is like.
        """
        return self._by_any_name.get(name) or self._by_any_name.get(_simplified(name), [])

    def find(self, name: str) -> Tune | None:
        """The first tune of this name or alias, in simplified or traditional characters; `None` if there is none."""
        return next(iter(self.called(name)), None)

    def require(self, name: str) -> Tune:
        """The tune of this name or alias.

        Raises:
            UnknownFormError: No tune is called so; the nearest names are offered.
        """
        tune = self.find(name)
        if tune is None:
            near = nearest_names(_simplified(name), self._by_any_name)
            raise UnknownFormError(
                _("no tune (词牌) is called {name!r}", name=name),
                expected=_(
                    "one of the {count} tunes that the corpus has ({judged_count} of them with a template)",
                    count=len(self.tunes),
                    judged_count=len(self.judged),
                ),
                action=_("did you mean {near}?", near=" / ".join(near)) if near else _("see `gemma-poetry tunes list`"),
            )
        return tune


def _simplified(name: str) -> str:
    return converter("t2s")(name)


@functools.cache
def shipped_tunes() -> TuneTable:
    """The table that comes with the package."""
    text = resources.files("gemma_poetry").joinpath("assets/prosody/tunes.json").read_text(encoding="utf-8")
    return table_from_record(json.loads(text))


def find_tune(name: str) -> Tune | None:
    """The tune of this name or alias in the shipped table, `None` if there is none."""
    return shipped_tunes().find(name)


def tune_forms(name: str) -> tuple[Form, ...]:
    """The forms of a tune's variants, the most frequent first.

    Raises:
        UnknownFormError: No tune is called so, or it has too few poems for a template.
    """
    tune = shipped_tunes().require(name)
    if not tune.judged:
        raise UnknownFormError(
            _(
                "the tune {name} has no template: {poems} poems, too few or too unlike each other",
                name=tune.name,
                poems=tune.poems,
            ),
            expected=_("a tune with at least {min_poems} poems of a common pattern", min_poems=MIN_POEMS),
            action=_("choose one of `gemma-poetry tunes list`, or induce templates from a larger corpus"),
        )
    return tuple(variant.form for variant in tune.variants)


def table_to_record(table: TuneTable) -> dict[str, Any]:
    """The JSON record of a table."""
    unjudged = [tune for tune in table.tunes.values() if not tune.judged]
    return {
        "provenance": dict(table.provenance),
        "tunes": [
            {
                "name": tune.name,
                "aliases": "、".join(tune.aliases),
                "poems": tune.poems,
                "variants": [
                    {
                        "label": variant.form.pattern,
                        "poems": variant.poems,
                        "pattern": pattern_text(variant.form),
                        "level": _rows_text(variant.level_shares),
                    }
                    for variant in tune.variants
                ],
                "shapes": _rows_text(tune.shapes),
            }
            for tune in table.judged.values()
        ],
        "not_judged": {tune.name: tune.poems for tune in unjudged},
        "not_judged_aliases": {tune.name: "、".join(tune.aliases) for tune in unjudged if tune.aliases},
        "not_judged_like": {tune.name: tune.like for tune in unjudged if tune.like},
        "not_judged_characters": {tune.name: " ".join(map(str, tune.characters)) for tune in unjudged if tune.characters},
    }


def table_from_record(record: Mapping[str, Any]) -> TuneTable:
    """The inverse of `table_to_record`.

    Raises:
        DataError: The record is no table of tunes.
    """
    try:
        tunes = {entry["name"]: _tune_from_record(entry) for entry in record["tunes"]}
        for name, poems in record["not_judged"].items():
            aliases = _names(record["not_judged_aliases"].get(name, ""))
            characters = tuple(map(int, record["not_judged_characters"].get(name, "").split()))
            like = record["not_judged_like"].get(name, "")
            tunes[name] = Tune(name, poems, aliases=aliases, characters=characters, like=like)
        unknown = {tune.like for tune in tunes.values() if tune.like} - tunes.keys()
        if unknown:
            raise ValueError(_("no tune is called {pop}", pop=unknown.pop()))
        return TuneTable(tunes, record["provenance"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            _("no table of tunes ({name}: {error})", name=type(error).__name__, error=error),
            expected=_("the file that `gemma-poetry tunes induce` writes"),
            action=_("induce it again"),
        ) from error


def _rows_text(rows: Iterable[Iterable[int]]) -> str:
    return "/".join(" ".join(map(str, row)) for row in rows)


def _rows(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, row.split())) for row in text.split("/")) if text else ()


def _names(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("、")) if joined else ()


def _tune_from_record(entry: Mapping[str, Any]) -> Tune:
    variants = []
    for variant in entry["variants"]:
        form = parse_pattern(variant["pattern"], entry["name"], variant["label"])
        shares = _rows(variant["level"])
        if tuple(map(len, shares)) != form.line_lengths:
            raise ValueError(
                _("{name} {label}: level shares and pattern differ in shape", name=entry["name"], label=variant["label"])
            )
        variants.append(TuneVariant(form, variant["poems"], shares))
    return Tune(entry["name"], entry["poems"], tuple(variants), _names(entry["aliases"]), _rows(entry["shapes"]))
