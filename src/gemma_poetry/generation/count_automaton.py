"""A count automaton says what may stand next under a measure: a sum to be paid, lifted from characters to tokens.

In: a `Measure`, a `Wordstock`, the pieces of a tokenizer. Out: `CountMasks`, which decoding takes in place of
`TokenMasks`: for a state the admitted token ids, and the state behind a token.

    Measure ──> line, what is left of its sum, rhyme words so far ──┐
    Wordstock ──> where in which word ──────────────────────────────┴──> state
    tokenizer ──> trie of pieces ──walked beside the Wordstock──> runs (token, state behind it, units paid), budget-free
    state ──> runs that leave a sum which can still be met ──> token ids

What a token spells and pays does not depend on what is left, so each place of the Wordstock is walked once; what is left
decides by arithmetic on arrays. A vocabulary of 262,144 pieces costs one walk and then a millisecond a step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.piece_trie import Runs, TokenRuns
from gemma_poetry.generation.slot_automaton import NOWHERE, Outlook
from gemma_poetry.languages import _
from gemma_poetry.prosody.measures import Measure, MeasuredLine
from gemma_poetry.prosody.wordstock import NOTHING, Closers, Wordstock


class _Place(NamedTuple):
    """A state of a measure.

    Attributes:
        line: The line, from 0; the number of lines at the end.
        left: What is left of its sum.
        word: The state of the wordstock.
        closer: The unit that paid the last of the sum, `NOTHING` before.
        rhymes: Group and words so far of each rhyme variable that is still needed, sorted by variable.
    """

    line: int
    left: int
    word: int
    closer: int
    rhymes: tuple[tuple[str, int, frozenset[int]], ...]


class CountAutomaton:
    """What may stand next under a measure, character by character.

    States are small integers, `start` the first.

    Raises:
        ConstraintError: No rhyme group has words for all lines that must rhyme.
    """

    def __init__(self, measure: Measure, stock: Wordstock) -> None:
        self.measure = measure
        self.stock = stock
        self._groups: dict[str, frozenset[int]] = {}
        for line in measure.lines:
            if line.rhyme and line.rhyme not in self._groups:
                groups = self._groups[line.rhyme] = stock.groups_for(measure.rhyming(line.rhyme))
                if not groups:
                    raise ConstraintError(
                        _(
                            "{name}: no rhyme group has words for all lines that rhyme as {rhyme!r}",
                            name=measure.name,
                            rhyme=line.rhyme,
                        ),
                        expected=_("words of the vocabulary that rhyme"),
                        action=_("use a model whose tokenizer can spell more words"),
                    )
        self._places: list[_Place] = []
        self._numbers: dict[_Place, int] = {}
        self.start = self._intern(_Place(0, measure.lines[0].cost, stock.start, NOTHING, ()))

    def place(self, state: int) -> _Place:
        """What a state stands for."""
        return self._places[state]

    def line(self, place: _Place) -> MeasuredLine | None:
        """The line that a place is in; `None` behind the last."""
        return self.measure.lines[place.line] if place.line < len(self.measure.lines) else None

    def outlook(self, state: int) -> Outlook:
        """What comes next in a state, as far as a measure knows it."""
        return Outlook(ends=self.line(self._places[state]) is None, rhymes=False, fixed=False, echo=0, line_left=())

    def closers(self, place: _Place) -> Closers | None:
        """The units that may end the line of a place because of its rhyme; `None`: any."""
        line = self.line(place)
        if line is None or not line.rhyme:
            return None
        for variable, group, taken in place.rhymes:
            if variable == line.rhyme:
                return Closers(frozenset({group}), taken)
        return Closers(self._groups[line.rhyme], frozenset())

    def step(self, state: int, char: str) -> int:
        """The state after a character, `NOWHERE` where it may not stand."""
        place = self._places[state]
        line = self.line(place)
        if line is None:
            return NOWHERE
        if char == line.mark and (closed := self._close(place, line)) is not None:
            return self._intern(closed)
        moved = self.stock.step(place.word, char)
        if moved is None:
            return NOWHERE
        word, unit = moved
        after = self._pay(place, line, unit) if unit != NOTHING else place
        if after is None:
            return NOWHERE
        after = after._replace(word=word)
        states, left = np.array([word]), np.array([after.left])
        return self._intern(after) if self.stock.viable(states, left, line, self.closers(place))[0] else NOWHERE

    def read(self, text: str, state: int | None = None) -> int:
        """The state after a text, `NOWHERE` if it does not fit."""
        state = self.start if state is None else state
        for char in text:
            state = self.step(state, char)
            if state == NOWHERE:
                break
        return state

    def _pay(self, place: _Place, line: MeasuredLine, unit: int) -> _Place | None:
        if not self.stock.fits(unit, line, place.left):
            return None
        left = place.left - int(self.stock.costs[unit])
        if left:
            return place._replace(left=left)
        closers = self.closers(place)
        if closers is not None and not self.stock.may_close(unit, line, closers):
            return None
        return place._replace(left=0, closer=unit)

    def _close(self, place: _Place, line: MeasuredLine) -> _Place | None:
        """The place behind the mark of a line; `None` where the line is not whole."""
        unit = self.stock.unit_at_end(place.word)
        if unit is None:
            return None
        paid = self._pay(place, line, unit) if unit != NOTHING else place
        if paid is None or paid.left:
            return None
        rhymes = {variable: (group, taken) for variable, group, taken in place.rhymes}
        if line.rhyme:
            taken = rhymes.get(line.rhyme, (0, frozenset[int]()))[1]
            rhymes[line.rhyme] = (self.stock.group_of(paid.closer), taken | {paid.closer})
        number = place.line + 1
        ahead = self.measure.lines[number:]
        needed = {later.rhyme for later in ahead}
        kept = tuple((name, *bound) for name, bound in sorted(rhymes.items()) if name in needed)
        return _Place(number, ahead[0].cost if ahead else 0, self.stock.start, NOTHING, kept)

    def _intern(self, place: _Place) -> int:
        number = self._numbers.get(place)
        if number is None:
            number = self._numbers[place] = len(self._places)
            self._places.append(place)
        return number


class CountMasks:
    """The tokens that each state of a measure admits.

    Args:
        runs: Where tokens lead from each place of the wordstock; shared by all measures of one wordstock.
        automaton: The states; its wordstock is that of `runs`.

    Raises:
        ConstraintError: The vocabulary cannot write a closing mark.
    """

    def __init__(self, runs: TokenRuns, automaton: CountAutomaton) -> None:
        assert runs.stock is automaton.stock, "runs and automaton have different wordstocks"
        missing = sorted({line.mark for line in automaton.measure.lines} - runs.index.characters)
        if missing:
            raise ConstraintError(
                _("the vocabulary has no piece for {missing}, which closes lines", missing=" ".join(map(repr, missing))),
                expected=_("a tokenizer that can write line breaks"),
                action=_("use a published Gemma checkpoint, or train the tokenizer on text with line breaks"),
            )
        self.index = runs.index
        self.automaton = automaton
        self._runs = runs
        self._admitted: dict[tuple[object, ...], npt.NDArray[np.int64]] = {}

    @property
    def most_tokens(self) -> int:
        """More tokens than a text of this measure can have."""
        each = self.automaton.stock.longest_unit + 2
        return sum(line.cost * each + 1 for line in self.automaton.measure.lines) + 1

    def admitted(self, state: int, begun: bytes = b"") -> npt.NDArray[np.int64]:
        """The token ids that may come next, each once.

        Args:
            state: A state of the automaton.
            begun: Always empty: no character is spelt by bytes.
        """
        place = self.automaton.place(state)
        line = self.automaton.line(place)
        if line is None:
            return np.array([self.index.terminator], dtype=np.int64)
        key = (line, place.left, place.word, place.closer, self.automaton.closers(place))
        if key not in self._admitted:
            self._admitted[key] = self._find(state, line)
        return self._admitted[key]

    def _find(self, state: int, line: MeasuredLine) -> npt.NDArray[np.int64]:
        place, stock = self.automaton.place(state), self.automaton.stock
        closers = self.automaton.closers(place)
        found = [self._within(self._runs.inside(place.word), place.left, line, closers)]
        unit = stock.unit_at_end(place.word) if stock.joiner else None
        if unit is not None and (unit == NOTHING or stock.fits(unit, line, place.left)):
            # What follows the joiner is the same behind every word.
            left = place.left - (0 if unit == NOTHING else int(stock.costs[unit]))
            if left:
                found.append(self._within(self._runs.behind_joiner, left, line, closers))
        if self.automaton.step(state, line.mark) != NOWHERE:
            found.append(np.array(self.index.singles[line.mark], dtype=np.int64))
        return np.concatenate(found)

    def _within(self, runs: Runs, left: int, line: MeasuredLine, closers: Closers | None) -> npt.NDArray[np.int64]:
        """The tokens of some runs after which the line can still be met."""
        stock = self.automaton.stock
        rest = left - runs.paid
        fine = stock.viable(runs.ends, rest, line, closers)
        if line.metre or closers is not None:
            for number in np.flatnonzero(fine & (runs.paid > 0)).tolist():
                fine[number] = self._payable(runs.units[number], left, line, closers)
        return runs.ids[fine]

    def _payable(self, units: tuple[int, ...], left: int, line: MeasuredLine, closers: Closers | None) -> bool:
        stock = self.automaton.stock
        for unit in units:
            if not stock.fits(unit, line, left):
                return False
            left -= int(stock.costs[unit])
            if left == 0 and closers is not None and not stock.may_close(unit, line, closers):
                return False
        return True

    def written(self, begun: bytes, token: int) -> str:
        """The characters of a token."""
        return self.index.texts[token]

    def rhyme_words(self, state: int, written: str) -> str:
        """Nothing: the rhyme words of a measure are part of its states."""
        return ""

    def step(self, state: int, begun: bytes, token: int) -> tuple[int, bytes]:
        """The state after a token; `(NOWHERE, b"")` if it may not come here."""
        text = self.index.texts.get(token)
        return (NOWHERE if text is None else self.automaton.read(text, state)), b""
