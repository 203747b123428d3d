"""This module puts what `gemma-poetry generate` wrote where the command line says.

In: poems or texts as they are written, and how one looks as a record and as text. Out: standard output, or a file that
appears when the last of them is written: JSON if it is called .jsonl or .json, else text as on the screen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from gemma_poetry.artifacts import atomic_writer
from gemma_poetry.verbs.generate_options import GenerateOptions

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
