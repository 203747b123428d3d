"""Does the server keep the speed of one batch when many ask at once, and does nobody's request get lost?

    python benchmarks/serving.py [--model mini] [--clients 50] [--seconds 60] [--effort 1] [--batch 32]

In: a model. Out: a Markdown table on standard output: poems a second of so many clients, each asking anew as soon as it is
answered, beside the same wishes written in one call without a server; the times of answers; poems that are wrong, each read by
`prosody.scansion` against the form that was asked for; how soon the places of killed clients are free; and what became of
every request when the server was told to end (SIGTERM) in the midst of it.

Server and clients share the machine, loopback alone is used, and everything ends by itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psutil

import gemma_poetry as gp
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.forms import SHORT_NAMES
from gemma_poetry.prosody.scansion import scan

WISHES: list[dict[str, Any]] = [
    {"form": "七绝", "title": "秋夜"},
    {"form": "五绝", "title": "江上"},
    {"form": "五律", "title": "登楼"},
    {"form": "七律", "title": "送友人"},
    {"form": "七绝", "acrostic": "春江花月"},
    {"form": "如梦令", "title": "春雨"},
]
_TERMINATED = 5.0
"""Seconds of load before the server is told to end."""


@dataclass
class Load:
    """Clients that ask anew as soon as they are answered.

    Attributes:
        port: Where the server listens.
        seed: Seed of the order of wishes.
        answers: Wish, poem and seconds of each that was granted.
        outcomes: How many requests ended how: a status, `refused` (no connection), `lost` (no answer).
        stopped: No client asks any more.
    """

    port: int
    seed: int
    answers: list[tuple[dict[str, Any], dict[str, Any], float]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    stopped: threading.Event = field(default_factory=threading.Event)

    def client(self, number: int) -> None:
        """One client, until it is told to stop or the server takes no connection."""
        draw = random.Random(f"{self.seed} {number}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        while not self.stopped.is_set():
            wish = draw.choice(WISHES)
            begin = time.monotonic()
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                self.outcomes["refused"] += 1
                return
            try:
                connection.request("POST", "/v1/poems", json.dumps(wish), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                self.outcomes["lost"] += 1
                return
            self.outcomes[str(answer.status)] += 1
            if answer.status == 200:
                self.answers.append((wish, json.loads(body)["poems"][0], time.monotonic() - begin))
            elif answer.status == 429:
                time.sleep(0.1)
            else:
                return

    def run(self, clients: int) -> list[threading.Thread]:
        """Starts so many clients."""
        threads = [threading.Thread(target=self.client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        return threads


def wrong(wish: dict[str, Any], poem: dict[str, Any]) -> bool:
    """Whether a poem is not what was asked for."""
    form = SHORT_NAMES.get(wish["form"], wish["form"])
    found = scan(poem["lines"], form)
    heads = "".join(line[0] for line in poem["lines"])
    kept = found.verdict.passes and found.every_reading and poem["form"] == form
    return not (kept and heads.startswith(wish.get("acrostic", "")) and poem["title"] == wish.get("title", ""))


def health(port: int) -> dict[str, Any]:
    """What the server says of itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/health")
    return dict(json.loads(connection.getresponse().read()))


def start(arguments: argparse.Namespace) -> tuple[subprocess.Popen[bytes], int]:
    """A server, when it answers, and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ["--effort", str(arguments.effort), "--batch", str(arguments.batch), "--queue", str(4 * arguments.clients)]
    command = [sys.executable, "-m", "gemma_poetry.cli", "serve", "--model", arguments.model, "--port", str(port), *settings]
    server = subprocess.Popen([*command, "--time-limit", "300"], stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            health(port)
        except OSError:
            if server.poll() is not None:
                sys.exit("the server did not start")
            time.sleep(0.2)
        else:
            return server, port
    sys.exit("the server did not answer within two minutes")


def processor_seconds(process: int) -> float:
    """What a process used so far, in seconds of a core."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def killed_clients(port: int, clients: int) -> float:
    """Seconds until no request of clients that were killed behind their question is counted any more."""
    body = json.dumps({"form": "七律", "n": 16})
    head = (
        f"POST /v1/poems HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body.encode())}"
    )
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    for one in sockets:
        one.sendall(f"{head}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode())
    while sum(health(port)[name] for name in ("waiting", "writing")) < clients:
        time.sleep(0.01)
    for one in sockets:
        one.close()
    begin = time.monotonic()
    while any(health(port)[name] for name in ("waiting", "writing")):
        time.sleep(0.01)
    return time.monotonic() - begin


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no server is left behind
    server, port = start(arguments)
    try:
        for wish in WISHES:  # what a form needs is worked out once a server
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            connection.request("POST", "/v1/poems", json.dumps(wish), {"Content-Type": "application/json"})
            connection.getresponse().read()
        load = Load(port, arguments.seed)
        begin, used = time.monotonic(), processor_seconds(server.pid)
        threads = load.run(arguments.clients)
        time.sleep(arguments.seconds)
        load.stopped.set()
        for thread in threads:
            thread.join()
        served = len(load.answers) / (time.monotonic() - begin)
        spent = (processor_seconds(server.pid) - used) / max(1, len(load.answers))
        freed = killed_clients(port, min(arguments.clients, 20))
        last = Load(port, arguments.seed + 1)
        threads = last.run(arguments.clients)
        time.sleep(_TERMINATED)
        told = time.monotonic()
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=400)
        ended = time.monotonic() - told
        for thread in threads:
            thread.join()
    finally:
        server.kill()
    poet = gp.load(arguments.model, settings={"generate.effort": arguments.effort, "generate.batch_size": arguments.batch})
    wishes = [PoemRequest(**wish) for wish in WISHES]
    list(poet.stream(wishes, seed=arguments.seed))
    same = [PoemRequest(**wish) for wish, _, _ in load.answers]
    begin, used = time.monotonic(), time.process_time()
    written = sum(1 for _ in poet.stream(same, seed=arguments.seed))
    batched = written / (time.monotonic() - begin)
    alone = (time.process_time() - used) / written
    seconds = sorted(time for _, _, time in load.answers)
    poems = [*load.answers, *last.answers]
    faulty = sum(wrong(wish, poem) for wish, poem, _ in poems)
    print(
        f"| {arguments.clients} clients, {arguments.seconds:g} s, {arguments.model}, effort {arguments.effort} | |\n|---|---|"
    )
    print(f"| poems a second, served | {served:.2f} |")
    print(f"| the same {written} wishes in one call | {batched:.2f} |")
    print(f"| served / one call | {served / batched:.2f} |")
    print(f"| processor seconds a poem, served and in one call | {spent:.3f}, {alone:.3f} |")
    print(f"| answer, median | {statistics.median(seconds):.2f} s |")
    print(f"| answer, 95 of 100 within | {seconds[int(0.95 * (len(seconds) - 1))]:.2f} s |")
    print(f"| wrong poems | {faulty} of {len(poems)} |")
    print(f"| requests under load by outcome | {_listed(load.outcomes)} |")
    print(f"| places of killed clients free after | {freed:.2f} s |")
    print(f"| requests around SIGTERM by outcome | {_listed(last.outcomes)} |")
    print(f"| lost requests | {load.outcomes['lost'] + last.outcomes['lost']} |")
    print(f"| the server ended after | {ended:.2f} s, status {status} |")


def _listed(outcomes: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items()))


if __name__ == "__main__":
    main()
