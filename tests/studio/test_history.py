"""Steps back and forward."""

from __future__ import annotations

from gemma_poetry.studio.history import MOST_STEPS, History


def test_steps_are_taken_back_and_forward_again():
    history = History("a").then("b").then("c")
    assert history.undone().present == "b"
    assert history.undone().undone().undone().present == "a"
    assert history.undone().redone() == history
    assert history.redone() == history


def test_a_new_step_forgets_what_was_taken_back():
    history = History("a").then("b").undone().then("c")
    assert (history.present, history.past, history.future) == ("c", ("a",), ())


def test_looking_at_something_is_no_step():
    history = History("a").then("b").looking("b, looked at")
    assert history.undone().present == "a" and history.then("b, looked at") is history


def test_a_long_sitting_keeps_so_many_steps():
    history = History(0)
    for step in range(1, 2 * MOST_STEPS):
        history = history.then(step)
    assert len(history.past) == MOST_STEPS and history.past[-1] == 2 * MOST_STEPS - 2
