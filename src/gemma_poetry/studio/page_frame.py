"""What every page of ours is served in: bounds on what comes in, and headers that keep everything else out.

In: Gradio blocks and their styles. Out: a FastAPI application that refuses large requests, requests that were meant for
another host or sent by another site, and paths that the page does not use, loads nothing from other hosts, and gives
addresses away to nobody.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.hosts import LOOPBACK, is_foreign

if TYPE_CHECKING:
    import gradio
    from fastapi import FastAPI

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_REQUEST = 64 * 1024
"""The largest body that a page takes, in bytes: some forty times what a screen of answers needs."""

LONGEST_ADDRESS = 2048
"""The longest path with its query, in bytes."""

# Gradio compiles small functions out of strings ('unsafe-eval') and styles itself inline; everything else is our own host.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    # The address holds the token of a private link.
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"x-robots-tag": b"noindex, nofollow",
}
_NEVER_CACHED = re.compile(r"/|/config|/gradio_api/.*")
# Gradio can take files, serve files, fetch for others and show who used it; a page of ours needs none of it.
_REFUSED = re.compile(
    r"/gradio_api/(upload|file[=/]|proxy=|stream|component_server|process_recording|run-history|profiling|runs|monitoring|"
    r"vibe-|call|api/|openapi|mcp|dev/|docs|redoc).*|/(file[=/]|proxy=|upload|monitoring|runs|dev/|openapi|docs|redoc|mcp).*"
)
_UPLOAD = "/gradio_api/upload"
# What a form adds to the file that it sends.
_FORM = 4096


class _Bounds:
    """Refuses what is too large or none of the page's business, and adds the headers to every answer."""

    def __init__(
        self,
        app: Application,
        hosts: Collection[str] = LOOPBACK,
        refused: re.Pattern[str] = _REFUSED,
        largest_upload: int = 0,
    ) -> None:
        self._app, self._hosts, self._refused = app, frozenset(hosts), refused
        self._open = {_UPLOAD: largest_upload + _FORM, f"{_UPLOAD}_progress": LARGEST_REQUEST} if largest_upload else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # No page of ours opens a web socket.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        received, largest = 0, self._open.get(scope["path"], LARGEST_REQUEST)

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest:
                # Whoever reads the body further in has its own word for this; `framed` says what it is.
                raise _TooLargeError
            return message

        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = dict(_HEADERS)
                if _NEVER_CACHED.fullmatch(scope["path"]):
                    own[b"cache-control"] = b"no-store"
                # Gradio lets every page of this machine read with the reader's cookies: pages of ours are read by nobody else.
                kept = [
                    (name, value)
                    for name, value in message["headers"]
                    if name.lower() not in own and not name.lower().startswith(b"access-control-")
                ]
                status = 413 if received > largest else message["status"]
                message = {**message, "status": status, "headers": [*kept, *own.items()]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            await _answer(framed, refusal)
            return
        try:
            if scope["method"] == "POST" and scope["path"] not in self._open:
                body = await _whole_body(bounded)
                if _names_strange_file(body):
                    await _answer(framed, 403)
                    return
                await self._app(scope, _replayed(body, receive), framed)
            else:
                await self._app(scope, bounded, framed)
        except _TooLargeError:
            if not started:
                await _answer(framed, 413)

    def _refusal(self, scope: Scope) -> int:
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > LONGEST_ADDRESS:
            return 414
        path = scope["path"]
        if (path not in self._open and self._refused.match(path)) or is_foreign(scope["headers"], self._hosts):
            return 403
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        return 413 if not declared.isdigit() or int(declared) > self._open.get(path, LARGEST_REQUEST) else 0


class _TooLargeError(Exception):
    """A body ran over the bound while it was read."""


async def _whole_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What receives a body that was read already, and then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _names_strange_file(body: bytes) -> bool:
    """Whether what was sent names a file (or an address) other than one that was sent itself.

    Gradio opens the path of whatever looks like a file of its own, and fetches it where it is an address; it looks where the
    file lies only in applications that it serves by itself.
    """
    from gradio.utils import get_upload_folder

    try:
        found = [json.loads(body)]
    except ValueError:
        return False  # a form: nothing that Gradio takes for a file
    except RecursionError:
        return True
    sent = Path(get_upload_folder()).resolve()
    while found:
        value = found.pop()
        if isinstance(value, dict):
            if "path" in value and not _lies_in(value["path"], sent):
                return True
            found += value.values()
        elif isinstance(value, list):
            found += value
    return False


def _lies_in(path: Any, folder: Path) -> bool:
    try:
        return Path(path).resolve().is_relative_to(folder)
    except (TypeError, ValueError, OSError):
        return False


async def _answer(send: Send, status: int) -> None:
    text = {403: b"not served here", 413: b"too large", 414: b"too long"}[status]
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def quiet_gradio() -> Any:
    """Gradio, imported so that it tells nobody that it runs."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import gradio

    return gradio


def calm_theme() -> Any:
    """The theme of all pages: fonts of the reader's own machine, nothing fetched."""
    gradio = quiet_gradio()
    serif = ("Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", "STSong", "SimSun", "Georgia", "serif")
    return gradio.themes.Base(font=list(serif), font_mono=["ui-monospace", "monospace"])


def framed_application(
    blocks: gradio.Blocks,
    *,
    css: Path,
    head: str = "",
    theme: Any = None,
    door: Callable[[str, str], bool] | None = None,
    door_message: str = "",
    waiting: int | None = None,
    hosts: Collection[str] = (),
    largest_upload: int = 0,
) -> FastAPI:
    """The application that serves a page.

    Args:
        blocks: The page.
        css: Its style sheet.
        head: More of the HTML head.
        theme: Its theme; `None`: that of all pages.
        door: Who may come in, by user name and password; `None`: everybody.
        door_message: What is said at the door.
        waiting: Requests that wait in Gradio's queue at most; `None`: any number.
        hosts: The names beside those of this machine that the page is reached under.
        largest_upload: Bytes of a file that the page takes; 0: it takes none.
    """
    gradio = quiet_gradio()
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Bounds, hosts={*LOOPBACK, *(name.lower() for name in hosts)}, largest_upload=largest_upload)
    blocks.queue(api_open=False, max_size=waiting)
    return gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        show_error=True,
        ssr_mode=False,
        mcp_server=False,
        run_history=False,
        enable_monitoring=False,
        theme=theme or calm_theme(),
        css_paths=css,
        head=head,
        auth=door,
        auth_message=door_message or None,
        max_file_size=largest_upload or None,
    )


def serve_application(app: FastAPI, host: str, port: int) -> None:
    """Serves an application until it is told to end (SIGINT, SIGTERM).

    Addresses are not logged: they hold the tokens of private links.
    """
    import uvicorn

    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
