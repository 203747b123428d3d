"""What stands before the routes: who may ask, how much, and what is written down of it.

In: requests as they come from the network. Out: requests whose body is whole, small and JSON, from somebody who may ask; for
all others a refusal as JSON. Of each, method, route, status, milliseconds and counts are logged, and no text: a path counts by
its route, since the name of a tune is a text too.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from typing import Any

from gemma_poetry.hosts import LOOPBACK, is_foreign
from gemma_poetry.serving.problems import refusal_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 128 * 1024
"""Bytes of a body at most: the longest text to check, each character written as six of ASCII, and room beside it."""

LONGEST_ADDRESS = 2048
"""Bytes of a path with its query at most."""

LARGEST_HEAD = 16 * 1024
"""Bytes of all headers at most."""

BODY_SECONDS = 10.0
"""Seconds that a body may take to come."""

OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
"""What is told without a key: that the server runs, and how it is asked."""

_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOG = logging.getLogger("gemma_poetry.serving.requests")


class Guard:
    """The gate before an application.

    Args:
        app: The application.
        key: What a request must know; empty: nothing.
        names: Names beside those of this machine that the server is reached under.
        ending: Whether the server is told to end: then every answer asks to close the connection.
        body_seconds: Seconds that a body may take to come.
    """

    def __init__(
        self,
        app: Application,
        *,
        key: str = "",
        names: Collection[str] = (),
        ending: Callable[[], bool] = lambda: False,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app, self._key, self._ending, self._body_seconds = app, key.encode(), ending, body_seconds
        self._hosts = frozenset({*LOOPBACK, *(name.lower() for name in names)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        begin = time.monotonic()
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {**_HEADERS, **({b"connection": b"close"} if self._ending() or refused else {})}
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in own]
                message = {**message, "headers": [*kept, *own.items()]}
            await send(message)

        refused = self._refusal(scope)
        if not refused:
            refused, receive = await self._read(scope, receive)
        try:
            if refused:
                await _answer(framed, refused)
            else:
                await self._app(scope, receive, framed)
        except Exception:
            # Its trace is in the log, and its answer is sent, by the handler of the application.
            if not status:
                raise
        finally:
            self._log(scope, status, begin)

    def _refusal(self, scope: Scope) -> int:
        """The status of a request that is refused by its head; 0: it is not."""
        headers = scope["headers"]
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > LONGEST_ADDRESS:
            return 414
        if sum(len(name) + len(value) for name, value in headers) > LARGEST_HEAD:
            return 431
        if is_foreign(headers, self._hosts):
            return 403
        if self._key and scope["path"] not in OPEN_PATHS and not self._knows_key(headers):
            return 401
        sizes = [value for name, value in headers if name == b"content-length"]
        if sizes and any(name == b"transfer-encoding" for name, _ in headers):
            return 400
        if sizes and not (len(sizes) == 1 and sizes[0].isdigit() and len(sizes[0]) < 20):
            return 400
        if sizes and int(sizes[0]) > LARGEST_BODY:
            return 413
        kinds = [value.partition(b";")[0].strip().lower() for name, value in headers if name == b"content-type"]
        # A form of another page's, which browsers send unasked, is no JSON.
        return 415 if scope["method"] == "POST" and kinds != [b"application/json"] else 0

    def _knows_key(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, key = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self._key)

    async def _read(self, scope: Scope, receive: Receive) -> tuple[int, Receive]:
        """Reads the body; a refusal, or 0 and what gives the body out and then waits for the end of the connection."""
        body = bytearray()

        async def read() -> int:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return 400
                body.extend(message.get("body", b""))
                if len(body) > LARGEST_BODY:
                    return 413
                more = message.get("more_body", False)
            return 0

        try:
            refused = await asyncio.wait_for(read(), self._body_seconds)
        except TimeoutError:
            return 408, receive
        given = False

        async def replay() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": bytes(body), "more_body": False}
            return await receive()

        return refused, replay

    def _log(self, scope: Scope, status: int, begin: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", "") or "(none)"
        milliseconds = round(1000 * (time.monotonic() - begin))
        counts = "".join(f" {name}={count}" for name, count in scope.get("counts", {}).items())
        _LOG.info("%s %s %d %d ms%s", method, route, status, milliseconds, counts)


async def _answer(send: Send, status: int) -> None:
    body = json.dumps(refusal_body(status)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
