"""Polishing rewrites the weakest place of a poem under its form, all other lines locked, and keeps what makes the poem better.

In: a `Draft`: the lines of a poem, the form that they keep, what was asked for. Out: `Polishing`: the lines that became of it
and, for each that changed, its `Change`: old, new, and why.

    lines ──merits of each, given the others──> weakest line ──lines before it──> DRAFTS new ones, under its slots
        ┌── whole poems, lines behind it too: likelihood, then all merits <── read back (form, new lines, verdict) ──┘
        └──> the best, if it is better than what stands there; else the couplet of the line, then the next weakest

New lines are drawn from what stands before them, and chosen by all of the poem: how likely it is, how much title and words make
it likelier, how its lines hold together. A line that breaks its form comes before all others, and may only be replaced
by one that keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gemma_poetry.corpus.script import convert
from gemma_poetry.data.tokenization import encode_completion, encode_prompt
from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.decoder import Decoder, batch_seed
from gemma_poetry.generation.drafts import Draft
from gemma_poetry.generation.form_layout import unite_echoes
from gemma_poetry.generation.logits_processor import begin, retrace
from gemma_poetry.generation.planning import Planner
from gemma_poetry.generation.reranking import PARALLEL_COUPLETS, Candidate, LineMerits, Merits, Reranker
from gemma_poetry.generation.slot_automaton import NOWHERE
from gemma_poetry.generation.verification import VerifiedPoem, plain_lines, verify
from gemma_poetry.generation.written import BEST_FIRST, Change
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.check_result import CheckResult
from gemma_poetry.prosody.forms import FULL_STOP, Form, Slot

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DRAFTS = 32
"""Ways that a place is written anew in a round."""

_ASSESSED = 8
"""Of these, those that are weighed by all merits: the likeliest within the poem."""

WORTH = {"fluency": 1.5, "closeness": 3.0, "coherence": 1.0, "usage": 5.0, "parallelism": 3.0}
"""What a unit of each merit is worth in a poem, in nats a character."""

_LEAST_GAIN = 0.005
"""What a change must be worth at least."""

Judge = Callable[[Sequence[str]], CheckResult | None]
"""Reads lines back against their form; `None` where no rule judges them."""


@dataclass(frozen=True, slots=True)
class Polishing:
    """What became of a draft.

    Attributes:
        lines: Its lines now.
        changes: The lines that changed, from first to last.
        before: What spoke for the poem.
        after: What speaks for it now.
    """

    lines: tuple[str, ...]
    changes: tuple[Change, ...]
    before: Merits
    after: Merits

    def measures(self) -> dict[str, tuple[float | None, float | None]]:
        """Before and after, by name."""
        names = ("ppl_char", "closeness", "coherence", "usage", "parallelism")
        return {name: (getattr(self.before, name), getattr(self.after, name)) for name in names}


class Polisher:
    """Polishes with the model that writes."""

    def __init__(self, planner: Planner, decoder: Decoder, assessor: Reranker, tokenizer: PreTrainedTokenizerBase) -> None:
        self._planner = planner
        self._decoder = decoder
        self._assessor = assessor
        self._tokenizer = tokenizer

    def polish(
        self, draft: Draft, *, rounds: int, seed: int, lines: Sequence[int] = (), judge: Judge | None = None
    ) -> Polishing:
        """Rewrites one place a round.

        Args:
            draft: The poem.
            rounds: Places that are tried at most.
            seed: Seed of sampling.
            lines: The lines that may change, from 1; empty: all.
            judge: Reads the poem back, where it may break its form.

        Raises:
            ConstraintError: There is no such line, it says words of a line that is not named, or nothing of it is left to
                choose.
        """
        work = _Work(draft, _checked_lines(draft.form, lines), judge)
        before = self._assess([work.lines], draft)[0]
        merits = before
        for number in range(rounds):
            found = self._weakest(work)
            if found is None:
                break
            place, weakness = found
            better = self._rewrite(work, place, merits, batch_seed(seed, number))
            work.tried.add(place)
            if better is None:
                continue
            written, gained = better
            gain = _("the new one keeps it") if work.faulty(place) else _gain(merits, gained)
            work.replace(place, written, listed((weakness, gain), "; "))
            merits, work.tried = gained, {place}
        return Polishing(work.lines, work.changes(), before, merits)

    def _weakest(self, work: _Work) -> tuple[tuple[int, ...], str] | None:
        """The place that is tried next, and what is weak in it; `None`: all were tried."""
        if work.weaknesses is None:
            candidate = self._candidate(work.lines, work.draft)
            work.weaknesses = _weaknesses(self._assessor.assess_lines(candidate), work.faults())
        ranked = sorted(work.free, key=lambda line: work.weaknesses[line - 1][0])  # type: ignore[index]
        for line in ranked:
            couplet = _couplet(work.draft.form, line)
            places: list[tuple[int, ...]] = [(line,)]
            if couplet is not None and work.free.issuperset(couplet):
                places.append(couplet)
            for place in places:
                if place not in work.tried:
                    return place, work.weaknesses[line - 1][1]
        return None

    def _rewrite(self, work: _Work, place: tuple[int, ...], merits: Merits, seed: int) -> tuple[tuple[str, ...], Merits] | None:
        """The best of some ways to write a place, with the merits of the poem; `None` where none makes it better."""
        draft = work.draft
        ways = [way for way in dict.fromkeys(self._ways(work, place, seed)) if way != work.lines]
        if not ways:
            return None
        likely = self._assessor.likelihoods([self._candidate(way, draft) for way in ways], among_pieces=True)
        best = sorted(range(len(ways)), key=lambda number: -likely[number])[:_ASSESSED]
        assessed = self._assess([ways[number] for number in best], draft)
        least = worth(merits) + _LEAST_GAIN if not work.faulty(place) else -np.inf
        for number in sorted(range(len(best)), key=lambda number: -worth(assessed[number])):
            if worth(assessed[number]) <= least:
                return None
            if work.may_become(ways[best[number]], place):
                return ways[best[number]], assessed[number]
        return None

    def _ways(self, work: _Work, place: tuple[int, ...], seed: int) -> Iterator[tuple[str, ...]]:
        """Ways to write a place, each as the lines of the whole poem."""
        draft = work.draft
        request, first, last = draft.request, place[0], place[-1]
        slots, marks = unite_echoes(draft.form)[0], draft.form.marks
        form = Form(
            draft.form.name,
            tuple(tuple(slots[line - 1]) for line in place),
            marks[first - 1 : last],
            draft.form.pattern,
            repeats=tuple((place.index(line) + 1, late, early) for line, late, early in draft.form.repeats if line in place),
        )
        locked = [line for line in range(1, len(slots) + 1) if line not in place and line not in draft.form.repeating]
        rhymes, words = _rhymes(draft, slots, work.lines, form, locked)
        prescription = replace(draft.prescription, forms=(form,), rhymes=rhymes)
        plain = plain_lines(work.lines, draft.form)
        around = "".join(plain[line - 1] for line in locked)
        try:
            plan = self._planner.follow(prescription, request, around)
        except ConstraintError:
            return
        plan = replace(plan, answering=_answering(draft.form.name, place, plain))
        prefix = encode_prompt(self._tokenizer, self._planner.conditions(request, draft.prescription))
        if first > 1:
            before = "".join(line + mark for line, mark in zip(plain[: first - 1], marks))
            prefix = [*prefix, *encode_completion(self._tokenizer, before)[:-1]]
        start = replace(begin(plan), rhyme_words="".join(convert(words, "simplified")))
        rows = self._decoder.decode(
            [prefix] * DRAFTS, [plan] * DRAFTS, seed, starts=[start] * DRAFTS, retrying=True, alike=True
        )
        for row in rows:
            track = retrace(plan, row, start)
            if not track.ended or track.state == NOWHERE:
                continue
            found = verify(track.text, plan, request, prescription)
            if isinstance(found, VerifiedPoem):
                whole = _with(work.lines, draft.form, place, found.poem.lines)
                earlier = _earlier(draft.form)
                following = [line for line in earlier if _source(line, earlier) in place]
                repeated = convert([whole[line - 1] for line in following], "simplified")
                if not any(line in guard for line in repeated for guard in plan.guards):
                    yield whole

    def _assess(self, several: Sequence[tuple[str, ...]], draft: Draft) -> list[Merits]:
        return self._assessor.assess([self._candidate(lines, draft) for lines in several])

    def _candidate(self, lines: Sequence[str], draft: Draft) -> Candidate:
        plain = plain_lines(lines, draft.form)
        text = "".join(line + mark for line, mark in zip(plain, draft.form.marks))
        return Candidate(self._planner.conditions(draft.request, draft.prescription), draft.form.name, plain, text)


class _Work:
    """A draft at work.

    Attributes:
        lines: Its lines now.
        free: The lines that may change, from 1.
        tried: The places that could not be made better as the poem stands.
        weaknesses: For each line how weak it is, the least the weakest, and in what; `None`: not known.
    """

    def __init__(self, draft: Draft, free: frozenset[int], judge: Judge | None) -> None:
        self.draft = draft
        self.lines = draft.lines
        self.free = free
        self.tried: set[tuple[int, ...]] = set()
        self.weaknesses: list[tuple[float, str]] | None = None
        self._judge = judge
        self._check = judge(draft.lines) if judge else None
        self._reasons: dict[int, str] = {}

    def faults(self) -> Counter[int]:
        """How many faults each line has, from 1."""
        return Counter(fault.line for fault in self._check.faults) if self._check else Counter()

    def faulty(self, place: Sequence[int]) -> bool:
        """Whether a line of a place breaks the form."""
        return any(self.faults()[line] for line in place)

    def may_become(self, lines: tuple[str, ...], place: Sequence[int]) -> bool:
        """Whether the verdict is no worse with these lines, and those of the place have no fault."""
        if self._judge is None or self._check is None:
            return True
        check = self._judge(lines)
        assert check is not None
        if len(check.faults) > len(self._check.faults) or any(fault.line in place for fault in check.faults):
            return False
        return BEST_FIRST.index(check.verdict) <= BEST_FIRST.index(self._check.verdict)

    def replace(self, place: Sequence[int], lines: tuple[str, ...], reason: str) -> None:
        """Puts new lines in place of a weak place; those that repeat it have that for a reason."""
        repeats = {line: (earlier, step) for line, earlier, step in self.draft.form.returns}
        for number, (old, new) in enumerate(zip(self.lines, lines), 1):
            if old != new:
                follows = number in repeats and number not in place
                self._reasons[number] = _repeats(self.draft.form, number, *repeats[number]) if follows else reason
        self.lines, self.weaknesses = lines, None
        self._check = self._judge(lines) if self._judge else None

    def changes(self) -> tuple[Change, ...]:
        """What differs from the draft."""
        pairs = enumerate(zip(self.draft.lines, self.lines), 1)
        return tuple(Change(number, old, new, self._reasons[number]) for number, (old, new) in pairs if old != new)


def worth(merits: Merits) -> float:
    """All that speaks for a poem, in nats a character."""
    return sum(weight * (getattr(merits, name) or 0.0) for name, weight in WORTH.items())


def _checked_lines(form: Form, lines: Sequence[int]) -> frozenset[int]:
    """The lines that may change: those that are asked for, or all in which something is left to choose.

    Of a line that repeats another (叠句) that other stands for it; both must be asked for, since both change.
    """
    count = len(form.lines)
    earlier = _earlier(form)
    for line in lines:
        if not 1 <= line <= count:
            raise ConstraintError(_("the poem has no line {line}", line=line), expected=_("lines 1 to {count}", count=count))
    for line, source, step in form.returns:
        if (line in lines) != (source in lines):
            raise ConstraintError(
                _repeats(form, line, source, step),
                expected=_("lines that say the same words, named together: they change together"),
                action=_("name them all: --lines {lines}", lines=",".join(map(str, lines_together(form, lines)))),
            )
    asked = {_source(line, earlier) for line in lines or range(1, count + 1)}
    free = frozenset(line for line in asked if any(slot.char is None for slot in form.lines[line - 1]))
    if lines and len(free) < len(asked):
        fixed = min(asked - free)
        raise ConstraintError(
            _("every character of line {fixed} was asked for", fixed=fixed), action=_("leave it out of the lines to rewrite")
        )
    return free


def _repeats(form: Form, line: int, earlier: int, step: int) -> str:
    """What a line has to do with the one that it says again, in words."""
    if form.line_lengths[line - 1] == form.line_lengths[earlier - 1]:
        forwards = _("line {line} repeats line {earlier}", line=line, earlier=earlier)
        backwards = _("line {line} says line {earlier} backwards", line=line, earlier=earlier)
    else:
        forwards = _("line {line} repeats the end of line {earlier}", line=line, earlier=earlier)
        backwards = _("line {line} says the end of line {earlier} backwards", line=line, earlier=earlier)
    return forwards if step > 0 else backwards


def lines_together(form: Form, lines: Sequence[int]) -> tuple[int, ...]:
    """These lines of a form, and all that change with them: those that they repeat, and those that repeat them."""
    earlier = _earlier(form)
    sources = {_source(line, earlier) for line in lines}
    return tuple(line for line in range(1, len(form.lines) + 1) if _source(line, earlier) in sources)


def _earlier(form: Form) -> dict[int, int]:
    return {line: earlier for line, earlier, _step in form.returns}


def _source(line: int, earlier: Mapping[int, int]) -> int:
    """The line that a line goes back to; one that repeats may be repeated itself (路迷，迷路，迷路)."""
    while line in earlier:
        line = earlier[line]
    return line


def _couplet(form: Form, line: int) -> tuple[int, ...] | None:
    """The two lines of the sentence that a line stands in; `None` where it has another number."""
    ends = [0, *(number for number, mark in enumerate(form.marks, 1) if mark == FULL_STOP)]
    first = max(end for end in ends if end < line) + 1
    last = min((end for end in ends if end >= line), default=first)
    both = (first, last)
    return both if last == first + 1 and not form.repeating.intersection(both) else None


def _with(lines: tuple[str, ...], form: Form, place: Sequence[int], written: Sequence[str]) -> tuple[str, ...]:
    """The lines of a poem with a place rewritten: fixed characters stay as they stand, and lines that repeat it follow."""
    now = list(lines)
    for line, new in zip(place, written):
        slots = form.lines[line - 1]
        now[line - 1] = "".join(old if slot.char else char for slot, old, char in zip(slots, lines[line - 1], new))
    changed = set(place)
    for line, earlier, step in sorted(form.returns):
        if earlier in changed:
            now[line - 1] = now[earlier - 1][-len(lines[line - 1]) :][::step]
            changed.add(line)
    return tuple(now)


def _rhymes(
    draft: Draft, slots: Sequence[Sequence[Slot]], lines: Sequence[str], form: Form, locked: Sequence[int]
) -> tuple[dict[str, frozenset[str]], list[str]]:
    """The groups that a place must rhyme in, by variable, which most of the other rhyme words have; and these words."""
    sounds = BookSounds(draft.prescription.book, "any")
    rhymes: dict[str, frozenset[str]] = {}
    taken: list[str] = []
    for variable in {slot.rhyme for line in form.lines for slot in line if slot.rhyme}:
        words = [
            (char, slot) for line in locked for char, slot in zip(lines[line - 1], slots[line - 1]) if slot.rhyme == variable
        ]
        votes = Counter(group for word, slot in words for group in sounds.rhymes(word, slot.tone))
        groups = frozenset(group for group, count in votes.items() if count == max(votes.values()))
        wished = draft.prescription.rhymes.get(variable)
        shared = groups & wished if groups and wished else groups or wished
        if shared:
            rhymes[variable] = shared
        taken += [word for word, _ in words]
    return rhymes, taken


def _answering(form: str, place: Sequence[int], lines: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """Which lines of a place answer which others (对仗), as plans have it."""
    answering = []
    for first in PARALLEL_COUPLETS.get(form, ()):
        for line, other in ((first + 1, first + 2), (first + 2, first + 1)):
            if line in place and (other not in place or other < line):
                answering.append((place.index(line) + 1, "" if other in place else lines[other - 1]))
    return tuple(answering)


_WEAK_IN = {
    "fluency": _("the model finds it unlikely beside the other lines"),
    "closeness": _("it has little to do with the title beside the other lines"),
    "coherence": _("it holds little together with the other lines"),
    "usage": _("it has pairs of characters that no poet uses"),
    "parallelism": _("its couplet is the less parallel"),
}


def _weaknesses(lines: Sequence[LineMerits], faults: Counter[int]) -> list[tuple[float, str]]:
    """How weak each line is, in standard deviations among the lines, and in what most."""
    strengths = np.zeros((len(_WEAK_IN), len(lines)))
    telling = np.zeros_like(strengths, dtype=bool)
    for row, name in enumerate(_WEAK_IN):
        values = [getattr(one, name) for one in lines]
        known = [value for value in values if value is not None]
        spread = float(np.std(known)) if known else 0.0
        if spread > 1e-9:
            mean = float(np.mean(known))
            strengths[row] = [0.0 if value is None else (value - mean) / spread for value in values]
            telling[row] = [value is not None for value in values]
    names = list(_WEAK_IN)
    found = []
    for number in range(len(lines)):
        worst = names[int(np.where(telling[:, number], strengths[:, number], np.inf).argmin())]
        total, weak_in = float(strengths[:, number].sum()), _WEAK_IN[worst]
        if count := faults[number + 1]:
            total, weak_in = total - 1000 * count, _("it breaks the form")
        found.append((total, weak_in))
    return found


_GAINS = {
    "fluency": _("the poem becomes likelier"),
    "closeness": _("the poem comes closer to its title"),
    "coherence": _("the lines hold better together"),
    "usage": _("what no poet says is gone"),
    "parallelism": _("its couplets become more parallel"),
}


def _gain(before: Merits, after: Merits) -> str:
    """What a change brought most."""

    def gained(name: str) -> float:
        return WORTH[name] * ((getattr(after, name) or 0.0) - (getattr(before, name) or 0.0))

    return _GAINS[max(_GAINS, key=gained)]
