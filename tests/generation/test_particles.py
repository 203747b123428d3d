"""Poems written by particles keep what was asked for, as single ones do; the same seed gives the same poem."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import GenerateSettings
from gemma_poetry.generation.particles import ParticleDecoder
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.scansion import scan
from tests.generation.conftest import NOTHING_KNOWN


@pytest.fixture(scope="module")
def generator(tiny, tokenizer):
    return PoemGenerator(tiny, tokenizer, GenerateSettings(effort=2, temperature=1.0), guards=NOTHING_KNOWN)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (PoemRequest("七绝", "秋月"), "a regulated form"),
        (PoemRequest("五律", "高铁", author="王维"), "words that are offered differ between particles"),
        (PoemRequest("七绝", must=("明月", "清泉", "舟")), "places differ between particles"),
        (PoemRequest("菩萨蛮", must=("明月",)), "a tune"),
        (PoemRequest("如梦令"), "a repeated line"),
        (PoemRequest("五绝", acrostic="空山新雨", distinct=False), "an acrostic"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_particles_keep_the_form(generator, request_, why):
    (one,) = generator.write([request_], seed=3)
    found = scan(one.poem.lines, one.poem.kind)
    assert found.verdict == "strict" and found.every_reading, (why, one.poem.lines)
    assert all(any(word in line for line in one.poem.lines) for word in request_.must)
    assert one.merits is not None
    (again,) = generator.write([request_], seed=3)
    assert again.poem == one.poem
    for word, line, position in one.request.placed:
        assert one.poem.lines[line - 1][position - 1 :].startswith(word)


def test_wishes_in_one_batch_are_each_granted(generator):
    wishes = [PoemRequest("五绝", acrostic=acrostic) for acrostic in ("空山新雨", "空山空山", "天天天天")]
    told = []
    poems = list(generator.write(wishes, seed=1, best_of=4, watch=told.append))
    assert ["".join(line[0] for line in one.poem.lines) for one in poems] == [wish.acrostic for wish in wishes]
    assert set(told[0]) == {0, 1, 2}


def test_uneven_weights_are_drawn_again_in_proportion():
    draw = torch.Generator().manual_seed(1)
    even = torch.zeros(8)
    assert ParticleDecoder._draw_again(even, 4, draw) is None
    weights = torch.tensor([0.0, -9.0, -9.0, -torch.inf, 0.0, 0.0, 0.0, 0.0]).clone()
    chosen = ParticleDecoder._draw_again(weights, 4, draw)
    assert chosen == [0, 0, 0, 0, 4, 5, 6, 7], "the first wish's particles come from its heaviest; the second's stay"
    assert weights.tolist() == [0.0] * 8


def test_the_nucleus_is_the_same_by_either_way(tiny, tokenizer):
    decoder = ParticleDecoder(tiny, tokenizer, GenerateSettings(top_p=0.5, temperature=1.0))
    scores = torch.log_softmax(torch.randn(3, 2000, generator=torch.Generator().manual_seed(2)) * 3, dim=-1)
    shares, tokens = decoder._proposal(scores)
    for row in range(3):
        ordered = scores[row].sort(descending=True)
        mass = ordered.values.exp().cumsum(0)
        kept = int((mass - ordered.values.exp() < 0.5).sum())
        assert int(torch.isfinite(shares[row]).sum()) == kept
        assert torch.equal(tokens[row, :kept], ordered.indices[:kept])
        assert float(shares[row].exp().sum()) == pytest.approx(1, abs=1e-5)


def test_a_word_stands_as_the_person_wrote_it(generator):
    (one,) = generator.write([PoemRequest("七绝", must=("雲", "清泉"), script="traditional")], seed=2)
    assert any("雲" in line for line in one.poem.lines) and any("清泉" in line for line in one.poem.lines)
    (one,) = generator.write([PoemRequest("七绝", must=("雲",))], seed=2)
    assert any("云" in line for line in one.poem.lines)
