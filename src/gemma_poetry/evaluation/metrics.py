"""Each metric is sums over poems and a function from total sums to the figure.

In: likelihoods of poems under a model, or pairs of a written and a reference text.
Out: rows of sums that `statistics.Bootstrap` resamples, and the figure of any total of them.

    ppl_token = exp(nats / tokens)          the terminator is a token like any other
    ppl_char  = exp(nats / characters)      Han characters: the same meaning for every tokenizer
    BLEU-n, chrF                            sacrebleu, corpus level, Han characters as tokens

The closing marks are left out of BLEU and chrF: they follow from the form, and would reward every system alike.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gemma_poetry.evaluation.statistics import Floats

NATS, TOKENS, CHARACTERS = 0, 1, 2
"""Columns of the sums behind perplexity."""

BLEU_ORDERS = (1, 2, 3, 4)


def ppl_token(totals: Floats) -> float:
    """Perplexity a token: exp(total nats / tokens)."""
    return math.exp(totals[NATS] / totals[TOKENS])


def ppl_char(totals: Floats) -> float:
    """Perplexity a Han character: exp(total nats / characters)."""
    return math.exp(totals[NATS] / totals[CHARACTERS])


def nats_per_token(totals: Floats) -> float:
    """The logarithm of `ppl_token`."""
    return float(totals[NATS] / totals[TOKENS])


def nats_per_character(totals: Floats) -> float:
    """The logarithm of `ppl_char`."""
    return float(totals[NATS] / totals[CHARACTERS])


class Overlap:
    """A corpus-level metric of sacrebleu, cut in two so that its sums can be resampled."""

    def __init__(self, name: str, metric: Any) -> None:
        self.name = name
        self._metric = metric

    def sums(self, written: Sequence[str], references: Sequence[str]) -> Floats:
        """What each pair of texts adds to the corpus-level sums: (poems, columns)."""
        # The two steps of sacrebleu's own corpus_score, which its significance tests use in this way too.
        rows = self._metric._extract_corpus_statistics(list(written), [list(references)])
        return np.asarray(rows, dtype=np.float64)

    def figure(self, totals: Floats) -> float:
        """The score of total sums, 0 to 100."""
        return float(self._metric._compute_score_from_stats(totals.tolist()).score)

    @property
    def signature(self) -> str:
        """sacrebleu's own account of version, tokenization and smoothing."""
        self._metric.num_refs = 1
        return str(self._metric.get_signature())


@functools.cache
def bleu(order: int = 4) -> Overlap:
    """BLEU up to n-grams of this order, characters as tokens, smoothed as sacrebleu does by default."""
    from sacrebleu.metrics.bleu import BLEU

    return Overlap(f"bleu{order}", BLEU(tokenize="char", max_ngram_order=order, force=True))


@functools.cache
def sentence_bleu() -> Overlap:
    """BLEU-4 of one poem, for ranking: orders that are too long for the text are left out."""
    from sacrebleu.metrics.bleu import BLEU

    return Overlap("bleu4", BLEU(tokenize="char", effective_order=True, force=True))


@functools.cache
def chrf() -> Overlap:
    """chrF2 over n-grams of up to six characters."""
    from sacrebleu.metrics.chrf import CHRF

    return Overlap("chrf", CHRF())


def overlaps() -> list[Overlap]:
    """BLEU-1 to BLEU-4 and chrF."""
    return [*(bleu(order) for order in BLEU_ORDERS), chrf()]
