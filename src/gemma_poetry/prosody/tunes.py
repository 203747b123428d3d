"""The shipped templates of 词牌 and 曲牌: how they are written down, and how they are found by name.

In: `assets/prosody/tunes.json`, made by `gemma-poetry tunes induce` from 宋词, and `songs.json`, made with `--songs` from 元曲;
or another table of the same make.
Out: a `Tune` with its variants (又一体), the most frequent first; the variants' `Form`s for constrained generation.

A place of a template is fixed, usual or free. Usual is what most poems keep and not all: whoever writes to the template keeps
it, and a poem that does not has made use of a licence.

    tunes.json
      provenance           source, its commit and sha256, thresholds, versions
      tunes                by name: poems, aliases, characters (how many its poems have), like (tunes of the same pattern),
                           shapes (line lengths of further poems), exemplar, and variants: label, poems, pattern (see
                           tune_patterns), the percentage of level tones in each place, lines with a usual rhyme;
                           of a 曲牌 also mode: its 宫调

A tune is read from its record when it is asked for: a poem in one tune does not wait for the patterns of all.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, overload

import orjson

from gemma_poetry.errors import DataError, UnknownFormError, nearest_names
from gemma_poetry.languages import _
from gemma_poetry.prosody.conversion import converter
from gemma_poetry.prosody.forms import Form
from gemma_poetry.prosody.known_names import KNOWN_NAMES, SONG_NAMES
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import CILIN, YUAN, rhyme_book
from gemma_poetry.prosody.tune_patterns import parse_pattern, pattern_text
from gemma_poetry.prosody.tune_variants import Tier, TuneVariant, line_ends, stanza_ends, tier_of

TABLES = ("tunes.json", "songs.json")
"""The files that ship with the package: 词牌 and 曲牌."""
MIN_POEMS = 30
"""From so many poems templates are counted; from fewer they are told with the help of what is usual (`tune_thin`)."""
MIN_SHAPE_POEMS = 2
"""Line lengths near to a variant that fewer poems have may be a slip of one editor."""


@dataclass(frozen=True, slots=True)
class Tune:
    """One tune (词牌 or 曲牌).

    Attributes:
        name: Its standard name, in simplified characters.
        poems: How many poems of it were read, those that fit no variant among them.
        variants: Its variants, the most frequent first; none for a tune that is not judged.
        aliases: Its other names.
        shapes: Line lengths of further poems, which no variant fits: rare variants (又一体) without a template.
        characters: How many characters its variants and the rest of its poems have; empty where unknown.
        like: Other tunes of the same pattern.
        exemplar: A poem that keeps its first variant: author, colon, text; empty where there is none.
        mode: The 宫调 of a 曲牌, which rhymes by 中原音韵; empty for a 词牌.
    """

    name: str
    poems: int
    variants: Sequence[TuneVariant] = ()
    aliases: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    characters: tuple[int, ...] = ()
    like: tuple[str, ...] = ()
    exemplar: str = ""
    mode: str = ""

    @property
    def judged(self) -> bool:
        """Whether there is a template to judge by."""
        return bool(self.variants)

    @property
    def tier(self) -> Tier:
        """How well its best attested variant is."""
        return tier_of(max(_poems_of(self.variants), default=0))

    @property
    def solid(self) -> tuple[TuneVariant, ...]:
        """The variants that many poems attest."""
        attested = (place for place, poems in enumerate(_poems_of(self.variants)) if tier_of(poems) is Tier.SOLID)
        return tuple(self.variants[place] for place in attested)

    @property
    def book(self) -> RhymeBook:
        """The rhyme book that it usually goes by: 词林正韵, of a 曲 中原音韵."""
        return YUAN if self.mode else CILIN

    def fits(self, lengths: Sequence[int]) -> bool:
        """Whether a variant fits a poem with such line lengths."""
        return self._may_have(lengths) and any(variant.fits(lengths) for variant in self.variants)

    def _may_have(self, lengths: Sequence[int]) -> bool:
        return not self.characters or sum(lengths) in self.characters

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
        # A 词 before a 曲, a tune that many poems attest before others, a name before an alias.
        rank = {Tier.SOLID: 0, Tier.THIN: 1, Tier.SINGLE: 2}
        ranked: dict[tuple[bool, int], list[Tune]] = defaultdict(list)
        for tune in self.tunes.values():
            ranked[bool(tune.mode), rank[tune.tier] if tune.judged else len(rank)].append(tune)
        for _rank, tunes in sorted(ranked.items(), key=lambda item: item[0]):
            for tune in tunes:
                named[tune.name].append(tune)
            for tune in tunes:
                full = (tune.mode + tune.name,) if tune.mode and not tune.name.startswith(tune.mode) else ()
                for alias in (*tune.aliases, *full):
                    named[alias].append(tune)
        for name, called in named.items():
            known = {tune.name for tune in called}
            alike = [other for tune in called for other in tune.like]
            kin = [other for other in kin_names(name) if other in self.tunes]
            called += [self.tunes[other] for other in dict.fromkeys(alike + kin) if other not in known]
        return dict(named)

    def called(self, name: str) -> Sequence[Tune]:
        """The tunes of this name or alias, in simplified or traditional characters, and those of the same pattern.

        Those with a template come first, a name before an alias; then those that another of them is like; last those of the
        name with 令, 引, 近 or 慢, which poems often go without (长相思 for 长相思慢).
        """
        known = self._by_any_name
        # 【越调】天净沙 and 越调・天净沙 are names of a 曲 with its mode.
        return known.get(name) or known.get(_simplified(name)) or known.get(_simplified(name).translate(_BRACKETS), [])

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


def kin_names(name: str) -> tuple[str, ...]:
    """The names that a tune of this name may be told apart by: 长相思令, 长相思引, 长相思近, 长相思慢."""
    return tuple(name + kind for kind in "令引近慢")


_BRACKETS = str.maketrans("", "", "【】〔〕［］[]・·• 　")


def _simplified(name: str) -> str:
    return converter("t2s")(name)


@functools.cache
def shipped_tunes() -> TuneTable:
    """The table that comes with the package."""
    folder = resources.files("gemma_poetry").joinpath("assets/prosody")
    tunes, songs = (table_from_record(orjson.loads(folder.joinpath(name).read_bytes())) for name in TABLES)
    return TuneTable(with_known_names({**tunes.tunes, **songs.tunes}), tunes.provenance)


def with_known_names(tunes: Mapping[str, Tune]) -> dict[str, Tune]:
    """The tunes, with names that are commonly known besides those of the collection (`known_names`)."""
    found = dict(tunes)
    plain = {tune.name.removeprefix(tune.mode): tune.name for tune in tunes.values() if tune.mode}
    named = [*KNOWN_NAMES.items(), *((alias, plain.get(name, name)) for alias, name in SONG_NAMES.items())]
    for alias, name in named:
        if name in found and alias not in tunes:
            found[name] = replace(found[name], aliases=(*found[name].aliases, alias))
    return found


def book_of(tune: str, name: str = "") -> RhymeBook:
    """The rhyme book that verse goes by.

    Args:
        tune: The tune that it is written to; empty: it is a 诗.
        name: The book that is asked for; empty: 平水韵, of 词 词林正韵, of 曲 中原音韵.

    Raises:
        UsageError: No book is called so, or it is one for 曲 alone and the verse is none.
    """
    known = find_tune(tune) if tune else None
    if known and not name:
        return known.book
    return rhyme_book(name, sung=bool(tune), song=bool(known and known.mode))


def stanza_breaks(tune: str, lengths: Sequence[int], marks: str) -> tuple[int, ...]:
    """The lines (from 1) after which a new stanza begins; see `tune_variants.stanza_ends`. A 曲 has one stanza."""
    known = find_tune(tune)
    return () if known and known.mode else stanza_ends(tune, lengths, marks)


def find_tune(name: str) -> Tune | None:
    """The tune of this name or alias in the shipped table, `None` if there is none."""
    return shipped_tunes().find(name)


def tune_forms(name: str) -> tuple[Form, ...]:
    """The forms of a tune's variants, the most frequent first.

    Raises:
        UnknownFormError: No tune is called so, or its poems have no pattern in common.
    """
    tune = shipped_tunes().require(name)
    if not tune.judged:
        raise UnknownFormError(
            _(
                "the tune {name} has no template: the lines of its {poems} poems show no rhyme to go by",
                name=tune.name,
                poems=tune.poems,
            ),
            expected=_("a tune that has one"),
            action=_("choose one of `gemma-poetry tunes list`, or induce templates from a larger corpus"),
        )
    return tuple(variant.form for variant in tune.variants)


class StoredVariants(Sequence[TuneVariant]):
    """The variants of a tune, each read from its record when it is asked for.

    Raises:
        DataError: A record is no variant (on access).
    """

    def __init__(self, tune: str, records: Sequence[Sequence[Any]]) -> None:
        self._tune = tune
        self._records = records
        self._read: dict[int, TuneVariant] = {}

    @property
    def poems(self) -> list[int]:
        """How many poems each follows, the patterns left unread."""
        return [record[1] for record in self._records]

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> TuneVariant: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TuneVariant]: ...
    def __getitem__(self, index: int | slice) -> TuneVariant | Sequence[TuneVariant]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        if place not in self._read:
            self._read[place] = _variant_from_record(self._tune, self._records[place])
        return self._read[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def _poems_of(variants: Sequence[TuneVariant]) -> Sequence[int]:
    return variants.poems if isinstance(variants, StoredVariants) else [variant.poems for variant in variants]


def table_to_record(table: TuneTable) -> dict[str, Any]:
    """The JSON record of a table."""
    return {
        "provenance": dict(table.provenance),
        "tunes": {
            tune.name: {
                "poems": tune.poems,
                "aliases": "、".join(tune.aliases),
                "like": "、".join(tune.like),
                "characters": " ".join(map(str, tune.characters)),
                "shapes": _rows_text(tune.shapes),
                "exemplar": tune.exemplar,
                **({"mode": tune.mode} if tune.mode else {}),
                "variants": [
                    [
                        variant.form.pattern,
                        variant.poems,
                        pattern_text(variant.form),
                        _rows_text(variant.level_shares),
                        " ".join(map(str, variant.usual_rhymes)),
                    ]
                    for variant in tune.variants
                ],
            }
            for tune in table.tunes.values()
        },
    }


def table_from_record(record: Mapping[str, Any]) -> TuneTable:
    """The inverse of `table_to_record`; what the patterns of a tune say is read when they are asked for.

    Raises:
        DataError: The record is no table of tunes.
    """
    try:
        tunes = {name: _tune_from_record(name, entry) for name, entry in record["tunes"].items()}
        unknown = {name for tune in tunes.values() for name in tune.like} - tunes.keys()
        if unknown:
            raise ValueError(_("no tune is called {pop}", pop=unknown.pop()))
        return TuneTable(tunes, record["provenance"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_table(error) from error


def _no_table(error: Exception) -> DataError:
    return DataError(
        _("no table of tunes ({name}: {error})", name=type(error).__name__, error=error),
        expected=_("the file that `gemma-poetry tunes induce` writes"),
        action=_("induce it again"),
    )


def _rows_text(rows: Iterable[Iterable[int]]) -> str:
    return "/".join(" ".join(map(str, row)) for row in rows)


def _rows(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(_numbers(row) for row in text.split("/")) if text else ()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _names(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("、")) if joined else ()


def _tune_from_record(name: str, entry: Mapping[str, Any]) -> Tune:
    return Tune(
        name,
        int(entry["poems"]),
        StoredVariants(name, entry["variants"]),
        _names(entry["aliases"]),
        _rows(entry["shapes"]),
        _numbers(entry["characters"]),
        _names(entry["like"]),
        entry["exemplar"],
        entry.get("mode", ""),
    )


def _variant_from_record(tune: str, record: Sequence[Any]) -> TuneVariant:
    try:
        label, poems, pattern, levels, usual_rhymes = record
        form = parse_pattern(pattern, tune, label)
        shares = _rows(levels)
        if tuple(map(len, shares)) != form.line_lengths:
            raise ValueError(_("{name} {label}: level shares and pattern differ in shape", name=tune, label=label))
        return TuneVariant(form, poems, shares, _numbers(usual_rhymes))
    except (TypeError, ValueError, AttributeError) as error:
        raise _no_table(error) from error
