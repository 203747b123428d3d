"""Adapters on their base: in place to the last tensor, or refused with the base's name."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gemma_poetry.artifacts import write_json
from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import IncompleteModelError, RunError
from gemma_poetry.model import gguf_input, lora
from gemma_poetry.model.checkpoint import weights_fingerprint
from gemma_poetry.model.fixed_poems import score_fixed_poems
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.model.lora import add_adapter, fold_adapter
from tests.families import save_family
from tests.gguf_writing import write_family

IDS = torch.arange(380, 400)[None]


def make_run(base: Path, out: Path, settings: LoraSettings | None = None) -> Path:
    """A RUN whose adapter says something: its updates are random, not zero."""
    loaded = load_model(str(base), device="cpu")
    adapted, _ = add_adapter(loaded.model, settings or LoraSettings(rank=2), seed=3, revision=loaded.revision)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(4))
    adapted.save_pretrained(str(out / "adapter"))
    write_json(out / "manifest.json", {"base": loaded.identity()})
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("adapters")
    base = save_family(place / "base", "gemma3_text", instruction_tuned=True)
    return base, make_run(base, place / "RUN")


@pytest.fixture
def base_and_run(made, tmp_path) -> tuple[Path, Path]:
    """Copies to spoil; the run names the copy of its base."""
    base, run = shutil.copytree(made[0], tmp_path / "base"), shutil.copytree(made[1], tmp_path / "RUN")
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["base"]["spec"] = str(base)
    (run / "manifest.json").write_text(json.dumps(manifest))
    return Path(base), Path(run)


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def test_a_run_is_its_base_with_the_adapter_on(made):
    base, run = made
    tuned, plain = load_model(str(run), device="cpu"), load_model(str(base), device="cpu")
    assert tuned.adapted and tuned.folder == base and tuned.revision is None
    on = logits(tuned.model)
    with tuned.model.disable_adapter():
        off = logits(tuned.model)
    assert torch.equal(off, logits(plain.model)) and (on - off).abs().max() > 0.1


def test_a_plain_peft_folder_is_a_model_too(made):
    base, run = made
    folder = load_model(str(run / "adapter"), device="cpu")
    assert (folder.name, folder.base, folder.adapted) == ("adapter", str(base), True)
    assert torch.equal(logits(folder.model), logits(load_model(str(run), device="cpu").model))
    assert load_tokenizer(str(run / "adapter")).chat_template


def change_adapter(run, change):
    path = run / "adapter" / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)


def other_weights(base, run):
    save_family(base, "gemma3_text", instruction_tuned=True, seed=1)


def other_shape(base, run):
    save_family(base, "gemma3_text", instruction_tuned=True, hidden_size=48)


def other_family(base, run):
    save_family(base, "gemma3", instruction_tuned=True)


def missing_tensor(base, run):
    change_adapter(run, lambda tensors: dict(list(tensors.items())[1:]))


def surplus_tensor(base, run):
    change_adapter(run, lambda tensors: tensors | {"base_model.model.model.layers.9.x.lora_A.weight": torch.zeros(2)})


def other_prefix(base, run):
    """Named as the multimodal class names its decoder, which PEFT passes over with a warning."""
    change_adapter(
        run, lambda tensors: {k.replace("model.layers", "model.language_model.layers"): t for k, t in tensors.items()}
    )


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (other_weights, "weights are others than those that it was trained on"),
        (other_shape, "weights are others than those that it was trained on"),
        (other_family, "weights are others than those that it was trained on"),
        (missing_tensor, "1 tensors are missing and 0 have no place"),
        (surplus_tensor, "0 tensors are missing and 1 have no place"),
        (other_prefix, "56 tensors are missing and 56 have no place"),
    ],
)
def test_a_misfit_names_the_base(base_and_run, spoil, reason):
    base, run = base_and_run
    spoil(base, run)
    with pytest.raises(RunError, match=reason) as raised:
        load_model(str(run), device="cpu")
    assert f"does not fit the base model '{base}'" in raised.value.found and raised.value.action


@pytest.mark.parametrize("spoil", [other_shape, other_family, missing_tensor, other_prefix])
def test_a_plain_folder_without_manifest_is_checked_by_its_tensors(base_and_run, spoil):
    base, run = base_and_run
    config = run / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": str(base)}))
    spoil(base, run)
    with pytest.raises(RunError, match="does not fit the base model"):
        load_model(str(run / "adapter"), device="cpu")


def test_an_adapter_cut_short_or_missing_is_refused(base_and_run):
    _, run = base_and_run
    path = run / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IncompleteModelError, match="bytes"):
        load_model(str(run))
    path.unlink()
    with pytest.raises(RunError, match="the adapter has no weights"):
        load_model(str(run))


def test_an_adapter_that_names_no_base_is_refused(base_and_run):
    _, run = base_and_run
    config = run / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": None}))
    with pytest.raises(RunError, match="names no base model"):
        load_model(str(run / "adapter"))


def test_the_fingerprint_sees_one_changed_training_step(made, tmp_path):
    base = shutil.copytree(made[0], tmp_path / "base")
    before = weights_fingerprint(base)
    weights = load_file(base / "model.safetensors")
    save_file({name: weight * (1 + 1e-4) for name, weight in weights.items()}, base / "model.safetensors", {"format": "pt"})
    assert before == weights_fingerprint(made[0]) != weights_fingerprint(base)


@pytest.mark.parametrize(
    "settings",
    [LoraSettings(rank=2), LoraSettings(rank=4, targets=("q_proj", "down_proj")), LoraSettings(rank=2, dora=True)],
    ids=["attention", "feed-forward", "dora"],
)
def test_a_folded_adapter_gives_the_scores_of_one_apart(made, tmp_path, settings):
    model = load_model(str(make_run(made[0], tmp_path, settings)), device="cpu").model
    bare = load_model(str(made[0]), device="cpu").model
    with torch.inference_mode():
        apart, base = model(input_ids=IDS).logits, bare(input_ids=IDS).logits
        assert fold_adapter(model)
        folded = model(input_ids=IDS).logits
        weight = next(weight for name, weight in model.named_parameters() if "q_proj.base_layer" in name)
    torch.testing.assert_close(folded, apart, rtol=1e-4, atol=1e-4)
    assert (apart - base).abs().max() > 0.01
    assert not torch.equal(weight, dict(bare.named_parameters())["model.layers.0.self_attn.q_proj.weight"])


def test_an_adapter_is_folded_in_bfloat16_up_to_its_rounding(made, tmp_path):
    run = str(make_run(made[0], tmp_path, LoraSettings(rank=2, alpha=16)))
    exact = load_model(run, device="cpu", dtype="float32").model
    model = load_model(run, device="cpu", dtype="bfloat16").model
    bare = load_model(str(made[0]), device="cpu", dtype="float32").model
    with torch.inference_mode():
        apart, base = exact(input_ids=IDS).logits, bare(input_ids=IDS).logits
        assert fold_adapter(model)
        folded = model(input_ids=IDS).logits.float()
    assert (folded - apart).abs().mean() < 0.1 * (base - apart).abs().mean(), "the update is there, but for rounding"
    sums = dict(exact.merge_and_unload().named_parameters())
    for name, weight in model.named_parameters():
        if ".base_layer.weight" in name:
            whole = sums[name.removeprefix("base_model.model.").replace(".base_layer", "")]
            torch.testing.assert_close(weight.float(), whole, rtol=2**-7, atol=2e-3)


def test_what_is_not_folded(made, tmp_path, monkeypatch):
    assert not fold_adapter(load_model(str(made[0]), device="cpu").model), "no adapter"
    run = str(make_run(made[0], tmp_path))
    model = load_model(run, device="cpu").model
    with torch.inference_mode():
        apart = model(input_ids=IDS).logits
        monkeypatch.setattr(lora, "_FOLDING_ERROR", {"float32": -1.0})
        assert not fold_adapter(model), "scores that differ too much"
        torch.testing.assert_close(model(input_ids=IDS).logits, apart, rtol=1e-4, atol=1e-4)


@pytest.fixture
def gguf_and_run(tmp_path, monkeypatch):
    """A run on a GGUF file in float32, as training leaves it: what the fixed poems scored is in its manifest."""
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "cache"))
    gguf_input._converted.cache_clear()
    write_family(tmp_path / "base.gguf", "gemma3_text")
    run = make_run(tmp_path / "base.gguf", tmp_path / "RUN")
    loaded = load_model(str(run), device="cpu")
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["base"]["gguf"] == "base.gguf"
    write_json(run / "manifest.json", manifest | {"fixed_poems": list(score_fixed_poems(loaded.model, loaded.tokenizer))})
    return tmp_path / "base.gguf", run


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_base_at_a_relative_path_is_found_from_elsewhere(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "g").mkdir()
    if kind == "file":
        write_family(tmp_path / "g" / "base.gguf", "gemma3_text")
    else:
        save_family(tmp_path / "g" / "base", "gemma3_text")
    spec = "g/base.gguf" if kind == "file" else "g/base"
    monkeypatch.chdir(tmp_path)
    run = make_run(Path(spec), tmp_path / "RUN")
    monkeypatch.chdir(tmp_path / "g")
    gguf_input._converted.cache_clear()
    assert load_model(str(run), device="cpu").base == str(tmp_path / spec)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    gguf_input._converted.cache_clear()
    assert load_model(str(run / "adapter"), device="cpu").base == str(tmp_path / spec)


def test_an_adapter_on_the_embedded_model_names_it(tmp_path, monkeypatch):
    run = make_run(Path("mini"), tmp_path / "RUN")
    assert json.loads((run / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == "mini"
    assert load_model(str(run / "adapter"), device="cpu").base == "mini"


def test_nothing_asks_the_hub_whether_embeddings_were_trained(tmp_path, monkeypatch):
    def asked(*_args, **_options):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", asked)
    load_model(str(make_run(Path("mini"), tmp_path / "RUN")), device="cpu")


def said_loss(text: str) -> tuple[float, float]:
    found = re.search(r"perplexity of 6 fixed poems ([\d.]+) in place of ([\d.]+)", text)
    assert found, text
    return float(found[1]), float(found[2])


def test_an_adapter_on_a_quantized_base_says_what_that_costs(gguf_and_run, capsys):
    file, run = gguf_and_run
    load_model(str(run), device="cpu")
    assert "fixed poems" not in capsys.readouterr().err, "its own base"
    write_family(file, "gemma3_text", "Q8_0")
    loaded = load_model(str(run), device="cpu")
    error = capsys.readouterr().err
    assert "was trained on base.gguf, and is on base.gguf" in error
    now, before = said_loss(error)
    nats = score_fixed_poems(loaded.model, loaded.tokenizer)
    assert now == pytest.approx(math.exp(sum(nats) / 6), abs=0.06) and now != before
    assert abs(now / before - 1) < 0.2


def test_the_loss_is_said_where_either_base_is_a_gguf_file(gguf_and_run, made, tmp_path, capsys):
    file, run = gguf_and_run
    manifest = json.loads((run / "manifest.json").read_text())
    folder = shutil.copytree(load_model(str(file)).folder, tmp_path / "bfloat16")
    (folder / "manifest.json").unlink()
    weights = load_file(folder / "model.safetensors")
    save_file({name: weight * 1.01 for name, weight in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    write_json(run / "manifest.json", manifest | {"base": manifest["base"] | {"spec": str(folder)}})
    load_model(str(run), device="cpu")
    assert said_loss(capsys.readouterr().err)
    # Neither is one: the weights were replaced, and the adapter is not put on.
    base = {name: value for name, value in manifest["base"].items() if name != "gguf"} | {"spec": str(folder)}
    write_json(run / "manifest.json", manifest | {"base": base})
    with pytest.raises(RunError, match="are others than those"):
        load_model(str(run), device="cpu")


def test_without_figures_of_the_training_nothing_can_be_measured(gguf_and_run):
    file, run = gguf_and_run
    manifest = json.loads((run / "manifest.json").read_text())
    write_family(file, "gemma3_text", "Q8_0")
    for poems in ([], ["x"] * 6):
        write_json(run / "manifest.json", manifest | {"fixed_poems": poems})
        with pytest.raises(RunError, match="are others than those"):
            load_model(str(run), device="cpu")
