"""Says at the end what the fuzz has tried.

In: the outcomes of all attempts. Out: a line for each kind of work: cases, how many were read and how many refused, and the
processor time of the slowest.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tests.fuzz.trials import TALLY, is_sound


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for work, attempts in groupby(sorted(TALLY), key=lambda attempt: attempt[0]):
        outcomes, seconds = zip(*((outcome, time) for _, outcome, time in attempts))
        read = outcomes.count("done")
        fallen = sum(not is_sound(outcome) for outcome in outcomes)
        terminalreporter.write_line(
            f"fuzz {work}: {len(outcomes)} cases, {read} read, {len(outcomes) - read - fallen} refused, {fallen} fell; "
            f"slowest {max(seconds):.1f} s of processor time"
        )
