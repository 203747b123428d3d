"""A few poems that a model is tried on: as a batch, the loss of the model's own logits on them, and what counts as equal.

In: samples, a model of transformers. Out: the batch, the loss in nats a token, a tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from gemma_poetry.data.dataset import IGNORED, PaddedCollator
from gemma_poetry.data.tokenization import TokenizedPoem, padding_id
from gemma_poetry.model.completion_loss import next_labels

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SAME_LOSS = {torch.float32: 1e-3}
_SAME_LOSS_HALF = 5e-2

Batch = dict[str, torch.Tensor]


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
