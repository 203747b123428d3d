"""The clock of a training loop, for every system that trains with a `transformers.Trainer`.

In: the trainer's events. Out: seconds between the first step's beginning and the last one's end, without start, loading and
saving. It imports nothing of this project, so that rivals in an environment of their own are clocked by the same lines.
"""

from __future__ import annotations

import time
from typing import Any


class Stopwatch:
    """Seconds of the training loop (`ended - began`) and its steps."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.steps = 0

    def callback(self) -> Any:
        """The class of a `TrainerCallback` that tells this clock of steps."""
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                watch.began = watch.began or time.perf_counter()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                watch.ended = time.perf_counter()
                watch.steps += 1

        return Callback
