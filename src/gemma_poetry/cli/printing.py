"""What a verb says on standard output: tables and rows for a person, JSON lines for a program.

In: records, texts, tables. Out: standard output; where its reader leaves (`| head`), the end of the program. Texts of others
(titles, names of files, lines) go through `errors.visible` here: nothing of theirs moves the cursor or hides a verdict.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterable
from typing import Any

from gemma_poetry.errors import visible
from gemma_poetry.languages import localized

READER_LEFT = 141
"""The exit status where the reader of a pipe left: what shells report of a program that SIGPIPE ended (128 + 13)."""


class _Pipe(io.FileIO):
    """A pipe to write to; where nobody reads any more, the program ends, cleaning up on its way.

    The signal itself is left ignored, as Python has it: it would also end a server whose visitor leaves.
    """

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            # What is still buffered goes nowhere: flushing it must not fail a second time.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            raise SystemExit(READER_LEFT) from None


def end_with_reader() -> None:
    """Makes standard output and standard error, where they are pipes, end the program when their readers leave.

    Left to itself, Python raises an `OSError` that libraries take for one of theirs, each with another exit status.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        # A stream that is captured (or closed) has no descriptor.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            descriptor = stream.fileno()
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                stream.flush()
                pipe = _Pipe(descriptor, "wb", closefd=False)
                layers = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
                buffer: Any = pipe if stream.write_through else io.BufferedWriter(pipe)
                setattr(sys, name, io.TextIOWrapper(buffer, stream.encoding, stream.errors, **layers))


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))


def print_all(items: Iterable[Any]) -> None:
    """Text as it is, records as JSON lines."""
    for item in items:
        if isinstance(item, str):
            print(visible(localized(item)))
        else:
            print_json(item)


def console() -> Any:
    """Standard output; where it is no terminal, wide enough for every table."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 140)


def print_tables(tables: Iterable[Any]) -> None:
    for table in tables:
        console().print(table)


def print_rows(title: str, rows: list[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(visible(localized(title))), show_header=False, title_justify="left")
    for name, value in rows:
        # Text, not markup: `[/x]` in a name is a name.
        table.add_row(Text(visible(localized(name))), Text(visible(localized(value))))
    console().print(table)
