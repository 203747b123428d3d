"""Poems from the admitted rows of the head: those that the whole head would have given, with the same chances."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import GenerateSettings, LoraSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.generation import narrow_sampling
from gemma_poetry.generation.narrow_sampling import can_narrow
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.model.lora import add_adapter
from tests.families import FAMILY_NAMES, PIECES, family_model, small_tokenizer
from tests.generation.conftest import THOUSAND, character_tokenizer, tiny_gemma
from tests.generation.mixed import shortcomings

REQUESTS = [
    PoemRequest("七绝", title="春江花月"),
    PoemRequest("七绝", title="春江花月"),
    PoemRequest("五律", title="月"),
    PoemRequest("五绝", acrostic="空山新雨"),
    PoemRequest("如梦令", title="雨"),
    PoemRequest(template="空山□□□，□□□□秋。", metre="free"),
]
"""Equal and different prompts, of different lengths, with repeated lines and given characters."""


@pytest.fixture
def chances(monkeypatch):
    """The chances at each draw; draws go by one list of numbers, so that equal chances give equal tokens in any width."""
    seen: list[torch.Tensor] = []

    def draw(probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(len(seen))
        points = torch.rand(len(probabilities), 1, generator=generator, dtype=torch.float64)
        sums = probabilities.double().cumsum(dim=1)
        seen.append(probabilities.clone())
        return torch.searchsorted(sums, points * sums[:, -1:], right=True).clamp(max=probabilities.shape[1] - 1)

    monkeypatch.setattr(torch, "multinomial", draw)
    return seen


def write(model, tokenizer, width: int, monkeypatch, requests=REQUESTS, seed=7, **settings):
    monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", width)
    guards = [KnownLines.build([])]
    generator = PoemGenerator(model, tokenizer, GenerateSettings(batch_size=4, effort=1, **settings), guards=guards)
    return [one.poem.text for one in generator.write(requests, seed=seed)]


NARROW, WHOLE = 10, 10**9


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["rows of each step", "rows of all steps"])
@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0, "top_p": 1.0},
        {"temperature": 0.7, "top_p": 0.8},
        {"temperature": 1.3, "top_p": 0.95, "top_k": 20},
        {"temperature": 0.0},
    ],
    ids=["all", "top-p", "top-k", "likeliest"],
)
def test_the_chances_are_those_of_the_whole_head(tiny, tokenizer, monkeypatch, chances, settings, share):
    monkeypatch.setattr(narrow_sampling, "_FEW", share)
    whole = write(tiny, tokenizer, WHOLE, monkeypatch, **settings)
    from_whole = [rows.double() for rows in chances]
    chances.clear()
    narrow = write(tiny, tokenizer, NARROW, monkeypatch, **settings)
    assert narrow == whole
    assert len(chances) == len(from_whole) and bool(chances) == (settings["temperature"] > 0)
    for ours, theirs in zip(chances, from_whole):
        assert ours.shape[1] < theirs.shape[1] == len(tokenizer)
        for row, other in zip(ours.double(), theirs):
            # Columns keep their order, and what is left out had no chance.
            torch.testing.assert_close(row[row > 0], other[other > 0], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_writes_the_same(family, monkeypatch, chances):
    tokenizer = small_tokenizer(family, pieces=PIECES + THOUSAND)
    model = family_model(family, len(tokenizer))
    requests = [PoemRequest("五绝", title=title, metre="free") for title in ("", "明月", "明月")]
    whole = write(model, tokenizer, WHOLE, monkeypatch, requests, temperature=1.0)
    steps = len(chances)
    chances.clear()
    assert write(model, tokenizer, NARROW, monkeypatch, requests, temperature=1.0) == whole
    assert steps == len(chances) and chances[0].shape[1] < len(tokenizer)


def test_dead_ends_are_taken_up_again(tiny, tokenizer, monkeypatch, chances):
    # Few characters rhyme, and none may come twice: some drafts get stuck and go on from a kept beginning.
    few = frozenset("空山新雨后天气晚来秋明月松间照清泉石上流一心意")
    monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", NARROW)
    settings = GenerateSettings(temperature=1.0, top_p=1.0, batch_size=8)
    generator = PoemGenerator(tiny, tokenizer, settings, charset=few, guards=[KnownLines.build([])])
    request = PoemRequest("五绝", distinct=True)
    poems = list(generator.write([request] * 16, seed=2))
    assert sum(one.attempts for one in poems) > 0, "nothing was stuck"
    assert [shortcomings(one.poem, request) for one in poems] == [[]] * 16


def test_an_adapter_counts(monkeypatch, chances):
    tokenizer = character_tokenizer()
    model, _ = add_adapter(tiny_gemma(len(tokenizer)), LoraSettings(rank=2), seed=3)
    bare = write(model, tokenizer, NARROW, monkeypatch, temperature=1.0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(4))
    chances.clear()
    narrow = write(model.eval(), tokenizer, NARROW, monkeypatch, temperature=1.0)
    chances.clear()
    assert narrow == write(model, tokenizer, WHOLE, monkeypatch, temperature=1.0) != bare


def test_the_head_is_left_as_it_was_also_by_what_breaks_off(tiny, tokenizer, monkeypatch):
    monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", NARROW)
    generator = PoemGenerator(tiny, tokenizer, guards=[KnownLines.build([])])
    head = tiny.get_output_embeddings()

    def stop(texts):
        if any(texts.values()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(generator.write(REQUESTS, watch=stop))
    assert "forward" not in vars(head) and can_narrow(tiny)
    ids = torch.arange(3, 9)[None]
    assert tiny(input_ids=ids).logits.shape == (1, 6, len(tokenizer))


def test_what_is_not_narrowed(tiny, tokenizer, monkeypatch):
    assert not can_narrow(tiny), "a small vocabulary: fixed seeds keep their poems"
    monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", NARROW)
    assert can_narrow(tiny)

    class Shifted(torch.nn.Linear):
        pass

    other = tiny_gemma(len(tokenizer))
    other.lm_head = Shifted(16, len(tokenizer), bias=False)
    assert not can_narrow(other), "a head that is more than a matrix"


def test_beams_take_the_whole_head(tiny, tokenizer, monkeypatch):
    poems = []
    for width in (NARROW, WHOLE):
        monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", width)
        settings = GenerateSettings(temperature=0, batch_size=4)
        generator = PoemGenerator(tiny, tokenizer, settings, guards=[KnownLines.build([])], beams=2)
        poems.append([one.poem.text for one in generator.write(REQUESTS[:3])])
    assert poems[0] == poems[1]
