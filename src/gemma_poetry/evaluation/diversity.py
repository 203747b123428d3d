"""Diversity tells whether a system writes many poems or one poem many times.

In: the poems of one system. Out: three figures.

    distinct_1, distinct_2   different characters, pairs of characters, among all (Li et al. 2016); pairs within lines.
                             They fall as more is written: compare systems on the same titles only
    self_bleu                mean BLEU-4 of each poem against all others of the system (Zhu et al. 2018): lower is more varied
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gemma_poetry.evaluation.statistics import Estimate, Floats, jackknife

Lines = Sequence[str]
_ORDER = 4


def distinct(poems: Sequence[Lines], order: int) -> Estimate | None:
    """Different n-grams over all n-grams, with a jackknife interval; `None` where there are none."""
    counts = [Counter(_grams(lines, order)) for lines in poems]
    total: Counter[str] = Counter()
    for own in counts:
        total.update(own)
    size = total.total()
    if not size:
        return None
    without_each = []
    for own in counts:
        # An n-gram is lost with a poem if all its occurrences are that poem's.
        lost = sum(total[gram] == count for gram, count in own.items())
        left = size - own.total()
        without_each.append((len(total) - lost) / left if left else 0.0)
    found = jackknife(len(total) / size, without_each)
    # A share stays one, however uncertain it is.
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _grams(lines: Lines, order: int) -> list[str]:
    return [line[index : index + order] for line in lines for index in range(len(line) - order + 1)]


def self_bleu_sums(poems: Sequence[Lines]) -> Floats:
    """Rows (BLEU-4 against all other poems, 1) for `statistics.mean`; no rows of fewer than two poems.

    An n-gram counts as often as in that other poem which has it most often, as BLEU with many references is defined; to
    leave the poem itself out, the two largest counts of each n-gram are kept.
    """
    from sacrebleu.metrics.bleu import BLEU

    if len(poems) < 2:
        return np.zeros((0, 2))
    texts = ["".join(lines) for lines in poems]
    counts = [Counter(gram for order in range(1, _ORDER + 1) for gram in _grams([text], order)) for text in texts]
    largest: dict[str, tuple[int, int]] = {}
    for own in counts:
        for gram, count in own.items():
            first, second = largest.get(gram, (0, 0))
            largest[gram] = (count, first) if count > first else (first, max(second, count))
    lengths = Counter(map(len, texts))
    rows = []
    for text, own in zip(texts, counts):
        correct, total = [0] * _ORDER, [0] * _ORDER
        for gram, count in own.items():
            first, second = largest[gram]
            others = second if count == first else first
            correct[len(gram) - 1] += min(count, others)
            total[len(gram) - 1] += count
        reference = _closest_length(len(text), lengths)
        score = BLEU.compute_bleu(correct, total, len(text), reference, smooth_method="exp", effective_order=True)
        rows.append((score.score, 1.0))
    return np.array(rows)


def _closest_length(length: int, lengths: Counter[int]) -> int:
    """The length of another poem that is closest, the shorter of two as close."""
    others = [other for other, count in lengths.items() if count > (other == length)]
    return min(others, key=lambda other: (abs(other - length), other))
