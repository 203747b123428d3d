"""Loading: what is taken, and what is refused with which words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from gemma_poetry.errors import IncompleteModelError, ModelAccessError, ModelError, NotAGemmaError, RunError, UnsafeModelError
from gemma_poetry.model import loading
from gemma_poetry.model.checkpoint import check_model_folder
from gemma_poetry.model.families import FAMILIES
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.model.locating import locate
from tests.tiny import save_model


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "good")


@pytest.fixture
def folder(good, tmp_path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(good, tmp_path / "model"))


def change_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_good_folder_loads_in_float32_on_the_cpu(good):
    loaded = load_model(str(good), device="cpu")
    assert loaded.model.dtype == torch.float32 and not loaded.model.training
    assert (loaded.name, loaded.base, loaded.adapted) == ("good", str(good), False)
    assert loaded.tokenizer.convert_tokens_to_ids("<bos>") == 2


def spoil_type(folder):
    change_config(folder, model_type="llama")


def spoil_remote_code(folder):
    change_config(folder, auto_map={"AutoModelForCausalLM": "evil.Model"})


def spoil_config(folder):
    (folder / "config.json").write_text("{")


def spoil_no_config(folder):
    (folder / "config.json").unlink()


def spoil_weights_cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def spoil_header(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)


def spoil_no_weights(folder):
    (folder / "model.safetensors").unlink()


def spoil_pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def spoil_shard_without_index(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00003.safetensors")


def spoil_tensor(folder):
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"model.norm.weight": "model.safetensors", "model.gone.weight": "model.safetensors"}})
    )


def change_weights(folder, change):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_missing_weights(folder):
    change_weights(folder, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))


def spoil_surplus_weights(folder):
    change_weights(folder, lambda weights: weights.update({"model.layers.9.mlp.up_proj.weight": torch.zeros(2)}))


def spoil_nan(folder):
    change_weights(folder, lambda weights: weights["model.layers.0.mlp.up_proj.weight"][0, 0].fill_(torch.nan))


def spoil_infinity(folder):
    change_weights(folder, lambda weights: weights["model.norm.weight"][3].fill_(-torch.inf))


def spoil_other_family(folder):
    change_config(folder, model_type="gemma2")


def spoil_shape(folder):
    change_config(folder, intermediate_size=128)


def spoil_field(folder):
    change_config(folder, hidden_size="wide")


def spoil_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{}")


def spoil_shard(folder):
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}})
    )


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (spoil_type, NotAGemmaError, "type 'llama'"),
        (spoil_config, NotAGemmaError, "no readable config.json"),
        (spoil_no_config, NotAGemmaError, "no readable config.json"),
        (spoil_remote_code, UnsafeModelError, "auto_map"),
        (spoil_pickled, UnsafeModelError, "pickled"),
        (spoil_weights_cut, IncompleteModelError, "bytes"),
        (spoil_header, IncompleteModelError, "header"),
        (spoil_no_weights, IncompleteModelError, "no weights"),
        (spoil_shard, IncompleteModelError, "1 of 2 shards are missing: model-00002-of-00002"),
        (spoil_shard_without_index, IncompleteModelError, "2 of 3 shards are missing: model-00002-of-00003"),
        (spoil_tensor, IncompleteModelError, "1 tensors that .* promises are not in it: model.gone.weight"),
        (spoil_missing_weights, IncompleteModelError, r"1 weights are missing \(first: model.layers.1.mlp.up_proj"),
        (spoil_surplus_weights, IncompleteModelError, r"1 have no place \(first: model.layers.9.mlp.up_proj"),
        (spoil_nan, ModelError, "1 of 28 weights hold NaN or an infinity, the first of them model.layers.0.mlp.up_proj"),
        (spoil_infinity, ModelError, "the first of them model.norm.weight"),
        (spoil_other_family, IncompleteModelError, "not those of the Gemma 2 model that config.json describes"),
        (spoil_shape, IncompleteModelError, "not those of the Gemma 3 model that config.json describes"),
        (spoil_field, NotAGemmaError, "cannot be read as a Gemma 3 configuration"),
        (spoil_tokenizer, ModelError, "the tokenizer cannot be read"),
    ],
)
def test_a_spoilt_folder_is_refused(folder, spoil, error, message):
    spoil(folder)
    with pytest.raises(error, match=message) as raised:
        load_model(str(folder))
    assert raised.value.where.startswith(str(folder)) and raised.value.action


def test_tokens_beyond_the_rows_of_the_model_are_refused_with_both_numbers(good, tmp_path):
    shutil.copytree(good, tmp_path / "model")
    tokenizer = load_tokenizer(str(tmp_path / "model"))
    rows = len(tokenizer)
    tokenizer.add_tokens(["<image_soft_token>"], special_tokens=True)  # as Gemma 3 has one more than its models of text
    tokenizer.save_pretrained(tmp_path / "model")
    assert load_model(str(tmp_path / "model"), device="cpu").tokenizer.convert_tokens_to_ids("<image_soft_token>") == rows
    tokenizer.add_tokens(["<poem>", "<line>"])
    tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(IncompleteModelError, match=rf"up to id {rows + 2} \('<line>'\), the model {rows} rows"):
        load_model(str(tmp_path / "model"), device="cpu")


def test_the_check_names_the_family(good):
    assert check_model_folder(good) in FAMILIES


def test_weights_larger_than_the_memory_are_refused_before_they_are_read(good, monkeypatch):
    monkeypatch.setattr(loading, "available_memory", lambda device: 1000)
    with pytest.raises(ModelError, match=r"the weights want .* and 0\.00 GiB are free on cpu") as raised:
        load_model(str(good), device="cpu")
    assert "gemma-poetry models" in raised.value.action


@pytest.mark.parametrize("spec", ["no-such-preset", "/no/such/folder", "./nothing", "a/b/c"])
def test_what_does_not_exist_is_named(spec):
    with pytest.raises(ModelError, match="no model is called"):
        locate(spec)


def test_a_hub_id_is_left_to_transformers():
    assert locate("google/gemma-3-270m") == "google/gemma-3-270m"


def test_an_unreachable_repository_says_what_to_do(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelAccessError, match="unset HF_HUB_OFFLINE"):
        load_tokenizer("nobody/nothing-at-all")


def test_a_run_without_manifest_is_refused(tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(RunError, match="names its base model"):
        load_tokenizer(str(tmp_path))
