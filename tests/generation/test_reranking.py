"""What speaks for a poem, and how several are weighed."""

from __future__ import annotations

import math

import pytest
import torch

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_completion, encode_prompt
from gemma_poetry.generation.reranking import Candidate, Merits, Reranker, most_merits

LINES = ("空山新雨后", "天气晚来秋")
TEXT = "空山新雨后，天气晚来秋。"


def nats(model, tokenizer, conditions: Conditions) -> float:
    """The log-likelihood of `TEXT`, read off the model's own scores."""
    prompt, completion = encode_prompt(tokenizer, conditions), encode_completion(tokenizer, TEXT)
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(dim=-1)
    return sum(float(scores[len(prompt) - 1 + place, token]) for place, token in enumerate(completion))


def test_fluency_and_closeness_are_likelihoods(tiny, tokenizer):
    titled, bare = Conditions("五言绝句", "秋月"), Conditions("五言绝句")
    assessor = Reranker(tiny, tokenizer)
    one, other = assessor.assess([Candidate(titled, "五言绝句", LINES, TEXT), Candidate(bare, "五言绝句", LINES, TEXT)])
    with_title, without = nats(tiny, tokenizer, titled), nats(tiny, tokenizer, bare)
    assert one.fluency == pytest.approx(with_title / 10, rel=1e-4)
    assert one.closeness == pytest.approx((with_title - without) / 10, rel=1e-2, abs=1e-5)
    assert one.ppl_char == pytest.approx(math.exp(-with_title / 10), rel=1e-4)
    assert other.closeness == 0 and other.fluency == pytest.approx(without / 10, rel=1e-4)
    assert one.parallelism is None


def test_parallelism_is_the_likeness_of_answering_characters(tiny, tokenizer):
    assessor = Reranker(tiny, tokenizer)
    conditions = Conditions("五言律诗")

    def measured(lower: str) -> float:
        text = f"空山新雨后，{lower}。"
        (merits,) = assessor.assess([Candidate(conditions, "对联", ("空山新雨后", lower), text)])
        return merits.parallelism

    assert measured("空山新雨后") == pytest.approx(1, abs=1e-5), "a line answers itself with the very same embeddings"
    weight = tiny.get_input_embeddings().weight.detach()
    ids = tokenizer.convert_tokens_to_ids
    cosines = [torch.cosine_similarity(weight[ids(a)], weight[ids(b)], dim=0) for a, b in zip(*LINES)]
    assert measured(LINES[1]) == pytest.approx(float(sum(cosines)) / 5, abs=1e-5)


def test_coherence_is_what_lines_gain_by_those_before(tiny, tokenizer):
    conditions = Conditions("五言绝句", "秋月")
    (one,) = Reranker(tiny, tokenizer).assess([Candidate(conditions, "五言绝句", LINES, TEXT)])
    bare = Conditions("五言绝句")
    prompt = encode_prompt(tokenizer, bare)

    def alone(line: str) -> float:
        written = encode_completion(tokenizer, line)[:-1]
        with torch.no_grad():
            scores = tiny(input_ids=torch.tensor([prompt + written])).logits[0].log_softmax(dim=-1)
        return sum(float(scores[len(prompt) - 1 + place, token]) for place, token in enumerate(written))

    expected = nats(tiny, tokenizer, bare) - alone("空山新雨后，") - alone("天气晚来秋。")
    assert one.coherence == pytest.approx(expected / 10, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("lines", "expected", "why"),
    [
        (LINES, 0.0, "every pair is one of poets"),
        (("空山新雨后", "天气龘来秋"), -0.0 - 0 / 4, "天气 and 来秋 are used; the middle character is in no foot of its own"),
        (("空龘新雨后", "天气晚来秋"), -0.25, "空龘 is one foot of four"),
        (("空龘新龘龘", "龘气龘龘秋"), -1.0, "no foot is used"),
    ],
)
def test_usage_is_the_share_of_strange_feet(tiny, tokenizer, lines, expected, why):
    candidate = Candidate(Conditions("五言绝句"), "五言绝句", lines, f"{lines[0]}，{lines[1]}。")
    (one,) = Reranker(tiny, tokenizer).assess([candidate])
    assert one.usage == pytest.approx(expected), why


def merits(fluency=-2.0, closeness=0.0, coherence=0.0, usage=0.0, parallelism=None) -> Merits:
    return Merits(fluency, closeness, coherence, usage, parallelism)


@pytest.mark.parametrize(
    ("several", "expected", "why"),
    [
        ([merits(-3.0), merits(-2.0)], 1, "the likelier one"),
        ([merits(closeness=0.1), merits(closeness=0.3)], 1, "the closer one"),
        ([merits(coherence=1.1), merits(coherence=0.3)], 0, "the more coherent one"),
        ([merits(usage=-0.1), merits()], 1, "the one without strange pairs"),
        ([merits(parallelism=0.5), merits(parallelism=0.2)], 0, "the more parallel one"),
        ([merits(-2.0, 0.2), merits(-2.1, 0.2), merits(-9.0, 0.25)], 0, "a little closer does not outweigh far less fluent"),
        ([merits()], 0, "one alone"),
        ([merits(), merits()], 0, "of equals the first"),
    ],
)
def test_most_merits(several, expected, why):
    assert most_merits(several) == expected, why
