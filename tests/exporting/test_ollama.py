"""The Modelfile: its template gives the prompt that training used, letter by letter."""

from __future__ import annotations

import re

import pytest

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_prompt
from gemma_poetry.exporting.ollama import modelfile, prompt_template
from tests.families import small_tokenizer


def rendered(template: str, system: str, prompt: str) -> str:
    """What Ollama makes of the constructs that the template uses."""
    template = re.sub(
        r"\{\{ if \.Prompt \}\}(.*?)\{\{ end \}\}", lambda found: found[1] if prompt else "", template, flags=re.S
    )
    template = template.replace("{{ .System }}", system).replace("{{ .Prompt }}", prompt)
    assert "{{" not in template
    return template


@pytest.mark.parametrize("instruction_tuned", [False, True])
@pytest.mark.parametrize("family", ["gemma", "gemma3_text", "gemma4_text"])
@pytest.mark.parametrize("title", ["", "春江"])
def test_the_template_gives_the_prompt_of_training(family: str, instruction_tuned: bool, title: str):
    tokenizer = small_tokenizer(family, instruction_tuned)
    prompt = rendered(prompt_template(tokenizer), "五言绝句", title)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    # llama.cpp adds BOS.
    assert [tokenizer.bos_token_id, *ids] == encode_prompt(tokenizer, Conditions(form="五言绝句", title=title))


def test_stops_and_sampling():
    text = modelfile(
        small_tokenizer("gemma3_text", True), "./model.gguf", GenerateSettings(temperature=0.7, top_k=0, top_p=0.9)
    )
    lines = text.splitlines()
    assert lines[0] == "FROM ./model.gguf"
    assert [line for line in lines if line.startswith("PARAMETER stop")] == [
        "PARAMETER stop <end_of_turn>",
        "PARAMETER stop <eos>",
    ]
    assert {"PARAMETER temperature 0.7", "PARAMETER top_k 0", "PARAMETER top_p 0.9", "PARAMETER repeat_penalty 1"} <= set(lines)
    assert "<bos>" not in text


def test_a_base_model_stops_at_eos_alone():
    lines = modelfile(small_tokenizer("gemma3_text"), ".", GenerateSettings()).splitlines()
    assert [line for line in lines if line.startswith("PARAMETER stop")] == ["PARAMETER stop <eos>"]
