"""Writes the shapes of the presets and the published models that `gemma-poetry models` reads.

    python scripts/write_model_shapes.py

In: their configurations, each built on the meta device. Out: `assets/model_shapes.json`. A test keeps it current.
"""

from __future__ import annotations

import json
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.model.catalogue import PUBLISHED
from gemma_poetry.model.known_shapes import SHAPES, shape_record
from gemma_poetry.model.loading import load_tokenizer
from gemma_poetry.model.locating import DEFAULT_MODEL
from gemma_poetry.model.memory import read_shape
from gemma_poetry.model.presets import PRESETS, preset_config

FILE = Path(__file__).parents[1] / "src" / "gemma_poetry" / SHAPES


def shapes() -> str:
    """The text of the file: one model a line."""
    tokenizer = load_tokenizer(DEFAULT_MODEL)
    configurations = {preset: preset_config(preset, tokenizer) for preset in PRESETS}
    configurations |= {model.name: model.config() for model in PUBLISHED}
    rows = [f"{json.dumps(name)}: {json.dumps(shape_record(read_shape(own)))}" for name, own in configurations.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


if __name__ == "__main__":
    write_text(FILE, shapes())
