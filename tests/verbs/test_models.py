"""The models verb: every family and preset, with figures that follow the recipe and the machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gemma_poetry.config import load_recipe
from gemma_poetry.errors import UsageError
from gemma_poetry.model import families, free_memory
from gemma_poetry.model.families import FAMILIES
from gemma_poetry.model.known_shapes import known_models
from gemma_poetry.verbs.models import Machine, model_records, models_table, this_machine

CPU = Machine("cpu", "float32", 8 * 2**30)
GPU = Machine("cuda:0", "bfloat16", 16 * 2**30)


def records(machine: Machine, *overrides: str, **options: int) -> dict[str, dict]:
    found = model_records(load_recipe(None, overrides), machine, **({"tokens": 128} | options))
    return {record["name"]: record for record in found}


def test_every_family_is_there():
    assert {model.model_type for model in known_models()} == {name for name in FAMILIES if name.endswith("_text")} | {
        "gemma",
        "gemma2",
    }


def test_the_table_needs_neither_torch_nor_transformers_on_a_machine_without_a_gpu():
    program = (
        "import sys\n"
        "from gemma_poetry.config import load_recipe\n"
        "from gemma_poetry.model import free_memory as room\n"
        "from gemma_poetry.verbs.models import model_records, this_machine\n"
        "room.may_have_accelerator = lambda: False\n"
        "machine = this_machine(load_recipe())\n"
        "assert machine.device == 'cpu' and machine.free > 0\n"
        "assert len(list(model_records(load_recipe(), machine, tokens=128))) > 15\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("flags", "dtype"), [("fpu avx512_bf16 amx_tile", "bfloat16"), ("fpu avx512f avx512_bf16x", "float32")]
)
def test_the_arithmetic_of_a_cpu_follows_from_its_abilities(flags: str, dtype: str, tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "may_have_accelerator", lambda: False)
    monkeypatch.setattr(families.sys, "platform", "linux")
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx512_bf16\n")
    monkeypatch.setattr(families, "_PROCESSORS", tmp_path / "cpuinfo")
    assert this_machine(load_recipe()).dtype == dtype
    for asked in ("float32", "bfloat16"):
        assert this_machine(load_recipe(None, [f"train.dtype={asked}"])).dtype == asked
    # A training leaves small models in float32, and none of these is.
    sizes = [(one.shape.hidden, one.shape.total_outputs("gate_proj") // one.shape.layers) for one in known_models()]
    assert [families.expects_bfloat16(*each) for each in sizes] == [dtype == "bfloat16"] * len(sizes)


def test_the_processor_is_said_to_have_what_torch_finds_in_it():
    import torch

    able = torch.cpu.get_capabilities()
    assert families.cpu_has_bfloat16() == bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def test_the_table_says_how_far_the_arithmetic_is_known():
    def caption(recipe, machine) -> str:  # type: ignore[no-untyped-def]
        return str(models_table(list(records(machine).values()), recipe, machine, tokens=128).caption)

    assert "LoRA in bfloat16 there" in caption(load_recipe(), Machine("cpu", "bfloat16", 2**33))
    assert "time a product" in caption(load_recipe(), CPU)
    assert "time a product" not in caption(load_recipe(), GPU)
    assert "time a product" not in caption(load_recipe(None, ["train.dtype=float32"]), CPU)


def test_a_record_says_what_the_model_is():
    found = records(CPU)["google/gemma-3-270m"]
    assert (found["family"], found["parameters"], found["licence"]) == ("Gemma 3", 268_098_176, "Gemma Terms of Use")
    assert found["tuned"] == "google/gemma-3-270m-it"
    assert records(CPU)["mini"]["licence"] == "MIT"
    json.dumps(found)


@pytest.mark.parametrize(
    ("machine", "name", "fits"),
    [
        (CPU, "mini", ["lora"]),
        (CPU, "google/gemma-3-270m", ["lora"]),
        (Machine("cpu", "float32", 2**30), "google/gemma-3-270m", []),
        (CPU, "google/gemma-3-4b-pt", []),
        (GPU, "google/gemma-3-270m", ["lora", "qlora"]),
        (GPU, "google/gemma-3-4b-pt", []),
        (Machine("cuda:0", "bfloat16", 20 * 2**30), "google/gemma-3-4b-pt", ["qlora"]),
        (Machine("cuda:0", "bfloat16", 30 * 2**30), "google/gemma-3-4b-pt", ["lora", "qlora"]),
        (Machine("cpu", "float32", 400 * 2**30), "google/gemma-3-4b-pt", ["lora"]),
    ],
)
def test_what_fits_follows_from_the_free_memory_and_the_device(machine, name, fits):
    assert records(machine)[name]["fits"] == fits


def test_recipe_and_options_decide_the_memory():
    name = "google/gemma-3-270m"
    plain = records(CPU)[name]["lora_bytes"]
    assert records(CPU, "train.batch_size=2")[name]["lora_bytes"] < plain / 2
    assert records(CPU, "train.gradient_checkpointing=true")[name]["lora_bytes"] < plain
    assert records(CPU, vocabulary_rows=14_000)[name]["lora_bytes"] < plain - 600 * 2**20
    # What goes through the model at a time decides, not the batch that a step is of.
    assert records(CPU, "train.batch_size=64")[name]["lora_bytes"] == plain
    assert records(CPU, "train.pass_tokens=128")[name]["lora_bytes"] == records(CPU, "train.batch_size=1")[name]["lora_bytes"]
    assert records(GPU, "train.pass_tokens=128")[name] == records(GPU, "train.batch_size=1")[name]
    assert records(CPU, "lora.rank=64")[name]["lora_parameters"] == 2 * records(CPU)[name]["lora_parameters"]


def test_the_table_has_a_row_a_model():
    recipe = load_recipe()
    table = models_table(list(records(GPU).values()), recipe, GPU, tokens=128)
    assert table.row_count == len(list(known_models()))
    fits = dict(zip(table.columns[0].cells, table.columns[5].cells))
    assert (fits["mini"], fits["google/gemma-3-270m"], fits["google/gemma-3-4b-pt"]) == ("LoRA, QLoRA", "LoRA, QLoRA", "no")


@pytest.mark.parametrize("options", [{"tokens": 0}, {"vocabulary_rows": 0}])
def test_numbers_below_one_are_refused(options):
    with pytest.raises(UsageError):
        records(CPU, **options)
