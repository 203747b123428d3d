"""A 词 or 曲 laid over the variants of its tune.

In: lines, variants, a rhyme book. Out: a `TuneFit`: the variant (体) that fits best, the part of each rhyme, and every place
where the poem departs from the variant.

    lines ──variants with the same rhyme places──> tones, rhymes, echoes compared ──fewest faults, then commonest──> fit
          └─none──> the variant of the nearest line lengths; lines of equal length compared, the others reported

A character is right if one of its readings is. A tone that is merely usual in its place may be missed: a licence. A
sentence that is divided otherwise than in the variant, with no rhyme displaced, is a licence (句读): editors differ in it. So
is a rhyme word of another 词林正韵 part that Song poets took together with that of the others (宋人通押).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import combinations

from gemma_poetry.prosody.findings import Fault
from gemma_poetry.prosody.forms import Form, Slot, Tone
from gemma_poetry.prosody.interpretation import Heard
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import CILIN
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.tune_sounds import Sounds, parts_of, sounds_of, tones_of
from gemma_poetry.prosody.tune_variants import Tier, TuneVariant, line_ends

_MOST_PADDING = 3
_PADDING_SHARE = 0.25

Hearing = Sequence[Sequence[Heard]]
"""The readings of every place, line by line."""


@dataclass(frozen=True, slots=True)
class SungPlace:
    """A character of the poem and the slot that it is held against.

    Attributes:
        char: The character.
        heard: The readings that come into question.
        slot: The slot.
        line: The poem's line, from 1.
        position: The character in the line, from 1.
        level_share: Percent of the variant's poems that have a level tone here; -1 where unknown.
        may_not_rhyme: Whether the rhyme here is one that not all poems keep.
    """

    char: str
    heard: Heard
    slot: Slot
    line: int
    position: int
    level_share: int
    may_not_rhyme: bool = False

    @property
    def sounds(self) -> Sounds:
        """The sounds that come into question."""
        return sounds_of(self.heard.readings)


@dataclass(frozen=True, slots=True)
class TuneFit:
    """What a poem makes of a variant.

    Attributes:
        variant: The variant.
        places: The characters that could be held against a slot, in the order of the poem.
        parts: The part of the book taken for each rhyme variable; a variable of unknown characters only is missing.
        departures: Faults and licences, in the order of the poem.
        every_reading: Whether the poem has no fault whichever readings its characters take.
        book: The rhyme book.
    """

    variant: TuneVariant
    places: tuple[SungPlace, ...]
    parts: dict[str, int]
    departures: tuple[Fault, ...]
    every_reading: bool
    book: RhymeBook = CILIN

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The departures that fail the poem."""
        return tuple(found for found in self.departures if found.rule.verdict is Verdict.FAIL)


def fit_variants(
    lines: Sequence[str], variants: Sequence[TuneVariant], shape_rule: Rule = Rule.SHAPE, book: RhymeBook = CILIN
) -> TuneFit:
    """The fit of the variant that suits a poem best.

    Args:
        lines: The lines, Han characters only.
        variants: At least one, the commonest first.
        shape_rule: What a line of another length is, where no variant fits: a fault, or the licence of a rare variant.
        book: The rhyme book.
    """
    heard: Hearing = book.interpret(lines)
    fit = _fit_heard(lines, heard, variants, shape_rule, book)
    # Only a poem that fails so is read with every traditional form of its characters, and then with every reading: what
    # usage settles, it settles by regulated verse, and 词 takes some characters otherwise (不 与 平, 如 仄).
    for hear in (functools.partial(book.interpret, widened=True), book.every_reading):
        if not fit.faults:
            break
        before, heard = heard, hear(lines)
        if heard != before:
            fit = min(fit, _fit_heard(lines, heard, variants, shape_rule, book), key=_cost)
    return fit


def _cost(fit: TuneFit) -> tuple[int, int]:
    return len(fit.faults), len(fit.departures)


def _fit_heard(
    lines: Sequence[str], heard: Hearing, variants: Sequence[TuneVariant], shape_rule: Rule, book: RhymeBook
) -> TuneFit:
    lengths = tuple(map(len, lines))
    fits = [_lay_over(lines, heard, variant, book) for variant in variants if variant.fits(lengths)]
    if fits:
        # min keeps the first of equals: the commoner variant. What no reading breaks in one of them, none breaks in the tune.
        best = min(fits, key=_cost)
        return replace(best, every_reading=any(fit.every_reading for fit in fits if _cost(fit) == _cost(best)))
    attested = [variant for variant in variants if variant.tier is Tier.SOLID]
    nearest = max(attested or variants, key=lambda variant: _matcher(lengths, variant.form.line_lengths).ratio())
    return _lay_line_by_line(lines, heard, nearest, shape_rule, book)


def fit_padded(lines: Sequence[str], variants: Sequence[TuneVariant], book: RhymeBook) -> TuneFit | None:
    """The fit of the variant that a 曲 with padding characters (衬字) suits best; `None` if it can be meant for none.

    Which characters are padding, the tones tell: those are left out without which the line keeps most of them, the earliest
    of equals. The last of a line is none.

    Args:
        lines: The lines, Han characters only.
        variants: At least one, the commonest first.
        book: The rhyme book.
    """
    lengths = tuple(map(len, lines))
    heard = book.interpret(lines)
    fits = [_lay_padded(lines, heard, one, book) for one in variants if _is_padded(lengths, one.form.line_lengths)]
    return min(fits, key=_cost, default=None)


def _is_padded(lengths: Sequence[int], usual: Sequence[int]) -> bool:
    if len(lengths) != len(usual):
        return False
    more = [mine - theirs for mine, theirs in zip(lengths, usual)]
    return min(more) >= 0 and max(more) <= _MOST_PADDING and 0 < sum(more) <= _PADDING_SHARE * sum(usual)


def _lay_padded(lines: Sequence[str], heard: Hearing, variant: TuneVariant, book: RhymeBook) -> TuneFit:
    places: list[SungPlace] = []
    departures: list[Fault] = []
    for number, (line, own, slots, shares) in enumerate(zip(lines, heard, variant.form.lines, variant.level_shares), 1):
        tones = [tones_of(sounds_of(place.readings)) for place in own]

        def wrong(kept: tuple[int, ...], tones: Sequence[frozenset[Tone]] = tones, slots: Sequence[Slot] = slots) -> int:
            return sum(bool(slot.tone and tones[index]) and slot.tone not in tones[index] for index, slot in zip(kept, slots))

        kept = min(combinations(range(len(line) - 1), len(slots) - 1), key=lambda kept: (wrong(kept), -sum(kept)))
        for index, slot, share in zip((*kept, len(line) - 1), slots, shares):
            usual = number in variant.usual_rhymes and slot.rhyme is not None
            places.append(SungPlace(line[index], own[index], slot, number, index + 1, share, usual))
        if len(line) > len(slots):
            departures.append(Fault(Rule.PADDING, number, 0, str(len(slots)), str(len(line))))
    return _compare(variant, places, departures, book)


def line_pairs(lengths: Sequence[int], usual: Sequence[int]) -> Sequence[tuple[str, int, int, int, int]]:
    """Which lines of a poem and of a variant belong together, by their lengths: `difflib` opcodes."""
    return list(_matcher(lengths, usual).get_opcodes())


def _matcher(one: Sequence[int], other: Sequence[int]) -> SequenceMatcher[int]:
    return SequenceMatcher(a=one, b=other, autojunk=False)


def _lay_over(lines: Sequence[str], heard: Hearing, variant: TuneVariant, book: RhymeBook) -> TuneFit:
    """A poem with the rhyme places of the variant, character by character."""
    lengths = tuple(map(len, lines))
    shares = (share for row in variant.level_shares for share in row)
    rest = zip(variant.slots, shares, (place in variant.usual_rhyme_ends for place in range(variant.characters)))
    places = [
        SungPlace(char, place, slot, number, position, share, usual)
        for number, (line, own) in enumerate(zip(lines, heard), 1)
        for position, (char, place, (slot, share, usual)) in enumerate(zip(line, own, rest), 1)
    ]
    departures = [*_divisions(lengths, variant.form), *_broken_echoes(lines, lengths, variant.form)]
    return _compare(variant, places, departures, book)


def _divisions(lengths: tuple[int, ...], form: Form) -> Iterator[Fault]:
    """One licence for each stretch between common line ends that the poem and the form divide otherwise."""
    if lengths == form.line_lengths:
        return
    mine, theirs = line_ends(lengths), line_ends(form.line_lengths)
    begin = usual_begin = 0
    for end in sorted(set(mine) & set(theirs)):
        after, usual_after = mine.index(end) + 1, theirs.index(end) + 1
        actual, expected = lengths[begin:after], form.line_lengths[usual_begin:usual_after]
        if actual != expected:
            yield Fault(Rule.DIVISION, begin + 1, 0, _sum_text(expected), _sum_text(actual))
        begin, usual_begin = after, usual_after


def _sum_text(lengths: Sequence[int]) -> str:
    return "+".join(map(str, lengths)) or "0"


def _broken_echoes(lines: Sequence[str], lengths: tuple[int, ...], form: Form) -> Iterator[Fault]:
    if lengths != form.line_lengths:
        return
    for number, position, earlier in form.repeats:
        line = lines[number - 1]
        if line[position - 1] != line[earlier - 1]:
            yield Fault(Rule.REPEAT, number, position, line[earlier - 1], line[position - 1])
    for number, expected in form.returned_lines(lines):
        if lines[number - 1] != expected:
            yield Fault(Rule.ECHO, number, 0, expected, lines[number - 1])


def _lay_line_by_line(lines: Sequence[str], heard: Hearing, variant: TuneVariant, shape_rule: Rule, book: RhymeBook) -> TuneFit:
    """A poem of other line lengths: lines are matched by length, and those without a match are reported.

    Of a line that is merely too long or too short the rhyme word is compared all the same.
    """
    lengths = tuple(map(len, lines))
    usual = variant.form.line_lengths
    places: list[SungPlace] = []
    departures: list[Fault] = []
    for tag, begin, end, usual_begin, usual_end in line_pairs(lengths, usual):
        if tag == "equal":
            for mine, theirs in zip(range(begin, end), range(usual_begin, usual_end)):
                own = zip(lines[mine], heard[mine], variant.form.lines[theirs], variant.level_shares[theirs])
                usual_rhyme = theirs + 1 in variant.usual_rhymes
                places += [
                    SungPlace(char, place, slot, mine + 1, position, share, usual_rhyme and slot.rhyme is not None)
                    for position, (char, place, slot, share) in enumerate(own, 1)
                ]
        elif end - begin == usual_end - usual_begin:
            for mine, theirs in zip(range(begin, end), range(usual_begin, usual_end)):
                departures.append(Fault(shape_rule, mine + 1, 0, str(usual[theirs]), str(lengths[mine])))
                slot, share = variant.form.lines[theirs][-1], variant.level_shares[theirs][-1]
                if slot.rhyme:
                    usual_rhyme = theirs + 1 in variant.usual_rhymes
                    places.append(
                        SungPlace(lines[mine][-1], heard[mine][-1], slot, mine + 1, lengths[mine], share, usual_rhyme)
                    )
        else:
            line = min(begin + 1, len(lines))
            departures.append(
                Fault(shape_rule, line, 0, _sum_text(usual[usual_begin:usual_end]), _sum_text(lengths[begin:end]))
            )
    return _compare(variant, places, departures, book)


def _compare(variant: TuneVariant, places: Sequence[SungPlace], departures: list[Fault], book: RhymeBook) -> TuneFit:
    every = not any(found.rule.verdict is Verdict.FAIL for found in departures)
    rhyming: dict[str, list[SungPlace]] = {}
    for place in places:
        slot = place.slot
        if slot.rhyme:
            rhyming.setdefault(slot.rhyme, []).append(place)
        tones = tones_of(place.sounds)
        if slot.tone is None or not tones:
            continue
        fixed = variant.is_fixed(slot, place.level_share) and not place.may_not_rhyme
        every &= tones == {slot.tone} or not fixed
        if slot.tone not in tones:
            actual = "".join(tone.value for tone in Tone if tone in tones)
            rule = Rule.TONE if fixed else Rule.USUAL_TONE
            departures.append(Fault(rule, place.line, place.position, slot.tone.value, actual))
    parts = {}
    for rhyme, own in rhyming.items():
        part = _commonest_part(own)
        if part is None:
            continue
        parts[rhyme] = part
        mixed = book.mixed_parts.get(part, frozenset())
        for place in own:
            possible = parts_of(place.sounds, place.slot.tone)
            every &= parts_of(place.sounds) <= {part, *mixed} or place.may_not_rhyme
            # A wrong tone has been told already, and a character without a reading cannot be judged.
            if possible and part not in possible:
                actual = "/".join(book.parts[other] for other in sorted(possible))
                taken = possible | book.mixed_words.get(place.char, frozenset())
                rule = Rule.RHYME if taken.isdisjoint({part, *mixed}) else Rule.MIXED_RHYME
                rule = Rule.USUAL_RHYME if place.may_not_rhyme else rule
                departures.append(Fault(rule, place.line, place.position, book.parts[part], actual))
    departures.sort(key=lambda found: (found.line, found.position))
    return TuneFit(variant, tuple(places), parts, tuple(departures), every, book)


def _commonest_part(places: Sequence[SungPlace]) -> int | None:
    """The part that most of these rhyme words can be in; the first of equals, `None` if there is none."""
    votes = Counter(part for place in places for part in parts_of(place.sounds, place.slot.tone))
    return min(votes, key=lambda part: (-votes[part], part), default=None)
