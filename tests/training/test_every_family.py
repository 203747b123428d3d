"""Every family, the whole way: prepare, train, save, load elsewhere with plain PEFT, generate."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from gemma_poetry.config import GenerateSettings, PrepareSettings, load_recipe
from gemma_poetry.data.tokenization import read_tokenized, stop_ids
from gemma_poetry.model import lora
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.verbs.prepare import prepare
from gemma_poetry.verbs.train import summary, train
from tests.families import FAMILY_NAMES, save_family, turn_markers
from tests.tiny import make_poems

SETTINGS = [
    "train.max_steps=5",
    "train.batch_size=4",
    "train.learning_rate=0.02",
    "train.save_steps=100",
    "train.evaluation_steps=100",
    "lora.rank=2",
]
# The text-only class once as base and the multimodal one as instruction-tuned: both kinds for each family.
KINDS = [(family, family in ("gemma2", "gemma3", "gemma3n", "gemma4") or family.endswith("n_text")) for family in FAMILY_NAMES]
# Plain PEFT on the stock class. Where timm is not installed nothing can build Gemma 3n's vision tower, and an empty module
# takes its place; audio tower and all else are the stock class's own.
PLAIN = """
import importlib.util, json, sys, torch
from peft import PeftModel
from transformers import AutoModel, AutoModelForCausalLM
if importlib.util.find_spec("timm") is None:
    build = AutoModel.from_config
    AutoModel.from_config = lambda config, **options: (
        torch.nn.Module() if config.model_type == "gemma3n_vision" else build(config, **options)
    )
for base, run, out in json.load(open(sys.argv[1])):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, run + "/adapter").eval()
    ids = torch.load(out + "/ids.pt")
    with torch.no_grad():
        on = model(input_ids=ids, use_cache=False).logits
        with model.disable_adapter():
            off = model(input_ids=ids, use_cache=False).logits
    torch.save({"on": on, "off": off}, out + "/plain.pt")
assert "gemma_poetry" not in sys.modules
"""


@pytest.fixture(scope="module")
def collection_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("collection") / "poems.jsonl"
    records = [{"title": poem.title, "author": poem.author, "lines": list(poem.lines)} for poem in make_poems(40)]
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, collection_file) -> dict[str, dict]:
    """A run of five steps for each family, and what the model in memory said at its end."""
    done, jobs = {}, []
    add_adapter = lora.add_adapter
    with pytest.MonkeyPatch.context() as patch:
        for family, instruction_tuned in KINDS:
            place = tmp_path_factory.mktemp(family)
            base = save_family(place / "base", family, instruction_tuned)
            tokenizer = load_tokenizer(str(base))
            settings = PrepareSettings(validation_share=0.2, test_share=0.2, near_duplicate_threshold=1)
            prepare(str(collection_file), place / "DATA", settings, tokenizer, str(base))
            kept = []

            def remember(*arguments, kept=kept):
                kept.append(add_adapter(*arguments))
                return kept[-1]

            patch.setattr(lora, "add_adapter", remember)
            manifest = train(place / "DATA", str(base), place / "RUN", load_recipe(None, SETTINGS))
            samples = read_tokenized(place / "DATA" / "val.txt", tokenizer)
            ids = torch.tensor([samples[0].prompt_ids + samples[0].completion_ids])
            torch.save(ids, place / "ids.pt")
            with torch.no_grad():
                logits = kept[0][0].eval()(input_ids=ids, use_cache=False).logits
            done[family] = {
                "family": family, "place": place, "base": base, "run": place / "RUN", "tokenizer": tokenizer,
                "samples": samples, "ids": ids, "logits": logits, "manifest": manifest, "instruction_tuned": instruction_tuned,
            }  # fmt: skip
            jobs.append([str(base), str(place / "RUN"), str(place)])
    listed = tmp_path_factory.mktemp("jobs") / "jobs.json"
    listed.write_text(json.dumps(jobs))
    subprocess.run([sys.executable, "-c", PLAIN, str(listed)], check=True, capture_output=True)
    return done


@pytest.fixture(params=FAMILY_NAMES)
def one(request, trained):
    return trained[request.param]


def test_plain_peft_elsewhere_says_what_training_said(one):
    plain = torch.load(one["place"] / "plain.pt")
    torch.testing.assert_close(plain["on"], one["logits"], atol=1e-4, rtol=0)
    assert (plain["on"] - plain["off"]).abs().max() > 0.1, "the adapter does something"


def test_the_run_loads_and_says_the_same(one):
    loaded = load_model(str(one["run"]), device="cpu")
    assert loaded.adapted and loaded.base == str(one["base"])
    with torch.no_grad():
        logits = loaded.model(input_ids=one["ids"], use_cache=False).logits
        cached = loaded.model(input_ids=one["ids"]).logits
    torch.testing.assert_close(logits, one["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(cached, logits, atol=1e-4, rtol=0)


def test_the_adapter_is_on_the_language_model_alone(one, capsys):
    names = one["manifest"]["lora_modules"]
    assert names and not [name for name in names if "tower" in name or "audio" in name or "vision" in name]
    # Layers that reuse keys and values have no projections for them.
    shared = one["family"].startswith(("gemma3n", "gemma4"))
    assert Counter(name.rpartition(".")[2] for name in names) == Counter(
        q_proj=4, o_proj=4, k_proj=2 if shared else 4, v_proj=2 if shared else 4, gate_proj=4, up_proj=4, down_proj=4
    )
    rows = dict(summary(one["manifest"]))
    assert rows["LoRA modules"].endswith("q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj of layers 0-3")


def test_samples_have_one_bos_and_a_labelled_end_of_turn(one):
    tokenizer = one["tokenizer"]
    end = turn_markers(one["family"])[1] if one["instruction_tuned"] else "<eos>"
    for sample in one["samples"]:
        ids = [*sample.prompt_ids, *sample.completion_ids]
        assert ids[0] == 2 and ids.count(2) == 1
        assert tokenizer.convert_ids_to_tokens(sample.completion_ids[-1]) == end
        assert len(sample.completion_ids) > 1
    assert set(stop_ids(tokenizer)) == {one["samples"][0].completion_ids[-1], 1}


def test_the_run_generates(one):
    from gemma_poetry.generation.carried_lines import find_guards
    from gemma_poetry.generation.poem_generator import PoemGenerator
    from gemma_poetry.generation.request import PoemRequest

    loaded = load_model(str(one["run"]), device="cpu")
    requests = [PoemRequest("五言绝句", title=title, metre="free", polyphones="any") for title in ("春江", "月")]
    poems = list(
        PoemGenerator(
            loaded.model, loaded.tokenizer, GenerateSettings(batch_size=2), guards=find_guards(str(one["run"]))
        ).write(requests)
    )
    assert [[len(line) for line in poem.poem.lines] for poem in poems] == [[5] * 4] * 2
