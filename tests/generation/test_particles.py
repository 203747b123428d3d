"""Poems written by particles keep what was asked for, as single ones do; the same seed gives the same poem."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.config import GenerateSettings
from gemma_poetry.generation import narrow_sampling
from gemma_poetry.generation.narrow_sampling import PieceHead
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


def test_a_poem_behind_dead_ends_belongs_to_the_run(generator, monkeypatch):
    """Where no particle comes through, a single draft is taken up; it tells the run's seed, and whoever watches sees it."""
    whole = generator._whole
    lost = PoemRequest("五绝", "秋月")
    monkeypatch.setattr(generator, "_whole", lambda draft, *rest: None if draft.request == lost else whole(draft, *rest))
    told = []
    poems = list(
        generator.write([PoemRequest("五绝", "空山"), lost], seed=7, best_of=4, watch=lambda texts: told.append(dict(texts)))
    )
    assert [one.seed for one in poems] == [7, 7]
    assert told[-1].keys() == {1} and told[-1][1]


def test_uneven_weights_are_drawn_again_in_proportion():
    draw = torch.Generator().manual_seed(1)
    even = torch.zeros(8)
    assert ParticleDecoder._draw_again(even, 4, draw) is None
    weights = torch.tensor([0.0, -9.0, -9.0, -torch.inf, 0.0, 0.0, 0.0, 0.0]).clone()
    chosen = ParticleDecoder._draw_again(weights, 4, draw)
    assert chosen == [0, 0, 0, 0, 4, 5, 6, 7], "the first wish's particles come from its heaviest; the second's stay"
    assert weights.tolist() == [0.0] * 8


def test_the_nucleus_is_the_same_by_either_way(tiny, tokenizer):
    settings = GenerateSettings(top_p=0.5, temperature=1.0)
    decoder = ParticleDecoder(tiny, tokenizer, settings, PieceHead(tiny, [1]))
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


def test_on_a_wide_head_the_model_is_confined_to_the_pieces_of_poems(tiny, tokenizer, monkeypatch):
    """Particles over the pieces' rows are those over the whole head with every other token's score taken away."""
    settings = GenerateSettings(temperature=0.8, top_p=0.9)
    wishes = [PoemRequest("七绝", "秋月"), PoemRequest("五律", must=("明月", "清泉"))]
    pieces = sorted(PoemGenerator(tiny, tokenizer, settings, guards=NOTHING_KNOWN).planner.index.tokens)
    assert len(pieces) < len(tokenizer), "some tokens are no pieces of poems"
    head = tiny.get_output_embeddings()
    draws: list[int] = []

    def draw(probabilities, _count, *, generator):
        # By one list of numbers, so that equal chances give equal tokens in any width.
        draws.append(len(draws))
        points = torch.rand(len(probabilities), 1, generator=torch.Generator().manual_seed(len(draws)), dtype=torch.float64)
        sums = probabilities.double().cumsum(dim=1)
        return torch.searchsorted(sums, points * sums[:, -1:], right=True).clamp(max=probabilities.shape[1] - 1)

    monkeypatch.setattr(torch.Tensor, "multinomial", draw)

    def written(narrow: bool):
        weights, decode = [], ParticleDecoder._draw_again
        draws.clear()
        monkeypatch.setattr(narrow_sampling, "WIDE_VOCABULARY", 10 if narrow else 10**9)
        monkeypatch.setattr(
            ParticleDecoder,
            "_draw_again",
            staticmethod(lambda own, *rest: (weights.append(own.clone()), decode(own, *rest))[1]),
        )
        generator = PoemGenerator(tiny, tokenizer, settings, guards=NOTHING_KNOWN)
        drafts = [
            draft for number, wish in enumerate(wishes) for draft in generator._drafts(wish, 6, 5, number, settings.effort)
        ]
        found = generator.particles.decode([one.prompt for one in drafts], [one.plan for one in drafts], 6, seed=4)
        monkeypatch.setattr(ParticleDecoder, "_draw_again", staticmethod(decode))
        return found, weights

    def shut(_module, _inputs, logits):
        kept = torch.full_like(logits, -1e9)
        kept[..., pieces] = logits[..., pieces]
        return kept

    hook = head.register_forward_hook(shut)
    by_whole, whole_weights = written(narrow=False)
    hook.remove()
    by_rows, weights = written(narrow=True)
    assert by_rows == by_whole
    assert len(weights) == len(whole_weights) > 0
    for own, other in zip(weights, whole_weights):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    assert "forward" not in vars(head)
