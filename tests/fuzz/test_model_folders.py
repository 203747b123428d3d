"""200 damaged model folders: each is loaded, scored and written with, or refused in our own words."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.errors import ModelError
from gemma_poetry.manifests import write_manifest
from gemma_poetry.model.checkpoint import check_model_folder
from gemma_poetry.model.configuration_fields import check_tokenizer_files
from tests.fuzz.trials import LONG, attempt, damage_bytes, damage_json, fingerprint, is_sound, json_text, seeds
from tests.tiny import make_model, make_poems, make_tokenizer, save_model

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content'] | trim "
    "+ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer_config.json"


def use_model(spec: str) -> None:
    """What `evaluate`, `generate` and `train` do first with a model."""
    import torch

    torch.set_num_threads(1)
    from gemma_poetry.config import GenerateSettings
    from gemma_poetry.data.tokenization import encode_poems
    from gemma_poetry.generation.carried_lines import find_guards
    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.generation.request import PoemRequest
    from gemma_poetry.model.loading import load_model, load_tokenizer
    from gemma_poetry.model.scoring import score_completions
    from gemma_poetry.verbs.domain_lookup import domain_of_model

    domain_of_model(spec)
    load_tokenizer(spec)
    find_guards(spec, None)
    loaded = load_model(spec, device="cpu")
    print(loaded.identity())
    score_completions(loaded.model, list(encode_poems(loaded.tokenizer, make_poems(2))))
    generator = PoemGenerator(
        loaded.model, loaded.tokenizer, GenerateSettings(effort=1, batch_size=1), charset=frozenset("春江花月夜山水风云天地人")
    )
    list(generator.write([PoemRequest(template="春□花□夜", metre="free", novel=False)], assess=True, best_of=1))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, an instruction-tuned one, one in shards, and a run on the first."""
    from gemma_poetry.config import LoraSettings
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter

    folder = tmp_path_factory.mktemp("whole")
    save_model(folder / "plain")
    shutil.copytree(folder / "plain", folder / "shards")
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<start_of_turn>", "<end_of_turn>"], special_tokens=True)
    tokenizer.chat_template = TEMPLATE
    make_model(tokenizer).save_pretrained(folder / "tuned")
    tokenizer.save_pretrained(folder / "tuned")
    header, content = read_weights(folder / "plain" / WEIGHTS)
    names = sorted(name for name in header if name != "__metadata__")
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        shard = f"model-0000{number}-of-00002.safetensors"
        write_weights(folder / "shards" / shard, *only(header, content, part))
        weight_map |= dict.fromkeys(part, shard)
    (folder / "shards" / WEIGHTS).unlink()
    (folder / "shards" / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    loaded = load_model(str(folder / "plain"), device="cpu")
    adapted, _ = add_adapter(loaded.model, LoraSettings(rank=2), seed=1)
    adapted.save_pretrained(folder / "run" / "adapter")
    files = ["adapter/adapter_config.json", "adapter/adapter_model.safetensors"]
    write_manifest(folder / "run", {"base": loaded.identity(), "data": {"domain": "classical-chinese"}}, files)
    return folder


def read_weights(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_weights(path: Path, header: Any, content: bytes, length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json_text(header)
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)


def only(header: dict[str, Any], content: bytes, names: list[str]) -> tuple[dict[str, Any], bytes]:
    kept, parts, place = {}, [], 0
    for name in names:
        begin, end = header[name]["data_offsets"]
        kept[name] = {**header[name], "data_offsets": [place, place + end - begin]}
        parts.append(content[begin:end])
        place += end - begin
    return kept, b"".join(parts)


def texts_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json"))


def change_bytes(folder: Path, draw: random.Random) -> None:
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    path.write_bytes(damage_bytes(path.read_bytes(), draw))


def change_values(folder: Path, draw: random.Random) -> None:
    path = draw.choice(texts_of(folder))
    path.write_bytes(json_text(damage_json(json.loads(path.read_text()), draw)))


def change_header(folder: Path, draw: random.Random) -> None:
    path = draw.choice(sorted(folder.rglob("*.safetensors")))
    header, content = read_weights(path)
    write_weights(path, damage_json(header, draw), content)


MISPLACED = (
    "pytorch_model.bin", "model.safetensors", "config.json", "generation_config.json", "adapter_config.json",
    "added_tokens.json", "special_tokens_map.json", "tokenizer.model", "chat_template.json", "known_lines.npz",
)  # fmt: skip
"""Names that libraries look for in a model folder."""


def change_kind(folder: Path, draw: random.Random) -> None:
    """A file is no file any more, or another one is."""
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    kind = draw.randrange(7)
    if kind == 6:
        (folder / draw.choice(MISPLACED)).write_bytes(path.read_bytes())
        return
    path.unlink()
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.symlink_to(path)
    elif kind == 3:
        path.symlink_to("/dev/zero")
    elif kind == 4:
        path.symlink_to(folder)


def _set(name: str, **fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = next(iter(sorted(folder.rglob(name))), folder / name)
        value = json.loads(path.read_text()) if path.is_file() else {}
        path.write_bytes(json_text(value | fields))

    return change


def _header(change: Callable[[dict[str, Any], list[str]], Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = sorted(folder.rglob("*.safetensors"))[0]
        header, content = read_weights(path)
        names = sorted((name for name in header if name != "__metadata__"), key=lambda name: header[name]["data_offsets"])
        write_weights(path, change(header, names) or header, content)

    return changed


def _template(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(text)

    return change


def _overlap(header: dict[str, Any], names: list[str]) -> None:
    header[names[1]]["data_offsets"] = header[names[0]]["data_offsets"]


def _negative(header: dict[str, Any], names: list[str]) -> None:
    begin, end = header[names[0]]["data_offsets"]
    header[names[0]]["data_offsets"] = [begin - 64, end - 64]


def _hole(header: dict[str, Any], names: list[str]) -> None:
    del header[names[0]]


def _dtype(header: dict[str, Any], names: list[str]) -> None:
    header[names[0]]["dtype"] = "F17"


def _integers(header: dict[str, Any], names: list[str]) -> None:
    for name in names:
        header[name]["dtype"] = "I32"


def _shape(header: dict[str, Any], names: list[str]) -> None:
    header[names[0]]["shape"] = [2**40, -1]


def _metadata(header: dict[str, Any], names: list[str]) -> None:
    header["__metadata__"] = {"format": {"a": 1}}


def _deep(header: dict[str, Any], names: list[str]) -> bytes:
    return b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def _long(folder: Path) -> None:
    path = sorted(folder.rglob("*.safetensors"))[0]
    with open(path, "r+b") as stream:
        stream.write(struct.pack("<Q", 2**32))
        stream.truncate(2**32 + 2**20)  # a sparse file: it takes no room


SEMANTIC: dict[str, Callable[[Path], None]] = {
    "overlapping offsets": _header(_overlap),
    "negative offsets": _header(_negative),
    "a hole": _header(_hole),
    "unknown dtype": _header(_dtype),
    "integers": _header(_integers),
    "shape beyond memory": _header(_shape),
    "metadata no texts": _header(_metadata),
    "deep header": _header(_deep),
    "header of 4 GiB": _long,
    "auto_map": _set(CONFIG, auto_map={"AutoConfig": "evil.Config"}),
    "auto_map nested": _set(CONFIG, text_config={"auto_map": {"AutoConfig": "evil.Config"}}),
    "auto_map of the tokenizer": _set(TOKENIZER, auto_map={"AutoTokenizer": ["evil.T", None]}),
    "labels": _set(CONFIG, num_labels=10**9),
    "labels by name": _set(CONFIG, id2label={str(number): "x" for number in range(10**6)}),
    "layers": _set(CONFIG, num_hidden_layers=10**6, layer_types=None),
    "no layers": _set(CONFIG, num_hidden_layers=0, layer_types=[]),
    "wide": _set(CONFIG, intermediate_size=2**40),
    "heads": _set(CONFIG, num_attention_heads=0),
    "vocabulary": _set(CONFIG, vocab_size=2**40),
    "positions": _set(CONFIG, max_position_embeddings=2**60),
    "padding": _set(CONFIG, pad_token_id=10**6),
    "window": _set(CONFIG, sliding_window=-1),
    "rope": _set(CONFIG, rope_parameters={"rope_type": "yarn", "factor": "x"}),
    "rope of zero": _set(CONFIG, rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 0}}),
    "activation": _set(CONFIG, hidden_activation="__import__"),
    "dtype of the configuration": _set(CONFIG, dtype="complex64", torch_dtype="os"),
    "quantization": _set(CONFIG, quantization_config={"quant_method": "gptq", "bits": 4}),
    "quantization of nothing": _set(CONFIG, quantization_config=["x"]),
    "another family": _set(CONFIG, model_type="gemma4_text"),
    "multimodal": _set(CONFIG, model_type="gemma3", text_config=[], vision_config=3),
    "model type no text": _set(CONFIG, model_type=["gemma3_text"]),
    "epsilon": _set(CONFIG, rms_norm_eps=-1.0),
    "scale": _set(CONFIG, query_pre_attn_scalar=0),
    "generation ill-typed": _set("generation_config.json", eos_token_id={"a": 1}, temperature="hot", max_length=-3),
    "generation watermark": _set("generation_config.json", watermarking_config={"x": 1}, cache_implementation="evil"),
    "index a list": lambda folder: (folder / f"{WEIGHTS}.index.json").write_text("[1, 2]"),
    "index of numbers": _set(f"{WEIGHTS}.index.json", weight_map={"a": 3, "b": None, "c": ["x"]}),
    "index outside": _set(f"{WEIGHTS}.index.json", weight_map={"model.norm.weight": "../plain/model.safetensors"}),
    "tokenizer of pictures": _set(TOKENIZER, tokenizer_class="CLIPImageProcessor"),
    "tokenizer of Python": _set(TOKENIZER, tokenizer_class="os.system"),
    "token far away": _set(TOKENIZER, added_tokens_decoder={"999999999999": {"content": "<far>", "special": True}}),
    "tokens ill-typed": _set(TOKENIZER, bos_token=3, eos_token=[], pad_token={"content": 5}),
    "template ill-typed": _set(TOKENIZER, chat_template=[3, {"name": 1}]),
    "templates by name": _set(TOKENIZER, chat_template=[{"name": "other", "template": "x"}]),
    "template syntax": _template("{% for x in %}"),
    "template endless": _template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"),
    "template wide": _template("{% for a in range(99999) %}{{ messages[0]['content'] * 9999 }}{% endfor %}"),
    "template of a power": _template("{{ 9 ** 9 ** 9 }}"),
    "template of a width": _template("{{ '%9999999999d' % 1 }}"),
    "template recursive": _template("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"),
    "template breaks out": _template("{{ messages.__class__.__mro__[1].__subclasses__() }}"),
    "template calls": _template("{{ ''.join.__globals__['os'].system('true') }}"),
    "template raises": _template("{{ raise_exception('no ' * 99999) }}"),
    "template without the message": _template("hello"),
    "template of the message twice": _template("{{ messages[0]['content'] }}{{ messages[0]['content'] }}"),
    "template that waits": _template(
        "{% if '秋' in messages[0]['content'] or '春' in messages[0]['content'] %}{% for a in range(99999) %}"
        "{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %}{{ messages[0]['content'] }}"
    ),
    "template turns nobody has": _template("{{ messages[0]['content'] }}<turn|>"),
    "template deep": _template("{% if 1 %}" * 5000 + "{% endif %}" * 5000),
    "template not UTF-8": lambda folder: (folder / "chat_template.jinja").write_bytes(b"\xff\xfe{{"),
    "adapter regular expression": _set("adapter_config.json", target_modules="(([a-z]*)*)*[.]((.*)*)*z"),
    "adapter patterns": _set("adapter_config.json", rank_pattern={"(a*)*((.*)*)*b": 3, "^(.+)+$": 10**9}),
    "adapter layers pattern": _set("adapter_config.json", layers_pattern="((.*)*)*", layers_to_transform=[0]),
    "adapter excludes": _set("adapter_config.json", exclude_modules="((.*)*)*z"),
    "adapter rank": _set("adapter_config.json", r=10**9),
    "adapter imports": _set("adapter_config.json", auto_mapping={"base_model_class": "x", "parent_library": "antigravity"}),
    "adapter megatron": _set("adapter_config.json", megatron_config={"a": 1}, megatron_core="antigravity"),
    "adapter replication": _set("adapter_config.json", layer_replication=[[0, 2]] * 10**5),
    "adapter start": _set("adapter_config.json", init_lora_weights="pissa_niter_999999999"),
    "adapter kind": _set("adapter_config.json", peft_type="PROMPT_TUNING", num_virtual_tokens=10**9),
    "adapter scale": _set("adapter_config.json", lora_alpha="x", lora_dropout=[]),
    "manifest a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "manifest base": _set("manifest.json", base={"spec": 3, "revision": [], "weights_fingerprint": {}}),
    "manifest long": _set("manifest.json", base={"spec": "x" * 100_000}),
    "manifest null byte": _set("manifest.json", base={"spec": "a\x00b"}),
    "manifest domain": _set("manifest.json", data={"domain": ["x"]}),
}  # fmt: skip
"""Damage that somebody meant."""


def change_meaning(folder: Path, draw: random.Random) -> None:
    SEMANTIC[draw.choice(sorted(SEMANTIC))](folder)


CHANGES = (change_bytes, change_values, change_values, change_header, change_kind, change_meaning)
KINDS = ("plain", "tuned", "shards", "run", "run")


def trial(whole: Path, folder: Path, kind: str, change: Callable[[Path], object]) -> None:
    shutil.copytree(whole / kind, folder)
    change(folder)
    before = fingerprint(folder)
    outcome = attempt(use_model, str(folder))
    assert is_sound(outcome), outcome
    assert fingerprint(folder) == before


@pytest.mark.parametrize("kind", ["plain", "tuned", "shards", "run"])
def test_what_is_whole_is_used(whole: Path, tmp_path: Path, kind: str):
    outcome = attempt(use_model, str(whole / kind))
    assert outcome == "done", outcome


@pytest.mark.parametrize("seed", seeds(12, 200))
def test_damaged_model_folder(whole: Path, tmp_path: Path, seed: int):
    draw = random.Random(f"model folder {seed}")
    change = draw.choice(CHANGES)
    trial(whole, tmp_path / "model", draw.choice(KINDS), lambda folder: change(folder, draw))


def fitting(name: str) -> str:
    """The kind of folder that a meaning is about."""
    if name.startswith(("adapter", "manifest")):
        return "run"
    return "tuned" if name.startswith("template") else "shards" if name.startswith("index") else "plain"


@pytest.mark.skipif(not LONG, reason="only with GEMMA_POETRY_FUZZ=long")
@pytest.mark.parametrize("name", SEMANTIC)
def test_every_meaning(whole: Path, tmp_path: Path, name: str):
    trial(whole, tmp_path / "model", fitting(name), SEMANTIC[name])


AT_THE_DOOR = [name for name in SEMANTIC if not name.startswith(("template", "adapter", "manifest")) and name not in (
    # These only show when a library acts on them, or do no harm.
    "integers", "padding", "rope", "rope of zero", "activation", "dtype of the configuration", "quantization", "another family",
    "generation watermark", "tokenizer of pictures",
)]  # fmt: skip


@pytest.mark.parametrize("name", AT_THE_DOOR)
def test_refused_before_any_library_sees_it(whole: Path, tmp_path: Path, name: str):
    shutil.copytree(whole / fitting(name), tmp_path / "model")
    SEMANTIC[name](tmp_path / "model")
    with pytest.raises(ModelError):
        check_tokenizer_files(tmp_path / "model")
        check_model_folder(tmp_path / "model")
