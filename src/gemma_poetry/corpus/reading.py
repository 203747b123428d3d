"""The poems of a prepared folder.

In: a folder that `prepare` wrote, and a split. Out: its poems, in the order of the tokenized file beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from gemma_poetry.corpus.poem import FIELDS, Poem
from gemma_poetry.corpus.splits import SPLITS
from gemma_poetry.errors import DataError, UsageError, unreadable
from gemma_poetry.languages import _, listed


def load_poems(folder: Path, split: str, most: int | None = None) -> list[Poem]:
    """The poems of one split.

    Args:
        folder: The folder that `prepare` wrote.
        split: `train`, `val` or `test`.
        most: Poems to read, from the first on; `None`: all.

    Raises:
        UsageError: No split is called so.
        DataError: The file is missing, or a line of it is no poem (the line is named).
    """
    if split not in SPLITS:
        raise UsageError(
            _("no split is called {split!r}", split=split), expected=listed(SPLITS, " or "), action=_("correct --split")
        )
    path = Path(folder) / f"{split}.jsonl"
    poems: list[Poem] = []
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                if most is not None and len(poems) >= most:
                    break
                if line.strip():
                    poems.append(_read_poem(line, f"{path}:{number}"))
    except FileNotFoundError as error:
        raise DataError(_("no such file"), where=path, action=_("run gemma-poetry prepare first")) from error
    except OSError as error:
        raise unreadable(error, path, DataError) from error
    return poems


def _read_poem(line: bytes, where: str) -> Poem:
    try:
        record = orjson.loads(line)
        amiss = _amiss(record)
    except orjson.JSONDecodeError as error:
        record, amiss = None, _("no JSON ({error})", error=error)
    if amiss:
        raise DataError(
            _("not the record of a poem: {amiss}", amiss=amiss),
            where=where,
            expected=_("a JSON object with `lines` and `marks` of one length, as prepare writes it"),
            action=_("prepare the data again"),
        )
    return Poem.from_record(record)


def _amiss(record: Any) -> str:
    """What keeps a JSON value from being the record of a poem; empty if nothing does."""
    if not isinstance(record, dict):
        return _("it is no object but {name}", name=type(record).__name__)
    lines = record.get("lines")
    if not isinstance(lines, list) or not all(isinstance(one, str) for one in lines):
        return _("it has no `lines`") if lines is None else _("`lines` is no list of texts")
    others = [name for name, value in record.items() if name in FIELDS and name != "lines" and not isinstance(value, str)]
    if others:
        return _("`{others}` is no text", others=others[0])
    return "" if len(record.get("marks", lines)) == len(lines) else _("there is not one mark a line")
