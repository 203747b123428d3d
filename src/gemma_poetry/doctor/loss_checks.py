"""These checks hold the loss before a step against guessing, with and without the cache, in chunks and at once.

In: a base model and a few samples. Out: the samples as a batch, and their loss by the model's own logits; a finding a check,
which names the public reports of the fault that it looks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from gemma_poetry.data.dataset import IGNORED, PaddedCollator
from gemma_poetry.data.tokenization import TokenizedPoem, padding_id
from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.errors import ModelError
from gemma_poetry.languages import _
from gemma_poetry.model.completion_loss import next_labels
from gemma_poetry.model.scoring import score_completions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A pretrained model knows more than nothing; one that is worse than chance is fed or wired wrongly.
_UNTRAINED_SHARE = 0.9
_WORSE_THAN_CHANCE_NATS = 1.0
_SAME_LOSS = {torch.float32: 1e-3}
_SAME_LOSS_HALF = 5e-2

Batch = dict[str, torch.Tensor]


def check_step_0(model: Any, probe: Sequence[TokenizedPoem]) -> Finding:
    """The loss before training against that of guessing: the logarithm of the vocabulary (transformers#45242)."""
    expected_by_chance = math.log(model.get_output_embeddings().weight.shape[0])
    expected = _("finite, and below the {expected_by_chance:.2f} nats of guessing", expected_by_chance=expected_by_chance)
    try:
        scores = score_completions(model, probe)
        loss = sum(score.nll for score in scores) / sum(score.tokens for score in scores)
        if not math.isfinite(loss):
            raise ModelError(_("the loss is infinite"), action=_("load the model in float32 or bfloat16"))
    except ModelError as error:
        return Finding(_("step-0 loss"), "fault", error.found, expected, error.action)
    found = _("{loss:.2f} nats a token on {count} poems", loss=loss, count=len(probe))
    if loss > expected_by_chance + _WORSE_THAN_CHANCE_NATS:
        action = _(
            "worse than guessing: look for another tokenizer's data, a missing BOS, "
            "or a transformers version that computes this family wrongly"
        )
        return Finding(_("step-0 loss"), "fault", found, expected, action)
    action = _("the model seems untrained; name a pretrained one, unless that is meant")
    return judge(_("step-0 loss"), loss < _UNTRAINED_SHARE * expected_by_chance, found, expected, action, otherwise="warning")


def check_cache(model: Any, batch: Batch) -> Finding:
    """The loss is the same with and without the key-value cache, through which Gemma 3n and 4 share keys."""
    with torch.inference_mode():
        with_cache, without = (float(plain_loss(model, batch, use_cache=use)) for use in (True, False))
    return judge(
        _("cache"),
        abs(with_cache - without) <= tolerance(model),
        _("{without:.4f} nats a token without the cache, {with_cache:.4f} with it", without=without, with_cache=with_cache),
        _("the same (training runs without it)"),
        _("upgrade transformers: layers that share keys and values lose them in training (transformers#45242)"),
    )


def check_head(model: Any, probe: Sequence[TokenizedPoem], batch: Batch) -> Finding:
    """The chunked loss is that of the whole logits, the final soft-cap kept (prime-rl#2362, Liger#1308)."""
    scores = score_completions(model, probe)
    chunked = sum(score.nll for score in scores) / sum(score.tokens for score in scores)
    with torch.inference_mode():
        whole = float(plain_loss(model, batch))
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return judge(
        _("head"),
        abs(chunked - whole) <= tolerance(model),
        _(
            "{chunked:.4f} nats a token in chunks, {whole:.4f} at once, soft-cap {cap}",
            chunked=chunked,
            whole=whole,
            cap=cap or _("none"),
        ),
        _("the same"),
        _("perplexities of this model would be wrong; report the versions of torch and transformers"),
    )


def probe_batch(samples: Sequence[TokenizedPoem], tokenizer: PreTrainedTokenizerBase, device: torch.device) -> Batch:
    """The samples as training would batch them, (B, T) on the device, completions labelled."""
    items = [{"sample": sample, "characters": 0, "group": 0} for sample in samples]
    batch = PaddedCollator(padding_id(tokenizer))(items)
    return {name: batch[name].to(device) for name in ("input_ids", "attention_mask", "labels")}


def plain_loss(model: Any, batch: Batch, *, use_cache: bool = False) -> torch.Tensor:
    """Mean negative log-likelihood of the labelled tokens, in nats, by the model's own logits.

    The reference for `model.completion_loss` and `model.scoring`, which compute logits themselves: here the model's code
    takes the same positions through its head and soft-cap.
    """
    targets = next_labels(batch["labels"])
    chosen = targets != IGNORED

    def select(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0][chosen],)  # (B, T, hidden) -> (N, hidden): the others' logits are never needed

    hook = model.get_output_embeddings().register_forward_pre_hook(select)
    try:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        logits = model(**inputs, use_cache=use_cache).logits
    finally:
        hook.remove()
    return functional.cross_entropy(logits.float(), targets[chosen])


def tolerance(model: Any) -> float:
    """How far two ways to the same loss may lie apart in the model's arithmetic, in nats a token."""
    return _SAME_LOSS.get(model.dtype, _SAME_LOSS_HALF)
