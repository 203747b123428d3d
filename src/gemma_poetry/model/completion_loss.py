"""The loss falls on completion tokens, without the logits of prompts and without all logits at once.

    batch ──layers──> (B, T, hidden) ──completion positions──> (N, hidden) ──chunks of the vocabulary──> nats (N,)

In: a causal language model and a batch of `data.dataset`. Out: the negative log-likelihood of each labelled token.

The head of a small Gemma is most of its work: at 262,144 pieces one position costs 168 million multiplications there,
in the 18 layers of Gemma 3 270M 100 million. So prompt and padding never reach it. Where the head is frozen, as under
LoRA, the gradient by its input is computed together with the loss, chunk by chunk of the vocabulary: the logits of a chunk are
dropped at once, and only (N, hidden) is kept for the backward pass, in place of (N, pieces) two or three times over. What was
summed so far is scaled anew where a chunk has a greater logit, so that each row of the head is read for all positions at once,
and once for each of the two products.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from gemma_poetry.data.dataset import IGNORED
from gemma_poetry.model.memory import CHUNK_BYTES
from gemma_poetry.model.vocabulary import KeptVocabulary


def next_labels(labels: torch.Tensor) -> torch.Tensor:
    """What each position is to predict: the label behind it, `IGNORED` where it has none, (B, T) as `labels`."""
    targets = torch.full_like(labels, IGNORED)
    targets[:, :-1] = labels[:, 1:]
    return targets


class _FrozenHeadLoss(torch.autograd.Function):
    """Cross-entropy of a frozen head, differentiated by the hidden states alone."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        cap: float | None,
        log_weights: torch.Tensor | None,
    ) -> torch.Tensor:
        count, wide = len(targets), torch.float32
        own = hidden.to(weight.dtype)
        greatest = torch.full((count, 1), -torch.inf, dtype=wide, device=hidden.device)
        total = torch.zeros((count, 1), dtype=wide, device=hidden.device)  # of exp(logit - greatest)
        of_target = torch.empty(count, dtype=wide, device=hidden.device)
        gradient = torch.zeros(hidden.shape, dtype=wide, device=hidden.device) if ctx.needs_input_grad[0] else None
        rows = max(1, CHUNK_BYTES // (4 * max(1, count)))
        for begin in range(0, len(weight), rows):
            part = weight[begin : begin + rows]
            logits = functional.linear(own, part, None if bias is None else bias[begin : begin + rows]).float()  # (N, rows)
            if cap is not None:
                logits = logits.div_(cap).tanh_().mul_(cap)
            # d cap·tanh(x / cap) / dx = 1 - (capped / cap)²
            slope = None if cap is None or gradient is None else (logits / cap).square_().neg_().add_(1)
            if log_weights is not None:
                logits.add_(log_weights[begin : begin + rows])
            here = ((targets >= begin) & (targets < begin + len(part))).nonzero().squeeze(1)
            of_target[here] = logits[here, targets[here] - begin]
            before, greatest = greatest, torch.maximum(greatest, logits.amax(dim=1, keepdim=True))
            shrunk = (before - greatest).exp()
            shares = logits.sub_(greatest).exp_()
            total = total * shrunk + shares.sum(dim=1, keepdim=True)
            if gradient is not None:
                if slope is not None:
                    shares.mul_(slope)
                gradient.mul_(shrunk).add_(shares.to(weight.dtype) @ part)
        if gradient is not None:
            # Probabilities times rows, less the row of the target.
            of_row = weight[targets].float()
            if cap is not None:
                plain = of_target if log_weights is None else of_target - log_weights[targets]
                of_row.mul_((1 - (plain / cap).square())[:, None])
            gradient = gradient.div_(total).sub_(of_row).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        return (greatest + total.log()).squeeze(1) - of_target

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return incoming[0][:, None].to(gradient.dtype) * gradient, None, None, None, None, None


class CompletionHead:
    """Takes a model's hidden states at the door of its head and computes the loss there.

    A hook inside `forward`, so that wrappers around the model (PEFT, DDP, FSDP) and each family's way to its head stay as
    they are, and sharded weights are whole when they are used. The head itself then sees a single position.

    Args:
        model: A causal language model of transformers, wrapped by PEFT or not.
        vocabulary: The rows that the model has, where it was pruned.
    """

    def __init__(self, model: Any, vocabulary: KeptVocabulary | None = None) -> None:
        self._vocabulary = vocabulary
        self._cap: float | None = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
        self._targets: torch.Tensor | None = None
        self._losses: torch.Tensor | None = None
        model.get_output_embeddings().register_forward_pre_hook(self._meet)

    def _meet(self, module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        if self._targets is None:
            return None
        chosen = self._targets != IGNORED
        self._losses = self._cross_entropy(module, inputs[0][chosen], self._targets[chosen])
        return (inputs[0][:1, :1],)

    def _cross_entropy(self, module: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        log_weights = None
        if self._vocabulary is not None:
            targets = self._vocabulary.targets(targets)
            log_weights = self._vocabulary.log_weights(hidden.device)
        targets = targets.to(hidden.device)
        if type(module) is torch.nn.Linear and not module.weight.requires_grad:
            with torch.autocast(hidden.device.type, enabled=False):
                losses: torch.Tensor = _FrozenHeadLoss.apply(
                    hidden, module.weight, module.bias, targets, self._cap, log_weights
                )
            return losses
        # A head that is trained, or more than a matrix (quantized, adapted); its hooks are passed over.
        logits = module.forward(hidden).float()  # (N, pieces)
        if self._cap is not None:
            logits = self._cap * torch.tanh(logits / self._cap)
        if log_weights is not None:
            logits = logits + log_weights
        return functional.cross_entropy(logits, targets, reduction="none")

    @contextlib.contextmanager
    def wanting(self, targets: torch.Tensor) -> Iterator[None]:
        """While the block runs, a call of the model computes the losses of these targets, (B, T), `IGNORED` left out."""
        self._targets = targets
        try:
            yield
        finally:
            self._targets = None

    def take(self) -> torch.Tensor:
        """The losses that the last call computed, in nats, row after row: (N,)."""
        losses, self._losses = self._losses, None
        assert losses is not None, "the model was not called, or has another head"
        return losses


def completion_losses(model: torch.nn.Module, head: CompletionHead, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Negative log-likelihoods of the labelled tokens, in nats, row after row: (N,).

    Args:
        model: The model, wrapped or not.
        head: The `CompletionHead` of that model.
        batch: `input_ids`, `labels` (B, T) and `attention_mask` or `position_ids`.
    """
    targets = next_labels(batch["labels"])
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids") if name in batch}
    with head.wanting(targets):
        model(**inputs, use_cache=False)
    return head.take()
