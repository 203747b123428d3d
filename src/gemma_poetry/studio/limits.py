"""How much one visitor may ask of the studio, and whose turn it is at the model.

In: a visitor (the address of a browser) and what is asked. Out: a `Ticket` in the line before the model, first come first
served; or an error that says what is too much and when to try again.

A visitor has one ticket at a time, so that nobody can fill the line; the line itself is bounded.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gemma_poetry.studio.texts import Language, complaint

_MINUTE = 60.0
# Addresses that are kept; the longest silent are forgotten first.
_MOST_VISITORS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one visitor may ask for.

    Attributes:
        requests: Requests to the model or the checker a minute.
        poems: Poems a request.
        characters: Characters of all input of a request together.
        waiting: Visitors in the line before the model, the one whose turn it is counted.
    """

    requests: int = 30
    poems: int = 4
    characters: int = 2000
    waiting: int = 20

    def check_size(self, language: Language, *texts: str) -> None:
        """Refuses input that is too long.

        Raises:
            UsageError: It is.
        """
        count = sum(map(len, texts))
        if count > self.characters:
            raise complaint("long", language, count=count, limit=self.characters)

    def check_poems(self, language: Language, count: int) -> None:
        """Refuses to write too many poems at once.

        Raises:
            UsageError: They are too many, or fewer than one.
        """
        if not 1 <= count <= self.poems:
            raise complaint("many", language, count=count, limit=self.poems)


class Ticket:
    """A place in the line."""

    def __init__(self, line: Line, visitor: str) -> None:
        self.visitor = visitor
        self._line = line

    def ahead(self) -> int:
        """How many come before it; 0: it is its turn."""
        return self._line.ahead(self)

    def wait(self, seconds: float) -> None:
        """Waits until the line moves, at most so long."""
        self._line.wait(seconds)

    def leave(self) -> None:
        """Gives the place up; the next one's turn comes."""
        self._line.leave(self)


class Line:
    """The line before the model, and the count of each visitor's requests."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._moved = threading.Condition()
        self._tickets: list[Ticket] = []
        self._asked: dict[str, deque[float]] = {}

    def count(self, visitor: str, language: Language) -> None:
        """Counts a request.

        Raises:
            UsageError: The visitor has asked too often within the last minute.
        """
        with self._moved:
            self._count(visitor, language)

    def enter(self, visitor: str, language: Language) -> Ticket:
        """Counts a request and takes a place in the line.

        Raises:
            UsageError: The visitor has a place already, or has asked too often, or the line is full.
        """
        with self._moved:
            if any(ticket.visitor == visitor for ticket in self._tickets):
                raise complaint("busy", language)
            if len(self._tickets) >= self.limits.waiting:
                raise complaint("crowded", language, count=len(self._tickets))
            self._count(visitor, language)
            ticket = Ticket(self, visitor)
            self._tickets.append(ticket)
            return ticket

    def _count(self, visitor: str, language: Language) -> None:
        now = self._clock()
        times = self._asked.pop(visitor, deque())
        # Put back last: the order of the table is that of the latest request.
        self._asked[visitor] = times
        while times and times[0] <= now - _MINUTE:
            times.popleft()
        if len(times) >= self.limits.requests:
            seconds = max(1, round(times[0] + _MINUTE - now))
            raise complaint("often", language, count=len(times), limit=self.limits.requests, seconds=seconds)
        times.append(now)
        while len(self._asked) > _MOST_VISITORS:
            del self._asked[next(iter(self._asked))]

    def ahead(self, ticket: Ticket) -> int:
        with self._moved:
            return self._tickets.index(ticket)

    def wait(self, seconds: float) -> None:
        with self._moved:
            self._moved.wait(seconds)

    def leave(self, ticket: Ticket) -> None:
        with self._moved:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
            self._moved.notify_all()
