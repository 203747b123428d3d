"""Requests that wait are written together: one thread owns the model, and a bounded line stands before it.

In: `Order`s: a wish, how many poems of it, and who is told. Out: each poem, told as soon as it is whole; or the error that
there is instead.

    submit ──> line (bounded) ──as many poems as one decoding holds──> poet.stream ──> order.told(poem)
                 ^ drop: an order whose asker left gives its place up at once; where all of a decoding left, it ends

Orders without a seed that ask the same of the engine share decodings, and come round in turn, so that one of many poems does
not hold up those of one. An order with a seed is written by itself: chance is drawn for a decoding as a whole, so what it gets
would else depend on who else waits. By itself it gets what `gemma-poetry generate --seed` writes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gemma_poetry.errors import EndingError, FullError, GemmaPoetryError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.written import Written
from gemma_poetry.languages import _

_LOG = logging.getLogger("gemma_poetry.serving")

LINGER = 0.02
"""Seconds that others are waited for, where a thread that was idle is asked: who asks at once need not be told apart."""

LINGER_SHARE = 0.1
"""The same behind a decoding, as a share of its time (a second at most): who was answered together asks together."""

_RECENT = 20
"""Poems whose time says how long a poem takes."""


class Poet(Protocol):
    """What this room asks of a loaded model; `api.Poet` is one."""

    def stream(
        self,
        form: Sequence[PoemRequest],
        *,
        seed: int | None = None,
        effort: int | None = None,
        best_of: int | None = None,
        assess: bool | None = None,
        feature: str = "",
        watch: Callable[[Mapping[int, str]], None] | None = None,
    ) -> Iterator[Written]: ...


@dataclass(eq=False, slots=True)
class Order:
    """What one request asks of the model.

    Attributes:
        request: The wish.
        count: Poems of it.
        seed: Seed of sampling; `None`: any.
        effort: Quality for time, as `generate --effort`; `None`: that of the settings of the model.
        best_of: Poems written for each that is kept; `None`: as many as the effort says.
        assess: Tell the perplexity of each.
        feature: What else the domain can be asked for.
        told: Is given each poem, or the error that ends the order; called in the thread of the model.
        done: Poems that were told.
        dropped: Whether nobody waits for it any more.
    """

    request: PoemRequest
    count: int = 1
    seed: int | None = None
    effort: int | None = None
    best_of: int | None = None
    assess: bool = False
    feature: str = ""
    told: Callable[[Written | Exception], None] = field(default=lambda _: None)
    done: int = 0
    dropped: bool = False

    @property
    def left(self) -> int:
        """Poems that are still to be written."""
        return 0 if self.dropped else self.count - self.done

    @property
    def kind(self) -> tuple[Any, ...]:
        """Orders of one kind can share a decoding."""
        return self.effort, self.best_of, self.assess, self.feature


class _AllLeftError(Exception):
    """Nobody waits for anything of a decoding."""


class Batcher:
    """The line before the model, and the thread that writes.

    Args:
        poet: What writes.
        rows: Texts that the model decodes at a time.
        each: Texts written for a poem where an order does not say.
        drafts: By effort, the texts written for a poem of an order that names it; empty where an effort changes nothing.
        waiting: Orders in the line at most.
    """

    def __init__(
        self, poet: Poet, *, rows: int, each: int = 1, drafts: Mapping[int, int] | None = None, waiting: int = 64
    ) -> None:
        self._poet, self._rows, self._each, self._most = poet, rows, each, waiting
        self._drafts = drafts or {}
        self._moved = threading.Condition()
        self._line: deque[Order] = deque()
        self._in_hand: list[Order] = []
        self._closed = False
        self._seconds: deque[float] = deque(maxlen=_RECENT)
        self._expected, self._wait_until = rows, 0.0
        self._thread = threading.Thread(target=self._run, name="serving-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Orders in the line."""
        return len(self._line)

    @property
    def writing(self) -> int:
        """Orders that are being written."""
        return sum(not order.dropped for order in self._in_hand)

    @property
    def closed(self) -> bool:
        """Whether no order is taken any more."""
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether the thread still writes, or has orders in the line."""
        return bool(self._in_hand or self._line)

    @property
    def seconds_to_wait(self) -> int:
        """After how many seconds a place should be free, by what the latest poems took."""
        with self._moved:
            poems = sum(order.left for order in (*self._line, *self._in_hand))
            each = sum(self._seconds) / len(self._seconds) if self._seconds else 1.0
        return max(1, min(600, round(poems * each / 2)))

    def submit(self, order: Order) -> None:
        """Puts an order into the line.

        Raises:
            FullError: The line is full.
            EndingError: The server is told to end.
        """
        with self._moved:
            if self._closed:
                raise _ending()
            if len(self._line) >= self._most:
                raise FullError(
                    _("{count} requests wait already", count=len(self._line)),
                    expected=_("at most {most} in the line (--queue)", most=self._most),
                    action=_("try again after the seconds of Retry-After"),
                )
            self._line.append(order)
            self._moved.notify_all()

    def drop(self, order: Order) -> None:
        """Gives an order up: its place is free at once."""
        with self._moved:
            order.dropped = True
            if order in self._line:
                self._line.remove(order)

    def close(self) -> None:
        """Takes no more orders; those that were begun are finished, the others are refused."""
        with self._moved:
            self._closed = True
            refused = [order for order in self._line if not order.done]
            for order in refused:
                self._line.remove(order)
            self._moved.notify_all()
        for order in refused:
            order.told(_ending())

    def join(self, seconds: float | None = None) -> None:
        """Waits until the thread has ended, behind `close`."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while batch := self._take():
            begin = time.monotonic()
            before = sum(order.done for order, _ in batch)
            self._write(batch)
            with self._moved:
                written = sum(order.done for order, _ in batch) - before
                seconds = time.monotonic() - begin
                if written:
                    self._seconds.append(seconds / written)
                self._in_hand = []
                self._expected = len(self._line) + len(batch)
                self._wait_until = time.monotonic() + min(1.0, max(LINGER, LINGER_SHARE * seconds))
                # Whose turn it was goes behind those who wait.
                self._line.extend(order for order, _ in batch if order.left)

    def _take(self) -> list[tuple[Order, int]]:
        """The next orders with the poems of each that are written now; none: the line is closed and empty."""
        with self._moved:
            while not self._line or not self._enough():
                if self._closed and not self._line:
                    return []
                if not self._line:
                    self._moved.wait_for(lambda: self._line or self._closed)
                    self._wait_until = max(self._wait_until, time.monotonic() + LINGER)
                self._moved.wait_for(self._enough, max(0.0, self._wait_until - time.monotonic()))
            first = self._line[0]
            if first.seed is not None:
                batch = [(self._line.popleft(), first.count)]
            else:
                batch = []
                named = first.best_of or (self._drafts.get(first.effort) if first.effort else None)
                room = max(1, self._rows // (named or self._each))
                for order in [one for one in self._line if one.seed is None and one.kind == first.kind]:
                    if room:
                        batch.append((order, min(room, order.left)))
                        room -= batch[-1][1]
                        self._line.remove(order)
            self._in_hand = [order for order, _ in batch]
            return batch

    def _enough(self) -> bool:
        """Whether it is not worth while to wait for others."""
        late = time.monotonic() >= self._wait_until
        return late or self._closed or len(self._line) >= min(self._expected, self._rows)

    def _write(self, batch: Sequence[tuple[Order, int]]) -> None:
        """Writes poems of some orders together, and tells each order its own."""
        first = batch[0][0]
        owners = [order for order, share in batch for _ in range(share)]

        def watch(_unused: Mapping[int, str]) -> None:
            if all(order.dropped for order, _ in batch):
                raise _AllLeftError

        told = dict.fromkeys((order for order, _ in batch), 0)
        try:
            poems = self._poet.stream(
                [order.request for order in owners],
                seed=first.seed,
                effort=first.effort,
                best_of=first.best_of,
                assess=first.assess or None,
                feature=first.feature,
                watch=watch,
            )
            for order, poem in zip(owners, poems, strict=True):
                order.done += 1
                told[order] += 1
                if not order.dropped:
                    order.told(poem)
        except _AllLeftError:
            pass
        except GemmaPoetryError as error:
            if len(batch) == 1:
                self._fail([first], error)
            else:
                # One wish that cannot be granted must not take the others with it.
                for order, share in batch:
                    if not order.dropped and told[order] < share:
                        self._write([(order, share - told[order])])
        except Exception as error:
            _LOG.error("writing failed", exc_info=error)
            self._fail([order for order, _ in batch], error)

    def _fail(self, orders: Sequence[Order], error: Exception) -> None:
        for order in orders:
            if order.left:
                order.told(error)
                order.dropped = True


def _ending() -> EndingError:
    return EndingError(
        _("the server is ending"), expected=_("a server that runs"), action=_("ask again when it has started anew")
    )
