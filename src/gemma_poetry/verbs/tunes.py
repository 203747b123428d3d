"""`gemma-poetry tunes`: induce 词牌 templates from a corpus, list them, show one.

In: a source of 词 (folder, archive, file, or the collection's name), or the name of a tune.
Out: a table of templates as JSON, of the same make as the one that ships with the package; or text for a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import check_file, versions, write_json
from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.script import convert
from gemma_poetry.corpus.sources import SourceInfo, open_source
from gemma_poetry.corpus.tune_names import split_tune, standard_tunes
from gemma_poetry.errors import SourceError, UnknownFormError, nearest_names
from gemma_poetry.languages import _
from gemma_poetry.prosody.tune_grouping import FIXED_SHARE, RHYME_SHARE
from gemma_poetry.prosody.tune_induction import MIN_VARIANT_POEMS, induce_tunes, with_aliases, with_likenesses, with_shapes
from gemma_poetry.prosody.tune_patterns import pattern_text
from gemma_poetry.prosody.tunes import (
    MIN_POEMS,
    MIN_SHAPE_POEMS,
    Tune,
    TuneTable,
    TuneVariant,
    find_tune,
    shipped_tunes,
    table_from_record,
    table_to_record,
)


@dataclass(frozen=True, slots=True)
class TunePoem:
    """One 词 as induction reads it.

    Attributes:
        tune: The standard name of its tune.
        alias: The name that its source gives beside the standard one, else empty.
        lines: Its lines, Han characters only.
        marks: One closing mark a line.
        author: 作者, empty where unknown.
    """

    tune: str
    alias: str
    lines: tuple[str, ...]
    marks: str
    author: str = ""


def read_tune_poems(source: str, era: str = "") -> tuple[list[TunePoem], SourceInfo]:
    """The 词 of a source whose text is whole, tunes under their standard names.

    Args:
        source: As for `prepare`.
        era: Only poems of this era (`宋`); all where it is empty.

    Raises:
        SourceError: The source cannot be read, or it holds no 词.
    """
    opened = open_source(source)
    found = []
    for part, file in opened.files():
        for raw in read_poems(file):
            if not raw.tune or (era and (raw.era or part.era) != era):
                continue
            try:
                lines, marks = clean_lines(raw.paragraphs)
            except RejectedError:
                continue
            found.append((split_tune(raw.tune), lines, raw.marks or marks, raw.author))
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
    for (first, second), (_unused, lines, marks, author) in zip(pairs, found):
        tune = standard[first, second]
        poems.append(TunePoem(tune, first if tune == second else "", lines, marks, author))
    return poems, opened.info


def induce(source: str, out: Path, *, era: str = "", min_poems: int = MIN_POEMS, overwrite: bool = False) -> TuneTable:
    """Induces templates from a source and writes them to a file.

    Args:
        source: As for `prepare`.
        out: The JSON file to write.
        era: Only poems of this era; all where it is empty.
        min_poems: Tunes with fewer poems get no template.
        overwrite: Whether a file that stands there already is replaced.

    Raises:
        SourceError: The source cannot be read, or it holds no 词.
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    check_file(out, overwrite=overwrite)
    poems, info = read_tune_poems(source, era)
    tunes = with_aliases(induce_tunes(poems, min_poems=min_poems), ((poem.alias, poem) for poem in poems))
    # Rare variants count whatever the era: what 花间集 has is no slip of a Song poet.
    tunes = with_likenesses(with_shapes(tunes, read_tune_poems(source)[0] if era else poems), poems)
    provenance = {
        "source": info.name,
        "commit": info.commit,
        "sha256": info.sha256,
        "era": era,
        "poems": len(poems),
        "min_poems": min_poems,
        "min_variant_poems": MIN_VARIANT_POEMS,
        "fixed_share": FIXED_SHARE,
        "rhyme_share": RHYME_SHARE,
        "min_shape_poems": MIN_SHAPE_POEMS,
        "versions": {name: found for name, found in versions().items() if name in ("gemma-poetry", "tshet-uinh", "opencc")},
    }
    table = TuneTable(tunes, provenance)
    record = table_to_record(table)
    assert table_from_record(record) == table
    write_json(out, record, overwrite=overwrite)
    return table


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
    """One line a tune that has a template: name, poems, variants, aliases."""
    for tune in table.judged.values():
        labels = "、".join(f"{variant.form.pattern}×{variant.poems}" for variant in tune.variants)
        also = f"（又名{'、'.join(tune.aliases)}）" if tune.aliases else ""
        yield _("{name}{also}　{poems} poems　{labels}", name=tune.name, also=also, poems=tune.poems, labels=labels)


def show_lines(tune: Tune) -> Iterator[str]:
    """A tune with the pattern of each variant, line by line, and the percentage of level tones under each place."""
    also = f"（又名{'、'.join(tune.aliases)}）" if tune.aliases else ""
    yield _("{name}{also}: {poems} poems", name=tune.name, also=also, poems=tune.poems)
    if not tune.judged:
        yield _("not judged: too few poems, or no common pattern")
    for variant in tune.variants:
        yield ""
        yield _("{pattern}: {poems} poems", pattern=variant.form.pattern, poems=variant.poems)
        yield from _pattern_lines(variant)


def _pattern_lines(variant: TuneVariant) -> Iterator[str]:
    width = max(map(len, variant.form.lines))
    for line, shares in zip(_split_pattern(variant), variant.level_shares):
        # Each Chinese character fills two columns; the shares beside it are a percentage of level tones.
        yield f"  {line}{'　' * (width + 3 - _columns(line))}{' '.join(f'{share:3d}' for share in shares)}"


def _columns(line: str) -> int:
    halves = sum(char.isascii() for char in line)
    return len(line) - halves // 2


def _split_pattern(variant: TuneVariant) -> list[str]:
    text = pattern_text(variant.form)
    for mark in set(variant.form.marks):
        text = text.replace(mark, mark + "\n")
    return text.splitlines()


def list_records(table: TuneTable) -> list[dict[str, Any]]:
    """What `list_lines` says, as JSON records."""
    return [
        {
            "name": tune.name,
            "aliases": list(tune.aliases),
            "poems": tune.poems,
            "variants": [{"label": variant.form.pattern, "poems": variant.poems} for variant in tune.variants],
        }
        for tune in table.judged.values()
    ]


def show_record(tune: Tune) -> dict[str, Any]:
    """What `show_lines` says, as a JSON record."""
    return {
        "name": tune.name,
        "aliases": list(tune.aliases),
        "poems": tune.poems,
        "judged": tune.judged,
        "variants": [
            {
                "label": variant.form.pattern,
                "poems": variant.poems,
                "pattern": pattern_text(variant.form),
                "level_shares": [list(shares) for shares in variant.level_shares],
            }
            for variant in tune.variants
        ],
    }
