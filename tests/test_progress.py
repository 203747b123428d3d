"""Progress passes items on and writes to standard error at most."""

from __future__ import annotations

import pytest

from gemma_poetry.progress import is_shown, say, shown, stage, steps, track


def test_items_pass_through(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(range(100), "Counting")) == list(range(100))
    assert list(track(iter("abc"), "Counting", total=3)) == ["a", "b", "c"]
    with steps("Loading", 10, bytes_=True) as advance:
        advance(10)
    with stage("Thinking"):
        pass
    assert capsys.readouterr().out == ""


def test_errors_pass_through() -> None:
    def failing():  # type: ignore[no-untyped-def]
        yield 1
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        list(track(failing(), "Failing"))


def test_nothing_is_said_where_nothing_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(False):
        say("hidden")
        with shown(True):
            say("told")
        assert not is_shown()
    say("told again")
    assert is_shown() and capsys.readouterr().err == "told\ntold again\n"
