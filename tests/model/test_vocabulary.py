"""Pruned vocabularies: the same hidden states in every family, the kept rows' logits, and ids that were dropped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from gemma_poetry.config import TrainSettings
from gemma_poetry.data.tokenization import TokenizedPoem, encode_poems, stop_ids
from gemma_poetry.errors import ModelError, UsageError
from gemma_poetry.model.loading import load_model
from gemma_poetry.model.vocabulary import (
    DROPPED,
    han_characters,
    head_rows,
    in_kept_pieces,
    is_worthwhile,
    needed_ids,
    prune_vocabulary,
    pruned_parameters,
)
from tests.families import FAMILY_NAMES, family_model, save_family, small_tokenizer
from tests.tiny import CHARACTERS, make_poems

UNSEEN = "桥舟灯书酒客"
SEEN = [character for character in CHARACTERS if character not in UNSEEN]


@pytest.fixture(scope="module", params=FAMILY_NAMES)
def pair(request):
    """A family's tokenizer, its whole model, the same model pruned, the kept ids and what `prune_vocabulary` said."""
    tokenizer = small_tokenizer(request.param)
    whole, pruned = (family_model(request.param, len(tokenizer), seed=3) for _ in range(2))
    kept = needed_ids(tokenizer, [], SEEN)
    return tokenizer, whole, pruned, kept, prune_vocabulary(pruned, kept)


def hidden_and_logits(model, ids):
    states = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _module, inputs: states.append(inputs[0]))
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    hook.remove()
    return states[0], logits


def covered(tokenizer, kept):
    """Two rows of ids that the kept pieces cover: characters, byte pieces, specials."""
    text = tokenizer("".join(SEEN[20::-1]) + "𠮷", add_special_tokens=False)["input_ids"]
    specials = [2, *text, 1, 0]
    assert set(specials) <= set(kept.tolist())
    return torch.tensor([specials, specials[::-1]])


def assert_same(tokenizer, whole, pruned, kept):
    ids = covered(tokenizer, kept)
    expected, logits = hidden_and_logits(whole, ids)
    found, kept_logits = hidden_and_logits(pruned, ids)
    assert torch.equal(found, expected)
    torch.testing.assert_close(kept_logits, logits[..., kept], atol=1e-5, rtol=1e-5)


def test_hidden_states_are_those_of_the_whole_model_bit_for_bit(pair):
    tokenizer, whole, pruned, kept, _ = pair
    assert_same(tokenizer, whole, pruned, kept)


def test_every_table_is_shorter_and_ties_stay(pair):
    _, whole, pruned, kept, vocabulary = pair
    embedding, head = pruned.get_input_embeddings(), pruned.get_output_embeddings()
    assert embedding.weight.shape[0] == head.weight.shape[0] == embedding.num_embeddings == head.out_features == len(kept)
    tied = whole.get_input_embeddings().weight is whole.get_output_embeddings().weight
    assert (embedding.weight is head.weight) == tied
    for name, module in pruned.named_modules():
        if name.endswith("embed_tokens_per_layer"):
            assert module.weight.shape[0] == len(kept)
    before, after = (sum(weight.numel() for weight in model.parameters()) for model in (whole, pruned))
    assert before - after == vocabulary.parameters == pruned_parameters(whole, kept)
    assert pruned.config.get_text_config().vocab_size == whole.config.get_text_config().vocab_size


def test_an_untied_head_is_pruned_too():
    tokenizer = small_tokenizer("gemma3_text")
    whole, pruned = (family_model("gemma3_text", len(tokenizer), seed=3, tie_word_embeddings=False) for _ in range(2))
    kept = needed_ids(tokenizer, [], SEEN)
    assert whole.get_input_embeddings().weight is not whole.get_output_embeddings().weight
    prune_vocabulary(pruned, kept)
    assert_same(tokenizer, whole, pruned, kept)
    assert pruned.get_input_embeddings().weight is not pruned.get_output_embeddings().weight


def test_a_dropped_id_is_an_error_in_text_and_as_a_target(pair):
    tokenizer, _, pruned, kept, vocabulary = pair
    dropped = tokenizer.convert_tokens_to_ids("舟")
    assert dropped not in kept and vocabulary.row_of_id[dropped] == DROPPED
    with pytest.raises(IndexError):
        pruned(input_ids=torch.tensor([[2, dropped]]))
    with pytest.raises(UsageError, match="keep-vocabulary"):
        vocabulary.targets(torch.tensor([1, dropped]))


def test_sampled_rows_stand_behind_the_kept_ones_in_the_head_alone():
    tokenizer = small_tokenizer("gemma3n_text")
    whole, pruned = (family_model("gemma3n_text", len(tokenizer), seed=3) for _ in range(2))
    kept = needed_ids(tokenizer, [], SEEN)
    vocabulary = prune_vocabulary(pruned, kept, sampled_rows=20)
    rows, weight = len(kept), pruned.get_output_embeddings().weight
    assert vocabulary.kept == rows and vocabulary.sampled == 20 and weight.shape[0] == rows + 20
    table = whole.get_output_embeddings().weight
    assert torch.equal(weight[:rows], table[kept])
    others = [int((table == row).all(1).nonzero()) for row in weight[rows:]]
    assert len(set(others)) == 20 and not set(others) & set(kept.tolist())
    assert sum(len(module.weight) == rows for name, module in pruned.named_modules() if name.endswith("_per_layer")) == 1
    # They are nobody's: text and targets cannot name them.
    with pytest.raises(IndexError):
        pruned(input_ids=torch.tensor([[2, others[0]]]))
    with pytest.raises(UsageError, match="keep-vocabulary"):
        vocabulary.targets(torch.tensor([others[0]]))
    before, after = (sum(weight.numel() for weight in model.parameters()) for model in (whole, pruned))
    assert before - after == vocabulary.parameters
    ids = covered(tokenizer, kept)
    assert torch.equal(hidden_and_logits(pruned, ids)[0], hidden_and_logits(whole, ids)[0])


def test_the_sample_is_the_same_every_time_and_never_more_than_there_is():
    tokenizer = small_tokenizer("gemma3_text")
    kept = needed_ids(tokenizer, [], SEEN)
    heads = []
    for _ in range(2):
        model = family_model("gemma3_text", len(tokenizer), seed=3)
        prune_vocabulary(model, kept, sampled_rows=9)
        heads.append(model.get_output_embeddings().weight)
    assert torch.equal(*heads)
    model = family_model("gemma3_text", len(tokenizer), seed=3)
    rows = model.get_output_embeddings().weight.shape[0]
    vocabulary = prune_vocabulary(model, kept, sampled_rows=10**6)
    assert vocabulary.sampled == rows - len(kept) and vocabulary.parameters == 0
    assert (
        head_rows(kept, rows, TrainSettings()) == rows and head_rows(kept, rows, TrainSettings(sampled_rows=5)) == len(kept) + 5
    )


def test_what_is_needed():
    tokenizer = small_tokenizer("gemma3_text", instruction_tuned=True)
    samples = list(encode_poems(tokenizer, make_poems(1)))
    kept = set(needed_ids(tokenizer, samples, "舟龘").tolist())
    assert set(tokenizer.all_special_ids) | set(stop_ids(tokenizer)) <= kept
    assert {tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in range(256)} <= kept
    assert {index for sample in samples for index in sample.prompt_ids + sample.completion_ids} <= kept
    assert tokenizer.convert_tokens_to_ids("舟") in kept
    assert not kept & set(tokenizer.convert_tokens_to_ids(["<unused30>", "明月", "q"]))


def test_characters_are_read_from_records(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"title": "夜 x", "lines": ["月〇，𠮷。"], "form": "é"}\n', encoding="utf-8")
    assert han_characters([tmp_path / "a.jsonl"]) == set("夜月〇𠮷")


def test_pruning_is_worthwhile_where_rows_are_most_of_the_model():
    tokenizer = small_tokenizer("gemma3_text")
    model = family_model("gemma3_text", len(tokenizer))
    assert not is_worthwhile(model, torch.arange(len(tokenizer) - 10))
    assert is_worthwhile(family_model("gemma3_text", 40_000), torch.arange(300))
    assert not is_worthwhile(family_model("gemma3_text", 4000), torch.arange(300))


def test_ids_beyond_the_model_are_refused():
    model = family_model("gemma3_text", 500)
    sample = TokenizedPoem((2,), (5000, 1))
    kept = needed_ids(small_tokenizer("gemma3_text"), [sample], "")
    with pytest.raises(ModelError, match="5000"):
        prune_vocabulary(model, kept)


def test_a_text_is_cut_into_the_pieces_that_a_pruned_model_has():
    tokenizer = small_tokenizer("gemma3_text")
    model = family_model("gemma3_text", len(tokenizer))
    joined = tokenizer.convert_tokens_to_ids("明月")
    prompt, poem = tokenizer("题目：明月")["input_ids"], tokenizer("明月春", add_special_tokens=False)["input_ids"]
    sample = TokenizedPoem(tuple(prompt), (*poem, 1))
    assert joined in poem and in_kept_pieces(model, tokenizer, sample) == sample
    prune_vocabulary(model, torch.tensor([index for index in range(len(tokenizer)) if index != joined]))
    cut = in_kept_pieces(model, tokenizer, sample)
    assert joined not in cut.prompt_ids + cut.completion_ids
    assert tokenizer.decode(cut.completion_ids) == tokenizer.decode(sample.completion_ids)
    model(input_ids=torch.tensor([cut.prompt_ids + cut.completion_ids]))
    with pytest.raises(IndexError):
        model(input_ids=torch.tensor([sample.prompt_ids]))


@pytest.mark.skipif(sys.platform != "linux", reason="wants /proc")
def test_the_file_of_the_dropped_rows_is_let_go(tmp_path):
    """Weights that lie in a mapped file would keep all of it in memory, the dropped rows too."""
    folder = save_family(tmp_path / "model", "gemma3_text")
    loaded = load_model(str(folder), device="cpu", dtype="float32")

    def is_mapped() -> bool:
        return str(folder) in Path("/proc/self/maps").read_text()

    assert is_mapped()
    before = {name: weight.detach().clone() for name, weight in loaded.model.named_parameters()}
    prune_vocabulary(loaded.model, torch.arange(300))
    assert not is_mapped()
    for name, weight in loaded.model.named_parameters():
        assert torch.equal(weight, before[name][: len(weight)])
