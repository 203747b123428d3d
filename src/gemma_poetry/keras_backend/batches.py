"""Tokenized poems become numpy arrays for `keras.Model.fit` and for scoring.

In: `TokenizedPoem`s. Out: batches of B rows and T tokens, T one of a few widths (`bucket`): JAX compiles once for each shape,
so that a training compiles its step at most as often as there are widths in its data.

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
_HALVES = 4  # widths between a power of two and the next: padding never takes more than a fifth of a wide row


def bucket(tokens: int) -> int:
    """The width that a row of some tokens is padded to: steps of 32 up to 256, then four to each doubling.

    Up to 1,024 tokens there are 16 widths.
    """
    octave = max(0, (tokens - 1).bit_length() - 1)  # tokens lie above 2 ** octave
    step = max(WIDTH_STEP, 2**octave // _HALVES)
    return -(-tokens // step) * step


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
    width = bucket(max(map(len, samples)))
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
