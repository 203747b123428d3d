"""These checks hold the loss before a step against guessing, with and without the cache, in chunks and at once.

In: a base model and a few samples. Out: a finding a check, which names the public reports of the fault that it looks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.errors import ModelError
from gemma_poetry.languages import _
from gemma_poetry.model.reference_loss import Batch, plain_loss, tolerance
from gemma_poetry.model.scoring import score_completions

# A pretrained model knows more than nothing; one that is worse than chance is fed or wired wrongly.
_UNTRAINED_SHARE = 0.9
_WORSE_THAN_CHANCE_NATS = 1.0


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
