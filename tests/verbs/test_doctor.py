"""`gemma-poetry doctor`: what it reports, in which form, with which exit status."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from gemma_poetry.artifacts import write_json
from gemma_poetry.cli.program import app
from gemma_poetry.config import load_recipe
from gemma_poetry.doctor.findings import Finding
from gemma_poetry.errors import DataError, RunError
from gemma_poetry.model import free_memory
from gemma_poetry.model.towers import weight_bytes
from gemma_poetry.verbs.doctor import check_disk, check_room, doctor, weights_dtype
from tests.families import save_family, save_family_data
from tests.tiny import save_data

RECIPE = load_recipe()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    return save_family(tmp_path_factory.mktemp("model") / "tiny", "gemma3_text")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    return save_family_data(tmp_path_factory.mktemp("data") / "DATA", "gemma3_text")


def faults(model: Path, data: Path) -> dict[str, Finding]:
    return {finding.check: finding for finding in doctor(str(model), data, RECIPE) if finding.verdict == "fault"}


def test_a_healthy_training_is_shown_as_a_table_and_as_json(model: Path, data: Path):
    table = CliRunner().invoke(app, ["doctor", "--model", str(model), "--data", str(data)])
    assert table.exit_code == 0 and "step-0 loss" in table.output
    lines = CliRunner().invoke(app, ["doctor", "--model", str(model), "--data", str(data), "--json"])
    records = [json.loads(line) for line in lines.stdout.splitlines()]
    assert lines.exit_code == 0 and len(records) == 23
    assert all(set(record) == {"check", "verdict", "found", "expected", "action"} for record in records)
    # Random weights: the one thing that the doctor must remark on.
    assert [record["check"] for record in records if record["verdict"] != "ok"] == ["step-0 loss"]


@pytest.mark.parametrize("family", ["gemma3", "gemma3n", "gemma4"])
def test_a_multimodal_checkpoint_is_examined_without_its_towers(family: str, tmp_path: Path):
    model, data = save_family(tmp_path / "model", family, True), save_family_data(tmp_path / "DATA", family, True)
    findings = {finding.check: finding for finding in doctor(str(model), data, RECIPE)}
    assert len(findings) == 23
    assert [name for name, finding in findings.items() if finding.verdict != "ok"] == ["step-0 loss"], "random weights"
    assert "q_proj 4" in findings["LoRA modules"].found
    whole = sum(weight.numel() for path in model.glob("*.safetensors") for weight in load_file(path).values())
    kept = sum(weight_bytes(path, 1) for path in model.glob("*.safetensors"))
    assert 0 < kept < whole


def test_four_bits_are_counted_and_wanted_on_a_gpu_alone(model: Path, data: Path):
    recipe = load_recipe(None, ["lora.four_bit=true"])
    findings = {finding.check: finding for finding in doctor(str(model), data, recipe)}
    assert "in 4 bits and float32" in findings["room"].found
    (path,) = model.glob("*.safetensors")
    linear = sum(weight.numel() for name, weight in load_file(path).items() if ".layers." in name and weight.ndim == 2)
    assert linear and weight_bytes(path, 4) - weight_bytes(path, 4, four_bit=True) == pytest.approx(
        linear * (4 - 4.127 / 8), rel=1e-3
    )
    assert findings["model"].verdict == "fault" and "CUDA" in findings["model"].expected


def test_a_fault_ends_with_status_1(model: Path, tmp_path: Path):
    other = save_data(tmp_path / "DATA")  # of another tokenizer
    result = CliRunner().invoke(app, ["doctor", "--model", str(model), "--data", str(other), "--json"])
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [record["check"] for record in records if record["verdict"] == "fault"] == ["tokenizer"]
    assert "run prepare again" in records[1]["action"]


def test_data_that_was_altered(model: Path, data: Path, tmp_path: Path):
    altered = shutil.copytree(data, tmp_path / "DATA")
    with open(altered / "train.txt", "a", encoding="utf-8") as stream:
        stream.write("<bos>\t<eos>\n")
    assert set(faults(model, altered)) == {"data"}


def test_weights_that_are_not_numbers(data: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    broken = save_family(tmp_path / "broken", "gemma3_text")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert set(faults(broken, data)) == {"model"}


def test_half_a_checkpoint(data: Path, tmp_path: Path):
    broken = save_family(tmp_path / "broken", "gemma3_text")
    content = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(content[: len(content) // 2])
    finding = faults(broken, data)["model"]
    assert "bytes" in finding.found and "again" in finding.action


def test_a_model_larger_than_the_memory(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(free_memory, "available_memory", lambda device: 100_000)
    found = faults(model, data)
    assert set(found) == {"room"} and "smaller model" in found["room"].action


def test_a_step_larger_than_the_memory(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(free_memory, "available_memory", lambda device: 10_000_000)
    assert set(faults(model, data)) == {"memory"}


def test_a_full_disk(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(100, 99, 1))
    assert set(faults(model, data)) == {"disk"}


def test_every_weight_takes_checkpoints_and_memory_in_float32(model: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    recipe = load_recipe(None, ["train.method=full", "train.vocabulary=whole", "train.save_limit=2"])
    parameters = sum(weight_bytes(path, 1) for path in model.glob("*.safetensors"))
    stored = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    # Three checkpoints of weights and moments, the best weights, the model that the run ends with.
    wanted = (3 * 12 + 4) * parameters + 64 * 2**20 + stored
    usage = namedtuple("usage", "total used free")
    for free, verdict in ((wanted, "ok"), (wanted - 1, "fault")):
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=free: usage(2 * wanted, 0, free))
        assert check_disk(Path(), str(model), recipe).verdict == verdict
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(free_memory, "available_memory", lambda device: 2**30)
    kinds = [check_room(str(model), each, weights_dtype(str(model), each))[1].found for each in (recipe, RECIPE)]
    assert "float32" in kinds[0] and "bfloat16" in kinds[1]


@pytest.mark.parametrize("faster", [True, False])
def test_room_and_dtype_speak_of_the_same_arithmetic(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, faster: bool):
    """What a CPU is found to be faster in is found once, whatever a second timing would say."""
    from gemma_poetry.model import families

    timed = iter([faster, not faster])
    monkeypatch.setattr(families, "is_faster_in_bfloat16", lambda *_: next(timed))
    findings = {finding.check: finding.found for finding in doctor(str(model), data, RECIPE)}
    kind = "bfloat16" if faster else "float32"
    assert f"weights in {kind}," in findings["room"] and findings["dtype"].startswith(f"{kind} on cpu")


def test_what_cannot_be_examined_is_refused(model: Path, data: Path, tmp_path: Path):
    with pytest.raises(DataError, match="run gemma-poetry prepare first"):
        list(doctor(str(model), tmp_path / "nowhere", RECIPE))
    run = tmp_path / "RUN"
    write_json(run / "adapter" / "adapter_config.json", {})
    write_json(run / "manifest.json", {"base": {"spec": str(model)}})
    with pytest.raises(RunError, match="name its base"):
        list(doctor(str(run), data, RECIPE))
