"""The server on a real socket: clients that are slow, that are killed, that wait while it is told to end."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install 'gemma-poetry[serve]')")
import uvicorn

from gemma_poetry.serving import server as serving_server
from gemma_poetry.serving.guard import Guard
from gemma_poetry.serving.routes import application
from gemma_poetry.serving.server import PoemHttpServer
from gemma_poetry.serving.service import Service
from tests.serving.conftest import StandIn, make_service

BODY = json.dumps({"form": "五绝"}).encode()
HEAD = b"POST /v1/poems HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "


@dataclass
class Running:
    """A server in a thread of its own."""

    poet: StandIn
    service: Service
    server: PoemHttpServer
    port: int
    thread: threading.Thread

    def ask(self, body: bytes = BODY) -> socket.socket:
        """A connection on which a request was sent, and nothing read yet."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(HEAD + str(len(body)).encode() + b"\r\n\r\n" + body)
        return connection

    def end(self) -> None:
        """Tells the server to end, as a signal does."""
        self.server.handle_exit(15, None)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it did not come about within ten seconds")


def status(connection: socket.socket) -> str:
    """The status of the answer; empty: there is none."""
    with connection:
        found = connection.makefile("rb").readline().decode()
    return found.split(" ")[1] if found else ""


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(serving_server, "HEAD_SECONDS", 0.4)
    poet = StandIn()
    service = make_service(poet, waiting=4, rows=1, time_limit=8.0)
    app = application(service)
    slow = Guard(app._app, ending=lambda: service.batcher.closed, body_seconds=0.4)
    config = uvicorn.Config(
        slow,  # type: ignore[arg-type]
        http=serving_server._ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=2,
    )
    server = PoemHttpServer(config, service.batcher, 8.0)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    until(lambda: server.started)
    yield Running(poet, service, server, listener.getsockname()[1], thread)
    poet.gate.set()
    server.force_exit = server.should_exit = True
    thread.join(10)


def test_a_killed_client_frees_its_place_and_its_writing_ends(running: Running):
    line = running.service.batcher
    first = running.ask()
    until(lambda: line.writing == 1)
    waiting = [running.ask() for _ in range(4)]
    until(lambda: line.waiting == 4)
    assert status(running.ask()) == "429"
    waiting[0].close()
    until(lambda: line.waiting == 3)
    first.close()  # the one that is being written: the next one's turn comes at the next character
    until(lambda: running.poet.stopped == 1 and line.waiting == 2)
    running.poet.gate.set()
    assert [status(one) for one in waiting[1:]] == ["200"] * 3


def test_a_client_that_leaves_a_stream_frees_its_place(running: Running):
    line = running.service.batcher
    asked = running.ask(json.dumps({"form": "五绝", "n": 16, "stream": True}).encode())
    until(lambda: line.writing == 1)
    asked.close()
    until(lambda: running.poet.stopped == 1)
    assert not line.writing and not line.waiting


def test_told_to_end_it_finishes_what_is_written_and_refuses_the_rest(running: Running):
    line = running.service.batcher
    written = running.ask()
    until(lambda: line.writing == 1)
    waiting = [running.ask() for _ in range(3)]
    until(lambda: line.waiting == 3)
    running.end()
    assert [status(one) for one in waiting] == ["503"] * 3
    assert status(running.ask()) == "503"  # it still listens, and says so
    running.poet.gate.set()
    assert status(written) == "200"
    running.thread.join(5)
    assert not running.thread.is_alive()
    with pytest.raises(ConnectionError):
        running.ask()


def test_told_to_end_it_does_not_hang_on_a_poem_that_never_ends(running: Running):
    """The time limit of the request ends it; here it has left already."""
    asked = running.ask()
    until(lambda: running.service.batcher.writing == 1)
    running.end()
    asked.close()
    running.thread.join(6)
    assert not running.thread.is_alive()


def test_connections_on_which_nothing_comes_are_closed(running: Running):
    silent = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    dripping = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    dripping.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")

    def drip() -> None:
        try:
            for _ in range(200):
                dripping.sendall(b"a")
                time.sleep(0.05)
        except OSError:
            pass

    threading.Thread(target=drip, daemon=True).start()
    assert silent.recv(10) == b""
    until(lambda: _closed(dripping))


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(10) == b""
    except ConnectionError:
        return True


def test_a_body_that_does_not_come_is_not_waited_for(running: Running):
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    connection.sendall(HEAD + b"100\r\n\r\n{")
    assert status(connection) == "408"


def test_a_connection_that_is_answered_may_ask_again(running: Running):
    running.poet.gate.set()
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/v1/poems", BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["poems"]


RAW = [
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00", "400"),
    ("CR LF in a header", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n", "400"),
    ("no host", b"GET /v1/models HTTP/1.0\r\n\r\n", "403"),
    ("two hosts", b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", "400"),
    ("two lengths", HEAD + b"5\r\nContent-Length: 6\r\n\r\n{}", "400"),
    ("length and chunks", HEAD + b"5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    ("an endless header", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", "431"),
    ("a web socket", b"GET /v1/poems HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "405"),
]


@pytest.mark.parametrize(("sent", "expected"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_what_is_no_request_of_ours(running: Running, sent: bytes, expected: str):
    connection: Any = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    try:
        connection.sendall(sent)
    except ConnectionError:
        pytest.fail("closed before it was answered")
    found = status(connection)
    assert found == expected
