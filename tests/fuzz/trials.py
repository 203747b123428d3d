"""Hostile input, tried where it can do no harm: each case in a process of its own, which can be stopped.

A case passes if the work ends well or with one of our own errors. What fails it: any other exception (a trace), no answer
after `SECONDS` of processor time or `PATIENCE` seconds on the clock, or more than `MEMORY` bytes beyond what the process
began with.
"""

from __future__ import annotations

import copy
import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gemma_poetry.errors import GemmaPoetryError

SECONDS = 20
PATIENCE = 180
MEMORY = 4 * 2**30
LONG = os.environ.get("GEMMA_POETRY_FUZZ") == "long"

TALLY: list[tuple[str, str, float]] = []
"""What was tried in this session: the work, its outcome, and how many seconds of processor time it took."""

_CONTEXT = multiprocessing.get_context("forkserver")
_BIG, _DEEP, _TWICE, _INFINITE = "@big@", "@deep@", "@twice@", "@infinite@"


def seeds(few: int, many: int) -> range:
    """The seeds of a fuzz: a few, or with GEMMA_POETRY_FUZZ=long many."""
    return range(many if LONG else few)


def attempt(work: Callable[..., object], *given: Any) -> str:
    """Does the work in a process of its own.

    Args:
        work: A function at the top of a module.
        given: What it is called with.

    Returns:
        `done`, or `refused: ` and our own error; what fails a case is `trace: `, `hang: ` or `died: `.
    """
    # Children of the fork server find the tests and the package where this process does.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    _CONTEXT.set_forkserver_preload(["tests.fuzz.warm"])
    reader, writer = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_report, args=(writer, work, given))
    process.start()
    writer.close()
    try:
        if reader.poll(PATIENCE):
            outcome, seconds = reader.recv()
        else:
            outcome, seconds = f"hang: no answer after {PATIENCE} s on the clock", float(PATIENCE)
    except EOFError:
        process.join(10)
        code = process.exitcode
        outcome = f"hang: {SECONDS} s of processor time" if code in (-signal.SIGXCPU, -signal.SIGKILL) else f"died: {code}"
        seconds = float(SECONDS)
    process.kill()
    process.join()
    TALLY.append((work.__name__, outcome, seconds))
    return str(outcome)


def _report(writer: Any, work: Callable[..., object], given: tuple[Any, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 2))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8", errors="strict")  # noqa: SIM115
    try:
        work(*given)
        outcome = "done"
    except GemmaPoetryError as error:
        try:
            str(error).encode()
            outcome = f"refused: {type(error).__name__}: {error}"
        except UnicodeEncodeError:
            outcome = "trace: the message cannot be printed"
    except BaseException:  # a panic of Rust is no Exception
        outcome = f"trace: {traceback.format_exc()[-3000:]}"
    usage = resource.getrusage(resource.RUSAGE_SELF)
    writer.send((outcome, usage.ru_utime + usage.ru_stime))


def is_sound(outcome: str) -> bool:
    """Whether a case passes."""
    return outcome == "done" or outcome.startswith("refused: ")


def fingerprint(folder: Path) -> dict[str, str]:
    """What stands in a folder, to see afterwards that nothing of it was changed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            content = f"link {os.readlink(path)}"
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = "folder" if path.is_dir() else "other"
        found[str(path.relative_to(folder))] = content
    return found


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Bytes with a few of them changed, cut off, doubled, or put in."""
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(content) + 1)
        span = draw.choice((1, 1, 4, 64, 4096))
        kind = draw.randrange(6)
        if kind == 0:
            content = content[:place]
        elif kind == 1:
            content = content[:place] + draw.randbytes(span) + content[place + span :]
        elif kind == 2:
            content = content[:place] + content[place + span :]
        elif kind == 3:
            content = content[:place] + content[max(0, place - span) : place] + content[place:]
        elif kind == 4:
            content = content[:place] + bytes(span) + content[place:]
        else:
            content = (
                content[:place]
                + draw.choice((b"{", b"]", b'"', b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\x1b[2J"))
                + content[place:]
            )
    return content


HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**9, 0.5, -0.0, 1e308, _INFINITE, _BIG, _DEEP, "", "0", "auto",
    "\x00", "\ud800", "\x1b[2J", "../../etc/passwd", "/dev/zero", "os.system", "x" * 10_000, "(a+)+$", "(.*)*(.*)*b", [], {},
    [None], [[]], [1, "a", {}], ["x"] * 100_000, {"": ""}, {"a": {"b": {"c": None}}}, {"0": 1e9},
    {str(number): number for number in range(100_000)},
)  # fmt: skip
"""JSON values that are not what any field expects."""


def damage_json(value: Any, draw: random.Random) -> Any:
    """A JSON value with one to three of its values replaced, removed, or doubled, at any depth."""
    value = json.loads(json.dumps(value))
    for _ in range(draw.randint(1, 3)):
        holder, key = value, None
        while True:
            if isinstance(holder, dict) and holder:
                key = draw.choice(sorted(holder))
            elif isinstance(holder, list) and holder:
                key = draw.randrange(len(holder))
            else:
                break
            if not isinstance(holder[key], (dict, list)) or not holder[key] or draw.random() < 0.3:
                break
            holder = holder[key]
        if key is None or draw.random() < 0.03:
            return copy.deepcopy(draw.choice(HOSTILE))
        kind = draw.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[key + draw.choice((_TWICE, "s", "\x00"))] = holder[key]
        elif kind == 2 and type(holder[key]) in (int, float):
            holder[key] = draw.choice((-holder[key], holder[key] + 1, holder[key] * 1000, holder[key] / 3, str(holder[key])))
        else:
            holder[key] = copy.deepcopy(draw.choice(HOSTILE))
    return value


def json_text(value: Any) -> bytes:
    """JSON text of a damaged value, with what no Python value can say: endless numbers, depth, keys that stand twice."""
    text = json.dumps(value, ensure_ascii=True)
    text = text.replace(f'"{_BIG}"', "9" * 5000).replace(f'"{_DEEP}"', "[" * 50_000 + "]" * 50_000)
    return text.replace(_TWICE, "").replace(f'"{_INFINITE}"', "Infinity").encode()
