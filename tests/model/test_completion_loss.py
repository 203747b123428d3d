"""The loss on completions: in chunks, capped, pruned, in every family, against the plain one from the whole logits."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from gemma_poetry.config import LoraSettings
from gemma_poetry.data.dataset import IGNORED, PaddedCollator, PoemDataset
from gemma_poetry.data.tokenization import encode_poems
from gemma_poetry.model import completion_loss
from gemma_poetry.model.completion_loss import CompletionHead, completion_losses
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.model.vocabulary import needed_ids, prune_vocabulary
from tests.families import FAMILY_NAMES, family_model, small_tokenizer
from tests.tiny import CHARACTERS, make_poems


def batch_of(tokenizer, poems=5):
    samples = list(encode_poems(tokenizer, make_poems(poems)))
    return PaddedCollator(0)([PoemDataset(samples)[index] for index in range(poems)])


def adapted(family, tokenizer, **changes):
    """A family's model with updates that are no longer zero, without dropout."""
    model = family_model(family, len(tokenizer), seed=1, **changes)
    model, _ = add_adapter(model, LoraSettings(dropout=0.0), seed=1)
    generator = torch.Generator().manual_seed(2)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.05)
    return model


def plain(model, batch, kept=None):
    """The losses from whole logits, the model's own way through its head, over all rows or the kept ones."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    chosen = targets != IGNORED
    if kept is None:
        return functional.cross_entropy(logits[chosen], targets[chosen], reduction="none")
    return functional.cross_entropy(logits[chosen][:, kept], torch.searchsorted(kept, targets[chosen]), reduction="none")


def gradients(model, losses, weights):
    """Gradients of a weighted sum: tokens with different weights show a wrong factor of any of them."""
    model.zero_grad()
    (losses * weights).sum().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("pruned", [False, True], ids=["whole", "pruned"])
def test_losses_and_gradients_are_the_plain_ones(family, pruned, monkeypatch):
    tokenizer = small_tokenizer(family)
    batch = batch_of(tokenizer)
    reference = adapted(family, tokenizer).train()
    kept = needed_ids(tokenizer, encode_poems(tokenizer, make_poems(5)), CHARACTERS[:30]) if pruned else None
    expected = plain(reference, batch, kept)
    weights = torch.linspace(0.5, 2, len(expected))

    if kept is None:
        model, vocabulary = adapted(family, tokenizer).train(), None
    else:
        model = adapted(family, tokenizer).train()
        vocabulary = prune_vocabulary(model.get_base_model(), kept)
    monkeypatch.setattr(completion_loss, "CHUNK_BYTES", 4 * len(tokenizer) * 7)  # seven tokens a chunk or a few more
    losses = completion_losses(model, CompletionHead(model, vocabulary), batch)
    torch.testing.assert_close(losses, expected, atol=2e-5, rtol=1e-5)
    wanted, found = gradients(reference, expected, weights), gradients(model, losses, weights)
    assert found.keys() == wanted.keys() and len(found) >= 8
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], atol=2e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("family", ["gemma3_text", "gemma2", "gemma4_text"])  # without and with a soft-cap
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_sampled_rows_stand_for_all_that_were_dropped(family, share):
    tokenizer = small_tokenizer(family)
    batch = batch_of(tokenizer)
    reference, model = adapted(family, tokenizer).train(), adapted(family, tokenizer).train()
    kept = needed_ids(tokenizer, encode_poems(tokenizer, make_poems(5)), CHARACTERS[:30])
    dropped = len(reference.get_output_embeddings().weight) - len(kept)
    vocabulary = prune_vocabulary(model.get_base_model(), kept, sampled_rows=round(share * dropped))
    if share == 1:
        expected = plain(reference, batch)  # the sample is all of them: the whole model's loss
    else:
        # Which rows they are is told by their logits, which the pruned head computes itself.
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits[:, :-1]
        chosen = batch["labels"][:, 1:] != IGNORED
        own, others = logits[chosen].split([len(kept), vocabulary.sampled], dim=1)
        whole = torch.cat([own.exp().sum(1, keepdim=True), others.exp().mean(1, keepdim=True) * dropped], dim=1).sum(1).log()
        targets = torch.searchsorted(kept, batch["labels"][:, 1:][chosen])
        expected = whole - own.gather(1, targets[:, None]).squeeze(1)
    weights = torch.linspace(0.5, 2, len(expected))
    losses = completion_losses(model, CompletionHead(model, vocabulary), batch)
    torch.testing.assert_close(losses, expected, atol=2e-5, rtol=1e-5)
    found = gradients(model, losses, weights)
    wanted = gradients(reference if share == 1 else model, expected, weights)
    assert found.keys() == wanted.keys() and len(found) >= 8
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], atol=2e-4, rtol=1e-3, msg=name)


def test_a_trained_head_gets_its_gradient():
    tokenizer = small_tokenizer("gemma2")
    model = family_model("gemma2", len(tokenizer), seed=1)
    batch = batch_of(tokenizer)
    expected = plain(model, batch)
    wanted = gradients(model, expected, torch.ones(len(expected)))
    losses = completion_losses(model, CompletionHead(model), batch)
    found = gradients(model, losses, torch.ones(len(expected)))
    torch.testing.assert_close(losses, expected, atol=2e-5, rtol=1e-5)
    assert found.keys() == wanted.keys()
    torch.testing.assert_close(found["model.embed_tokens.weight"], wanted["model.embed_tokens.weight"], atol=1e-3, rtol=1e-3)


def test_only_hidden_states_are_kept_for_the_backward_pass():
    """Of the head nothing with a row for each piece stays in the graph: (N, pieces) is never saved."""
    tokenizer = small_tokenizer("gemma3_text")
    model = adapted("gemma3_text", tokenizer)
    batch = batch_of(tokenizer)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tuple(tensor.shape)) or tensor, lambda t: t):
        losses = completion_losses(model, CompletionHead(model), batch)
    pieces = model.get_output_embeddings().weight.shape[0]
    assert (len(losses), 32) in saved
    assert not any(len(shape) == 2 and shape[1] == pieces for shape in saved)


def test_no_gradient_flows_below_the_lowest_adapted_layer():
    tokenizer = small_tokenizer("gemma3_text")
    model, _ = add_adapter(family_model("gemma3_text", len(tokenizer)), LoraSettings(layers=(2, 3)), seed=1)
    flowing = {}
    for index, layer in enumerate(model.get_base_model().model.layers):
        layer.register_forward_hook(lambda _m, _i, out, index=index: flowing.__setitem__(index, out.requires_grad))
    completion_losses(model, CompletionHead(model), batch_of(tokenizer)).sum().backward()
    assert flowing == {0: False, 1: False, 2: True, 3: True}


def test_the_head_is_whole_again_afterwards():
    tokenizer = small_tokenizer("gemma3_text")
    model = adapted("gemma3_text", tokenizer)
    head = CompletionHead(model)
    batch = batch_of(tokenizer)
    with torch.no_grad():
        before = model(input_ids=batch["input_ids"]).logits
        completion_losses(model, head, batch)
        assert torch.equal(model(input_ids=batch["input_ids"]).logits, before)
