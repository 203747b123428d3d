"""What `export` writes is run by llama.cpp itself: the same tokens, the same greedy poem, and how far quantization goes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from gemma_poetry.artifacts import write_json
from gemma_poetry.config import load_recipe
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_prompt
from gemma_poetry.errors import UsageError
from gemma_poetry.exporting.export import open_run
from gemma_poetry.exporting.gguf_adapter import write_gguf_adapter
from gemma_poetry.exporting.gguf_quantization import matrix_kind
from gemma_poetry.model import weights_packages
from gemma_poetry.model.loading import LoadedModel, load_model
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.model.weights_packages import WeightsPackage
from gemma_poetry.verbs.export import ExportOptions, export
from tests.families import small_tokenizer
from tests.gguf_writing import write_family
from tests.llama_cpp import LlamaCpp, Step
from tests.model.test_adapters import make_run

pytest.importorskip("xllamacpp", reason="llama.cpp is not installed (pip install xllamacpp)")

PROMPT = Conditions(form="五言绝句", title="春江")
TOKENS = 12
# The widest difference of a likely token's logarithm. llama.cpp adds in another order, and looks the activation up in float16.
ROUNDING = 1e-2


def continued(model, ids: list[int], count: int) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    """Log-probabilities at each place of a greedy continuation by transformers."""
    found = []
    for _step in range(count):
        with torch.no_grad():
            found.append(torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].float(), -1))
        ids = [*ids, int(found[-1].argmax())]
    return found


def apart(ours: list[torch.Tensor], theirs: list[Step]) -> float:
    """The widest difference of a likely token, as far as both say the same; where they part, the two must be as likely."""
    widest = 0.0
    for row, step in zip(ours, theirs):
        widest = max(widest, *(abs(float(row[index]) - value) for index, value in step.likeliest.items()))
        if int(row.argmax()) != step.token:
            assert float(row.max() - row[step.token]) <= 2 * widest
            break
    return widest


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    from tests.verbs.test_export import LAYERS, save_run

    return save_run(tmp_path_factory.mktemp("llama"), "gemma3_text", **LAYERS)


@pytest.fixture(scope="module")
def loaded(run: Path) -> LoadedModel:
    return load_model(str(run), device="cpu", dtype="float32")


@pytest.mark.parametrize(("dtype", "bound"), [("float32", ROUNDING), ("bfloat16", 0.1), ("q8_0", 0.2)])
def test_llama_cpp_writes_what_transformers_write(run: Path, loaded: LoadedModel, tmp_path: Path, dtype: str, bound: float):
    folder = export(ExportOptions(run, "gguf", tmp_path / "out", dtype=dtype)).folder
    llama = LlamaCpp(folder / "model.gguf")
    ids = encode_prompt(loaded.tokenizer, PROMPT)
    assert [loaded.tokenizer.bos_token_id, *llama.tokens(PROMPT.prompt())] == ids
    steps = llama.greedy(ids, TOKENS)
    assert 0 < apart(continued(loaded.model, ids, TOKENS), steps) < bound


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3_text"])
def test_an_adapter_on_a_gguf_file_of_its_base(tmp_path: Path, family: str, rslora: bool):
    base, tokenizer = write_family(tmp_path / "base.gguf", family)
    base = base.float().eval()
    everything = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = load_recipe(None, ["lora.rank=4", "lora.alpha=12", f"lora.rslora={rslora}", f"lora.targets={everything}"]).lora
    model, _names = add_adapter(base, lora, seed=1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05, generator=torch.Generator().manual_seed(2))
    write_gguf_adapter(model.eval(), tmp_path / "adapter.gguf")
    ids = encode_prompt(tokenizer, PROMPT)
    tuned = continued(model, ids, TOKENS)
    with model.disable_adapter():
        untuned = continued(model, ids, TOKENS)
    assert float((tuned[0] - untuned[0]).abs().max()) > 0.1
    assert apart(tuned, LlamaCpp(tmp_path / "base.gguf", tmp_path / "adapter.gguf").greedy(ids, TOKENS)) < ROUNDING
    assert apart(untuned[:1], LlamaCpp(tmp_path / "base.gguf").greedy(ids, 1)) < ROUNDING


def test_a_run_becomes_an_adapter_that_is_read_back(run: Path, tmp_path: Path):
    from gguf import GGUFReader

    exported = export(ExportOptions(run, "gguf-adapter", tmp_path / "out"))
    assert exported.check.difference < 1e-5 < exported.check.effect
    reader = GGUFReader(exported.folder / "adapter.gguf")
    value = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF")}
    assert value["general.type"] == "adapter" and value["adapter.type"] == "lora" and value["adapter.lora.alpha"] > 0
    assert {tensor.name.rsplit(".", 1)[1] for tensor in reader.tensors} == {"lora_a", "lora_b"}


def test_the_base_is_written_beside_its_adapter(run: Path, loaded: LoadedModel, tmp_path: Path):
    exported = export(ExportOptions(run, "gguf-adapter", tmp_path / "out", with_base=True))
    assert exported.check.difference < 1e-2 * exported.check.effect
    llama = LlamaCpp(exported.folder / "base.gguf", exported.folder / "adapter.gguf")
    ids = encode_prompt(loaded.tokenizer, PROMPT)
    assert 0 < apart(continued(loaded.model, ids, TOKENS), llama.greedy(ids, TOKENS)) < ROUNDING
    assert ("to be put on", "base.gguf") in exported.rows()
    bare = export(ExportOptions(run, "gguf-adapter", tmp_path / "bare"))
    assert not (bare.folder / "base.gguf").exists() and "--with-base" in dict(bare.rows())["to be put on"]


def test_a_base_that_came_from_a_gguf_file_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "cache"))
    write_family(tmp_path / "small.gguf", "gemma2", "Q8_0")
    run = make_run(tmp_path / "small.gguf", tmp_path / "RUN")
    exported = export(ExportOptions(run, "gguf-adapter", tmp_path / "out", with_base=True))
    assert (exported.folder / "base.gguf").read_bytes() == (tmp_path / "small.gguf").read_bytes()
    # Of a weights package the parts, joined; the file itself may be gone.
    content = (tmp_path / "small.gguf").read_bytes()
    (tmp_path / "small.gguf").unlink()
    (tmp_path / "x.part00").write_bytes(content[:1000])
    (tmp_path / "x.part01").write_bytes(content[1000:])
    digest = hashlib.sha256(content).hexdigest()
    package = WeightsPackage("small", ("a", "b"), "1.0.0", "small.gguf", len(content), digest, "gemma")
    monkeypatch.setattr(weights_packages, "WEIGHTS_PACKAGES", {"small": package})
    monkeypatch.setattr(weights_packages, "_parts", lambda package: [tmp_path / "x.part00", tmp_path / "x.part01"])
    folder = next((tmp_path / "cache" / "gguf").glob("small-*"))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["base"]["spec"] = str(folder)
    write_json(run / "manifest.json", manifest)
    exported = export(ExportOptions(run, "gguf-adapter", tmp_path / "joined", with_base=True))
    assert (exported.folder / "base.gguf").read_bytes() == content


def test_dora_has_no_place_in_llama_cpp(run: Path, tmp_path: Path):
    source = open_run(run)
    source.loaded.model.peft_config["default"].use_dora = True
    with pytest.raises(UsageError, match="no DoRA"):
        write_gguf_adapter(source.loaded.model, tmp_path / "adapter.gguf")


@pytest.mark.parametrize("dtype", ["q8_0", "q5_k_m", "q4_k_m"])
@pytest.mark.parametrize("to", ["peft", "merged", "gguf-adapter", "hub"])
def test_weights_that_only_gguf_files_hold(run: Path, tmp_path: Path, to: str, dtype: str):
    with pytest.raises(UsageError, match=f"{to} is not written in {dtype}"):
        export(ExportOptions(run, to, tmp_path / "out", dtype=dtype, repository="me/poems" if to == "hub" else ""))


def test_the_mixture_is_that_of_the_published_file():
    """The types in Google's Gemma 3 270M as `llama-quantize` wrote it: 640 wide, 2,048 in the feed-forward layer."""
    kinds = {
        f"blk.{layer}.{name}.weight": matrix_kind(f"blk.{layer}.{name}.weight", width, "q4_k_m", 18)
        for layer in range(18)
        for name, width in (("attn_q", 640), ("attn_output", 1024), ("attn_v", 640), ("ffn_down", 2048), ("ffn_up", 640))
    }
    more = {0, 1, 4, 7, 10, 13, 15, 16, 17}
    assert matrix_kind("token_embd.weight", 640, "q4_k_m", 18) == "Q8_0"
    for layer in range(18):
        found = [kinds[f"blk.{layer}.{name}.weight"] for name in ("attn_q", "attn_output", "attn_v", "ffn_down", "ffn_up")]
        deeper = ["Q8_0", "Q6_K"] if layer in more else ["Q5_0", "Q4_K"]
        assert found == ["Q5_0", "Q4_K", *deeper, "Q5_0"]
    assert matrix_kind("token_embd.weight", 2560, "q4_k_m", 34) == "Q6_K"
    assert [matrix_kind("blk.9.attn_q.weight", width, "q5_k_m", 18) for width in (640, 1024)] == ["Q5_1", "Q5_K"]
    assert matrix_kind("blk.0.attn_q.weight", 100, "q8_0", 18) == "F16"


def test_quantized_files_differ_by_what_their_blocks_hold(tmp_path: Path):
    """A model 256 wide, so that K-quants are in it: packed by libgguf, unpacked by the package gguf, run by llama.cpp."""
    pytest.importorskip("libgguf", reason="libgguf is not installed (pip install 'gemma-poetry[quantize]')")
    from gemma_poetry.exporting.gguf_file import read_gguf, write_gguf
    from tests.families import family_model
    from tests.verbs.test_export import LAYERS

    tokenizer = small_tokenizer("gemma3_text")
    model = family_model("gemma3_text", len(tokenizer), **LAYERS, hidden_size=256, intermediate_size=512).float().eval()
    ids = encode_prompt(tokenizer, PROMPT)
    ours, found = continued(model, ids, 1), []
    for dtype in ("float32", "q8_0", "q5_k_m", "q4_k_m"):
        path = tmp_path / f"{dtype}.gguf"
        write_gguf(model, tokenizer, path, dtype)
        unpacked = read_gguf(path, model.config)
        share = [
            float((read - true).norm() / true.norm())
            for read, true in zip(unpacked.state_dict().values(), model.state_dict().values())
        ]
        assert max(share) < {"float32": 1e-6, "q8_0": 0.01, "q5_k_m": 0.05, "q4_k_m": 0.1}[dtype]
        assert apart(continued(unpacked, ids, 1), LlamaCpp(path).greedy(ids, 1)) < {"float32": ROUNDING}.get(dtype, 0.1)
        found.append(apart(ours, LlamaCpp(path).greedy(ids, 1)))
    assert found == sorted(found) and found[0] < found[1]
