"""The stored shapes are those that counting gives."""

from __future__ import annotations

from pathlib import Path

from gemma_poetry.model.known_shapes import SHAPES, known_models, shape_of, shape_record
from gemma_poetry.model.memory import ModelShape, Projection
from scripts.write_model_shapes import shapes

ROOT = Path(__file__).parents[2]


def test_the_file_is_current():
    stored = (ROOT / "src" / "gemma_poetry" / SHAPES).read_text(encoding="utf-8")
    assert stored == shapes(), "run python scripts/write_model_shapes.py"


def test_a_shape_is_read_back_with_every_layer():
    layers = (Projection("q_proj", 8, 4), Projection("v_proj", 8, 2), Projection("q_proj", 8, 4), Projection("q_proj", 8, 6))
    shape = ModelShape(100, 8, 2, 1_000, 8, layers, 32, streams=4, heads=2, soft_capped=True)
    again = shape_of(shape_record(shape))
    assert sorted(map(str, again.projections)) == sorted(map(str, layers))
    assert again.lora_parameters(3) == shape.lora_parameters(3) == 3 * (12 + 10 + 12 + 14)
    assert shape_record(again) == shape_record(shape)


def test_names_are_unique():
    names = [model.name for model in known_models()]
    assert len(names) == len(set(names)) and names[0] == "mini"
