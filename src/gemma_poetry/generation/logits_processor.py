"""The logits processor lets no token stand that would break a poem's form.

In: the ids written so far and the scores of `model.generate`; one plan a prompt.
Out: the same scores with minus infinity wherever a token would break the form.

    ids ──last column──> Track of each sequence (state, text) ──row of a table──> scores.masked_fill(table[rows], -inf)

A state's tokens are found once and stay in a table on the model's device, so that a step costs one index and one
masking, whatever the form asks for. What only one sequence knows (rhyme words already used) is few tokens, masked
apart. Sequences are recognised by their ids, not by their place in the batch: beams may be reordered, dropped and
copied between two steps.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from transformers import LogitsProcessor

from gemma_poetry.corpus.known_lines import SHORTEST_LINE, Hashes, KnownLines, extend_hash, hash_text
from gemma_poetry.generation.alphabet import MARKS
from gemma_poetry.generation.answering import answering_tokens, raised
from gemma_poetry.generation.count_automaton import CountMasks
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.token_index import TokenMasks

_LINE_ENDS = re.compile(f"[{MARKS}]")
_TABLE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Plan:
    """What one poem must obey.

    Attributes:
        masks: The tokens that each state of its forms admits.
        distinct: No character comes twice, but for one said twice over (萧萧).
        guards: Lines that the poem may not hold.
        around: Text that stands around what is written, where that is a part of a poem.
        doubling: Whether a character may be said twice over where characters are distinct.
        answering: Lines whose words answer those of another (对仗): the number of each and that other line; empty: the line
            before it.
    """

    masks: TokenMasks
    distinct: bool = False
    guards: tuple[KnownLines, ...] = ()
    around: str = ""
    doubling: bool = True
    answering: tuple[tuple[int, str], ...] = ()

    @functools.cached_property
    def given(self) -> frozenset[str]:
        """The characters that are given somewhere in the poem."""
        forms = self.masks.automaton.forms
        fixed = {slot.char for form in forms for slots in form.lines for slot in slots if slot.char}
        return frozenset(fixed.union(self.around).difference(MARKS))

    @functools.cached_property
    def echoed(self) -> dict[int, tuple[int, ...]]:
        """By line: the lengths of the shorter lines that repeat its end, which must be as new as it is."""
        form = self.masks.automaton.forms[0]
        lengths: dict[int, tuple[int, ...]] = {}
        for line, earlier in form.echoes:
            if form.line_lengths[line - 1] < form.line_lengths[earlier - 1]:
                lengths[earlier] = (*lengths.get(earlier, ()), form.line_lengths[line - 1])
        return lengths


@dataclass(frozen=True)
class CountedPlan:
    """What one text of counted lines must obey: its state says all of it.

    Attributes:
        masks: The tokens that each state of its measure admits.
    """

    masks: CountMasks


AnyPlan = Plan | CountedPlan
Masks = TokenMasks | CountMasks


@dataclass(frozen=True, slots=True)
class Track:
    """Where one sequence stands.

    Attributes:
        state: The state of the plan's automaton; `NOWHERE` once the sequence has met a dead end.
        begun: The bytes written of an unfinished character.
        text: The running text so far.
        rhyme_words: The rhyme words so far.
        ended: Whether the terminator was written; what follows is padding.
    """

    state: int
    begun: bytes = b""
    text: str = ""
    rhyme_words: str = ""
    ended: bool = False


def advance(plan: AnyPlan, track: Track, token: int) -> Track:
    """The track after one more token.

    A token that may not come (the terminator, forced at a dead end) leads to a track that is ended at `NOWHERE`.
    """
    if track.ended:
        return track
    masks: Masks = plan.masks
    if token == masks.index.terminator:
        whole = track.state != NOWHERE and not track.begun and masks.automaton.outlook(track.state).ends
        return replace(track, state=track.state if whole else NOWHERE, ended=True)
    state, begun = masks.step(track.state, track.begun, token)
    if state == NOWHERE:
        return replace(track, state=NOWHERE, ended=True)
    if begun:
        return replace(track, state=state, begun=begun)
    written = masks.written(track.begun, token)
    return Track(state, b"", track.text + written, track.rhyme_words + masks.rhyme_words(track.state, written))


def begin(plan: AnyPlan) -> Track:
    """The track of a sequence that has written nothing."""
    return Track(plan.masks.automaton.start)


def retrace(plan: AnyPlan, tokens: Sequence[int], start: Track | None = None) -> Track:
    """The track after a whole sequence of tokens, from `start` (or from the beginning) on."""
    track = start or begin(plan)
    for token in tokens:
        track = advance(plan, track, token)
    return track


def own_limits(plan: AnyPlan, track: Track, dead: Collection[str] = ()) -> tuple[list[int], list[int] | None]:
    """What the state admits but this sequence does not.

    Longer pieces are judged strictly (any that hold a used character are left out): every character can be written by
    itself, so nothing becomes unreachable by that.

    Args:
        plan: What the poem must obey.
        track: Where the sequence stands.
        dead: Running texts that are known to lead nowhere.

    Returns:
        Token ids that are forbidden; and, where a character of an earlier line is repeated, those that alone are admitted.
    """
    if track.ended or track.state == NOWHERE or not isinstance(plan, Plan):
        return [], None
    masks = plan.masks
    index = masks.index
    look = masks.automaton.outlook(track.state)
    if look.echo:
        return [], index.ways(track.text[-look.echo], track.begun)
    banned: list[int] = []
    for text in dead:
        if text.startswith(track.text) and (rest := text[len(track.text) :]):
            banned.extend(index.last_steps(rest, track.begun) if len(rest) == 1 else index.pieces.get(rest, ()))
    if masks.automaton.forms[0].repeating:
        banned.extend(index.crossing.tolist())
    if masks.automaton.forms[0].repeats:
        banned.extend(index.several)
    for word in track.rhyme_words:
        if look.rhymes and not look.fixed:
            banned.extend(index.last_steps(word, track.begun))
        banned.extend(index.longer.get(word, ()))
    if plan.distinct:
        banned.extend(_repeated(plan, track, look.fixed))
    if plan.guards and not track.begun and not look.fixed:
        for left in look.line_left:
            banned.extend(_known_lines(plan, track, left))
    return banned, None


def _repeated(plan: Plan, track: Track, fixed: bool) -> list[int]:
    """Tokens that would bring a character of the poem again."""
    index = plan.masks.index
    tokens: list[int] = index.repeating.tolist()
    last = track.text[-1:]
    doubled = track.text[-2:-1] == last or not plan.doubling
    for char in plan.given.union(track.text).difference(MARKS):
        if not fixed and (char != last or doubled):
            tokens += index.last_steps(char, track.begun)
        tokens += index.longer.get(char, ())
    return tokens


def _favoured(plan: AnyPlan, track: Track) -> dict[int, float]:
    """What is favoured as the next token of a sequence."""
    if not isinstance(plan, Plan) or not plan.answering or track.ended or track.begun:
        return {}
    return answering_tokens(plan.answering, plan.masks.index, track.text)


def _known_lines(plan: Plan, track: Track, left: int) -> list[int]:
    """Tokens that would finish a known line, with `left` characters of the line to come."""
    if left == 0 or left > plan.masks.index.longest:
        return []
    ids, codes = plan.masks.closing(track.state, left)
    line = _LINE_ENDS.split(track.text)[-1]
    known = np.zeros(len(ids), dtype=np.bool_)
    number = sum(track.text.count(mark) for mark in MARKS) + 1
    for length in (len(line) + left, *plan.echoed.get(number, ())):
        before = length - left
        if length >= SHORTEST_LINE and before >= 0:
            hashes: Hashes = np.full(len(ids), hash_text(line[len(line) - before :]), dtype=np.uint64)
            for column in range(left):
                hashes = extend_hash(hashes, codes[:, column])
            for guard in plan.guards:
                known |= guard.knows(hashes)
    return ids[known].tolist()


class MaskTable:
    """Forbidden tokens of many states as one boolean tensor (rows, columns), equal rows kept once.

    Row `empty_row` forbids everything. The table takes width and device from what it is asked for.

    Args:
        tokens: What the columns stand for, ascending: all that any plan can admit; `None`: the vocabulary.
    """

    empty_row = 0

    def __init__(self, tokens: npt.NDArray[np.int64] | None = None) -> None:
        self._tokens = tokens
        self.capacity = 0
        self.table = torch.empty((0, 0), dtype=torch.bool)

    def columns(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The columns of tokens, which are all among those that the table is of."""
        return tokens if self._tokens is None else np.searchsorted(self._tokens, tokens)

    def rows(self, wanted: Sequence[tuple[Masks, int, bytes]], vocabulary: int, device: torch.device) -> list[int]:
        """The rows of some (masks, state, bytes begun); those not yet known are found and kept.

        Row numbers hold until the next call.
        """
        if self.table.shape[1] != vocabulary or self.table.device != device:
            self.capacity = max(64, _TABLE_BYTES // vocabulary)
            self._clear(vocabulary, device)
        missing = sum((id(masks), state, begun) not in self._rows for masks, state, begun in wanted)
        if missing and len(self._by_content) + missing > self.capacity:
            self._clear(vocabulary, device)
        return [self._row(masks, state, begun) for masks, state, begun in wanted]

    def _clear(self, vocabulary: int, device: torch.device) -> None:
        self.table = torch.empty((64, vocabulary), dtype=torch.bool, device=device)
        # Row 0: nothing is admitted, as behind the end of a poem.
        self.table[0] = True
        self._by_content: dict[bytes, int] = {b"": self.empty_row}
        self._rows: dict[tuple[int, int, bytes], int] = {}
        self._masks: dict[int, Masks] = {}

    def _row(self, masks: Masks, state: int, begun: bytes) -> int:
        key = (id(masks), state, begun)
        row = self._rows.get(key)
        if row is not None:
            return row
        # Holding the masks keeps their id from being given to another object.
        self._masks[id(masks)] = masks
        admitted = masks.admitted(state, begun) if state != NOWHERE else np.empty(0, dtype=np.int64)
        content = admitted.tobytes()
        row = self._by_content.get(content)
        if row is None:
            row = self._by_content[content] = len(self._by_content)
            if row == len(self.table):
                self.table = torch.cat([self.table, torch.empty_like(self.table)])
            self.table[row] = True
            self.table[row, torch.from_numpy(self.columns(admitted)).to(self.table.device)] = False
        self._rows[key] = row
        return row


class SlotProcessor(LogitsProcessor):  # type: ignore[misc]
    """Keeps every sequence of a batch inside the form of its prompt.

    Works with sampling, beams, any number of returned sequences, and the key-value cache. Prompts are padded on the
    left, so that completions begin at one column. A sequence that meets a dead end is given the terminator; its track
    then stands at `NOWHERE`.

    Args:
        plans: One plan a prompt.
        prompt_tokens: Tokens of the (padded) prompts: the column where completions begin.
        table: Rows found before, to go on with.
        starts: Where each sequence stands at that column, if it has written something already.
        dead: For each prompt, running texts that are known to lead nowhere.
        watch: Is told the running text of every sequence at each step.
    """

    def __init__(
        self,
        plans: Sequence[AnyPlan],
        prompt_tokens: int,
        table: MaskTable,
        starts: Sequence[Track] | None = None,
        dead: Sequence[Collection[str]] | None = None,
        watch: Callable[[list[str]], None] | None = None,
    ) -> None:
        self.plans = list(plans)
        self.prompt_tokens = prompt_tokens
        self.table = table
        self.starts = list(starts) if starts else [begin(plan) for plan in plans]
        self.dead = list(dead) if dead else [()] * len(self.plans)
        self.watch = watch
        self._ids: torch.Tensor | None = None
        self._tracks: list[Track] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Masks the scores.

        Args:
            input_ids: Prompts and completions so far, (sequences, tokens); sequences of one prompt stand together.
            scores: Scores of the next token, (sequences, vocabulary).

        Returns:
            Scores of the same shape.
        """
        forbidden, stuck = self.forbidden(input_ids, scores.shape[-1])
        masked = self.favoured(scores).masked_fill(forbidden, -torch.inf)
        for number, terminator in stuck:
            masked[number, terminator] = 0.0
        return masked  # type: ignore[return-value]

    def favoured(self, scores: torch.Tensor, columns: torch.Tensor | None = None) -> torch.Tensor:
        """Scores of the step that was looked at last, higher where a character would answer the one opposite (对仗).

        Args:
            scores: Scores of the next token, (sequences, vocabulary).
            columns: The tokens that the scores are of, ascending; `None`: all.
        """
        each = max(1, len(self._tracks) // len(self.plans))
        favoured = [_favoured(self.plans[number // each], track) for number, track in enumerate(self._tracks)]
        return raised(scores, favoured, columns)

    def forbidden(self, input_ids: torch.Tensor, vocabulary: int) -> tuple[torch.Tensor, list[tuple[int, int]]]:
        """The tokens that may not come next.

        Args:
            input_ids: Prompts and completions so far, (sequences, tokens); sequences of one prompt stand together.
            vocabulary: Columns of the table: tokens that there are.

        Returns:
            A mask (sequences, vocabulary), true where a token may not come; no row is true throughout. And the sequences
            that would have had such a row, at a dead end or behind the end, each with the column of the terminator that is
            left to it.
        """
        each = len(input_ids) // len(self.plans)
        prompts = [number for number in range(len(self.plans)) for _ in range(each)]
        self._tracks = tracks = self._follow(input_ids, prompts)
        self._ids = input_ids
        if self.watch is not None:
            self.watch([track.text for track in tracks])
        plans = [self.plans[number] for number in prompts]
        wanted = [(plan.masks, track.state, track.begun) for plan, track in zip(plans, tracks)]
        rows = self.table.rows(wanted, vocabulary, input_ids.device)
        forbidden = self.table.table[torch.tensor(rows, device=input_ids.device)]
        return forbidden, self._forbid_own(forbidden, prompts, tracks, rows)

    def _follow(self, ids: torch.Tensor, prompts: Sequence[int]) -> list[Track]:
        """The track of each sequence, from those of the step before where they are known."""
        if ids.shape[1] == self.prompt_tokens:
            return [self.starts[number] for number in prompts]
        known, last = self._ids, ids[:, -1].tolist()
        if known is None or known.shape != ids[:, :-1].shape:
            completions = ids[:, self.prompt_tokens :].tolist()
            return [retrace(self.plans[n], tokens, self.starts[n]) for n, tokens in zip(prompts, completions)]
        if torch.equal(known, ids[:, :-1]):
            before = self._tracks
        else:
            # Beams: a sequence goes on from any sequence of its prompt, the step before.
            by_ids = {(n, *row): track for n, row, track in zip(prompts, known.tolist(), self._tracks)}
            before = [by_ids[n, *row] for n, row in zip(prompts, ids[:, :-1].tolist())]
        return [advance(self.plans[n], track, token) for n, track, token in zip(prompts, before, last)]

    def _forbid_own(
        self, forbidden: torch.Tensor, prompts: Sequence[int], tracks: Sequence[Track], rows: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Forbids, in place, what single sequences may not write, and leaves those that are stuck the terminator."""
        lengths: list[int] = []
        tokens: list[int] = []
        doubtful: list[int] = []
        for number, (prompt, track) in enumerate(zip(prompts, tracks)):
            banned, alone = own_limits(self.plans[prompt], track, self.dead[prompt])
            if alone is not None:
                own = torch.from_numpy(self.table.columns(np.array(alone, dtype=np.int64))).to(forbidden.device)
                kept = forbidden[number, own]
                forbidden[number] = True
                forbidden[number, own] = kept
            lengths.append(len(banned))
            tokens.extend(banned)
            if banned or alone is not None or rows[number] == self.table.empty_row:
                doubtful.append(number)
        if tokens:
            sequences = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths)).to(forbidden.device)
            columns = torch.from_numpy(self.table.columns(np.array(tokens, dtype=np.int64))).to(forbidden.device)
            forbidden[sequences, columns] = True
        if not doubtful:
            return []
        chosen = torch.tensor(doubtful, device=forbidden.device)
        dead_ends = chosen[forbidden[chosen].all(dim=1)].tolist()
        ends = np.array([self.plans[prompts[number]].masks.index.terminator for number in dead_ends], dtype=np.int64)
        stuck = list(zip(dead_ends, self.table.columns(ends).tolist()))
        for number, terminator in stuck:
            forbidden[number, terminator] = False
        return stuck
