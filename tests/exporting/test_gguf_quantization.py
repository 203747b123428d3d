"""What rounding leaves of an update, on a base model that lies on the steps already and on one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from gemma_poetry.config import load_recipe
from gemma_poetry.exporting.gguf_file import read_gguf, swallows, write_gguf
from gemma_poetry.exporting.gguf_quantization import pack, share_kept
from gemma_poetry.model.lora import add_adapter
from tests.families import family_model, small_tokenizer
from tests.verbs.test_export import LAYERS

gguf = pytest.importorskip("gguf", reason="gguf is not installed (pip install 'gemma-poetry[gguf]')")

# A tenth of a step, roughly, as a part of the spread of the values.
UPDATES = {"Q8_0": 0.002, "Q5_0": 0.015, "Q5_1": 0.012, "Q6_K": 0.006, "Q5_K": 0.012, "Q4_K": 0.02}


def rounded(values: Any, kind: str, chance: Any = None) -> Any:
    return gguf.quants.dequantize(pack(values, kind, chance), gguf.GGMLQuantizationType[kind])


@pytest.mark.parametrize("kind", UPDATES)
def test_an_update_of_less_than_a_step(kind: str):
    if kind.endswith("_K"):
        pytest.importorskip("libgguf", reason="libgguf is not installed (pip install 'gemma-poetry[quantize]')")
    draw = numpy.random.default_rng(1)
    anywhere, update = (draw.standard_normal((128, 512), dtype=numpy.float32) for _ in range(2))
    update *= UPDATES[kind]
    on_steps = rounded(anywhere, kind)
    assert share_kept(anywhere, anywhere + update, kind) == pytest.approx(1, abs=0.25)
    assert share_kept(on_steps, on_steps + update, kind) < 0.2
    moved = rounded(on_steps + update, kind, numpy.random.default_rng(2)) - on_steps
    assert float((moved * update).sum() / (update * update).sum()) == pytest.approx(1, abs=0.25)
    # The price: noise, of at most what rounding costs values that lie anywhere, and half of that again.
    assert numpy.square(moved - update).mean() < 2.2 * numpy.square(rounded(anywhere, kind) - anywhere).mean()


def test_a_run_on_a_base_of_the_same_steps_is_rounded_by_chance(tmp_path: Path):
    tokenizer = small_tokenizer("gemma3_text")
    base = family_model("gemma3_text", len(tokenizer), **LAYERS).float().eval()
    recipe = load_recipe(None, ["lora.targets=[q_proj,o_proj,up_proj,down_proj]", "lora.rank=4", "lora.dropout=0"])

    def adapted(before: Any) -> Any:
        model, _matched = add_adapter(before, recipe.lora, seed=1)
        torch.manual_seed(1)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=2e-5)
        return model

    write_gguf(base, tokenizer, tmp_path / "base.gguf", "q8_0")
    on_steps = read_gguf(tmp_path / "base.gguf", base.config)
    before = {name: weight.clone() for name, weight in on_steps.named_parameters() if weight.ndim == 2}
    assert not swallows(adapted(base), "q8_0")
    model = adapted(on_steps)
    assert swallows(model, "q8_0") and not swallows(model, "bfloat16") and not swallows(model, "float32")
    merged = model.merge_and_unload()
    kept = []
    for dithered in (False, True):
        write_gguf(merged, tokenizer, tmp_path / "merged.gguf", "q8_0", dithered=dithered)
        read = dict(read_gguf(tmp_path / "merged.gguf", base.config).named_parameters())
        assert torch.equal(read["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
        pairs = [(read[name] - weight, merged.get_parameter(name) - weight) for name, weight in before.items()]
        with torch.no_grad():
            length = sum(float((update * update).sum()) for _moved, update in pairs)
            kept.append(sum(float((moved * update).sum()) for moved, update in pairs) / length)
    assert kept[0] < 0.3 and kept[1] == pytest.approx(1, abs=0.4)
