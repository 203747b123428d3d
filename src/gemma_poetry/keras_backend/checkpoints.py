"""Where a KerasHub training stands, on disk: what `--resume` goes on from.

    RUN/checkpoint-N/progress.json       steps done, seconds, the curve so far, perplexities from before the training
    RUN/checkpoint-N/state.safetensors   the updates and the optimizer's moments

In: a model in training. Out: folders that stand complete or not at all; a model as it was after N steps. The order of the
poems follows from seed and step, and nothing else is drawn, so that a resumed run ends as one that was never cut.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import read_json, write_json
from gemma_poetry.errors import DataError, RunError
from gemma_poetry.keras_backend.model import updated_layers
from gemma_poetry.languages import _
from gemma_poetry.manifests import atomic_folder
from gemma_poetry.runs import RunFolder, checkpoints

_PROGRESS, _STATE = "progress.json", "state.safetensors"
_FACTORS = ("lora_kernel_a", "lora_kernel_b")


@dataclass(slots=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: Steps done.
        seconds: Seconds that they took, evaluations included.
        before: Perplexities before the first step, by split.
        curve: The points of the loss curve.
    """

    step: int = 0
    seconds: float = 0.0
    before: dict[str, dict[str, float]] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint is there: it appears under its name when all of it is written."""
    return (checkpoint / _PROGRESS).is_file() and (checkpoint / _STATE).is_file()


def save_checkpoint(run: RunFolder, model: Any, progress: Progress, keep: int) -> None:
    """Writes `checkpoint-N` and removes the oldest beyond `keep`.

    Raises:
        OutputError: It cannot be written; the older ones stay.
    """
    from safetensors.numpy import save_file

    target = run.folder / f"checkpoint-{progress.step}"
    with run.writing(target), atomic_folder(target) as folder:
        save_file(_tensors(model), str(folder / _STATE))
        write_json(folder / _PROGRESS, asdict(progress))
    for old in checkpoints(run.folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path, model: Any) -> Progress:
    """Puts a compiled model with fresh updates where it was when a checkpoint was written.

    Raises:
        RunError: The checkpoint is not this model's, or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    model.optimizer.build(model.trainable_variables)
    try:
        tensors = load_file(str(folder / _STATE))
        progress = Progress(**read_json(folder / _PROGRESS))
    except (OSError, SafetensorError, DataError, TypeError) as error:
        raise RunError(
            _("the checkpoint cannot be read ({error})", error=str(error).splitlines()[0]),
            where=folder,
            action=_("remove it; --resume takes the one before it"),
        ) from error
    variables = _variables(model)
    amiss = [name for name in variables if name not in tensors or tensors[name].shape != tuple(variables[name].shape)]
    if amiss or len(tensors) != len(variables):
        raise RunError(
            _("the checkpoint is another model's (first: {amiss})", amiss=amiss[0] if amiss else _("more variables")),
            where=folder,
            action=_("choose another --out"),
        )
    for name, variable in variables.items():
        variable.assign(tensors[name])
    return progress


def _variables(model: Any) -> dict[str, Any]:
    found = {f"{path}/{name}": getattr(layer, name) for path, layer in updated_layers(model).items() for name in _FACTORS}
    # Optimizers name their variables after the trained ones, which two layers may share: the place is what counts.
    return found | {f"optimizer/{place}": variable for place, variable in enumerate(model.optimizer.variables)}


def _tensors(model: Any) -> dict[str, Any]:
    import numpy
    from keras import ops

    # Not `ascontiguousarray`, which makes a vector of a number.
    return {name: numpy.array(ops.convert_to_numpy(variable.value), order="C") for name, variable in _variables(model).items()}
