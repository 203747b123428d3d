"""What the routes work with.

In: a loaded model, what checks poems, what knows tunes, limits. Out: a `Service`; an order's poems as they are told, until its
time is over or its asker leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gemma_poetry.errors import TooLateError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.written import Written, check_effort
from gemma_poetry.languages import _
from gemma_poetry.serving.batching import Batcher, Order
from gemma_poetry.serving.bodies import PoemBody

Record = dict[str, Any]


class AskerLeftError(Exception):
    """Whoever asked closed the connection: nobody reads an answer."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes work with.

    Attributes:
        name: The model's name, as `/v1/models` tells it.
        batcher: The line before the model.
        check_wish: Refuses a wish that cannot be granted, with its feature, before it waits for the model.
        check: The records of the poems of a text, against a form, with a feature, by a rhyme book.
        tunes: The records of the tunes that have a template.
        tune: The record of one tune, by a rhyme book where one is named.
        forms: Names of forms that a conversation may name, the one that goes without saying first.
        time_limit: Seconds that a request may take, its wait counted.
        key: What a request must know; empty: nothing.
        names: Names beside those of this machine that the server is reached under.
    """

    name: str
    batcher: Batcher
    check_wish: Callable[[PoemRequest, str], None]
    check: Callable[[str, str, str, str], list[Record]]
    tunes: Callable[[], list[Record]]
    tune: Callable[[str, str], Record]
    forms: Sequence[str]
    time_limit: float = 120.0
    key: str = ""
    names: tuple[str, ...] = ()

    def order(self, body: PoemBody) -> Order:
        """The order that a body asks for.

        Raises:
            UsageError: The wish cannot be granted, or an effort and a number of drafts are asked for at once.
        """
        check_effort(body.effort, body.best_of)
        wish = body.wish()
        self.check_wish(wish, body.feature)
        return Order(wish, body.n, body.seed, body.effort, body.best_of, body.assess, body.feature)

    async def written(self, order: Order, gone: asyncio.Future[None]) -> AsyncGenerator[Written, None]:
        """The poems of an order, each as it is told.

        Args:
            order: The order; it is dropped when the iterator is closed.
            gone: Is done when whoever asked has left.

        Raises:
            FullError: The line is full.
            EndingError: The server is told to end.
            TooLateError: The time is over.
            AskerLeftError: Whoever asked has left.
            GemmaPoetryError: The wish cannot be granted after all.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Written | Exception] = asyncio.Queue()

        def tell(event: Written | Exception) -> None:
            with suppress(RuntimeError):  # the loop ended before the thread
                loop.call_soon_threadsafe(told.put_nowait, event)

        order.told = tell
        deadline = loop.time() + self.time_limit
        self.batcher.submit(order)
        following: asyncio.Task[Written | Exception] | None = None
        try:
            for _unused in range(order.count):
                following = asyncio.ensure_future(told.get())
                either: set[asyncio.Future[Any]] = {following, gone}
                await asyncio.wait(either, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    event = following.result()
                    if isinstance(event, Exception):
                        raise event
                    yield event
                elif gone.done():
                    raise AskerLeftError
                else:
                    raise too_late(self.time_limit)
        finally:
            if following is not None:
                following.cancel()
            self.batcher.drop(order)


def too_late(seconds: float) -> TooLateError:
    """What is told where a request took longer than so many seconds."""
    return TooLateError(
        _("the request took longer than {seconds:g} seconds", seconds=seconds),
        expected=_("an answer within --time-limit"),
        action=_("ask for fewer poems or a lower effort, or try again when the server has less to do"),
    )
