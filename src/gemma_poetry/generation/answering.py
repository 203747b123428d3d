"""Words that answer those opposite (对仗) are favoured in the lines that should be parallel.

In: which lines answer which, and a running text. Out: tokens, and what the score of each is raised by. Nothing is forbidden:
how far a line goes along is left to the model.

Which characters answer which comes from couplets 2 and 3 of 律诗 (`prosody.parallelism`), compounds from the training split
(`data.words`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch

from gemma_poetry.data.words import compound_ends, compounds
from gemma_poetry.generation.alphabet import MARKS
from gemma_poetry.generation.token_index import TokenIndex
from gemma_poetry.prosody.parallelism import counterparts

ANSWERING = 1.0
"""What the score of a character is raised by that answers the one opposite."""

COMPOUND = 0.7
"""What it is raised by where it ends a compound opposite a compound."""

_LINE_ENDS = re.compile(f"[{MARKS}]")


def answering_tokens(answering: Sequence[tuple[int, str]], index: TokenIndex, text: str) -> dict[int, float]:
    """The tokens that answer the place opposite the next one, and how much each is favoured.

    Args:
        answering: The number of each line that answers another, and that other; empty: the line before it.
        index: The pieces of the tokenizer.
        text: The running text so far.
    """
    *before, line = _LINE_ENDS.split(text)
    opposite = dict(answering).get(len(before) + 1)
    if opposite is None:
        return {}
    opposite = opposite or (before[-1] if before else "")
    place = len(line)
    if place >= len(opposite):
        return {}
    singles = index.singles
    favoured = {token: ANSWERING for char in counterparts(opposite[place]) for token in singles.get(char, ())}
    if place and opposite[place - 1 : place + 1] in compounds():
        for char in compound_ends().get(line[-1], ()):
            for token in singles.get(char, ()):
                favoured[token] = favoured.get(token, 0.0) + COMPOUND
    return favoured


def raised(scores: torch.Tensor, favoured: Sequence[Mapping[int, float]], columns: torch.Tensor | None = None) -> torch.Tensor:
    """Scores, each raised by as much as its token is favoured.

    Args:
        scores: (sequences, tokens).
        favoured: For each sequence by how much, by token.
        columns: The tokens that the scores are of, ascending; `None`: all.
    """
    rows = [row for row, found in enumerate(favoured) for _ in found]
    if not rows:
        return scores
    row = torch.tensor(rows, device=scores.device)
    token = torch.tensor([token for found in favoured for token in found], device=scores.device)
    value = torch.tensor([value for found in favoured for value in found.values()], dtype=scores.dtype, device=scores.device)
    if columns is not None:
        place = torch.searchsorted(columns, token).clamp(max=len(columns) - 1)
        known = columns[place] == token
        row, token, value = row[known], place[known], value[known]
    return scores.index_put((row, token), value, accumulate=True)
