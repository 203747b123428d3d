"""The weights of the best evaluation are those that a training keeps.

In: the figures of each evaluation, and the model as it is then. Out: `RUN/best.safetensors`, while the training lives, and at
its end the model with those weights.

An evaluation is better than another by its validation loss; one whose loss is no finite number is the worst. One at which the
poems that were written go less with their titles (`reading_fell`) gives way to any that did not: a loss can fall while poems
drift away from their titles.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gemma_poetry.model.lora import put_trained_weights, trained_weights
from gemma_poetry.runs import RunFolder
from gemma_poetry.training.processes import is_main_process

BEST = "best.safetensors"
_FIGURES = "figures"
READING_FELL = "reading_fell"
"""1 where the poems that were written go with their titles less than those of the beginning and of the poets, else 0."""
READING = ("title_first", "title_gain", "poets_title_first", "poets_title_gain", "distinct_2", "base_ppl", READING_FELL)
"""The figures of poems that were written at an evaluation."""


class BestWeights(TrainerCallback):
    """Sets the weights of the best evaluation aside, and ends a training that finds no better ones.

    Args:
        model: The model that is trained.
        run: The folder that is written to; a training that goes on finds there what was best so far.
        patience: Evaluations in a row without a better one that end the training; `None`: none do.
    """

    def __init__(self, model: Any, run: RunFolder, patience: int | None) -> None:
        self._model = model
        self._run = run
        self._path = run.folder / BEST
        self._patience = patience
        self._best: dict[str, Any] | None = None
        self._since = 0
        if run.checkpoint is None:
            self._path.unlink(missing_ok=True)
        elif self._path.is_file():
            self._best = _figures_of(self._path)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._best is not None:
            evaluations = {point["step"] for point in state.log_history if "eval_loss" in point}
            self._since = sum(step > self._best["step"] for step in evaluations)
        self._lose_patience(control)

    def _lose_patience(self, control: TrainerControl) -> None:
        control.should_training_stop |= self._patience is not None and self._since >= self._patience

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        figures = {name.removeprefix("eval_"): value for name, value in (metrics or {}).items() if name.startswith("eval_")}
        if self._best is not None and _rank(figures, state.global_step) >= _rank(self._best, self._best["step"]):
            self._since += state.global_step > self._best["step"]
            self._lose_patience(control)
            return
        self._best, self._since = {**figures, "step": state.global_step}, 0
        weights = trained_weights(self._model)
        if is_main_process():
            from safetensors.torch import save_file

            partial = self._path.with_name(f".{BEST}.tmp")
            with self._run.writing(self._path):
                noted = {_FIGURES: json.dumps(self._best)}
                save_file({name: weight.contiguous() for name, weight in weights.items()}, partial, noted)
                partial.replace(self._path)

    def restore(self) -> dict[str, Any] | None:
        """Puts the best weights into the model; all processes call this together.

        Returns:
            The figures of their evaluation and its `step`; `None` where there was no evaluation.
        """
        if self._best is None:
            return None
        import torch
        from safetensors.torch import load_file

        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # one process writes for all
        put_trained_weights(self._model, load_file(self._path))
        return self._best


def forget_best(run: Path) -> None:
    """Removes the file of a RUN, once that holds its weights elsewhere."""
    (run / BEST).unlink(missing_ok=True)


def _rank(figures: Mapping[str, Any], step: int) -> tuple[bool, bool, float]:
    """The lower the better. The beginning reads as itself: it must not win by that alone over all that was trained."""
    loss = float(figures["loss"])
    finite = math.isfinite(loss)
    return not finite, step == 0 or bool(figures.get(READING_FELL)), loss if finite else math.inf


def _figures_of(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        noted: dict[str, Any] = json.loads((file.metadata() or {})[_FIGURES])
    return noted
