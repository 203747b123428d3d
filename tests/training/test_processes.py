"""What a launcher may ask for, and what is refused before a model is loaded."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import accelerate
import pytest

from gemma_poetry.config import load_recipe
from gemma_poetry.errors import NoRoomError, RunError, UsageError
from gemma_poetry.training.finetuning import finetune
from gemma_poetry.training.pretraining import pretrain
from gemma_poetry.training.processes import is_main_process, join_processes
from tests.tiny import make_model, make_tokenizer, save_data

FSDP2 = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
SHORT = ["train.max_steps=2", "train.save_steps=1", "train.vocabulary=pruned"]


@pytest.fixture
def launched(monkeypatch):
    """Sets what a launcher would; the group of processes itself is left out."""

    def launch(environment: dict[str, str], kind: str = "MULTI_CPU") -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        state = SimpleNamespace(distributed_type=accelerate.DistributedType(kind))
        monkeypatch.setattr(accelerate, "PartialState", lambda **_: state)

    return launch


@pytest.mark.parametrize(
    ("environment", "kind", "asked", "message"),
    [
        (FSDP2, "MULTI_GPU", {"four_bit": True}, "4-bit weights .* together with FSDP"),
        (FSDP2, "MULTI_GPU", {"full": True}, "train.method=full .* together with FSDP"),
        ({"ACCELERATE_USE_FSDP": "true"}, "MULTI_GPU", {}, "version 1 of FSDP"),
        ({**FSDP2, "FSDP_VERSION": "1"}, "MULTI_GPU", {}, "version 1 of FSDP"),
        ({**FSDP2, "WORLD_SIZE": "2"}, "MULTI_CPU", {}, "FSDP was asked for on CPUs"),
    ],
)
def test_fsdp_that_cannot_be_is_refused(launched, environment, kind, asked, message):
    launched(environment, kind)
    with pytest.raises(UsageError, match=message):
        join_processes(**asked)


@pytest.mark.parametrize(
    ("environment", "kind", "asked"),
    [
        ({}, "NO", {"four_bit": True}),
        ({}, "NO", {"full": True}),
        ({"WORLD_SIZE": "2"}, "MULTI_CPU", {"full": True}),
        ({"WORLD_SIZE": "2"}, "MULTI_GPU", {"four_bit": True}),
        ({**FSDP2, "WORLD_SIZE": "2"}, "MULTI_GPU", {}),
    ],
)
def test_what_can_be_is_not_refused(launched, environment, kind, asked):
    launched(environment, kind)
    join_processes(**asked)


@pytest.mark.parametrize(("rank", "main"), [("0", True), ("1", False), (None, True)])
def test_the_first_process_writes(monkeypatch, rank, main):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert is_main_process() is main


def test_pretraining_under_fsdp_is_refused(launched, tmp_path):
    launched(FSDP2, "MULTI_GPU")
    with pytest.raises(UsageError, match="pretraining was launched with sharded weights"):
        pretrain(tmp_path, tmp_path / "MODEL", load_recipe().pretrain)
    assert not (tmp_path / "MODEL").exists()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("processes")
    tokenizer = make_tokenizer()
    save_data(place / "DATA", tokenizer)
    make_model(tokenizer).save_pretrained(place / "base")
    tokenizer.save_pretrained(place / "base")
    return place


def test_a_run_is_written_where_the_whole_model_does_not_fit(place, monkeypatch, capsys):
    """Trained pruned or in shards: only its perplexity over the full vocabulary is missing."""
    import torch

    from gemma_poetry.model import scoring

    def too_large(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(scoring, "score_completions", too_large)
    manifest = finetune(place / "DATA", str(place / "base"), place / "RUN", load_recipe(None, SHORT))
    assert set(manifest["validation"]) == {"ppl_token_kept_rows", "ppl_char_kept_rows"}
    assert "whole model does not fit" in capsys.readouterr().err


def test_a_run_is_written_where_the_weights_of_the_whole_model_find_no_room(place, monkeypatch, capsys):
    from gemma_poetry.model import loading

    def no_room(folder, *arguments, **options):
        raise NoRoomError("the weights want more")

    load, trained = loading.load_model, []

    def load_once(*arguments, **options):
        if trained:
            gc.collect()
            assert trained[0]() is None, "the pruned model is gone before the whole one is loaded"
            monkeypatch.setattr(loading, "_require_room", no_room)
        loaded = load(*arguments, **options)
        trained.append(weakref.ref(loaded.model.get_decoder()))
        return loaded

    monkeypatch.setattr(loading, "load_model", load_once)
    out = place / "no room"
    recipe = load_recipe(None, SHORT)
    manifest = finetune(
        place / "DATA",
        str(place / "base"),
        out,
        recipe,
        watching=lambda loaded, run: lambda model, step: {"seen": loaded and 1.0},
    )
    assert set(manifest["validation"]) == {"ppl_token_kept_rows", "ppl_char_kept_rows"}
    assert not (out / "best.safetensors").exists()
    assert "whole model does not fit" in capsys.readouterr().err


def test_a_run_resumes_with_as_many_processes_as_it_was_begun_with(place, monkeypatch):
    out = place / "RUN"
    (out / "adapter" / "adapter_model.safetensors").unlink()
    monkeypatch.setattr("gemma_poetry.training.processes.process_count", lambda: 2)
    monkeypatch.setattr("gemma_poetry.training.processes.join_processes", lambda **_: None)
    with pytest.raises(RunError, match=r"other settings \(processes\)"):
        finetune(place / "DATA", str(place / "base"), out, load_recipe(None, SHORT), resume=True)
