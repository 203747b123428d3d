"""The server that runs the application, until it is told to end.

In: an application, the line before the model, an address. Out: answers; behind SIGTERM or Ctrl-C what is being written is
finished, what only waits is refused (503), and nothing hangs: no request outlives its time limit.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gemma_poetry.serving.batching import Batcher
from gemma_poetry.serving.guard import LARGEST_HEAD, Application

HEAD_SECONDS = 10.0
"""Seconds that a connection may be open without a whole request head."""

MOST_CONNECTIONS = 1000
"""Open connections; further ones are told 503."""

_LAST_ANSWERS = 5
"""Seconds in which the last answers must have been read."""

_SPARE_SECONDS = 5.0
"""Seconds behind the time limit after which decoding is not waited for: it ends with the process."""


class _ImpatientProtocol(H11Protocol):
    """HTTP that closes connections on which no request comes, or one comes byte by byte."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def _look(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering and self.loop.time() - self._since >= HEAD_SECONDS - 0.01:
            self.transport.close()
        else:
            self._timer = self.loop.call_later(HEAD_SECONDS / 4, self._look)


class PoemHttpServer(uvicorn.Server):
    """A server that lets the model finish what it writes before it ends."""

    def __init__(self, config: uvicorn.Config, batcher: Batcher, time_limit: float) -> None:
        super().__init__(config)
        self._batcher, self._time_limit = batcher, time_limit

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuses what waits, waits for what is written, then closes the door."""
        self._batcher.close()
        latest = time.monotonic() + self._time_limit + _SPARE_SECONDS
        while self._batcher.busy and not self.force_exit and time.monotonic() < latest:
            await asyncio.sleep(0.05)
        # Whoever asks once more meanwhile is answered 503 and told to close the connection.
        await asyncio.sleep(0.1)
        await super().shutdown(sockets)


def serve_until_told(
    app: Application, batcher: Batcher, *, host: str, port: int, time_limit: float, sockets: list[socket.socket] | None = None
) -> None:
    """Serves an application until SIGTERM or SIGINT.

    Args:
        app: The application.
        batcher: The line before the model.
        host: The address to listen on.
        port: The port.
        time_limit: Seconds that a request may take.
        sockets: Sockets that listen already, in place of host and port.
    """
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host.strip("[]"),
        port=port,
        http=_ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=2 * LARGEST_HEAD,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_ANSWERS,
    )
    PoemHttpServer(config, batcher, time_limit).run(sockets)
