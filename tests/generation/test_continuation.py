"""Poems of a given shape, from the title and from an opening on."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import GenerateSettings
from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_completion, encode_prompt
from gemma_poetry.generation.continuation import Continuation, continue_poems
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.prosody.characters import is_han
from tests.tiny import make_model, make_tokenizer

CONDITIONS = Conditions("五言绝句", "秋夜")
WISHES = [
    Continuation(CONDITIONS, "", (5, 5, 5, 5), "，。，。"),
    Continuation(CONDITIONS, "春江花月夜，山水风云天。", (5, 5), "，。"),
    Continuation(Conditions("词", ""), "", (3, 3, 7, 1, 2), "，，。，。"),
    Continuation(CONDITIONS, "雨雪松竹石，桥舟灯书酒。", (5, 5), "，。"),
]


@pytest.fixture(scope="module")
def parts():
    tokenizer = make_tokenizer()
    return make_model(tokenizer), tokenizer


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_every_line_has_its_length_and_no_mark(parts, batch_size):
    generator = PoemGenerator(*parts, GenerateSettings(batch_size=batch_size))
    written = list(continue_poems(generator, WISHES))
    assert [tuple(map(len, lines)) for lines in written] == [wish.lengths for wish in WISHES]
    assert not set("，。").intersection("".join("".join(lines) for lines in written))


def test_the_seed_decides(parts):
    generator = PoemGenerator(*parts)
    first, again, other = (list(continue_poems(generator, WISHES, seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_the_opening_is_read_as_the_beginning_of_the_poem(parts):
    """At temperature 0 the next character is the model's likeliest behind prompt and opening."""
    model, tokenizer = parts
    generator = PoemGenerator(model, tokenizer, GenerateSettings(temperature=0))
    wish = WISHES[1]
    (lines,) = continue_poems(generator, [wish])
    ids = encode_prompt(tokenizer, wish.conditions) + encode_completion(tokenizer, wish.opening)[:-1]
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([ids])).logits[0, -1]
    best = max((float(scores[index]), piece) for piece, index in tokenizer.get_vocab().items() if is_han(piece))
    assert lines[0][0] == best[1]
