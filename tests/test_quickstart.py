"""The whole job from the command line: embedded sample, embedded model, shortened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gemma_poetry.artifacts import sha256_file
from gemma_poetry.config import load_recipe
from gemma_poetry.errors import OutputError
from gemma_poetry.verbs.quickstart import quickstart

SHORT = [
    "train.max_steps=6",
    "train.evaluation_steps=3",
    "train.save_steps=6",
    "train.logging_steps=2",
    "evaluate.generation_poems=3",
    "evaluate.bootstrap_samples=100",
]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quickstart") / "quickstart"
    arguments = ["quickstart", "--out", str(folder), *(word for setting in SHORT for word in ("--set", setting))]
    program = "from gemma_poetry.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_what_is_written_is_named_and_the_lines_of_the_sample_are_carried(out):
    named = json.loads((out / "manifest.json").read_text())
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert named["kind"] == "quickstart" and set(named["files"]) == files - {"manifest.json"}
    for name in ("data/known_lines.npz", "run/known_lines.npz", "run/known_lines.base.npz"):
        assert name in files
    poems = [json.loads(line) for line in (out / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    sample = {line for poem in poems for line in poem["lines"]}
    written = (out / "poems.txt").read_text(encoding="utf-8").replace("。", "，").replace("\n", "，").split("，")
    assert not sample & {line for line in written if len(line) > 1}


@pytest.mark.parametrize("entry", ["data/thesis.txt", "notes.txt", "run/notes.txt"])
def test_what_is_a_persons_stops_it_and_stays(entry, tmp_path):
    (tmp_path / entry).parent.mkdir(exist_ok=True)
    (tmp_path / entry).write_text("mine")
    with pytest.raises(OutputError, match="quickstart did not write"):
        quickstart(tmp_path, load_recipe("quickstart", []))
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [entry]


def test_the_curve_is_a_picture(out):
    assert (out / "run" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_base_and_tuned_stand_side_by_side(out):
    systems = json.loads((out / "run" / "eval" / "results.json").read_text())["systems"]
    assert {"base", "tuned", "human"} <= set(systems)
    for name in ("base", "tuned"):
        for metric in ("ppl_token", "ppl_char"):
            figure = systems[name][metric]
            assert figure["low"] <= figure["value"] <= figure["high"] and figure["n"] > 20


def test_the_poems_have_their_forms(out):
    poems = (out / "poems.txt").read_text(encoding="utf-8").strip().split("\n\n")
    shapes = []
    for poem in poems:
        text = "".join(poem.splitlines()[1:])
        lines = [line for line in text.replace("。", "，").split("，") if line]
        shapes.append((len(lines), {len(line) for line in lines}))
    assert shapes == [(4, {5}), (4, {7}), (8, {5}), (8, {7})]


def test_the_manifests_chain_from_the_run_to_the_data(out):
    run = json.loads((out / "run" / "manifest.json").read_text())
    assert run["data"]["manifest_sha256"] == sha256_file(out / "data" / "manifest.json")
    data = json.loads((out / "data" / "manifest.json").read_text())
    assert data["files"]["train.txt"]["sha256"] == sha256_file(out / "data" / "train.txt")
    assert data["tokenizer"]["name"] == "mini" == run["base"]["spec"]


def test_no_cluster_of_the_sample_spans_two_splits(out):
    seen: dict[str, str] = {}
    for split in ("train", "val", "test"):
        for line in (out / "data" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines():
            cluster = json.loads(line)["cluster_id"]
            assert seen.setdefault(cluster, split) == split
    assert len(seen) >= 300
