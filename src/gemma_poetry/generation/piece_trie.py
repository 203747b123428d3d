"""A trie holds what the pieces of a tokenizer spell; runs say where each leads in a wordstock.

In: a tokenizer; a `Wordstock`. Out: a `Spelling`; for a state of the wordstock its `Runs`: tokens, the states behind them, and
what they pay, whatever is left to pay.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from gemma_poetry.generation.token_spelling import spell_tokens
from gemma_poetry.prosody.wordstock import NOTHING, Wordstock

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(slots=True)
class PieceNode:
    """A place in the trie of a tokenizer's pieces.

    Attributes:
        ids: The tokens that spell just the way to here.
        next: The places behind each character.
    """

    ids: list[int] = field(default_factory=list)
    next: dict[str, PieceNode] = field(default_factory=dict)


class Spelling:
    """What every piece of a tokenizer spells; bytes and other pieces that are no whole characters are left out.

    Attributes:
        terminator: The id of the token that ends a text.
        texts: The text of each token.
        singles: The tokens that spell just one character, by the character.

    Args:
        tokenizer: Any tokenizer of Hugging Face.
        terminator: The id of the token that ends a text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, terminator: int) -> None:
        self.terminator = terminator
        self.texts: dict[int, str] = {}
        self.singles: dict[str, list[int]] = {}
        # As in poems: what a vocabulary has only as bytes, its model has hardly read.
        spelling = spell_tokens(tokenizer)
        for index, text in spelling.texts.items():
            if text and index != terminator and index not in spelling.byte_pieces:
                self.texts[index] = text
                if len(text) == 1:
                    self.singles.setdefault(text, []).append(index)

    @functools.cached_property
    def tokens(self) -> frozenset[int]:
        """Every token that can stand in a text, the terminator too."""
        return frozenset((*self.texts, self.terminator))

    @property
    def characters(self) -> frozenset[str]:
        """Every character that has a piece of its own."""
        return frozenset(self.singles)


class Runs(NamedTuple):
    """Where tokens lead from one state of a wordstock.

    Attributes:
        ids: Tokens, (n,).
        ends: The states behind them, (n,).
        paid: What each pays, (n,).
        units: The units that each pays, in order.
    """

    ids: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    paid: npt.NDArray[np.int64]
    units: list[tuple[int, ...]]


class TokenRuns:
    """Where the pieces of a tokenizer lead in a wordstock, whatever is left to be paid; found once a state, then kept."""

    def __init__(self, index: Spelling, stock: Wordstock) -> None:
        self.index = index
        self.stock = stock
        self._inside: dict[int, Runs] = {}
        self._root = PieceNode()
        for number, text in index.texts.items():
            if stock.characters.issuperset(text):
                node = self._root
                for char in text:
                    node = node.next.setdefault(char, PieceNode())
                node.ids.append(number)

    def inside(self, word: int) -> Runs:
        """The tokens that go on from a state, but for those that begin with the joiner."""
        if word not in self._inside:
            self._inside[word] = self._walk(word, self._below(self._root, word, self.stock.joiner))
        return self._inside[word]

    @functools.cached_property
    def behind_joiner(self) -> Runs:
        """The tokens that begin with the joiner, read from the joiner on."""
        node = self._root.next.get(self.stock.joiner, PieceNode())
        return self._walk(0, self._below(node, 0), node.ids)

    def _below(self, node: PieceNode, state: int, without: str = "") -> list[tuple[str, PieceNode]]:
        """The ways on from a place that both the pieces and the wordstock know, whichever of them knows fewer."""
        ahead = self.stock.following(state)
        chars = ahead if len(ahead) < len(node.next) else node.next
        return [(char, node.next[char]) for char in chars if char in node.next and char in ahead and char != without]

    def _walk(self, word: int, nodes: list[tuple[str, PieceNode]], bare: Sequence[int] = ()) -> Runs:
        found: list[tuple[int, int, tuple[int, ...]]] = [(index, word, ()) for index in bare]
        stack: list[tuple[str, PieceNode, int, tuple[int, ...]]] = [(char, node, word, ()) for char, node in nodes]
        step = self.stock.step
        while stack:
            char, node, state, paid = stack.pop()
            moved = step(state, char)
            assert moved is not None, (state, char)
            after, unit = moved
            own = (*paid, unit) if unit != NOTHING else paid
            found.extend((index, after, own) for index in node.ids)
            if node.next:
                stack.extend((following, below, after, own) for following, below in self._below(node, after))
        costs = self.stock.costs
        return Runs(
            np.array([index for index, _, _ in found], dtype=np.int64),
            np.array([end for _, end, _ in found], dtype=np.int64),
            np.array([int(costs[list(own)].sum()) if own else 0 for _, _, own in found], dtype=np.int64),
            [own for _, _, own in found],
        )
