"""What speaks for a poem, and how several are weighed."""

from __future__ import annotations

import math

import pytest
import torch

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.data.tokenization import encode_completion, encode_prompt
from gemma_poetry.generation.reranking import Candidate, Merits, Reranker, best_of

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


@pytest.mark.parametrize(
    ("merits", "expected", "why"),
    [
        ([(-3.0, 0.0, None), (-2.0, 0.0, None)], 1, "the likelier one"),
        ([(-2.0, 0.1, None), (-2.0, 0.3, None)], 1, "the closer one"),
        ([(-2.0, 0.1, 0.5), (-2.0, 0.1, 0.2)], 0, "the more parallel one"),
        ([(-2.0, 0.2, None), (-2.1, 0.2, None), (-9.0, 0.25, None)], 0, "a little closer does not outweigh far less fluent"),
        ([(-2.0, 0.0, None)], 0, "one alone"),
        ([(-2.0, 0.0, None), (-2.0, 0.0, None)], 0, "of equals the first"),
    ],
)
def test_best_of(merits, expected, why):
    assert best_of([Merits(*one) for one in merits]) == expected, why
