"""What a sitting has seen: every state of the desk, to go back to and forward again.

In: states, each immutable, as they come about. Out: the one that holds, the one before it, the one behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State")

MOST_STEPS = 50
"""Steps back that are kept."""


@dataclass(frozen=True, slots=True)
class History(Generic[State]):
    """States in their order.

    Attributes:
        present: The state that holds.
        past: Those before it, the latest last.
        future: Those that were taken back, the one to come first.
    """

    present: State
    past: tuple[State, ...] = ()
    future: tuple[State, ...] = ()

    def then(self, state: State) -> History[State]:
        """With a new state; one like that which holds is no step."""
        if state == self.present:
            return self
        return History(state, (*self.past, self.present)[-MOST_STEPS:])

    def looking(self, state: State) -> History[State]:
        """With a state that shows the same otherwise, which is not worth a step."""
        return History(state, self.past, self.future)

    def undone(self) -> History[State]:
        """One step back, where there is one."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.present, *self.future))

    def redone(self) -> History[State]:
        """One step forward again, where one was taken back."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.present), self.future[1:])
