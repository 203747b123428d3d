"""What a verb says on standard output: tables and rows for a person, JSON lines for a program.

In: records, texts, tables. Out: standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))


def print_all(items: Iterable[Any]) -> None:
    """Text as it is, records as JSON lines."""
    for item in items:
        if isinstance(item, str):
            print(item)
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

    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows:
        table.add_row(name, value)
    console().print(table)
