"""A token index says what each piece of a tokenizer spells, and which pieces a state of a form admits.

In: a Hugging Face tokenizer; the states of a `SlotAutomaton`.
Out: a `TokenIndex` (built once a tokenizer) and, state by state, the set of admitted token ids (`TokenMasks`, kept).

Three kinds of pieces can stand in a poem; every other piece (Latin, blanks, control tokens) never can:

    whole     one character, or several: 天气, `，山` across a line end; admitted if each character in turn is
    part      some bytes of one character; admitted if the bytes lead to a character that is admitted, and once begun
              the character is finished: the three bytes are one unit
    end       the terminator; admitted where the poem is whole
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gemma_poetry.corpus.known_lines import fold
from gemma_poetry.generation.alphabet import MARKS
from gemma_poetry.generation.slot_automaton import NOWHERE, SlotAutomaton
from gemma_poetry.generation.token_spelling import spell_tokens
from gemma_poetry.prosody.characters import HAN, is_han

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_POETIC = re.compile(f"[{HAN}{MARKS}]+")
_FIRST = min(HAN + MARKS)


class TokenIndex:
    """The pieces of one tokenizer that can stand in a poem.

    Attributes:
        characters: Every character that can be written: those with a piece of their own, then those spelt by bytes.
        byte_characters: The characters among them that only bytes spell.
        spelling: The characters (as indices into `characters`) of each whole piece, by token id.
        singles: The token ids of the pieces that are just this character, by character.
        pieces: The token ids of the pieces that spell a text, by the text.
        longer: The token ids of the pieces of several characters that hold this character, by character.
        repeating: The longer pieces in which a character comes twice and not side by side (一心一意).
        crossing: The longer pieces that hold a closing mark.
        folded: The code point of each character in simplified form, for the guard of known lines.
        layers: The whole pieces by length: token ids (pieces,) and their characters (pieces, length).
        parts: By the bytes already written of a character: the token ids that go on, and the bytes they lead to.

    Args:
        tokenizer: Any tokenizer of Hugging Face.
        terminator: The id of the token that ends a poem.
        byte_characters: Characters that may be spelt by bytes where they have no piece of their own; empty leaves
            such characters out.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, terminator: int, byte_characters: Iterable[str] = ()) -> None:
        spelt = spell_tokens(tokenizer)
        # Most pieces of a large vocabulary are in scripts that Unicode has before all that a poem can hold.
        whole = {
            index: text
            for index, text in spelt.texts.items()
            if text >= _FIRST and _POETIC.fullmatch(text) and index != terminator
        }
        own = sorted({text for text in whole.values() if len(text) == 1})
        by_bytes = sorted({char for char in byte_characters if is_han(char)}.difference(own))
        self.parts = _byte_paths(by_bytes, spelt.partial)
        self.byte_characters = frozenset(char for char in by_bytes if self._reachable(char))
        self.characters = (*own, *sorted(self.byte_characters))
        self.terminator = terminator
        numbers = {char: number for number, char in enumerate(self.characters)}
        self.spelling: dict[int, tuple[int, ...]] = {
            index: tuple(numbers[char] for char in text)
            for index, text in sorted(whole.items())
            if all(char in numbers for char in text)
        }
        self.singles: dict[str, list[int]] = {}
        self.longer: dict[str, list[int]] = {}
        self.pieces: dict[str, list[int]] = {}
        repeating, crossing = [], []
        for index in self.spelling:
            text = whole[index]
            self.pieces.setdefault(text, []).append(index)
            if len(text) == 1:
                self.singles.setdefault(text, []).append(index)
                continue
            for char in set(text):
                self.longer.setdefault(char, []).append(index)
            if re.search(r"([^，。]).+\1|([^，。])\2\2", text):
                repeating.append(index)
            if any(mark in text for mark in MARKS):
                crossing.append(index)
        self.repeating = np.array(repeating, dtype=np.int64)
        self.crossing = np.array(crossing, dtype=np.int64)
        self.layers = self._layer_pieces()

    @property
    def longest(self) -> int:
        """Characters of the longest piece."""
        return max((characters.shape[1] for _, characters in self.layers), default=0)

    @functools.cached_property
    def several(self) -> tuple[int, ...]:
        """The whole pieces of several characters."""
        return tuple(index for index, numbered in self.spelling.items() if len(numbered) > 1)

    @functools.cached_property
    def tokens(self) -> frozenset[int]:
        """Every token that can stand in a poem, the terminator too."""
        begun = (index for steps in self.parts.values() for index, _ in steps)
        return frozenset((*self.spelling, *begun, self.terminator))

    @functools.cached_property
    def folded(self) -> npt.NDArray[np.uint32]:
        return fold(self.characters)

    def ways(self, char: str, begun: bytes = b"") -> list[int]:
        """The token ids that write a character and nothing else, or go on with it where its bytes are begun."""
        ways = [] if begun else list(self.singles.get(char, ()))
        if char in self.byte_characters and char.encode().startswith(begun):
            ways += [index for index, after in self.parts.get(begun, ()) if char.encode().startswith(after)]
        return ways

    def last_steps(self, char: str, begun: bytes = b"") -> list[int]:
        """The token ids after which a character stands finished."""
        steps = [] if begun else list(self.singles.get(char, ()))
        if char in self.byte_characters:
            steps += [index for index, after in self.parts.get(begun, ()) if after == char.encode()]
        return steps

    def _reachable(self, char: str) -> bool:
        raw = char.encode()
        reached = {b""}
        frontier = [b""]
        while frontier:
            for _, after in self.parts.get(frontier.pop(), []):
                if raw.startswith(after) and after not in reached:
                    reached.add(after)
                    frontier.append(after)
        return raw in reached

    def _layer_pieces(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
        by_length: dict[int, list[int]] = {}
        for index, numbered in self.spelling.items():
            by_length.setdefault(len(numbered), []).append(index)
        layers = []
        for length in sorted(by_length):
            ids = by_length[length]
            numbers = np.fromiter(itertools.chain.from_iterable(self.spelling[index] for index in ids), dtype=np.int32)
            layers.append((np.array(ids, dtype=np.int64), numbers.reshape(len(ids), length)))
        return layers


def _byte_paths(characters: Collection[str], partial: Mapping[bytes, Sequence[int]]) -> dict[bytes, list[tuple[int, bytes]]]:
    paths: dict[bytes, dict[int, bytes]] = {}
    for char in characters:
        raw = char.encode()
        for begin in range(len(raw)):
            for end in range(begin + 1, len(raw) + 1):
                for index in partial.get(raw[begin:end], ()):
                    paths.setdefault(raw[:begin], {})[index] = raw[:end]
    return {before: sorted(steps.items()) for before, steps in paths.items()}


class TokenMasks:
    """The tokens that each state of an automaton admits; found once a state, then kept.

    Args:
        index: The pieces of the tokenizer.
        automaton: The states; its alphabet is made of `index.characters`.
    """

    def __init__(self, index: TokenIndex, automaton: SlotAutomaton) -> None:
        assert automaton.alphabet.characters == index.characters, "alphabet and token index differ"
        self.index = index
        self.automaton = automaton
        self._layers = [(ids, automaton.of_character[characters]) for ids, characters in index.layers]
        self._closing: dict[tuple[int, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]] = {}
        # Bytes of characters, with the class of the character that they may become, for look-up by prefix.
        self._byte_classes = [(char.encode(), automaton.class_of(char)) for char in sorted(index.byte_characters)]

    def admitted(self, state: int, begun: bytes = b"") -> npt.NDArray[np.int64]:
        """The token ids that may come next.

        Args:
            state: A state of the automaton.
            begun: The bytes already written of an unfinished character.

        Returns:
            Token ids, each once; empty at a dead end.
        """
        found: list[npt.NDArray[np.int64]] = []
        if not begun:
            found.extend(ids[self._run(state, classes)] for ids, classes in self._layers)
            if self.automaton.outlook(state).ends:
                found.append(np.array([self.index.terminator], dtype=np.int64))
        if self._byte_classes:
            found.append(self._parts(state, begun))
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def _run(self, state: int, classes: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Which pieces, given as rows of classes, lead somewhere from a state."""
        states = self.automaton.row(state)[classes[:, 0]]
        alive = np.flatnonzero(states != NOWHERE)
        for column in range(1, classes.shape[1]):
            states_here = states[alive]
            after = np.full(len(alive), NOWHERE, dtype=np.int32)
            for reached in np.unique(states_here).tolist():
                chosen = np.flatnonzero(states_here == reached)
                after[chosen] = self.automaton.row(reached)[classes[alive[chosen], column]]
            states[alive] = after
            alive = alive[after != NOWHERE]
        return alive

    def _parts(self, state: int, begun: bytes) -> npt.NDArray[np.int64]:
        row = self.automaton.row(state)
        open_bytes = [raw for raw, number in self._byte_classes if row[number] != NOWHERE and raw.startswith(begun)]
        steps = self.index.parts.get(begun, ())
        ids = [index for index, after in steps if any(raw.startswith(after) for raw in open_bytes)]
        return np.array(ids, dtype=np.int64)

    def closing(self, state: int, left: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """The admitted pieces that finish a line with `left` characters to come.

        Returns:
            Token ids (pieces,), and the folded code points of the characters that finish the line (pieces, left).
        """
        key = (state, left)
        if key not in self._closing:
            ids, codes = [], []
            for (layer_ids, characters), (_, classes) in zip(self.index.layers, self._layers):
                if characters.shape[1] >= left:
                    alive = self._run(state, classes)
                    ids.append(layer_ids[alive])
                    codes.append(self.index.folded[characters[alive, :left]])
            self._closing[key] = (
                np.concatenate(ids) if ids else np.empty(0, dtype=np.int64),
                np.concatenate(codes) if codes else np.empty((0, left), dtype=np.uint32),
            )
        return self._closing[key]

    @property
    def most_tokens(self) -> int:
        """The tokens that a poem of these forms takes at most, terminator included."""
        # A character takes at most four byte pieces.
        bytes_each = 4 if self.index.byte_characters else 1
        return max(len(form.marks) + sum(form.line_lengths) for form in self.automaton.forms) * bytes_each + 1

    def rhyme_words(self, state: int, written: str) -> str:
        """The rhyme words among characters written from a state on."""
        words = ""
        for char in written:
            if self.automaton.outlook(state).rhymes:
                words += char
            state = int(self.automaton.row(state)[self.automaton.class_of(char)])
        return words

    def written(self, begun: bytes, token: int) -> str:
        """The characters that a token completes (it may come here: `step` has said so)."""
        spelt = self.index.spelling.get(token)
        if spelt is not None:
            return "".join(self.index.characters[number] for number in spelt)
        return dict(self.index.parts[begun])[token].decode()

    def step(self, state: int, begun: bytes, token: int) -> tuple[int, bytes]:
        """The state and the bytes begun after a token; `(NOWHERE, b"")` if the token may not come here.

        The terminator is no step: it leaves the state as it is.
        """
        if token == self.index.terminator:
            return (state, b"") if not begun and self.automaton.outlook(state).ends else (NOWHERE, b"")
        if not begun and (spelt := self.index.spelling.get(token)) is not None:
            for number in spelt:
                state = int(self.automaton.row(state)[self.automaton.of_character[number]])
                if state == NOWHERE:
                    break
            return state, b""
        after = dict(self.index.parts.get(begun, ())).get(token)
        if after is None:
            return NOWHERE, b""
        try:
            char = after.decode()
        except UnicodeDecodeError:
            return state, after
        number = self.automaton.class_of(char)
        return (NOWHERE if number == NOWHERE else int(self.automaton.row(state)[number])), b""
