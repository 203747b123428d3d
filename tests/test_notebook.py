"""The notebook: short cells, saved outputs, and every cell run from start to end on a small setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebook extra is not installed")

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "gemma-google-chinese.ipynb"
SMALL = (
    "prepare.max_poems=60", "train.max_steps=2", "train.evaluation_poems=4",
    "evaluate.perplexity_poems=4", "evaluate.generation_poems=2", "evaluate.bootstrap_samples=100",
)  # fmt: skip


@pytest.fixture(scope="module")
def saved():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_a_valid_notebook_of_short_cells_under_chinese_headings(saved):
    nbformat.validate(saved)
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert max(len(cell.source.splitlines()) for cell in code) <= 22
    headings = [line for cell in saved.cells for line in re.findall(r"(?m)^#+ .*", cell.source) if cell.cell_type == "markdown"]
    assert len(headings) >= 9 and all(re.search(r"[一-鿿]|LoRA", heading) for heading in headings)
    assert len([cell for cell in code if "settings" in cell.metadata.get("tags", [])]) == 1


def test_outputs_are_saved_with_plots_and_name_no_place_of_one_machine(saved):
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert NOTEBOOK.stat().st_size < 2 * 2**20
    assert not re.search(r"/(?:root|home|work|tmp|Users)/", NOTEBOOK.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_cell_runs(tmp_path, saved):
    from scripts.run_notebook import run_notebook

    settings = ["MODEL, RECIPE = 'mini', 'quickstart'", f"CHANGES = {list(SMALL)!r}", f"FOLDER = Path({str(tmp_path)!r})"]
    run_notebook(NOTEBOOK, tmp_path / "ran.ipynb", settings)
    ran = nbformat.read(tmp_path / "ran.ipynb", as_version=4)
    assert [cell.source for cell in ran.cells] == [cell.source for cell in saved.cells]
    text = (tmp_path / "ran.ipynb").read_text(encoding="utf-8")
    assert "trainable params" in text and "perplexity a character" in text and text.count("image/png") >= 3
    # Six poems, each read back against its form.
    assert text.count("<figcaption>") == 6 and text.count(">合律</span>") == 6
    assert (tmp_path / "run" / "eval" / "report.html").is_file()
