"""Curves of a training."""

from __future__ import annotations

import json

import pytest

from gemma_poetry.errors import DataError
from gemma_poetry.evaluation.curves import curves_svg, plot_curves, read_curve, series

POINTS = [
    {"step": 25, "loss": 5.1, "learning_rate": 1e-3},
    {"step": 50, "loss": 4.8},
    {"step": 50, "validation_loss": 4.9, "ppl_token": 134.3, "ppl_char": 250.0},
    {"step": 75, "loss": 4.5},
]


def test_each_curve_takes_the_points_that_have_it():
    assert series(POINTS, "loss") == ([25, 50, 75], [5.1, 4.8, 4.5])
    assert series(POINTS, "ppl_char") == ([50], [250.0])
    assert series(POINTS, "colour") == ([], [])


def test_points_are_read_in_order_of_steps(tmp_path):
    path = tmp_path / "curve.jsonl"
    path.write_text("\n".join(json.dumps(point) for point in reversed(POINTS)), encoding="utf-8")
    assert [point["step"] for point in read_curve(path)] == [25, 50, 50, 75]
    with pytest.raises(DataError, match="no such file"):
        read_curve(tmp_path / "none.jsonl")


@pytest.mark.parametrize("points", [POINTS, POINTS[:1], [], POINTS[2:3]], ids=["full", "one", "none", "validation alone"])
def test_the_picture_is_a_png_that_replaces_an_older_one(tmp_path, points):
    path = tmp_path / "run" / "curve.png"
    plot_curves(POINTS, path)
    plot_curves(points, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n") and len(content) > 5000
    assert [entry.name for entry in path.parent.iterdir()] == ["curve.png"]


def test_the_svg_stands_alone_and_is_the_same_each_time():
    svg = curves_svg(POINTS)
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "http" not in svg.replace("http://www.w3.org/", "")
    assert svg == curves_svg(POINTS)
