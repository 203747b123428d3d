"""Curves of a training."""

from __future__ import annotations

import json
import re

import pytest

from gemma_poetry.errors import DataError
from gemma_poetry.evaluation.curves import curves_svg, perplexity_names, plot_curves, read_curve, series

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


def test_perplexities_of_any_unit_are_drawn():
    points = [{"step": 5, "ppl_token_kept_rows": 30.0, "ppl_word_kept_rows": 9000.0, "ppl_word/sonnet": 7.0}]
    assert perplexity_names(points) == {
        "ppl_token_kept_rows": "a token, over the kept rows",
        "ppl_word_kept_rows": "a word, over the kept rows",
    }
    picture = curves_svg(points)[1]
    assert "a word, over the kept rows" in picture and "sonnet" not in picture
    assert perplexity_names(POINTS) == {"ppl_token": "a token", "ppl_char": "a character"}


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


def test_the_pictures_stand_alone_and_are_the_same_each_time():
    pictures = curves_svg(POINTS)
    assert len(pictures) == 2 and pictures == curves_svg(POINTS)
    for picture in pictures:
        assert picture.startswith("<svg") and picture.rstrip().endswith("</svg>")
        assert "http" not in picture.replace("http://www.w3.org/", "")


def test_colours_and_letters_are_those_of_the_page():
    loss, perplexity = curves_svg(POINTS)
    assert "var(--second)" in loss and "var(--tuned)" in loss and "var(--ink)" in loss
    assert not re.search(r"#0[0-9a-c]0[0-9a-c]0[0-9a-c]|#1a1b1c", loss + perplexity)
    assert ">validation</text>" in loss and ">a character</text>" in perplexity
    assert "DejaVu" not in loss


def test_ids_of_both_pictures_differ_so_that_one_page_can_hold_them():
    loss, perplexity = ({*re.findall(r'id="([^"]+)"', picture)} for picture in curves_svg(POINTS))
    assert loss and not loss & perplexity
    for picture, known in zip(curves_svg(POINTS), (loss, perplexity)):
        assert {*re.findall(r'href="#([^"]+)"', picture), *re.findall(r"url\(#([^)]+)\)", picture)} <= known
