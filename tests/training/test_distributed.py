"""Two processes train as one does: DDP over gloo; and the accelerate configurations that ship are taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gemma_poetry.config import load_recipe
from gemma_poetry.model.base import load_model
from gemma_poetry.training.finetuning import train_adapter
from tests.families import save_family, save_family_data

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "distributed"
SETTINGS = [
    "train.max_steps=3",
    "train.batch_size=4",
    "train.learning_rate=0.02",
    "train.logging_steps=1",
    "train.save_steps=2",
    "train.evaluation_steps=3",
    "lora.rank=2",
    "lora.dropout=0",  # each process draws its own dropout
]


def losses(run: Path) -> list[float]:
    points = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    return [point.get("loss", point.get("validation_loss")) for point in points]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("distributed")
    save_family(place / "base", "gemma3_text")
    save_family_data(place / "DATA", "gemma3_text", train=32, held_out=6)
    # Two batches of four a step, one after the other, are what two processes take at the same time.
    recipe = load_recipe(None, [*SETTINGS, "train.gradient_accumulation=2"])
    train_adapter(place / "DATA", str(place / "base"), place / "one", recipe)
    return place


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(place):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    out = place / "ddp"
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    finished = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "gemma_poetry.cli",
            "train", "--data", str(place / "DATA"), "--model", str(place / "base"), "--out", str(out), *options,
        ],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert losses(out) == pytest.approx(losses(place / "one"), abs=1e-4)
    name = "adapter/adapter_model.safetensors"
    mine, alone = load_file(out / name), load_file(place / "one" / name)
    assert mine.keys() == alone.keys()
    for key, weight in alone.items():
        torch.testing.assert_close(mine[key], weight, atol=1e-5, rtol=0, msg=key)
    assert load_model(str(out), device="cpu").adapted


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_takes_every_configuration(path):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    assert load_config_from_file(str(path)).num_processes >= 2
    example = path.read_text().split("accelerate launch ")[1].split("\n#\n")[0].replace("\\\n#", " ").split()
    parsed = launch_command_parser().parse_args(example)
    assert Path(parsed.config_file).name == path.name and parsed.training_script == "gemma_poetry.cli"
