"""`gemma-poetry tunes`: induce 词牌 templates from a corpus, list them, show one.

In: a source of 词 (folder, archive, file, or the collection's name), or the name of a tune.
Out: a table of templates as JSON, of the same make as the one that ships with the package; or text for a person.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import check_file, write_json
from gemma_poetry.corpus.formats import read_poems, whole_poems
from gemma_poetry.corpus.sanqu import SanquSong, sanqu_songs
from gemma_poetry.corpus.script import convert
from gemma_poetry.corpus.sources import SourceInfo, open_source
from gemma_poetry.corpus.tune_names import split_tune, standard_tunes, told_apart
from gemma_poetry.errors import SourceError, UnknownFormError, nearest_names
from gemma_poetry.languages import _, listed
from gemma_poetry.manifests import versions
from gemma_poetry.prosody.characters import LOST_CHARACTER
from gemma_poetry.prosody.check_layout import finding_text
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import rhyme_book
from gemma_poetry.prosody.rules import VERDICT_NAMES
from gemma_poetry.prosody.scansion_record import scansion_record
from gemma_poetry.prosody.song_induction import MIN_SONGS, induce_songs
from gemma_poetry.prosody.tune_fit import fit_variants
from gemma_poetry.prosody.tune_grouping import FIXED_SHARE, RHYME_SHARE
from gemma_poetry.prosody.tune_induction import MIN_VARIANT_POEMS, induce_tunes, with_aliases, with_shapes
from gemma_poetry.prosody.tune_likeness import with_likenesses
from gemma_poetry.prosody.tune_patterns import pattern_lines, pattern_text
from gemma_poetry.prosody.tune_scan import evidence_text, scan_tune
from gemma_poetry.prosody.tune_variants import SOLID_POEMS, Tier, TuneVariant, poems_text
from gemma_poetry.prosody.tunes import (
    MIN_POEMS,
    MIN_SHAPE_POEMS,
    Tune,
    TuneTable,
    find_tune,
    shipped_tunes,
    table_from_record,
    table_to_record,
)

_READ_FOR_EXEMPLAR = 8
_MOST_LOST = 2
"""A poem that lacks so few characters, each marked □, tells of its tune as others do."""


@dataclass(frozen=True, slots=True)
class TunePoem:
    """One 词 as induction reads it.

    Attributes:
        tune: The standard name of its tune.
        alias: The name that its source gives beside the standard one, else empty.
        lines: Its lines, Han characters only, □ for a lost one.
        marks: One closing mark a line.
        author: 作者, empty where unknown.
        era: 朝代, empty where unknown.
    """

    tune: str
    alias: str
    lines: tuple[str, ...]
    marks: str
    author: str = ""
    era: str = ""


def read_tune_poems(source: str, era: str = "") -> tuple[list[TunePoem], SourceInfo]:
    """The 词 of a source whose text is whole but for a lost character or two, tunes under their standard names.

    Args:
        source: As for `prepare`.
        era: Only poems of this era (`宋`); all where it is empty.

    Raises:
        SourceError: The source cannot be read, or it holds no 词.
    """
    opened = open_source(source)
    wanted = whole_poems(opened.files(), lambda part, raw: bool(raw.tune) and era in ("", raw.era or part.era), _MOST_LOST)
    found = [(split_tune(raw.tune), lines, marks, raw.author, raw.era or part.era) for part, raw, lines, marks in wanted]
    if not found:
        raise SourceError(
            _("it holds no poem with a tune (词牌){value}", value=_(" of the era {era}", era=era) if era else ""),
            where=source,
            expected=_("records with a field `rhythmic`, `tune` or 词牌"),
            action=_("choose a source that holds 词"),
        )
    simplified = convert(["·".join(names) for names, *_ in found], "simplified")
    pairs = [(first, second) for first, _, second in (names.partition("·") for names in simplified)]
    standard = standard_tunes(pairs)
    poems = []
    for (first, second), (_unused, lines, marks, author, found_era) in zip(pairs, found):
        tune = standard[first, second]
        poems.append(TunePoem(tune, first if tune == second else "", lines, marks, author, found_era))
    told = told_apart([(poem.tune, poem.alias, tuple(map(len, poem.lines))) for poem in poems])
    return [replace(poem, tune=tune) if tune != poem.tune else poem for poem, tune in zip(poems, told)], opened.info


def tune_table(
    poems: Sequence[TunePoem], *, min_poems: int = MIN_POEMS, provenance: Mapping[str, Any] | None = None
) -> TuneTable:
    """The tunes of poems with their templates, other names and likenesses.

    Args:
        poems: The poems, tunes under their standard names.
        min_poems: Tunes with fewer poems are judged by few poems (`tune_thin`).
        provenance: What the table was made from.
    """
    tunes = with_aliases(induce_tunes(poems, min_poems=min_poems), ((poem.alias, poem) for poem in poems))
    return TuneTable(with_exemplars(with_likenesses(with_shapes(tunes, poems)), poems), provenance or {})


def read_songs(source: str) -> tuple[list[SanquSong], SourceInfo]:
    """The 小令 of a collection's 元曲, tunes and lines in simplified characters.

    Raises:
        SourceError: The source cannot be read, or it holds no 小令.
    """
    opened = open_source(source, sections=("元曲",))
    raw = [poem for part, file in opened.files() if part.form == "曲" for poem in read_poems(file)]
    songs = sanqu_songs(raw)
    if not songs:
        raise SourceError(
            _("it holds no 小令"),
            where=source,
            expected=_("the collection's yuanqu.json, with titles such as 越调・天净沙秋思"),
            action=_("choose the chinese-poetry collection"),
        )
    return songs, opened.info


def song_table(songs: Sequence[SanquSong], provenance: Mapping[str, Any] | None = None) -> TuneTable:
    """The 曲牌 of songs with their templates; one that a 词牌 has the name of has its mode before its name."""
    found = with_exemplars(induce_songs(songs), songs)
    taken = {name for tune in shipped_tunes().tunes.values() if not tune.mode for name in (tune.name, *tune.aliases)}
    tunes = {}
    for name, tune in found.items():
        if name in taken:
            variants = [replace(one, form=replace(one.form, name=tune.mode + name)) for one in tune.variants]
            tune = replace(tune, name=tune.mode + name, variants=tuple(variants), aliases=(name,))
        characters = sorted({variant.characters for variant in tune.variants} or {0})
        tunes[tune.name] = replace(tune, characters=tuple(characters))
    return TuneTable(tunes, provenance or {})


def with_exemplars(tunes: Mapping[str, Tune], poems: Sequence[TunePoem | SanquSong]) -> dict[str, Tune]:
    """The tunes, each with one of the first poems of its first variant: that which departs least from it."""
    read: dict[str, list[TunePoem | SanquSong]] = defaultdict(list)
    for poem in poems:
        tune = tunes.get(poem.tune)
        if not tune or not tune.judged or LOST_CHARACTER in _text(poem) or len(read[poem.tune]) == _READ_FOR_EXEMPLAR:
            continue
        if tuple(map(len, poem.lines)) == tune.variants[0].form.line_lengths:
            read[poem.tune].append(poem)
    best = {name: min(own, key=functools.partial(_departures, tunes[name])) for name, own in read.items() if own}
    texts = convert([f"{poem.author or '无名氏'}：{_text(poem)}" for poem in best.values()], "simplified")
    found = dict(zip(best, texts))
    return {name: replace(tune, exemplar=found.get(name, "")) for name, tune in tunes.items()}


def _departures(tune: Tune, poem: TunePoem | SanquSong) -> int:
    return len(fit_variants(poem.lines, tune.variants[:1], book=tune.book).departures)


def _text(poem: TunePoem | SanquSong) -> str:
    return "".join(line + mark for line, mark in zip(poem.lines, poem.marks))


def induce(
    source: str, out: Path, *, era: str = "", min_poems: int = MIN_POEMS, songs: bool = False, overwrite: bool = False
) -> TuneTable:
    """Induces templates from a source and writes them to a file.

    Args:
        source: As for `prepare`.
        out: The JSON file to write.
        era: Only poems of this era; all where it is empty.
        min_poems: Tunes with fewer poems are judged by few poems (`tune_thin`).
        songs: Whether 曲牌 are induced from the collection's 元曲, in place of 词牌.
        overwrite: Whether a file that stands there already is replaced.

    Raises:
        SourceError: The source cannot be read, or it holds no 词.
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    check_file(out, overwrite=overwrite)
    used = {name: found for name, found in versions().items() if name in ("gemma-poetry", "tshet-uinh", "opencc")}
    if songs:
        sung, info = read_songs(source)
        thresholds: dict[str, Any] = {"songs": len(sung), "min_songs": MIN_SONGS, "fixed_share": FIXED_SHARE}
        table = song_table(sung, {**_origin(info), **thresholds, "versions": used})
    else:
        poems, info = read_tune_poems(source, era)
        thresholds = {
            "era": era,
            "poems": len(poems),
            "min_poems": min_poems,
            "min_variant_poems": MIN_VARIANT_POEMS,
            "fixed_share": FIXED_SHARE,
            "rhyme_share": RHYME_SHARE,
            "min_shape_poems": MIN_SHAPE_POEMS,
        }
        table = tune_table(poems, min_poems=min_poems, provenance={**_origin(info), **thresholds, "versions": used})
    record = table_to_record(table)
    assert table_from_record(record) == table
    write_json(out, record, overwrite=overwrite)
    return table


def _origin(info: SourceInfo) -> dict[str, str]:
    return {"source": info.name, "commit": info.commit, "sha256": info.sha256}


def known_tune(name: str) -> Tune:
    """The tune of a name or alias.

    Raises:
        UnknownFormError: No tune is called so; the nearest names are offered.
    """
    tune = find_tune(name)
    if tune is None:
        near = nearest_names(name, shipped_tunes().tunes)
        raise UnknownFormError(
            _("no tune is called {name!r}", name=name),
            expected=_("a 词牌 of `gemma-poetry tunes list`"),
            action=_("did you mean {near}?", near=" / ".join(near)) if near else _("choose one of the list"),
        )
    return tune


def list_lines(table: TuneTable) -> Iterator[str]:
    """One line a tune that has a template: name, poems, how well it is attested, variants, aliases."""
    for tune in table.judged.values():
        labels = "、".join(f"{variant.form.pattern}×{variant.poems}" for variant in tune.variants)
        yield _(
            "{name}{also}　{poems_text}, {value}　{labels}",
            name=tune.name,
            also=_also(tune),
            poems_text=poems_text(tune.poems),
            value=tune.tier.value,
            labels=labels,
        )


def show_lines(tune: Tune, book: str = "") -> Iterator[str]:
    """A tune with the pattern of each variant, line by line, and the percentage of level tones under each place.

    Args:
        tune: The tune.
        book: A rhyme book, by which the groups of its rhymes and a verdict on its exemplar are told; empty: neither.

    Raises:
        UsageError: No book is called so, or it is one for 曲 alone and the tune is none.
    """
    chosen = _book_for(tune, book)
    yield _("{name}{also}: {poems_text}", name=tune.name, also=_also(tune), poems_text=poems_text(tune.poems))
    if not tune.judged:
        yield _("not judged: the lines of its poems show no rhyme to go by")
    for variant in tune.variants:
        yield ""
        yield _(
            "{pattern} ({value}): {evidence_text}",
            pattern=variant.form.pattern,
            value=variant.tier.value,
            evidence_text=evidence_text(variant),
        )
        yield from _pattern_lines(variant)
    if tune.exemplar:
        yield ""
        yield _("e.g. {exemplar}", exemplar=tune.exemplar)
    if chosen and tune.exemplar:
        scansion = _exemplar_scansion(tune, chosen)
        verdict, group = VERDICT_NAMES[scansion.verdict], scansion.rhyme_group
        yield _("  by {title}: {verdict}, rhyme {group}", title=chosen.title, verdict=verdict, group=group)
        yield from (f"    {finding_text(scansion, found)}" for found in (*scansion.faults, *scansion.licences))
    if chosen and tune.judged:
        yield ""
        for tones, groups in _rhyme_groups(tune, chosen).items():
            yield _("rhymes in {tones} by {title}: {groups}", tones=tones, title=chosen.title, groups=" ".join(groups))


def _book_for(tune: Tune, book: str) -> RhymeBook | None:
    return rhyme_book(book, sung=True, song=bool(tune.mode)) if book else None


def _rhyme_groups(tune: Tune, book: RhymeBook) -> dict[str, list[str]]:
    """By the tones that rhymes of the tune take (平, 仄, 平仄 for one in both): the groups of a book with words of them."""
    found: dict[str, list[str]] = {}
    for variant in tune.variants:
        tones_of: dict[str, set[Tone]] = defaultdict(set)
        for slots in variant.form.lines:
            if slots[-1].rhyme:
                tones_of[slots[-1].rhyme].update([slots[-1].tone] if slots[-1].tone else Tone)
        for tones in tones_of.values():
            asked = [tone for tone in Tone if tone in tones]
            groups = [group for group in book.rhymes if all(group in book.rhymes_in(tone) for tone in asked)]
            found["".join(asked)] = groups
    return found


def _exemplar_scansion(tune: Tune, book: RhymeBook) -> Scansion:
    _author, _unused, text = tune.exemplar.partition("：")
    return scan_tune(text, tune, tune.variants[0].form.pattern, book)


def _also(tune: Tune) -> str:
    """Its other names, and the tunes of the same pattern, in brackets."""
    parts = [f"曲，{tune.mode}"] if tune.mode else []
    parts += [f"又名{'、'.join(tune.aliases)}"] if tune.aliases else []
    parts += [f"同调{'、'.join(tune.like)}"] if tune.like else []
    return f"（{'；'.join(parts)}）" if parts else ""


def _pattern_lines(variant: TuneVariant) -> Iterator[str]:
    width = max(map(len, variant.form.lines))
    for number, (line, shares) in enumerate(zip(pattern_lines(variant.form), variant.level_shares), 1):
        usual = _("  (most poems rhyme here, not all)") if number in variant.usual_rhymes else ""
        # Each Chinese character fills two columns; the shares beside it are a percentage of level tones.
        yield f"  {line}{'　' * (width + 3 - _columns(line))}{' '.join(f'{share:3d}' for share in shares)}{usual}"


def _columns(line: str) -> int:
    halves = sum(char.isascii() for char in line)
    return len(line) - halves // 2


def list_records(table: TuneTable) -> list[dict[str, Any]]:
    """What `list_lines` says, as JSON records."""
    return [_tune_record(tune) for tune in table.judged.values()]


def show_record(tune: Tune, book: str = "") -> dict[str, Any]:
    """What `show_lines` says, as a JSON record.

    Raises:
        UsageError: As `show_lines`.
    """
    chosen = _book_for(tune, book)
    record = _tune_record(tune)
    for variant, described in zip(tune.variants, record["variants"]):
        described["pattern"] = pattern_text(variant.form)
        described["level_shares"] = [list(shares) for shares in variant.level_shares]
        described["usual_rhymes"] = list(variant.usual_rhymes)
    record["exemplar"] = tune.exemplar
    if chosen:
        scansion = scansion_record(_exemplar_scansion(tune, chosen)) if tune.exemplar else None
        record |= {"book": chosen.name, "groups": _rhyme_groups(tune, chosen), "exemplar_scansion": scansion}
    return record


def tunes_page(table: TuneTable) -> str:
    """The page of the documentation: every tune with its first pattern, its evidence and an exemplar, as Markdown."""
    tiers = Counter(tune.tier for tune in table.judged.values())
    variants = sum(len(tune.variants) for tune in table.judged.values())
    rows: list[str] = [
        _("# Tunes (词牌, 曲牌)"),
        "",
        _(
            "{count} tunes with {variants:,} variants are judged, learned from the poems of the collection: {solid} from many "
            "poems (solid), {thin} from two to {most} (thin), {single} from one (single). The commonest variant of each is "
            "shown; `gemma-poetry tunes show NAME` shows all. 平 and 仄 are asked for, 中 is free, letters are rhymes, `=5` "
            "repeats the end of line 5, `~5` says it backwards, 々 the character before. {songs} of them, the last, are 曲牌: "
            "they rhyme across tones, by the groups of 中原音韵, and may have padding characters (衬字).",
            count=len(table.judged),
            variants=variants,
            solid=tiers[Tier.SOLID],
            thin=tiers[Tier.THIN],
            most=SOLID_POEMS - 1,
            single=tiers[Tier.SINGLE],
            songs=sum(bool(tune.mode) for tune in table.judged.values()),
        ),
        "",
    ]
    for tune in table.judged.values():
        variant = tune.variants[0]
        rows += [
            f"## {tune.name}",
            "",
            _(
                "{also}{pattern} ({tier}, {poems}): `{template}`",
                also=_also(tune),
                pattern=variant.form.pattern,
                tier=variant.tier.value,
                poems=poems_text(variant.poems),
                template=pattern_text(variant.form),
            ),
            "",
            *([f"> {tune.exemplar}", ""] if tune.exemplar else []),
        ]
    return listed(rows, "\n")


def _tune_record(tune: Tune) -> dict[str, Any]:
    return {
        "name": tune.name,
        "traditional": convert([tune.name], "traditional")[0],
        "aliases": list(tune.aliases),
        "same_pattern": list(tune.like),
        "mode": tune.mode,
        "poems": tune.poems,
        "judged": tune.judged,
        "tier": tune.tier.value if tune.judged else None,
        "variants": [
            {"label": variant.form.pattern, "poems": variant.poems, "tier": variant.tier.value} for variant in tune.variants
        ],
    }
