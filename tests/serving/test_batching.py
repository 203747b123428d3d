"""The line before the model: who is written with whom, who is told what, and whose place is free when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gemma_poetry.errors import ConstraintError, EndingError, FullError
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.serving.batching import Batcher, Order
from tests.serving.conftest import IMPOSSIBLE, StandIn


def order(title: str = "", **changes: Any) -> tuple[Order, list[Any]]:
    """An order, and what it is told."""
    told: list[Any] = []
    return Order(PoemRequest("五绝", title), told=told.append, **changes), told


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it did not come about within ten seconds")


def begun(**limits: Any) -> tuple[StandIn, Batcher]:
    """A line whose thread has taken a first order, which waits at the gate; what comes next stands in the line."""
    poet = StandIn()
    line = Batcher(poet, **limits)
    line.submit(order("first")[0])
    until(lambda: len(poet.calls) == 1)
    return poet, line


def answered(poet: StandIn, line: Batcher, asked: list[tuple[Order, list[Any]]]) -> None:
    """Puts these into the line, opens the gate, and waits until each was told something."""
    for one, _ in asked:
        line.submit(one)
    poet.gate.set()
    until(lambda: all(told for _, told in asked))


def titles(call: tuple[list[PoemRequest], dict[str, Any]]) -> list[str]:
    return [request.title for request in call[0]]


def test_orders_that_wait_are_written_together():
    poet, line = begun(rows=8)
    asked = [order(str(number)) for number in range(5)]
    answered(poet, line, asked)
    assert [titles(call) for call in poet.calls] == [["first"], ["0", "1", "2", "3", "4"]]
    assert [told[0].poem.title for _, told in asked] == ["0", "1", "2", "3", "4"]


def test_a_decoding_holds_as_many_as_its_rows_and_turns_come_round():
    """Eight rows hold two poems that are chosen among four; six poems of one do not hold up one of another."""
    poet, line = begun(rows=8, each=4)
    many, few = order("many", count=5), order("few")
    line.submit(many[0])
    line.submit(few[0])
    poet.gate.set()
    until(lambda: len(many[1]) == 5)
    assert [titles(call) for call in poet.calls[1:]] == [["many"] * 2, ["few", "many"], ["many"] * 2]
    assert len(few[1]) == 1


def test_an_order_with_a_seed_is_written_by_itself_with_it():
    poet, line = begun(rows=8)
    seeded, plain = order("seeded", seed=5, count=3), [order("one"), order("two")]
    for one in (plain[0][0], seeded[0], plain[1][0]):
        line.submit(one)
    poet.gate.set()
    until(lambda: len(seeded[1]) == 3)
    assert [(titles(call), call[1]["seed"]) for call in poet.calls[1:]] == [
        (["one", "two"], None),
        (["seeded"] * 3, 5),
    ]


def test_only_what_asks_the_same_of_the_engine_shares_a_decoding():
    poet, line = begun(rows=32)
    asked = [order("a", best_of=2), order("b", best_of=4), order("c", best_of=2), order("d", best_of=2, assess=True)]
    answered(poet, line, asked)
    assert [titles(call) for call in poet.calls[1:]] == [["a", "c"], ["b"], ["d"]]
    assert [call[1]["best_of"] for call in poet.calls[1:]] == [2, 4, 2]


def test_orders_of_an_effort_share_decodings_that_hold_its_drafts():
    poet, line = begun(rows=8, drafts={1: 1, 2: 4})
    asked = [order("a", effort=2), order("b", effort=1), order("c", effort=2), order("d", effort=2), order("e", effort=1)]
    answered(poet, line, asked)
    assert [titles(call) for call in poet.calls[1:]] == [["a", "c"], ["b", "e"], ["d"]]
    assert [call[1]["effort"] for call in poet.calls[1:]] == [2, 1, 2]
    assert {call[1]["best_of"] for call in poet.calls} == {None}


def test_a_wish_that_cannot_be_granted_takes_no_other_with_it():
    poet, line = begun(rows=8)
    asked = [order("one"), order(IMPOSSIBLE), order("two")]
    answered(poet, line, asked)
    assert isinstance(asked[1][1][0], ConstraintError)
    assert [asked[place][1][0].poem.title for place in (0, 2)] == ["one", "two"]


def test_what_fails_otherwise_is_told_to_all_and_the_thread_goes_on():
    class Broken(StandIn):
        def stream(self, form: Any, **how: Any) -> Any:
            if form[0].title == "broken":
                raise RuntimeError("a bug")
            return super().stream(form, **how)

    poet = Broken()
    poet.gate.set()
    line = Batcher(poet, rows=8)
    failed, later = order("broken"), order("later")
    line.submit(failed[0])
    until(lambda: bool(failed[1]))
    line.submit(later[0])
    until(lambda: bool(later[1]))
    assert isinstance(failed[1][0], RuntimeError) and later[1][0].poem.title == "later"


def test_the_line_is_bounded_and_a_dropped_order_frees_its_place():
    _poet, line = begun(rows=1, waiting=2)
    waiting = [order(), order()]
    for one, _ in waiting:
        line.submit(one)
    with pytest.raises(FullError, match="2 requests wait already"):
        line.submit(order()[0])
    assert line.seconds_to_wait >= 1
    line.drop(waiting[0][0])
    line.submit(order()[0])
    assert line.waiting == 2


def test_where_all_have_left_writing_ends_and_the_next_begins():
    poet = StandIn()
    line = Batcher(poet, rows=8)
    left, other = order("left"), order("other")
    line.submit(left[0])
    until(lambda: len(poet.calls) == 1)
    line.submit(other[0])
    line.drop(left[0])
    until(lambda: len(poet.calls) == 2)
    assert poet.stopped == 1 and not left[1]
    poet.gate.set()
    until(lambda: bool(other[1]))


def test_where_some_have_left_the_others_are_finished():
    poet = StandIn()
    line = Batcher(poet, rows=8)
    left, stays = order("left", count=2), order("stays", count=2)
    with line._moved:  # both stand in the line before the thread looks
        line.submit(left[0])
        line.submit(stays[0])
    until(lambda: len(poet.calls) == 1)
    line.drop(left[0])
    poet.gate.set()
    until(lambda: len(stays[1]) == 2)
    assert not left[1] and poet.stopped == 0 and not line.waiting


def test_behind_the_end_what_was_begun_is_finished_and_what_waits_is_refused():
    poet = StandIn()
    line = Batcher(poet, rows=2)
    first, waits = order("begun", count=5), order("waits")
    line.submit(first[0])
    until(lambda: len(poet.calls) == 1)
    line.submit(waits[0])
    line.close()
    assert isinstance(waits[1][0], EndingError)
    with pytest.raises(EndingError):
        line.submit(order()[0])
    poet.gate.set()
    line.join(10)
    assert not line.busy and len(first[1]) == 5


def test_many_threads_ask_at_once_and_each_gets_its_own():
    poet = StandIn()
    poet.gate.set()
    line = Batcher(poet, rows=8, waiting=1000)
    asked = [order(str(number), count=number % 3 + 1, seed=number if number % 7 == 0 else None) for number in range(100)]
    threads = [threading.Thread(target=line.submit, args=(one,)) for one, _ in asked]
    for thread in threads:
        thread.start()
    until(lambda: all(len(told) == one.count for one, told in asked))
    for one, told in asked:
        assert {written.poem.title for written in told} == {one.request.title}
    assert not line.busy or line.writing == 0
