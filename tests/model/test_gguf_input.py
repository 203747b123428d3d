"""GGUF files as models: every family and quantization read back, the cache, and what is refused."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
import torch

from gemma_poetry.artifacts import MANIFEST, read_json, sha256_file
from gemma_poetry.errors import GemmaPoetryError, IncompleteModelError, ModelError, NotAGemmaError
from gemma_poetry.model import gguf_input
from gemma_poetry.model.gguf_header import read_gguf_header
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.model.locating import locate
from tests.gguf_writing import ARCHITECTURES, write_family

TEXTS = ["体裁：五言绝句\n题目：春江花\n诗：", "明月  春江", "𠮷 a<mask>b", "<0x41>", "   \n\n "]
# Quantization, hidden size, how far a value may be off (share of the largest); ours keeps bfloat16, 8 bits of mantissa.
QUANTIZATIONS = [("F32", 32, 2**-8), ("F16", 32, 2**-8), ("BF16", 32, 2**-8), ("Q8_0", 32, 2**-6), ("Q5_0", 32, 2**-3)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "cache"))
    gguf_input._converted.cache_clear()
    return tmp_path / "cache"


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_each_family_computes_the_same(tmp_path, family):
    model, tokenizer = write_family(tmp_path / "m.gguf", family)
    loaded = load_model(str(tmp_path / "m.gguf"))
    assert loaded.name == "m" and loaded.base == str(tmp_path / "m.gguf") and loaded.revision is None
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"] * 3])
    rounded = model.to(torch.bfloat16).to(torch.float32)
    with torch.no_grad():
        difference = (loaded.model(ids).logits - rounded(ids).logits).abs().max()
    assert difference < 1e-2 * rounded(ids).logits.abs().max()


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_each_tokenizer_gives_the_same_ids(tmp_path, family):
    _, tokenizer = write_family(tmp_path / "m.gguf", family)
    ours = load_tokenizer(str(tmp_path / "m.gguf"))
    for text in TEXTS[:3]:
        assert ours(text)["input_ids"] == tokenizer(text)["input_ids"], text
        assert ours.decode(ours(text)["input_ids"], skip_special_tokens=True) == text.replace("<mask>", "")
    assert (ours.bos_token, ours.eos_token, ours.pad_token, ours.unk_token) == ("<bos>", "<eos>", "<pad>", "<unk>")


@pytest.mark.parametrize(("kind", "width", "share"), QUANTIZATIONS)
def test_each_quantization_is_unpacked(tmp_path, kind, width, share):
    model, _ = write_family(tmp_path / "m.gguf", "gemma3_text", kind, width=width)
    stored = dict(load_model(str(tmp_path / "m.gguf")).model.named_parameters())
    for name, value in model.named_parameters():
        assert (stored[name] - value).abs().max() <= share * value.abs().max(), name


@pytest.mark.parametrize("family", ["gemma2", "gemma3_text"])
def test_values_are_those_of_the_reader_of_transformers(tmp_path, family):
    from transformers import AutoModelForCausalLM, GgufConfig

    write_family(tmp_path / "m.gguf", family, "Q8_0")
    settings = GgufConfig(gguf_file="m.gguf", dequantize=True)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="m.gguf", quantization_config=settings, dtype=torch.bfloat16
    )
    ours = AutoModelForCausalLM.from_pretrained(gguf_input.converted_gguf(tmp_path / "m.gguf"), dtype=torch.bfloat16)
    other = theirs.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, other[name]), name


def test_a_file_is_converted_once(tmp_path, cache, capsys):
    write_family(tmp_path / "m.gguf", "gemma3_text")
    folder = gguf_input.converted_gguf(tmp_path / "m.gguf")
    assert folder.parent == cache / "gguf" and "once" in capsys.readouterr().err
    manifest = read_json(folder / MANIFEST)
    assert manifest["source"]["sha256"] == sha256_file(tmp_path / "m.gguf")
    assert os.stat(folder / "model.safetensors").st_mode & 0o777 == 0o644
    gguf_input._converted.cache_clear()
    (tmp_path / "copy.gguf").write_bytes((tmp_path / "m.gguf").read_bytes())
    assert gguf_input.converted_gguf(tmp_path / "copy.gguf") == folder
    assert capsys.readouterr().err == ""
    (folder / "model.safetensors").write_bytes(b"cut")
    gguf_input._converted.cache_clear()
    assert gguf_input.converted_gguf(tmp_path / "m.gguf") == folder
    assert (folder / "model.safetensors").stat().st_size > 1000


def test_the_cache_follows_the_desktop(tmp_path, monkeypatch):
    write_family(tmp_path / "m.gguf", "gemma")
    monkeypatch.delenv("GEMMA_POETRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Path(locate(str(tmp_path / "m.gguf"))).is_relative_to(tmp_path / "xdg" / "gemma-poetry" / "gguf")


def test_large_files_become_shards(tmp_path, monkeypatch):
    model, _ = write_family(tmp_path / "m.gguf", "gemma3_text")
    monkeypatch.setattr(gguf_input, "_SHARD_BYTES", 20_000)
    folder = gguf_input.converted_gguf(tmp_path / "m.gguf")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
    stored = dict(load_model(str(folder)).model.named_parameters())
    assert all(torch.equal(stored[name], value.to(torch.bfloat16).float()) for name, value in model.named_parameters()
               if "norm" not in name)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        ({"general.architecture": "llama"}, NotAGemmaError, "architecture 'llama'"),
        ({"general.architecture": "gemma-embedding"}, NotAGemmaError, "architecture 'gemma-embedding'"),
        ({"general.architecture": "clip"}, NotAGemmaError, "tower"),
        ({"general.type": "mmproj"}, NotAGemmaError, "tower"),
        ({"general.type": "adapter"}, NotAGemmaError, "adapter in GGUF"),
        ({"adapter.type": "lora"}, NotAGemmaError, "adapter in GGUF"),
        ({"split.count": 3, "split.no": 1}, IncompleteModelError, "part 2 of 3"),
        ({"expert_count": 8}, NotAGemmaError, "mixture of experts"),
        ({"embedding_length": None}, IncompleteModelError, "no gemma3.embedding_length"),
        ({"embedding_length": 64}, IncompleteModelError, "has the shape"),
        ({"block_count": 5}, IncompleteModelError, "are missing"),
        ({"block_count": 3}, IncompleteModelError, "have no place"),
        ({"tokenizer.ggml.model": "gpt2"}, ModelError, "kind 'gpt2'"),
        ({"tokenizer.ggml.scores": [0.0]}, IncompleteModelError, "lacks scores"),
        ({"tokenizer.ggml.token_type": [1]}, IncompleteModelError, "lacks pieces or types"),
        ({"tokenizer.ggml.bos_token_id": 10**6}, IncompleteModelError, "as its bos_token"),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else "",
)
def test_what_is_refused(tmp_path, cache, values, kind, reason):
    architecture = values.get("general.architecture")
    others = {key: value for key, value in values.items() if key != "general.architecture"}
    write_family(tmp_path / "m.gguf", "gemma3_text", values=others)
    if architecture is not None:
        _rename(tmp_path / "m.gguf", architecture)
    with pytest.raises(kind, match=reason) as caught:
        load_tokenizer(str(tmp_path / "m.gguf"))
    assert str(tmp_path / "m.gguf") in str(caught.value) and "What to do:" in str(caught.value)
    assert not cache.exists() or not list(cache.rglob("*.safetensors"))


def _rename(path: Path, architecture: str) -> None:
    """Puts another architecture into a file, its length with it."""
    content, old = path.read_bytes(), b"gemma3"
    key = content.index(b"general.architecture") + len(b"general.architecture") + 4
    assert content[key + 8 : key + 8 + len(old)] == old
    new = architecture.encode()
    path.write_bytes(content[:key] + struct.pack("<Q", len(new)) + new + content[key + 8 + len(old) :])


@pytest.mark.parametrize("left", [0, 3, 23, 24, 100, 3000, 20_000, -1], ids=str)
def test_a_file_cut_short_is_refused(tmp_path, left):
    write_family(tmp_path / "m.gguf", "gemma3_text")
    content = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(content[:left] if left >= 0 else content[:-64])
    with pytest.raises(IncompleteModelError, match=r"cut short|its tensor"):
        load_model(str(tmp_path / "m.gguf"))


def test_every_cut_and_every_changed_byte_of_a_header_is_our_error_or_none(tmp_path):
    write_family(tmp_path / "m.gguf", "gemma3_text")
    content = (tmp_path / "m.gguf").read_bytes()
    changed = tmp_path / "c.gguf"
    for place in [*range(0, 600), *range(600, 40_000, 997)]:
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]):
            changed.write_bytes(damaged)
            try:
                read_gguf_header(changed)
            except GemmaPoetryError:
                continue


def test_an_unknown_quantization_is_named(tmp_path):
    write_family(tmp_path / "m.gguf", "gemma3_text")
    header = read_gguf_header(tmp_path / "m.gguf")
    content = bytearray((tmp_path / "m.gguf").read_bytes())
    name = b"blk.0.attn_q.weight"
    place = content.index(name) + len(name) + 4 + 8 * len(header.tensors[name.decode()].shape)
    content[place : place + 4] = struct.pack("<I", 77)
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=r"blk.0.attn_q.weight is in the quantization of number 77"):
        load_model(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"PK\x03\x04" + bytes(60), "does not begin"), (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
     (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"), (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60), "cut short")],
    ids=["zip", "version 1", "big-endian", "endless"],
)  # fmt: skip
def test_what_is_no_gguf_file(tmp_path, content, reason):
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        load_model(str(tmp_path / "m.gguf"))


def test_a_missing_tensor_and_a_missing_file(tmp_path):
    write_family(tmp_path / "m.gguf", "gemma2", drop="output_norm.weight")
    with pytest.raises(IncompleteModelError, match="1 tensors are missing"):
        load_model(str(tmp_path / "m.gguf"))
    with pytest.raises(ModelError, match="no model is called"):
        load_model(str(tmp_path / "other.gguf"))


def test_a_part_is_known_by_its_name_too(tmp_path):
    write_family(tmp_path / "m-00001-of-00002.gguf", "gemma")
    with pytest.raises(IncompleteModelError, match="part 1 of 2"):
        load_model(str(tmp_path / "m-00001-of-00002.gguf"))


def count_digests(monkeypatch) -> list[str]:
    """The names of the files that are hashed from now on."""
    hashed: list[str] = []
    plain = gguf_input.file_digest

    def counted(paths):
        hashed.extend(path.name for path in paths)
        return plain(paths)

    monkeypatch.setattr(gguf_input, "file_digest", counted)
    return hashed


def test_what_is_refused_by_its_header_is_not_hashed(tmp_path, monkeypatch):
    write_family(tmp_path / "m.gguf", "gemma3_text")
    _rename(tmp_path / "m.gguf", "llama")
    hashed = count_digests(monkeypatch)
    with pytest.raises(NotAGemmaError):
        load_tokenizer(str(tmp_path / "m.gguf"))
    assert hashed == []


def test_a_file_is_hashed_once_and_again_where_it_changed(tmp_path, monkeypatch):
    path = tmp_path / "m.gguf"
    write_family(path, "gemma3_text")
    hashed = count_digests(monkeypatch)
    folder = gguf_input.converted_gguf(path)
    assert hashed == ["m.gguf"]
    for _ in range(2):
        gguf_input._converted.cache_clear()
        assert gguf_input.converted_gguf(path) == folder
    assert hashed == ["m.gguf"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert gguf_input.converted_gguf(path) != folder and hashed == ["m.gguf"] * 2
    # What was hashed before stays known by its own place alone.
    gguf_input._converted.cache_clear()
    (tmp_path / "copy.gguf").write_bytes(content)
    gguf_input.converted_gguf(tmp_path / "copy.gguf")
    assert hashed == ["m.gguf", "m.gguf", "copy.gguf"]


def test_a_changed_byte_of_the_conversion_is_seen_and_mended(tmp_path, monkeypatch, capsys):
    write_family(tmp_path / "m.gguf", "gemma3_text")
    folder = gguf_input.converted_gguf(tmp_path / "m.gguf")
    weights = folder / "model.safetensors"
    good = weights.read_bytes()
    hashed = count_digests(monkeypatch)
    os.utime(weights)  # touched and not changed: hashed, and taken
    capsys.readouterr()
    for _ in range(2):
        gguf_input._converted.cache_clear()
        assert gguf_input.converted_gguf(tmp_path / "m.gguf") == folder
    assert hashed == ["model.safetensors"] and "changed" not in capsys.readouterr().err
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    gguf_input._converted.cache_clear()
    assert gguf_input.converted_gguf(tmp_path / "m.gguf") == folder
    assert weights.read_bytes() == good and "was changed since it was written" in capsys.readouterr().err
    (folder / "checked.json").unlink()  # as conversions were written before
    gguf_input._converted.cache_clear()
    assert gguf_input.converted_gguf(tmp_path / "m.gguf") == folder and (folder / "checked.json").is_file()
