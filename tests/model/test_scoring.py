"""Likelihoods of completions, against the model's own logits."""

from __future__ import annotations

import pytest
import torch

from gemma_poetry.data.tokenization import TokenizedPoem, encode_poems
from gemma_poetry.errors import ModelError
from gemma_poetry.model import scoring
from gemma_poetry.model.scoring import length_batches, score_completions, score_variants
from gemma_poetry.model.vocabulary import prune_vocabulary
from tests.tiny import make_model, make_poems, make_tokenizer

COMMON = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 8, "intermediate_size": 32, "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 1,
    "bos_token_id": 2,
}  # fmt: skip

SAMPLES = [
    TokenizedPoem((2, 7, 8), (9, 10, 11, 1)),
    TokenizedPoem((2,), (49, 1)),
    TokenizedPoem((2, 7, 8, 4, 5, 6), (12, 13, 1)),
    TokenizedPoem((2, 5), (1,)),
    TokenizedPoem((2, 7), (9, 10, 9, 10, 9, 10, 9, 10, 1)),
]


def expected_nats(model, sample: TokenizedPoem) -> float:
    """The plain way: the model's own logits, one sample at a time, without padding."""
    ids = torch.tensor([sample.prompt_ids + sample.completion_ids])
    with torch.no_grad():
        logs = model(input_ids=ids).logits[0].double().log_softmax(-1)
    first = len(sample.prompt_ids)
    return -sum(float(logs[place - 1, ids[0, place]]) for place in range(first, len(sample)))


def family(name: str):
    """A random two-layer model of a Gemma family."""
    import transformers

    torch.manual_seed(3)
    if name == "Gemma2":
        # Small caps, so that leaving one out shows.
        config = transformers.Gemma2Config(**COMMON, query_pre_attn_scalar=8, final_logit_softcapping=0.5, sliding_window=4)
        return transformers.Gemma2ForCausalLM._from_config(config, attn_implementation="eager").eval()
    if name == "Gemma3":
        config = transformers.Gemma3TextConfig(**COMMON, query_pre_attn_scalar=8, sliding_window=4)
        return transformers.Gemma3ForCausalLM(config).eval()
    return transformers.GemmaForCausalLM(transformers.GemmaConfig(**COMMON)).eval()


@pytest.mark.parametrize("name", ["Gemma1", "Gemma2", "Gemma3"])
@pytest.mark.parametrize("batch_tokens", [1, 16, 4096])
@pytest.mark.parametrize("chunk_bytes", [4, 400, 2**20])
def test_scores_are_those_of_the_models_own_logits(name, batch_tokens, chunk_bytes, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_BYTES", chunk_bytes)
    model = family(name)
    torch.nn.init.normal_(model.get_output_embeddings().weight, std=1.0)
    scores = score_completions(model, SAMPLES, batch_tokens=batch_tokens)
    assert [score.tokens for score in scores] == [4, 2, 3, 1, 9]
    assert [score.nll for score in scores] == pytest.approx([expected_nats(model, sample) for sample in SAMPLES], rel=1e-5)


@pytest.mark.parametrize("kind", [torch.nn.Linear, type("Adapted", (torch.nn.Linear,), {})], ids=["matrix", "module"])
@pytest.mark.parametrize("among", [(), (9, 10, 11, 30), range(50)], ids=["their own", "some", "all"])
def test_scores_confined_to_some_tokens(kind, among, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_BYTES", 400)
    model = family("Gemma2")
    head = kind(16, 50, bias=True)
    torch.nn.init.normal_(head.weight, std=1.0)
    model.lm_head = head
    rows = sorted({*among, *(token for sample in SAMPLES for token in sample.completion_ids)})
    expected = []
    for sample in SAMPLES:
        ids = torch.tensor([sample.prompt_ids + sample.completion_ids])
        with torch.no_grad():
            logs = model(input_ids=ids).logits[0].double()
        logs = logs - logs[:, rows].logsumexp(-1, keepdim=True)
        places = range(len(sample.prompt_ids), len(sample))
        expected.append(-sum(float(logs[place - 1, ids[0, place]]) for place in places))
    scores = score_completions(model, SAMPLES, among=among)
    assert [score.nll for score in scores] == pytest.approx(expected, rel=1e-5)


def test_a_head_that_is_more_than_a_matrix_is_run_itself(monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_BYTES", 3 * 4 * 50)

    class Shifted(torch.nn.Linear):
        def forward(self, states):
            return super().forward(states) + torch.arange(50.0) / 10

    model = family("Gemma2")
    model.lm_head = Shifted(16, 50, bias=False)
    scores = score_completions(model, SAMPLES)
    assert [score.nll for score in scores] == pytest.approx([expected_nats(model, sample) for sample in SAMPLES], rel=1e-5)


def test_an_adapter_counts_and_can_be_put_aside():
    from peft import LoraConfig, get_peft_model

    base = family("Gemma3")
    plain = score_completions(base, SAMPLES)
    tuned = get_peft_model(base, LoraConfig(target_modules=["q_proj", "v_proj"], r=2, init_lora_weights=False)).eval()
    adapted = score_completions(tuned, SAMPLES)
    assert [score.nll for score in adapted] == pytest.approx([expected_nats(tuned, sample) for sample in SAMPLES], rel=1e-5)
    assert all(abs(a.nll - b.nll) > 1e-4 for a, b in zip(adapted[:3], plain))
    with tuned.disable_adapter():
        assert score_completions(tuned, SAMPLES) == plain


def test_bfloat16_weights_are_scored_in_float32():
    tokenizer = make_tokenizer()
    samples = list(encode_poems(tokenizer, make_poems(4)))
    model = make_model(tokenizer)
    exact = score_completions(model, samples)
    rounded = score_completions(model.to(torch.bfloat16), samples)
    assert [score.nll for score in rounded] == pytest.approx([score.nll for score in exact], rel=1e-2)


def test_padding_is_never_larger_than_the_budget():
    lengths = [5, 30, 7, 7, 1, 2, 90, 6]
    batches = list(length_batches(lengths, 32))
    assert sorted(index for batch in batches for index in batch) == list(range(8))
    assert all(len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 32 for batch in batches)
    assert batches[0] == [6]
    assert len(batches) == 4


def test_a_batch_is_cut_where_padding_grows():
    lengths = [100] * 10 + [10] * 40
    assert [len(batch) for batch in length_batches(lengths, 10**6)] == [12, 38]
    assert [len(batch) for batch in length_batches([20] * 10 + [19] * 40, 10**6)] == [50]


def test_progress_adds_up_to_all_samples():
    done: list[int] = []
    score_completions(family("Gemma3"), SAMPLES, batch_tokens=16, progress=done.append)
    assert sum(done) == len(SAMPLES) and len(done) > 1


def test_a_model_that_yields_no_numbers_is_named():
    model = family("Gemma3")
    torch.nn.init.constant_(model.model.layers[0].mlp.up_proj.weight, torch.nan)
    with pytest.raises(ModelError, match="5 of 5 poems is not a number"):
        score_completions(model, SAMPLES)


def test_a_head_that_lacks_a_token_is_named():
    """A model that trains on the kept rows, asked for the ids of the whole vocabulary."""
    model = family("Gemma3")
    ids = {token for sample in SAMPLES for token in sample.prompt_ids + sample.completion_ids}
    prune_vocabulary(model, torch.tensor(sorted({0, *ids})))
    with pytest.raises(ModelError, match="1 of 5 poems is not a number"):
        score_completions(model, SAMPLES)


def test_nothing_to_score_is_no_error():
    assert score_completions(family("Gemma3"), []) == []


@pytest.mark.parametrize("batch_tokens", [8, 4096])
@pytest.mark.parametrize("among", [False, True])
@pytest.mark.parametrize("name", ["Gemma1", "Gemma2", "Gemma3"])
def test_variants_are_scored_as_by_themselves(name, batch_tokens, among):
    """One prompt and beginning, longer than the window of attention, other ends and lengths; one is the beginning itself."""
    model = family(name)
    torch.nn.init.normal_(model.get_output_embeddings().weight, std=1.0)
    prompt, begun = (2, 9, 49, 11), (12, 13, 14)
    ends = [(20, 21, 1), (20, 22, 23, 24, 1), (30, 1), (1,), ()]
    samples = [TokenizedPoem(prompt, (*begun, *end)) for end in ends]
    pieces = range(25) if among else None
    expected = score_completions(model, samples, among=pieces)
    found = score_variants(model, samples, batch_tokens=batch_tokens, among=pieces)
    assert [score.tokens for score in found] == [score.tokens for score in expected]
    assert [score.nll for score in found] == pytest.approx([score.nll for score in expected], abs=1e-4)


def test_variants_that_have_nothing_in_common_are_scored_too():
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    samples = [TokenizedPoem((2, 9), (12, 1)), TokenizedPoem((2, 10, 11), (12, 13, 1)), TokenizedPoem((3,), (14,))]
    expected = score_completions(model, samples)
    assert [one.nll for one in score_variants(model, samples)] == pytest.approx([one.nll for one in expected], abs=1e-4)
    assert score_variants(model, []) == []
