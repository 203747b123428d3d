"""How much a visitor may ask, and whose turn it is."""

from __future__ import annotations

import threading

import pytest

from gemma_poetry.errors import UsageError
from gemma_poetry.studio.limits import Limits, Line


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_requests_a_minute_and_no_more():
    clock = Clock()
    line = Line(Limits(requests=3), clock)
    for _ in range(3):
        line.count("anne", "en")
        clock.now += 10
    with pytest.raises(UsageError, match="3 requests within a minute") as refused:
        line.count("anne", "en")
    assert refused.value.action == "try again in 30 seconds"
    line.count("boris", "en")
    clock.now = 60.5
    line.count("anne", "en")
    with pytest.raises(UsageError):
        line.count("anne", "en")


def test_first_come_first_served_one_place_a_visitor():
    line = Line(Limits(waiting=2))
    first, second = line.enter("anne", "en"), line.enter("boris", "en")
    assert (first.ahead(), second.ahead()) == (0, 1)
    with pytest.raises(UsageError, match="still being worked on"):
        line.enter("anne", "en")
    with pytest.raises(UsageError, match="2 visitors are waiting"):
        line.enter("clara", "en")
    first.leave()
    assert second.ahead() == 0
    third = line.enter("anne", "en")
    assert third.ahead() == 1
    second.leave()
    second.leave()
    assert third.ahead() == 0


def test_whoever_waits_is_woken_when_the_line_moves():
    line = Line(Limits())
    first, second = line.enter("anne", "zh"), line.enter("boris", "zh")
    woken = threading.Event()

    def wait() -> None:
        while second.ahead():
            second.wait(30)
        woken.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not woken.wait(0.05)
    first.leave()
    assert woken.wait(5)


def test_requests_that_are_refused_cost_nothing():
    line = Line(Limits(requests=2))
    ticket = line.enter("anne", "en")
    for _ in range(5):
        with pytest.raises(UsageError, match="still being worked on"):
            line.enter("anne", "en")
    ticket.leave()
    line.enter("anne", "en").leave()


def test_old_visitors_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gemma_poetry.studio.limits._MOST_VISITORS", 3)
    line = Line(Limits())
    for name in ("a", "b", "c", "a", "d"):
        line.count(name, "en")
    assert list(line._asked) == ["c", "a", "d"]


@pytest.mark.parametrize("count, refused", [(1, False), (4, False), (0, True), (5, True), (-1, True)])
def test_poems_a_request(count: int, refused: bool):
    if refused:
        with pytest.raises(UsageError, match="1 to 4 poems"):
            Limits(poems=4).check_poems("en", count)
    else:
        Limits(poems=4).check_poems("en", count)


def test_characters_of_all_fields_count_together():
    limits = Limits(characters=10)
    limits.check_size("en", "春" * 5, "秋" * 5)
    with pytest.raises(UsageError, match="the input has 11 characters"):
        limits.check_size("en", "春" * 5, "秋" * 6)
