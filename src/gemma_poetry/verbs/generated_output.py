"""This module puts what `gemma-poetry generate` wrote where the command line says.

In: poems or texts as they are written, and how one looks as a record and as text. Out: standard output, or a file that
appears when the last of them is written: JSON if it is called .jsonl or .json, else text as on the screen; and pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from gemma_poetry.artifacts import atomic_writer, check_file
from gemma_poetry.errors import UsageError
from gemma_poetry.extras import require
from gemma_poetry.generation.written import Written
from gemma_poetry.languages import _
from gemma_poetry.prosody.check_result import ScansionResult
from gemma_poetry.verbs.generate_options import GenerateOptions

PICTURES = (".png", ".svg")
"""The kinds of pictures, by the endings of their files."""

_Written = TypeVar("_Written")


def write_out(
    options: GenerateOptions,
    written: Iterable[_Written],
    record: Callable[[_Written], dict[str, Any]],
    shown: Callable[[_Written], str],
) -> int:
    """Puts what was written where the command line says, one by one; returns how many there are.

    Args:
        options: What the command line asks for.
        written: Poems or texts.
        record: The JSON record of one.
        shown: One as text.

    Raises:
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    count = 0
    if options.out is None:
        for text in _spelt(options, written, record, shown):
            print(text, end="", flush=True)
            count += 1
        return count
    with atomic_writer(options.out, overwrite=options.overwrite) as stream:
        if options.out.suffix.lower() == ".json":
            records = [record(one) for one in written]
            stream.write(json.dumps(records, ensure_ascii=False, indent=2) + "\n")
            return len(records)
        for text in _spelt(options, written, record, shown):
            stream.write(text)
            count += 1
    return count


def check_pictures(options: GenerateOptions) -> None:
    """Refuses pictures that could not be drawn or written, before a model is loaded.

    Raises:
        UsageError: The file is called neither .png nor .svg.
        MissingExtraError: What draws is not installed.
        InputError: This machine has no font with Chinese characters.
        OutputError: A file exists and may not be replaced.
    """
    if options.picture is None:
        return
    if options.picture.suffix.lower() not in PICTURES:
        raise UsageError(
            _("--picture {path} is asked for", path=options.picture),
            expected=_("a file that is called .png or .svg"),
            action=_("choose another ending"),
        )
    require("fontTools", "resvg_py", "pypinyin", extra="studio", purpose=_("a picture"))
    from gemma_poetry.studio.glyphs import face

    face(options.request.script)
    for path in options.pictures:
        check_file(path, overwrite=options.overwrite)


def pictured(options: GenerateOptions, written: Iterable[Written]) -> Iterator[Written]:
    """The same poems, each drawn into its file as it comes.

    Raises:
        OutputError: A file cannot be written.
    """
    from gemma_poetry.studio.card import card_png, card_svg
    from gemma_poetry.studio.picture import poem_card

    for path, one in zip(options.pictures, written):
        scansion = one.check.scansion if isinstance(one.check, ScansionResult) else None
        byline = f"拟{one.poem.author}" if one.poem.author else ""
        model = Path(options.model).name
        card = poem_card(one.poem, scansion, byline=byline, model=model, seed=one.seed, pinyin=False)
        svg = card_svg(card, vertical=True)
        with atomic_writer(path, binary=True, overwrite=options.overwrite) as stream:
            stream.write(card_png(svg) if path.suffix.lower() == ".png" else svg.encode())
        yield one


def _spelt(
    options: GenerateOptions,
    written: Iterable[_Written],
    record: Callable[[_Written], dict[str, Any]],
    shown: Callable[[_Written], str],
) -> Iterator[str]:
    """Each as lines of JSON, or as text with an empty line before it."""
    for number, one in enumerate(written):
        if options.records:
            yield json.dumps(record(one), ensure_ascii=False) + "\n"
        else:
            yield ("\n" if number else "") + shown(one) + "\n"
