"""Scoring tells how likely a model finds given completions: likelihoods for reports come from here alone.

In: a causal language model (wrapped by PEFT or not) and `TokenizedPoem`s.
Out: for each its negative log-likelihood in nats, terminator included, and its number of tokens.

    samples ──by length──> batches (B, T) ──layers──> (B, T, hidden) ──completion positions──> (N, hidden)
                                                                       ──chunks of the vocabulary──> nats (N,)

Prompt positions never reach the head, and the logits of the others never stand in memory at once: with 262,144 pieces a
batch of 4,096 tokens would need 4 GiB for them. The log-sum-exp is carried on from chunk to chunk of the vocabulary, in
float32 whatever the model's dtype, and a family's soft-cap on the logits is kept (without it Gemma 2's perplexities are
wrong). The sum over all pieces is exact, so figures are over the full vocabulary. Only where poems are merely to be ranked
may it be confined to the pieces that poems are made of (`among`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.errors import ModelError
from gemma_poetry.languages import _
from gemma_poetry.model.memory import CHUNK_BYTES
from gemma_poetry.model.packed_layers import packed_layers

_MOST_PADDING = 256
"""Tokens of padding in a batch: more of them take longer than another batch does."""


@dataclass(frozen=True, slots=True)
class CompletionScore:
    """The likelihood of one completion.

    Attributes:
        nll: Negative log-likelihood, terminator included, in nats.
        tokens: Tokens, terminator included.
    """

    nll: float
    tokens: int


def score_completions(
    model: Any,
    samples: Sequence[TokenizedPoem],
    *,
    batch_tokens: int = 4096,
    progress: Callable[[int], object] | None = None,
    among: Collection[int] | None = None,
) -> list[CompletionScore]:
    """Scores completions given their prompts.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        samples: Prompts and completions.
        batch_tokens: Tokens of a batch, padding counted; a longer sample makes a batch of its own.
        progress: Called with the number of samples done, batch by batch.
        among: Tokens that the distribution is confined to (those of the completions are among them, named or not): what
            is compared under one confinement can be ranked by it, for a part of the time. `None`: the whole vocabulary.

    Returns:
        One score a sample, in the order of the samples.

    Raises:
        ModelError: A likelihood is not a number.
    """
    scores: list[CompletionScore | None] = [None] * len(samples)
    device = next(model.parameters()).device
    rows = None if among is None else sorted({*among, *(token for sample in samples for token in sample.completion_ids)})
    with torch.inference_mode(), packed_layers(model):
        head = _Head(model, rows)
        for chosen in length_batches([len(sample) for sample in samples], batch_tokens):
            batch = [samples[index] for index in chosen]
            for index, score in zip(chosen, _score_batch(head, batch, device)):
                scores[index] = score
            if progress is not None:
                progress(len(chosen))
    done = [score for score in scores if score is not None]
    assert len(done) == len(samples)
    return _sound(done)


def _sound(scores: list[CompletionScore]) -> list[CompletionScore]:
    """Scores, if all are numbers."""
    broken = sum(score.nll != score.nll for score in scores)
    if broken:
        raise ModelError(
            _("the likelihood of {broken} of {count} poems is not a number", broken=broken, count=len(scores)),
            expected=_("finite activations"),
            action=_("load the model in float32 or bfloat16 (float16 overflows in Gemma 3), and check its weights"),
        )
    return scores


def score_variants(
    model: Any, samples: Sequence[TokenizedPoem], *, batch_tokens: int = 4096, among: Collection[int] | None = None
) -> list[CompletionScore]:
    """Scores samples that begin alike, as `score_completions` does; what they have in common is read once.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        samples: Prompts and completions, of one prompt at best.
        batch_tokens: Tokens of a batch, those in common not counted.
        among: Tokens that the distribution is confined to; `None`: the whole vocabulary.
    """
    rows = [sample.prompt_ids + sample.completion_ids for sample in samples]
    # The last token in common is read again, in front of what follows it: it predicts the first of that.
    begun = min(_in_common(rows), *(len(row) - 1 for row in rows)) - 1 if len(rows) > 1 else 0
    if begun < 1 or any(len(sample.prompt_ids) > begun + 1 for sample in samples):
        return score_completions(model, samples, batch_tokens=batch_tokens, among=among)
    device = next(model.parameters()).device
    confined = None if among is None else sorted({*among, *(token for sample in samples for token in sample.completion_ids)})
    scores: dict[int, CompletionScore] = {}
    with torch.inference_mode(), packed_layers(model):
        head = _Head(model, confined)
        common = torch.tensor([rows[0][: begun + 1]], device=device)
        hidden, cache = head.inputs(common[:, :-1], torch.ones_like(common[:, :-1]), keep=True)
        # Of prompts nothing is asked, nor are their tokens among those that the distribution may be confined to.
        asked = min(len(sample.prompt_ids) for sample in samples) - 1
        nats_before = head.losses(hidden[0, asked:], common[0, asked + 1 :]).double().cpu()
        for chosen in length_batches([len(row) - begun for row in rows], batch_tokens):
            batch = [rows[index][begun:] for index in chosen]
            input_ids = torch.zeros((len(batch), max(map(len, batch))), dtype=torch.long)
            attention_mask = torch.zeros((len(batch), begun + input_ids.shape[1]), dtype=torch.long)
            for row, tokens in enumerate(batch):
                input_ids[row, : len(tokens)] = torch.tensor(tokens)
                attention_mask[row, : begun + len(tokens)] = 1
            own = copy.deepcopy(cache)
            own.batch_repeat_interleave(len(batch))
            hidden, _unused = head.inputs(input_ids.to(device), attention_mask.to(device), own)
            row_numbers = torch.tensor([row for row, tokens in enumerate(batch) for _ in tokens[1:]])
            places = torch.tensor([place for tokens in batch for place in range(1, len(tokens))])
            losses = head.losses(hidden[row_numbers, places - 1], input_ids[row_numbers, places].to(device))
            nats = losses.double().cpu().split([len(tokens) - 1 for tokens in batch])
            for index, behind in zip(chosen, nats):
                before = nats_before[len(samples[index].prompt_ids) - 1 - asked :].sum()
                scores[index] = CompletionScore(float(before + behind.sum()), len(samples[index].completion_ids))
    return _sound([scores[index] for index in range(len(samples))])


def _in_common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with alike."""
    shared = 0
    for column in zip(*rows):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared


def length_batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Batches of indices, long samples first, so that a batch too large for the memory fails at once.

    Args:
        lengths: Tokens of each sample.
        batch_tokens: Rows times the longest row of a batch is at most this, unless a batch has one row.
    """
    batch: list[int] = []
    padding = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        padding += lengths[batch[0]] - lengths[index] if batch else 0
        if batch and ((len(batch) + 1) * lengths[batch[0]] > batch_tokens or padding > _MOST_PADDING):
            yield batch
            batch, padding = [], 0
        batch.append(index)
    if batch:
        yield batch


class _Head:
    """A model's output head, taken apart from the layers below it.

    Args:
        model: A causal language model of transformers, wrapped by PEFT or not.
        rows: Tokens that the distribution is confined to, ascending; `None`: the whole vocabulary.
    """

    def __init__(self, model: Any, rows: Sequence[int] | None = None) -> None:
        self._model = model
        self._module: torch.nn.Module = model.get_output_embeddings()
        # A head that is more than its matrix, for now (`whole_ids` of a pruned model) or for good, is asked itself.
        self._chunked = type(self._module) is torch.nn.Linear and "forward" not in vars(self._module)
        self._rows = None if rows is None else torch.tensor(rows, device=next(model.parameters()).device)
        if self._chunked:
            weight, bias = self._module.weight, self._module.bias
            self._weight = weight if self._rows is None else weight[self._rows]
            self._bias = bias if self._rows is None or bias is None else bias[self._rows]
        self._cap: float | None = getattr(model.config.get_text_config(), "final_logit_softcapping", None)

    def inputs(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, cache: Any = None, *, keep: bool = False
    ) -> tuple[torch.Tensor, Any]:
        """The hidden states (B, T, hidden) that the model gives its head for tokens (B, T), and its cache, if that is kept.

        With a cache of P tokens the mask is (B, P + T). A hook at the head's door leaves wrappers around the model, and each
        family's way to its head, as they are.
        """
        taken: list[torch.Tensor] = []

        def take(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            taken.append(inputs[0])
            return (inputs[0][:1, :1],)

        hook = self._module.register_forward_pre_hook(take)
        try:
            known = {} if cache is None else {"cache": cache}
            output = self._model(
                input_ids=input_ids, attention_mask=attention_mask, use_cache=keep or cache is not None, **known
            )
        finally:
            hook.remove()
        (hidden,) = taken
        assert hidden.shape[:2] == input_ids.shape, (hidden.shape, input_ids.shape)
        return hidden, output.cache if keep else None

    def losses(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihoods of targets (N,) given hidden states (N, hidden), in nats: (N,) float32."""
        if self._rows is not None:
            targets = torch.searchsorted(self._rows, targets)
        return self._by_vocabulary(hidden, targets) if self._chunked else self._by_position(hidden, targets)

    def _by_vocabulary(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        weight, bias = self._weight, self._bias
        hidden = hidden.float()
        normaliser = torch.full_like(targets, -torch.inf, dtype=torch.float32)
        # A target that the head has no row for (a model that trains on the kept rows) stays no number, and is told.
        target_logits = torch.full_like(normaliser, torch.nan)
        rows = max(1, CHUNK_BYTES // (4 * max(1, len(targets))))
        if weight.dtype != torch.float32:
            rows = max(1, min(rows, CHUNK_BYTES // (4 * weight.shape[1])))
            wide = torch.empty(min(rows, len(weight)), weight.shape[1], dtype=torch.float32, device=weight.device)
        for begin in range(0, weight.shape[0], rows):
            chunk = slice(begin, begin + rows)
            # One block of memory for all: to ask for new ones takes longer than to fill them.
            part = weight[chunk] if weight.dtype == torch.float32 else wide[: len(weight[chunk])].copy_(weight[chunk])
            logits = functional.linear(hidden, part, None if bias is None else bias[chunk].float())
            logits = self._capped(logits)  # (N, rows)
            normaliser = torch.logaddexp(normaliser, logits.logsumexp(dim=1))
            here = (targets >= begin) & (targets < begin + len(part))
            target_logits[here] = logits[here, targets[here] - begin]
        return normaliser - target_logits

    def _by_position(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """For heads that are more than a matrix (quantized, adapted): the module itself, a few positions at a time."""
        pieces = int(self._module(hidden[:1]).shape[-1])
        positions = max(1, CHUNK_BYTES // (4 * pieces))
        losses = [
            functional.cross_entropy(self._capped(self._confined(states)), wanted, reduction="none")
            for states, wanted in zip(hidden.split(positions), targets.split(positions))
        ]
        return torch.cat(losses)

    def _confined(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._module(hidden).float()
        return logits if self._rows is None else logits[:, self._rows]

    def _capped(self, logits: torch.Tensor) -> torch.Tensor:
        return logits if self._cap is None else self._cap * torch.tanh(logits / self._cap)


def _score_batch(head: _Head, batch: Sequence[TokenizedPoem], device: torch.device) -> Iterator[CompletionScore]:
    width = max(map(len, batch))
    input_ids = torch.zeros((len(batch), width), dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for row, sample in enumerate(batch):
        input_ids[row, : len(sample)] = torch.tensor(sample.prompt_ids + sample.completion_ids)
        attention_mask[row, : len(sample)] = 1
    rows = torch.tensor([row for row, sample in enumerate(batch) for _ in sample.completion_ids])
    places = torch.tensor([place for sample in batch for place in range(len(sample.prompt_ids), len(sample))])
    hidden, _unused = head.inputs(input_ids.to(device), attention_mask.to(device))
    # Position t predicts token t + 1: the first token of a completion is predicted from the last of its prompt.
    losses = head.losses(hidden[rows.to(device), places.to(device) - 1], input_ids[rows, places].to(device))
    nats = losses.double().cpu().split([len(sample.completion_ids) for sample in batch])
    for sample, nats_of_sample in zip(batch, nats):
        yield CompletionScore(float(nats_of_sample.sum()), len(sample.completion_ids))
