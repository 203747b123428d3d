"""Tokenized poems as numpy arrays for `keras.Model.fit` and for scoring.

In: `TokenizedPoem`s. Out: batches of B rows and T tokens, T a multiple of 32, so that JAX compiles for few shapes:

    token_ids, padding_mask (B, T) int32       what KerasHub's models take
    targets (B, T) int32                       the next token at each place
    weights (B, T) float32                     1 where that token belongs to a completion, else 0

The weights carry the mask of the loss: with them and `reduction="mean_with_sample_weight"` Keras divides by the number of
completion tokens, where its usual reduction would divide by prompts and padding too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from gemma_poetry.data.tokenization import TokenizedPoem

WIDTH_STEP = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """One padded batch; shapes as in the module."""

    token_ids: Any
    padding_mask: Any
    targets: Any
    weights: Any

    @property
    def inputs(self) -> dict[str, Any]:
        return {"token_ids": self.token_ids, "padding_mask": self.padding_mask}


def make_batch(samples: Sequence[TokenizedPoem], pad_id: int, rows: int | None = None) -> Batch:
    """Pads samples on the right; rows that are missing to `rows` are padding altogether, without weight."""
    rows = rows or len(samples)
    width = -(-max(map(len, samples)) // WIDTH_STEP) * WIDTH_STEP
    token_ids = numpy.full((rows, width), pad_id, dtype="int32")
    mask, targets = numpy.zeros_like(token_ids), numpy.zeros_like(token_ids)
    weights = numpy.zeros((rows, width), dtype="float32")
    for row, sample in enumerate(samples):
        ids = sample.prompt_ids + sample.completion_ids
        token_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
        targets[row, : len(ids) - 1] = ids[1:]
        weights[row, len(sample.prompt_ids) - 1 : len(ids) - 1] = 1
    # A row that sees nothing would make the attention's softmax divide by zero.
    mask[len(samples) :, 0] = 1
    return Batch(token_ids, mask, targets, weights)
