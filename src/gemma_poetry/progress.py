"""Progress bars on standard error, so that standard output stays clean for results.

In: an iterable or a number of steps, and what is being done. Out: the same items, while a bar moves. Where standard
error is no terminal (a log file, a test) nothing is drawn, nor inside `with shown(False)`.
"""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import TypeVar

from gemma_poetry.languages import localized

Item = TypeVar("Item")

_SHOWN = ContextVar("shown", default=True)


@contextlib.contextmanager
def shown(wanted: bool) -> Iterator[None]:
    """Whether the work inside tells how far it is; libraries that have bars of their own ask `is_shown`."""
    token = _SHOWN.set(wanted)
    try:
        with warnings.catch_warnings():
            # Notices between libraries (a renamed argument) say nothing to whoever called us.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        _SHOWN.reset(token)


def is_shown() -> bool:
    """Whether work tells how far it is."""
    return _SHOWN.get()


def say(sentence: str) -> None:
    """Says on standard error what is being done, where progress is shown."""
    if is_shown():
        print(localized(sentence), file=sys.stderr)


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """The items, one after the other, with a bar on standard error.

    Args:
        items: What is worked through.
        description: What is done, as a participle phrase ("Reading poems").
        total: How many items there are, where `items` has no length.
    """
    count = len(items) if total is None and isinstance(items, Sized) else total
    with steps(description, count) as advance:
        done, drawn = 0, time.monotonic()
        for item in items:
            yield item
            done += 1
            # Moving the bar costs more than many an item: four times a second is enough.
            if not done & 15 and time.monotonic() - drawn > 0.25:
                advance(done)
                done, drawn = 0, time.monotonic()
        advance(done)


@contextlib.contextmanager
def steps(description: str, total: float | None, *, bytes_: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar that the block moves itself, by calling what it is given with the amount done.

    Args:
        description: What is done.
        total: The amount that completes the bar; `None` where it is unknown.
        bytes_: The amount is in bytes; size and speed are shown.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amounts: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn()] if bytes_ else [MofNCompleteColumn()]
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *amounts,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not (is_shown() and console.is_terminal),
    )
    with progress:
        task = progress.add_task(localized(description), total=total)
        yield lambda amount: progress.advance(task, amount)


@contextlib.contextmanager
def stage(description: str) -> Iterator[None]:
    """A spinner for work whose steps cannot be counted."""
    from rich.console import Console

    console = Console(stderr=True)
    if is_shown() and console.is_terminal:
        with console.status(localized(description)):
            yield
    else:
        yield
