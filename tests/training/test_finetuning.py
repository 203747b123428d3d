"""A whole fine-tuning on tiny models: the RUN it leaves, killing and resuming, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gemma_poetry.artifacts import sha256_file
from gemma_poetry.config import load_recipe
from gemma_poetry.errors import DataError, RunError, TokenizerMismatchError
from gemma_poetry.training.finetuning import train_adapter
from tests.tiny import make_tokenizer, save_data, save_model

SETTINGS = [
    "train.epochs=3",
    "train.batch_size=8",
    "train.learning_rate=0.01",
    "train.save_steps=4",
    "train.evaluation_steps=8",
    "train.logging_steps=2",
    "lora.rank=2",
]
WEIGHTS = "adapter/adapter_model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return save_data(tmp_path_factory.mktemp("data") / "DATA")


@pytest.fixture(scope="module")
def run(model, data, tmp_path_factory) -> Path:
    """An unbroken run of 24 steps."""
    out = tmp_path_factory.mktemp("run") / "RUN"
    train_adapter(data, str(model), out, load_recipe(None, SETTINGS))
    return out


def test_the_adapter_loads_with_plain_peft_and_changes_the_model(run, model):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), str(run / "adapter")
    ).eval()
    ids = torch.tensor([make_tokenizer().encode("春江花月夜")])
    with torch.no_grad():
        on = tuned(input_ids=ids).logits
        with tuned.disable_adapter():
            off = tuned(input_ids=ids).logits
    assert not torch.allclose(on, off, atol=1e-3)


def test_training_lowers_validation_perplexity(run):
    points = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    validation = [point["ppl_char"] for point in points if "ppl_char" in point]
    assert validation[-1] < 0.95 * validation[0]


def test_the_manifest_names_what_the_run_was_made_of(run, data, model):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["base"]["spec"] == str(model)
    assert manifest["data"]["manifest_sha256"] == sha256_file(data / "manifest.json")
    assert manifest["steps"] == 24
    assert manifest["recipe"]["train"]["learning_rate"] == 0.01
    assert manifest["files"][WEIGHTS]["sha256"] == sha256_file(run / WEIGHTS)
    assert len(manifest["lora_modules"]) == 8  # 2 layers of q, k, v, o
    assert (run / "logs").is_dir() and any((run / "logs").iterdir())


def test_a_run_killed_half_way_resumes_to_the_same_adapter(run, model, data, tmp_path):
    out = tmp_path / "RUN"
    program = (
        "import sys; from pathlib import Path; from gemma_poetry.config import load_recipe;"
        "from gemma_poetry.training.finetuning import train_adapter;"
        "train_adapter(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), load_recipe(None, sys.argv[4:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data), str(model), str(out), *SETTINGS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("checkpoint-*/complete.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(out.glob("checkpoint-*/complete.json")), "the run left no checkpoint to resume from"
    assert not (out / WEIGHTS).exists(), "the run ended before it was killed"
    # A checkpoint that the kill cut short.
    (out / "checkpoint-1000").mkdir()
    (out / "checkpoint-1000" / "trainer_state.json").write_text("{")

    train_adapter(data, str(model), out, load_recipe(None, SETTINGS), resume=True)
    assert sha256_file(out / WEIGHTS) == sha256_file(run / WEIGHTS)


def test_a_resumed_run_must_keep_its_settings(model, data, tmp_path):
    out = tmp_path / "RUN"
    train_adapter(data, str(model), out, load_recipe(None, [*SETTINGS, "train.max_steps=4"]))
    with pytest.raises(RunError, match=r"other settings \(train\)"):
        train_adapter(data, str(model), out, load_recipe(None, SETTINGS), resume=True)


def test_data_of_another_tokenizer_is_refused(model, tmp_path):
    from gemma_poetry.model.character_tokenizer import build_character_tokenizer

    other = save_data(tmp_path / "DATA", build_character_tokenizer("春江"))
    with pytest.raises(TokenizerMismatchError, match="run prepare again"):
        train_adapter(other, str(model), tmp_path / "RUN", load_recipe(None, SETTINGS))
    assert not (tmp_path / "RUN" / "adapter").exists()


def test_altered_data_is_refused(model, tmp_path):
    data = save_data(tmp_path / "DATA")
    with open(data / "train.txt", "a", encoding="utf-8") as stream:
        stream.write("<bos>\t<eos>\n")
    with pytest.raises(DataError, match="not the one that its manifest describes"):
        train_adapter(data, str(model), tmp_path / "RUN", load_recipe(None, SETTINGS))
