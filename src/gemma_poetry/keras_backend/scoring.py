"""Scoring tells how likely a KerasHub model finds completions, with the figures that every report uses.

In: a model, tokenized poems and their numbers of Han characters, or of what else their domain counts. Out: nats, tokens and
units in all, and from these sums `ppl_token` and `ppl_char` (or `ppl_word`, ...): the same definitions as for models of
transformers, over the full vocabulary.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.evaluation.metrics import ppl_char, ppl_token
from gemma_poetry.keras_backend.batches import make_batch
from gemma_poetry.languages import _
from gemma_poetry.progress import track

_CHUNK_BYTES = 256 * 2**20


def completion_nats(model: Any, samples: Sequence[TokenizedPoem], *, pad_id: int, batch_size: int = 32) -> list[float]:
    """The negative log-likelihood of each completion, terminator included, in nats.

    Only completion positions reach the head, some at a time: (B, T, pieces) never stands in memory.
    """
    from keras import ops

    order = sorted(range(len(samples)), key=lambda index: -len(samples[index]))
    nats = [0.0] * len(samples)
    groups = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for group in track(groups, _("Scoring with KerasHub")):
        batch = make_batch([samples[index] for index in group], pad_id, batch_size)
        hidden = ops.convert_to_numpy(model.backbone.predict_on_batch(batch.inputs))
        chosen = batch.weights > 0
        losses = _losses(model.backbone, hidden[chosen], batch.targets[chosen])
        rows = numpy.nonzero(chosen)[0]
        for row, index in enumerate(group):
            nats[index] = float(losses[rows == row].sum())
    return nats


def _losses(backbone: Any, hidden: Any, targets: Any) -> Any:
    """Negative log-likelihoods (N,) of targets (N,) given hidden states (N, hidden), in nats."""
    import keras
    from keras import ops

    embedding = backbone.token_embedding
    score = _scorer(keras.backend.backend(), getattr(embedding, "logit_soft_cap", None))
    rows = min(512, max(1, _CHUNK_BYTES // (4 * backbone.vocabulary_size)))
    losses = numpy.empty(len(targets), dtype="float64")
    for start in range(0, len(targets), rows):
        part = slice(start, start + rows)
        count = len(targets[part])
        # The last chunk is filled up to the size of the others: JAX compiles for one shape alone.
        filled = numpy.zeros((rows, hidden.shape[1]), dtype=hidden.dtype)
        filled[:count] = hidden[part]
        wanted = numpy.zeros(rows, dtype="int32")
        wanted[:count] = targets[part]
        losses[part] = ops.convert_to_numpy(score(filled, wanted, embedding.embeddings.value))[:count]
    return losses


@functools.cache
def _scorer(backend: str, cap: float | None) -> Callable[[Any, Any, Any], Any]:
    """The head with its cross-entropy: hidden (N, hidden), targets (N,), embedding (pieces, hidden) -> nats (N,).

    It is made once: JAX compiles it for the function that it is. The embedding is an argument, since as a constant it would be
    compiled into the program, 262,144 rows of it.

    Args:
        backend: `jax` or `torch`.
        cap: The soft cap of the logits, where the family has one.
    """
    from keras import ops

    def score(hidden: Any, targets: Any, pieces: Any) -> Any:
        scores = ops.matmul(hidden, ops.transpose(pieces))
        if cap is not None:
            scores = ops.tanh(scores / cap) * cap
        chosen = ops.take_along_axis(scores, ops.expand_dims(targets, 1), axis=1)
        return ops.logsumexp(scores, axis=1) - ops.squeeze(chosen, axis=1)

    if backend == "jax":
        import jax

        compiled: Callable[[Any, Any, Any], Any] = jax.jit(score)
        return compiled
    import torch

    def without_gradients(hidden: Any, targets: Any, pieces: Any) -> Any:
        with torch.no_grad():
            return score(ops.convert_to_tensor(hidden), ops.convert_to_tensor(targets, dtype="int64"), pieces)

    return without_gradients


def perplexities(
    model: Any, samples: Sequence[TokenizedPoem], units: Sequence[int], *, pad_id: int, unit: str = "char"
) -> dict[str, float]:
    """`ppl_token` and `ppl_char` of completions.

    Args:
        model: The KerasHub model.
        samples: Prompts and completions.
        units: Han characters of each completion, or what else is counted.
        pad_id: The id that fills rows up.
        unit: What is counted, as it stands behind `ppl_`.
    """
    nats = numpy.array(completion_nats(model, samples, pad_id=pad_id))
    tokens = numpy.array([len(sample.completion_ids) for sample in samples])
    totals = numpy.array([nats.sum(), tokens.sum(), sum(units)])
    return {"ppl_token": ppl_token(totals), f"ppl_{unit}": ppl_char(totals)}
