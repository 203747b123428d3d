"""How likely a KerasHub model finds completions, with the figures that every report uses.

In: a model, tokenized poems and their numbers of Han characters. Out: nats, tokens and characters in all, and from these
sums `ppl_token` and `ppl_char`: the same definitions as for models of transformers, over the full vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.evaluation.metrics import ppl_char, ppl_token
from gemma_poetry.keras_backend.batches import make_batch
from gemma_poetry.progress import track

_CHUNK_BYTES = 64 * 2**20


def completion_nats(model: Any, samples: Sequence[TokenizedPoem], *, pad_id: int, batch_size: int = 32) -> list[float]:
    """The negative log-likelihood of each completion, terminator included, in nats.

    Only completion positions reach the head, some at a time: (B, T, pieces) never stands in memory.
    """
    from keras import ops

    order = sorted(range(len(samples)), key=lambda index: -len(samples[index]))
    nats = [0.0] * len(samples)
    groups = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for group in track(groups, "Scoring with KerasHub"):
        batch = make_batch([samples[index] for index in group], pad_id, batch_size)
        hidden = ops.convert_to_numpy(model.backbone.predict_on_batch(batch.inputs))
        chosen = batch.weights > 0
        losses = _losses(model.backbone, hidden[chosen], batch.targets[chosen])
        rows = numpy.nonzero(chosen)[0]
        for row, index in enumerate(group):
            nats[index] = float(losses[rows == row].sum())
    return nats


def _losses(backbone: Any, hidden: Any, targets: Any) -> Any:
    """Negative log-likelihoods (N,) of targets (N,) given hidden states (N, hidden), in float64."""
    from keras import ops

    positions = max(1, _CHUNK_BYTES // (4 * backbone.vocabulary_size))
    # The last chunk is filled up to the size of the others: JAX compiles for one shape alone.
    positions = min(positions, 512)
    losses = numpy.empty(len(targets), dtype="float64")
    for start in range(0, len(targets), positions):
        part = hidden[start : start + positions]
        filled = numpy.zeros((positions, hidden.shape[1]), dtype=hidden.dtype)
        filled[: len(part)] = part
        scores = ops.convert_to_numpy(backbone.token_embedding(filled, reverse=True))[: len(part)].astype("float64")
        highest = scores.max(axis=1, keepdims=True)
        normaliser = highest[:, 0] + numpy.log(numpy.exp(scores - highest).sum(axis=1))
        losses[start : start + len(part)] = normaliser - scores[numpy.arange(len(part)), targets[start : start + len(part)]]
    return losses


def perplexities(model: Any, samples: Sequence[TokenizedPoem], characters: Sequence[int], *, pad_id: int) -> dict[str, float]:
    """`ppl_token` and `ppl_char` of completions.

    Args:
        model: The KerasHub model.
        samples: Prompts and completions.
        characters: Han characters of each completion.
        pad_id: The id that fills rows up.
    """
    nats = numpy.array(completion_nats(model, samples, pad_id=pad_id))
    tokens = numpy.array([len(sample.completion_ids) for sample in samples])
    totals = numpy.array([nats.sum(), tokens.sum(), sum(characters)])
    return {"ppl_token": ppl_token(totals), "ppl_char": ppl_char(totals)}
