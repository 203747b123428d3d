"""Two processes train as one does: DDP and FSDP2 over gloo, on one machine and on two, with the configurations that ship."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from gemma_poetry.config import load_recipe
from gemma_poetry.model.loading import load_model
from gemma_poetry.training.finetuning import finetune
from tests.families import save_family, save_family_data

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "distributed"
ADAPTER = "adapter/adapter_model.safetensors"
SETTINGS = [
    "train.max_steps=5",
    "train.batch_size=4",
    "train.learning_rate=0.02",
    "train.logging_steps=1",
    "train.save_steps=3",
    "train.evaluation_steps=3",
    "train.vocabulary=pruned",
    "train.pass_tokens=100",  # two poems at a time
    "lora.rank=2",
    "lora.dropout=0",  # each process draws its own dropout
]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
WORKERS = {
    "ddp": ["-m", "gemma_poetry.cli"],
    "fsdp2": [str(Path(__file__).with_name("sharded_on_cpu.py"))],
}


def launch(place: Path, out: Path, recipe: str, *options: str) -> None:
    """Two processes under a configuration that ships, on as many launchers as it names machines."""
    machines = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())["num_machines"]
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = str(door.getsockname()[1])
    launchers = {}
    for machine in range(machines):
        words = [
            sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(RECIPES / f"{recipe}.yaml"),
            "--num_processes", "2", "--machine_rank", str(machine), "--main_process_ip", "127.0.0.1",
            "--main_process_port", port, "--mixed_precision", "no", *WORKERS[recipe.split("_")[0]],
            "train", "--data", str(place / "DATA"), "--model", str(place / "base"), "--out", str(out), *options,
        ]  # fmt: skip
        for setting in SETTINGS:
            words += ["--set", setting]
        # A file, not a pipe: a launcher that is not read from would stop the others.
        log = out.with_suffix(f".{machine}.log")
        with open(log, "w") as stream:
            launchers[log] = subprocess.Popen(words, env=ENVIRONMENT, stdout=stream, stderr=subprocess.STDOUT)
    for log, launcher in launchers.items():
        assert launcher.wait() == 0, log.read_text()[-3000:]


def losses(run: Path) -> list[float]:
    points = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    return [point.get("loss", point.get("validation_loss")) for point in points]


def learned_the_same(run: Path, other: Path) -> bool:
    mine, alone = load_file(run / ADAPTER), load_file(other / ADAPTER)
    assert mine.keys() == alone.keys()
    for key, weight in alone.items():
        torch.testing.assert_close(mine[key], weight, atol=1e-5, rtol=0, msg=key)
    return losses(run) == pytest.approx(losses(other), abs=1e-4)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("distributed")
    save_family(place / "base", "gemma3_text")
    save_family_data(place / "DATA", "gemma3_text", train=14, held_out=6)
    # Two batches a step, one after the other, are what two processes take at the same time. An epoch has two steps: the
    # checkpoint after the third lies in the midst of the second epoch, whose order is another than the first's. One batch
    # of an epoch has two poems in place of four: beside it a process makes one pass where the other makes two.
    recipe = load_recipe(None, [*SETTINGS, "train.gradient_accumulation=2"])
    finetune(place / "DATA", str(place / "base"), place / "one", recipe)
    return place


@pytest.fixture(scope="module")
def sharded(place) -> Path:
    launch(place, place / "fsdp2", "fsdp2")
    return place / "fsdp2"


@pytest.mark.slow
def test_two_machines_learn_what_one_process_learns(place):
    out = place / "ddp"
    launch(place, out, "ddp_machines")
    assert learned_the_same(out, place / "one")
    assert json.loads((out / "manifest.json").read_text())["devices"] == {"processes": 2, "sharded_share": 0.0}


@pytest.mark.slow
def test_two_shards_learn_what_one_process_learns(place, sharded):
    assert learned_the_same(sharded, place / "one")
    manifest, alone = (json.loads((run / "manifest.json").read_text()) for run in (sharded, place / "one"))
    assert manifest["devices"] == {"processes": 2, "sharded_share": 1.0}, "every weight was spread over the processes"
    assert manifest["validation"] == pytest.approx(alone["validation"], rel=1e-4)
    assert load_model(str(sharded), device="cpu").adapted


@pytest.mark.slow
def test_a_checkpoint_of_shards_is_laid_out_like_that_of_one_process(place, sharded):
    mine, alone = sharded / "checkpoint-3", place / "one" / "checkpoint-3"
    assert {path.name for path in mine.iterdir()} - {"rng_state_0.pth", "rng_state_1.pth"} == {
        path.name for path in alone.iterdir()
    } - {"rng_state.pth"}
    states = [torch.load(folder / "optimizer.pt", weights_only=True)["state"] for folder in (mine, alone)]
    assert states[0].keys() == states[1].keys()
    for index, entries in states[1].items():
        for name, value in entries.items():
            torch.testing.assert_close(states[0][index][name], value, atol=1e-5, rtol=1e-4, msg=f"{index} {name}")


@pytest.mark.slow
def test_shards_on_two_machines_resume_to_the_same_adapter(place, sharded):
    out = place / "resumed"
    out.mkdir()
    shutil.copy(sharded / "started.json", out)
    shutil.copytree(sharded / "checkpoint-3", out / "checkpoint-3")
    launch(place, out, "fsdp2_machines", "--resume")
    again, before = load_file(out / ADAPTER), load_file(sharded / ADAPTER)
    assert all(torch.equal(again[key], weight) for key, weight in before.items())
    assert json.loads((out / "manifest.json").read_text())["resumed"]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_takes_every_configuration(path):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    assert load_config_from_file(str(path)).num_processes >= 2
    example = path.read_text().split("accelerate launch ")[1].split("\n#\n")[0].replace("\\\n#", " ").split()
    parsed = launch_command_parser().parse_args(example)
    assert Path(parsed.config_file).name == path.name and parsed.training_script == "gemma_poetry.cli"
