"""`gemma-poetry export`: each target loads elsewhere and is the run; a wrong one is refused and leaves nothing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from typer.testing import CliRunner

from gemma_poetry.artifacts import write_json
from gemma_poetry.cli.program import app
from gemma_poetry.config import load_recipe
from gemma_poetry.data.tokenization import encode_poems
from gemma_poetry.errors import ExportError, MissingExtraError, ModelAccessError, OutputError, RunError, UsageError
from gemma_poetry.exporting import export as exporting, gguf_file
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.training.finetuning import finetune
from gemma_poetry.verbs.export import ExportOptions, export
from tests.families import FAMILY_NAMES, save_family, save_family_data
from tests.tiny import make_poems

SETTINGS = ["train.max_steps=5", "train.learning_rate=0.02", "lora.rank=4", "train.batch_size=8"]
# What llama.cpp computes as gemma3: five sliding layers to a global one.
LAYERS = {"num_hidden_layers": 6, "layer_types": ["sliding_attention"] * 5 + ["full_attention"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    """A run that training wrote."""
    folder = tmp_path_factory.mktemp("gemma3")
    model = save_family(folder / "model", "gemma3_text", instruction_tuned=True, **LAYERS)
    data = save_family_data(folder / "DATA", "gemma3_text", instruction_tuned=True)
    finetune(data, str(model), folder / "RUN", load_recipe(None, SETTINGS))
    return folder / "RUN"


def save_run(folder: Path, family: str, **changes: object) -> Path:
    """A run of a family in the layout of training, with a random adapter; `changes` are those of `save_family`."""
    loaded = load_model(str(save_family(folder / "model", family, **changes)), device="cpu")
    recipe = load_recipe(None, SETTINGS)
    model, _ = add_adapter(loaded.model, recipe.lora, seed=1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(str(folder / "RUN" / "adapter"))
    sections = {"train": recipe.train.model_dump(mode="json"), "lora": recipe.lora.model_dump(mode="json")}
    manifest = {"base": loaded.identity(), "recipe": sections, "seed": 1, "steps": 0}
    write_json(folder / "RUN" / "manifest.json", manifest | {"data": {"train_poems": 0, "manifest_sha256": ""}})
    return folder / "RUN"


def known_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("known_lines*.npz")}


def logits(model) -> torch.Tensor:  # type: ignore[no-untyped-def]
    tokenizer = AutoTokenizer.from_pretrained(model.name_or_path)
    (sample,) = encode_poems(tokenizer, make_poems(1))
    with torch.no_grad():
        return model(input_ids=torch.tensor([sample.prompt_ids + sample.completion_ids])).logits


def run_logits(run: Path) -> torch.Tensor:
    loaded = load_model(str(run), device="cpu", dtype="float32")
    (sample,) = encode_poems(loaded.tokenizer, make_poems(1))
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([sample.prompt_ids + sample.completion_ids])).logits


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    """A run of every weight, which outlived its base."""
    folder = tmp_path_factory.mktemp("whole")
    model = save_family(folder / "model", "gemma3_text", instruction_tuned=True, **LAYERS)
    data = save_family_data(folder / "DATA", "gemma3_text", instruction_tuned=True)
    finetune(data, str(model), folder / "RUN", load_recipe(None, [*SETTINGS, "train.method=full"]))
    shutil.rmtree(model)
    return folder / "RUN"


@pytest.mark.parametrize(("to", "dtype"), [("merged", "float32"), ("merged", "bfloat16"), ("gguf", "q8_0"), ("ollama", "auto")])
def test_a_run_of_every_weight_is_exported(whole_run: Path, tmp_path: Path, to: str, dtype: str):
    pytest.importorskip("gguf")
    exported = export(ExportOptions(whole_run, to, tmp_path / to, dtype=dtype))
    assert exported.check.effect is None and exported.check.difference <= exported.check.tolerance
    assert not any("adapter" in value for _, value in exported.rows())
    assert known_of(exported.folder) == known_of(whole_run)
    if to == "merged":
        model = AutoModelForCausalLM.from_pretrained(exported.folder, dtype=torch.float32).eval()
        assert torch.allclose(logits(model), run_logits(whole_run), atol=1e-4 if dtype == "float32" else 0.2)
        card = (exported.folder / "README.md").read_text(encoding="utf-8")
        assert "every weight" in card and "LoRA" not in card and "license: gemma" in card


@pytest.mark.parametrize("to", ["peft", "gguf-adapter"])
def test_a_run_of_every_weight_has_no_adapter_to_give(whole_run: Path, tmp_path: Path, to: str):
    with pytest.raises(UsageError, match=r"its model is whole(.|\n)*merged, gguf, ollama, hub"):
        export(ExportOptions(whole_run, to, tmp_path / to))
    assert not (tmp_path / to).exists()


def test_a_training_of_every_weight_that_has_not_ended_is_not_exported(whole_run: Path, tmp_path: Path):
    shutil.copytree(whole_run / "merged", tmp_path / "RUN" / "merged")
    with pytest.raises(RunError, match="no manifest"):
        export(ExportOptions(tmp_path / "RUN", "merged"))


def test_a_merged_model_loads_with_plain_transformers(run: Path, tmp_path: Path):
    exported = export(ExportOptions(run, "merged", tmp_path / "merged"))
    assert exported.check.poems == 6 and exported.check.difference < 1e-5 < 0.05 < exported.check.effect
    model = AutoModelForCausalLM.from_pretrained(exported.folder, dtype=torch.float32).eval()
    assert torch.allclose(logits(model), run_logits(run), atol=1e-4)
    names = load_file(exported.folder / "model.safetensors")
    assert not [name for name in names if "lora" in name or "lm_head" in name]
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    defaults = GenerationConfig.from_pretrained(exported.folder)
    assert defaults.eos_token_id == [106, 1] and defaults.temperature == 0.65 and defaults.top_p == 0.95
    assert AutoTokenizer.from_pretrained(exported.folder).chat_template
    assert known_of(exported.folder) == known_of(run) != {}
    card = (exported.folder / "README.md").read_text(encoding="utf-8")
    assert "`<end_of_turn>` (106), `<eos>` (1)" in card and "5 steps" in card


def test_weights_can_be_halved(run: Path, tmp_path: Path):
    exported = export(ExportOptions(run, "merged", tmp_path / "merged", dtype="bfloat16"))
    weights = load_file(exported.folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert 0 < exported.check.difference < 0.05


def test_an_adapter_loads_with_plain_peft(run: Path, tmp_path: Path):
    from peft import PeftModel

    exported = export(ExportOptions(run, "peft", tmp_path / "peft"))
    assert exported.check.difference == 0 and known_of(exported.folder) == known_of(run)
    base = AutoModelForCausalLM.from_pretrained(run.parent / "model", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(exported.folder)).eval()
    assert torch.allclose(logits(base), run_logits(run), atol=1e-5) and model is not base
    assert AutoTokenizer.from_pretrained(exported.folder).chat_template


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_is_merged(family: str, tmp_path: Path):
    run = save_run(tmp_path, family)
    exported = export(ExportOptions(run, "merged"))
    assert exported.folder == run / "export" / "merged"
    assert exported.check.difference < 1e-4 < exported.check.effect
    card = (exported.folder / "README.md").read_text(encoding="utf-8")
    own, other = ("apache-2.0", "gemma") if family.startswith("gemma4") else ("gemma", "apache-2.0")
    assert f"\nlicense: {own}\n" in card and f"license: {other}" not in card
    assert ("Gemma terms" in card, "Apache License 2.0" in card) == (own == "gemma", own == "apache-2.0")


@pytest.mark.parametrize("family", ["gemma3", "gemma3n", "gemma4"])
def test_a_merged_multimodal_model_has_the_towers_of_its_base(family: str, tmp_path: Path):
    """Towers are never loaded, and yet the export is a whole checkpoint."""
    run = save_run(tmp_path, family)
    folder = export(ExportOptions(run, "merged", tmp_path / "merged")).folder
    base, merged = tensors_of(tmp_path / "model"), tensors_of(folder)
    assert base.keys() == merged.keys()
    towers = [name for name in base if "_tower." in name]
    assert towers and all(torch.equal(base[name], merged[name]) and base[name].dtype == merged[name].dtype for name in towers)
    configs = [json.loads((place / "config.json").read_text()) for place in (tmp_path / "model", folder)]
    assert (
        configs[0]["vision_config"] == configs[1]["vision_config"]
        and configs[0]["architectures"] == configs[1]["architectures"]
    )
    if family != "gemma3n":  # its vision tower is built by timm alone
        stock, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        assert torch.allclose(logits(stock.eval()), run_logits(run), atol=1e-4)


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def test_a_gguf_file_is_read_back_by_another_reader(run: Path, tmp_path: Path):
    from gguf import GGUFReader

    exported = export(ExportOptions(run, "gguf", tmp_path / "gguf"))
    assert exported.check.difference < 1e-5 < exported.check.effect
    reader = GGUFReader(exported.folder / "model.gguf")
    value = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF")}
    assert value["general.architecture"] == "gemma3" and value["gemma3.block_count"] == 6
    assert value["tokenizer.ggml.add_bos_token"] is True and value["tokenizer.ggml.add_space_prefix"] is False
    assert (value["tokenizer.ggml.eos_token_id"], value["tokenizer.ggml.eot_token_id"]) == (1, 106)
    template = AutoTokenizer.from_pretrained(run.parent / "model").chat_template
    assert template and value["tokenizer.chat_template"] == template, "instruction-tuned: other programs write its turns"
    assert value["tokenizer.ggml.token_type"][106] == 3, "the end of a turn is a control token, which is never shown"
    norm = next(tensor for tensor in reader.tensors if tensor.name == "output_norm.weight")
    weights = load_file(run.parent / "model" / "model.safetensors")
    assert torch.allclose(torch.tensor(norm.data.copy()), weights["model.norm.weight"] + 1)


def test_an_ollama_folder_has_weights_and_modelfile(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    exported = export(ExportOptions(run, "ollama", tmp_path / "ollama"))
    assert (exported.folder / "model.gguf").is_file()
    text = (exported.folder / "Modelfile").read_text(encoding="utf-8")
    assert text.startswith("FROM ./model.gguf\n") and "<start_of_turn>user\n体裁：{{ .System }}" in text
    monkeypatch.setattr(gguf_file, "gguf_installed", lambda: False)
    exported = export(ExportOptions(run, "ollama", tmp_path / "ollama"))  # replaces the older export
    assert (exported.folder / "Modelfile").read_text(encoding="utf-8").startswith("FROM .\n")
    assert (exported.folder / "model.safetensors").is_file() and not (exported.folder / "model.gguf").exists()


def test_base_weights_in_place_of_merged_ones_are_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "merge", lambda source: source.loaded.model.unload())
    with pytest.raises(ExportError, match="it is the base model without the adapter"):
        export(ExportOptions(run, "merged", tmp_path / "out"))
    with pytest.raises(ExportError, match="it is the base model without the adapter"):
        export(ExportOptions(run, "gguf", tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def halve_alpha(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": config["lora_alpha"] / 2}))


def zero_a_matrix(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.3.mlp.up_proj.weight"].zero_()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(("to", "tamper"), [("peft", halve_alpha), ("merged", zero_a_matrix)])
def test_a_wrong_file_is_refused_and_an_older_export_stays(run: Path, tmp_path: Path, monkeypatch, to: str, tamper):  # type: ignore[no-untyped-def]
    older = export(ExportOptions(run, to, tmp_path / "out")).folder
    before = {path.name: path.read_bytes() for path in older.iterdir()}
    check = exporting.check_folder

    def tampered(reference, folder, dtype):  # type: ignore[no-untyped-def]
        tamper(folder)
        return check(reference, folder, dtype)

    monkeypatch.setattr(exporting, "check_folder", tampered)
    with pytest.raises(ExportError, match="differs from the run"):
        export(ExportOptions(run, to, tmp_path / "out"))
    assert {path.name: path.read_bytes() for path in older.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_norms_without_their_one_are_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = gguf_file.write_gguf

    def without_one(model, tokenizer, path, dtype, **options):  # type: ignore[no-untyped-def]
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.data -= 1
        write(model, tokenizer, path, dtype, **options)

    monkeypatch.setattr(gguf_file, "write_gguf", without_one)
    with pytest.raises(ExportError, match="differs from the run"):
        export(ExportOptions(run, "gguf", tmp_path / "out"))


def test_a_tokenizer_that_llama_cpp_would_read_otherwise(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = gguf_file.token_table

    def without_added_tokens(tokenizer, rows):  # type: ignore[no-untyped-def]
        pieces, scores, types = table(tokenizer, rows)
        return pieces, scores, [1 if kind == 3 else kind for kind in types]

    monkeypatch.setattr(gguf_file, "token_table", without_added_tokens)
    with pytest.raises(ExportError, match="other tokens"):
        export(ExportOptions(run, "gguf", tmp_path / "out"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "layer_types"),
        (LAYERS | {"query_pre_attn_scalar": 20}, "query_pre_attn_scalar"),
        (LAYERS | {"final_logit_softcapping": 30.0}, "soft-caps"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_not_written(changes: dict[str, object], reason: str):
    from tests.families import family_model

    with pytest.raises(UsageError, match=reason):
        gguf_file.require_gguf(family_model("gemma3_text", 476, **changes).config)


def test_gguf_says_what_is_wanted(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tests.families import family_model

    with pytest.raises(UsageError, match=r"convert_hf_to_gguf\.py"):
        gguf_file.require_gguf(family_model("gemma2", 476).config)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'gemma-poetry\[gguf\]', or run llama\.cpp"):
        export(ExportOptions(run, "gguf", tmp_path / "out"))


class StubHub:
    """The Hub at its network boundary: repositories in a folder."""

    root: Path
    damage = False
    refusal: Exception | None = None
    created: dict[str, bool]

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.created[repo_id] = private

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str, ignore_patterns: list[str]):  # type: ignore[no-untyped-def]
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        return SimpleNamespace(oid="c0ffee")

    def snapshot_download(self, repo_id: str, *, revision: str, local_dir: str) -> None:
        assert revision == "c0ffee"
        shutil.copytree(self.root / repo_id, local_dir, dirs_exist_ok=True)
        if self.damage:
            with open(Path(local_dir) / "model.safetensors", "ab") as stream:
                stream.write(b"x")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[StubHub]:
    stub = type("Stub", (StubHub,), {"root": tmp_path / "hub", "created": {}})
    monkeypatch.setattr("huggingface_hub.HfApi", stub)
    return stub


def test_an_upload_is_fetched_again_and_compared(run: Path, tmp_path: Path, hub: type[StubHub]):
    exported = export(ExportOptions(run, "hub", tmp_path / "out", repository="me/poems"))
    assert exported.commit == "c0ffee" and hub.created == {"me/poems": True}
    # The base is a folder that nobody else has: the adapter goes merged.
    assert (hub.root / "me/poems" / "model.safetensors").is_file()
    card = (hub.root / "me/poems" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n") and "library_name: transformers" in card and "base_model:" not in card
    assert "体裁：七言绝句\n题目：秋夜\n作者：杜甫\n诗：" in card


def test_an_upload_that_arrives_broken_is_an_error(run: Path, tmp_path: Path, hub: type[StubHub]):
    hub.damage = True
    with pytest.raises(ExportError, match=r"model\.safetensors did not arrive"):
        export(ExportOptions(run, "hub", tmp_path / "out", repository="me/poems"))
    assert not (tmp_path / "out").exists()


def test_a_hub_that_refuses_says_what_to_set(run: Path, tmp_path: Path, hub: type[StubHub]):
    from huggingface_hub.errors import HfHubHTTPError

    hub.refusal = HfHubHTTPError("403 Forbidden", response=SimpleNamespace(headers={}, status_code=403, request=None))  # type: ignore[arg-type]
    with pytest.raises(ModelAccessError, match="HF_TOKEN"):
        export(ExportOptions(run, "hub", tmp_path / "out", repository="me/poems"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": "peft", "repository": "me/poems"}, "--repo is given, and --to peft uploads nothing"),
        ({"to": "merged", "private": False}, "--public is given, and --to merged uploads nothing"),
        ({"to": "peft", "dtype": "bfloat16"}, "peft is not written in bfloat16"),
        ({"to": "gguf-adapter", "dtype": "float32"}, "gguf-adapter is not written in float32"),
        ({"to": "gguf", "with_base": True}, "--with-base is given, and --to gguf writes no base model"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path: Path, changes: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        export(ExportOptions(**({"run": tmp_path, "out": tmp_path / "out"} | changes)))  # type: ignore[arg-type]


def test_an_adapter_for_the_hub_has_no_dtype(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gemma_poetry.exporting.hub_upload.base_repository", lambda spec: spec)
    with pytest.raises(UsageError, match="hub is not written in bfloat16"):
        export(ExportOptions(run, "hub", tmp_path / "out", dtype="bfloat16", repository="me/poems"))


def named_base(run: Path, folder: Path) -> Path:
    """The run as one on a weights package: the base has a published name, and came from a GGUF file."""
    shutil.copytree(run, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["base"] |= {"spec": "gemma-3-270m", "name": "gemma-3-270m", "gguf": "small-q4_k_m.gguf"}
    write_json(folder / "manifest.json", manifest)
    return folder


def test_an_adapter_on_a_published_name_is_uploaded_alone(
    run: Path, tmp_path: Path, hub: type[StubHub], monkeypatch: pytest.MonkeyPatch
):
    base = run.parent / "model"
    monkeypatch.setattr("gemma_poetry.model.locating.find_named", lambda name, weights=True: SimpleNamespace(folder=base))
    monkeypatch.setattr(
        "gemma_poetry.model.loading.find_named",
        lambda name: SimpleNamespace(folder=base, revision=None, repository="google/gemma-3-270m"),
    )
    export(ExportOptions(named_base(run, tmp_path / "RUN"), "hub", tmp_path / "out", repository="me/poems"))
    uploaded = hub.root / "me/poems"
    assert (uploaded / "adapter_model.safetensors").is_file() and not (uploaded / "model.safetensors").exists()
    card = (uploaded / "README.md").read_text(encoding="utf-8")
    assert "base_model: google/gemma-3-270m\n" in card and "unpacked from `small-q4_k_m.gguf`" in card
    told = json.loads((uploaded / "manifest.json").read_text())["base"]
    assert told["spec"] == "gemma-3-270m" and "folder" not in told
    export(ExportOptions(run, "peft", tmp_path / "peft"))
    assert "spec" not in json.loads((tmp_path / "peft" / "manifest.json").read_text())["base"], "a place of this machine"


@pytest.mark.parametrize(
    ("spec", "repository"),
    [
        ("gemma-3-270m", "google/gemma-3-270m"),
        ("google/gemma-3-1b-pt", "google/gemma-3-1b-pt"),
        ("me/model", "me/model"),
        ("mini", None),
        ("g/ok.gguf", None),
        ("/a/model", None),
        ("runs/a/model", None),
    ],
)
def test_what_others_can_reach(spec: str, repository: str | None):
    from gemma_poetry.exporting.hub_upload import base_repository

    assert base_repository(spec) == repository


@pytest.mark.parametrize("repository", ["", "poems", "a/b/c"])
def test_a_repository_must_be_named(run: Path, tmp_path: Path, hub: type[StubHub], repository: str):
    with pytest.raises(UsageError, match="owner/name"):
        export(ExportOptions(run, "hub", tmp_path / "out", repository=repository))


def test_what_cannot_be_exported_or_written_over(run: Path, tmp_path: Path):
    with pytest.raises(RunError, match="no finished run"):
        export(ExportOptions(run.parent / "model", "merged", tmp_path / "out"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "poems.txt").write_text("春")
    with pytest.raises(OutputError, match="holds no export"):
        export(ExportOptions(run, "merged", tmp_path / "mine"))
    with pytest.raises(OutputError, match="holds no export"):
        export(ExportOptions(run, "merged", run))


def test_the_command_prints_the_comparison(run: Path, tmp_path: Path):
    result = CliRunner().invoke(app, ["export", "--run", str(run), "--to", "peft", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0 and "widest difference" in result.output
    result = CliRunner().invoke(app, ["export", "--run", str(run), "--to", "peft", "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(result.stdout)["check"]["difference"] == 0
