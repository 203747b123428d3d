"""The embedded model behind the line: poems that keep their form, and seeds that give them again whoever else asks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

import gemma_poetry as gp
from gemma_poetry.generation.poem_generator import PARTICLES
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.serving.batching import Batcher, Order


@pytest.fixture(scope="module")
def poet() -> gp.Poet:
    return gp.load("mini", settings={"generate.effort": 1})


def until(holds: Callable[[], bool]) -> None:
    for _ in range(12000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it did not come about within two minutes")


def submitted(line: Batcher, form: str, **how: Any) -> tuple[Order, list[Any]]:
    told: list[Any] = []
    order = Order(PoemRequest(form, title="秋夜"), told=told.append, **how)
    line.submit(order)
    return order, told


def test_a_seed_gives_the_same_poems_whoever_else_asks(poet: gp.Poet):
    line = Batcher(poet, rows=32)
    crowd = [submitted(line, form, count=2) for form in ("七绝", "五律", "如梦令")]
    seeded = submitted(line, "五绝", count=2, seed=5)
    crowd += [submitted(line, "五绝", count=3)]
    until(lambda: all(len(told) == order.count for order, told in [*crowd, seeded]))
    alone = poet.write("五绝", title="秋夜", n=2, seed=5)
    assert [one.poem.lines for one in seeded[1]] == [one.poem.lines for one in alone]
    for order, told in crowd:
        for one in told:
            found = scan(one.poem.lines, one.poem.kind)
            assert found.verdict.passes and found.every_reading, str(one)
            assert one.poem.title == order.request.title
    line.close()
    line.join(10)


def test_an_effort_and_a_seed_give_what_they_give_elsewhere(poet: gp.Poet, monkeypatch: pytest.MonkeyPatch):
    """What `generate --effort 4 --seed 5` writes, polishing included; the server itself is of effort 1."""
    monkeypatch.setitem(PARTICLES, 4, 4)
    line = Batcher(poet, rows=32, drafts=PARTICLES)
    _order, told = submitted(line, "五律", seed=5, effort=4)
    until(lambda: bool(told))
    line.close()
    line.join(10)
    (alone,) = gp.load("mini", settings={"generate.effort": 4}).write("五律", title="秋夜", seed=5)
    assert told[0].poem.lines == alone.poem.lines
    assert alone.poem.lines == poet.write("五律", title="秋夜", seed=5, effort=4)[0].poem.lines


def test_writing_can_be_ended_at_any_character(poet: gp.Poet):
    class StopError(Exception):
        pass

    steps = 0

    def watch(texts: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise StopError

    for best_of in (1, 4):  # one draft, and particles
        steps = 0
        with pytest.raises(StopError):
            list(poet.stream("七律", best_of=best_of, watch=watch))
        assert steps == 3
    assert poet.write("五绝", seed=1)  # the model is as it was


def test_the_command_serves_and_ends(tmp_path: Any):
    """As a person starts it: an address, a poem, SIGTERM."""
    import http.client
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gemma_poetry.cli", "serve", "--port", str(port), "--effort", "1"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stderr=log)
    try:

        def answers() -> bool:
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            except OSError:
                return False

        until(answers)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"form": "五绝", "title": "机密", "acrostic": "春江"})
        connection.request("POST", "/v1/poems", body, {"Content-Type": "application/json"})
        (poem,) = json.loads(connection.getresponse().read())["poems"]
        assert scan(poem["lines"], "五言绝句").verdict.passes
        assert [line[0] for line in poem["lines"][:2]] == ["春", "江"]
        server.terminate()
        assert server.wait(30) == 143
    finally:
        server.kill()
    log_text = (tmp_path / "log").read_text()
    assert "POST /v1/poems 200" in log_text and "机密" not in log_text and "Traceback" not in log_text
