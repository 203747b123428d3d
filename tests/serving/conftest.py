"""A service whose poet is a stand-in: it writes at once, or when it is let; and one that writes with the embedded model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed (pip install 'gemma-poetry[serve]')")

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.written import Written, WrittenPoem
from gemma_poetry.serving.batching import Batcher
from gemma_poetry.serving.chat import classical_names
from gemma_poetry.serving.service import Service

LINES = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
IMPOSSIBLE = "无"
"""The title of a wish that the stand-in cannot grant."""


@dataclass
class StandIn:
    """Writes the same lines for every wish, and remembers what it was asked.

    Attributes:
        calls: Requests, seed and the rest of each decoding.
        gate: Writing waits for it, a step at a time.
        stopped: Decodings that `watch` ended.
    """

    calls: list[tuple[list[PoemRequest], dict[str, Any]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    stopped: int = 0

    def stream(
        self,
        form: Sequence[PoemRequest],
        *,
        watch: Callable[[Mapping[int, str]], None] | None = None,
        **how: Any,
    ) -> Iterator[Written]:
        self.calls.append((list(form), how))
        for request in form:
            if request.title == IMPOSSIBLE:
                raise ConstraintError("the wish cannot be met", action="wish for less")
        try:
            while True:
                if watch is not None:
                    watch({})
                if self.gate.wait(0.01):
                    break
        except Exception:
            self.stopped += 1
            raise
        for request in form:
            poem = Poem(LINES, "，。，。", title=request.title, form="五言绝句")
            yield WrittenPoem(poem, how["seed"] or 7, None, None)


def refuse_unknown_forms(wish: PoemRequest, feature: str) -> None:
    from gemma_poetry.generation.prescription import prescribe

    prescribe(wish)


def make_service(poet: Any, **changes: Any) -> Service:
    """A service over a poet; `waiting`, `rows`, `each` and `drafts` are those of its line."""
    from gemma_poetry.api import check_all
    from gemma_poetry.prosody.tunes import shipped_tunes
    from gemma_poetry.verbs.check import check_record
    from gemma_poetry.verbs.tunes import known_tune, list_records, show_record

    line = {name: changes.pop(name) for name in ("waiting", "rows", "each", "drafts") if name in changes}
    settings: dict[str, Any] = {
        "name": "stand-in",
        "batcher": Batcher(poet, **{"rows": 8, **line}),
        "check_wish": refuse_unknown_forms,
        "check": lambda text, form, feature, book: [
            check_record(one) for one in check_all(text, form, feature=feature, book=book)
        ],
        "tunes": lambda: list_records(shipped_tunes()),
        "tune": lambda name, book: show_record(known_tune(name), book),
        "forms": classical_names(),
        "time_limit": 20.0,
    }
    return Service(**settings | changes)


@pytest.fixture
def poet() -> StandIn:
    """A stand-in that writes at once."""
    made = StandIn()
    made.gate.set()
    return made
