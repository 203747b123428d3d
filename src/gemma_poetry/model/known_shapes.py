"""The shapes of the presets and the published models, counted once and kept in a file.

In: `assets/model_shapes.json`. Out: one `KnownModel` each, with its `ModelShape`, without torch or transformers.

Counting them anew builds each model on the meta device, which takes seconds and both libraries; the file is written by
`scripts/write_model_shapes.py`, and a test counts again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from gemma_poetry.model.catalogue import PUBLISHED
from gemma_poetry.model.memory import ModelShape, Projection
from gemma_poetry.model.presets import PRESETS

SHAPES = "assets/model_shapes.json"
OWN_LICENCE = "MIT"
_PRESET_TYPE = "gemma3_text"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be named without being at hand.

    Attributes:
        name: A preset, or a Hub id.
        tuned: The Hub id of the instruction-tuned checkpoint; empty for presets.
        model_type: What transformers calls its text model.
        licence: The licence of the weights.
        shape: Its shape.
    """

    name: str
    tuned: str
    model_type: str
    licence: str
    shape: ModelShape


def known_models() -> Iterator[KnownModel]:
    """The presets, then the published models, smallest family first."""
    stored = json.loads(resources.files("gemma_poetry").joinpath(SHAPES).read_text(encoding="utf-8"))
    for preset in PRESETS:
        yield KnownModel(preset, "", _PRESET_TYPE, OWN_LICENCE, shape_of(stored[preset]))
    for model in PUBLISHED:
        yield KnownModel(model.name, model.tuned, model.model_type, model.licence, shape_of(stored[model.name]))


def shape_record(shape: ModelShape) -> dict[str, Any]:
    """The JSON record of a shape; linear layers that are alike are counted, since nothing asks for their order."""
    record = asdict(shape)
    alike = Counter((one.name, one.inputs, one.outputs) for one in shape.projections)
    record["projections"] = [[*one, count] for one, count in sorted(alike.items())]
    return record


def shape_of(record: dict[str, Any]) -> ModelShape:
    """The inverse of `shape_record`, linear layers sorted."""
    projections = (
        Projection(name, inputs, outputs) for *one, count in record["projections"] for name, inputs, outputs in [one] * count
    )
    return ModelShape(**{**record, "projections": tuple(projections)})
