"""Which readings a character may have where it stands.

In: the lines of a poem, in either script. Out: for each place the readings that come into question, and why the others
do not.

    script     traditional text is taken at its word; any other goes through OpenCC's s2t, poem by poem, so that phrases
               decide what 后, 干, 发 stand for, and `traditional_forms` puts right what cannot be meant in its company.
               Where a poem fails with that, `widened` takes the other forms too that can be meant there.
    usage      of two tones verse may use one alone (能 平), or alone inside a line (不 仄, but 平 in 知不)
    word       a neighbour in the same foot may settle it (重陽 平, 珍重 仄), or make one tone likely (乘舟 平)

What neither settles keeps all its readings; metre and rhyme then choose among them, in `regulated_scan`, and where these
leave the choice open, the likely one is taken.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gemma_poetry.languages import _
from gemma_poetry.prosody.conversion import converter
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import Reading, Settled, lexicon, readings_of_heads
from gemma_poetry.prosody.traditional_forms import misprinted_forms, other_forms, put_right, usual_forms


class Heard(NamedTuple):
    """A character where it stands.

    Attributes:
        readings: The readings that come into question; none for an unknown character.
        reason: What ruled the others out (`word 重陽: …`, `usage: …`); empty where nothing did.
        likely: The tone that its word makes likely, where nothing settles it.
        likely_reason: The word, and how often of how many places it was seen so.
    """

    readings: tuple[Reading, ...]
    reason: str = ""
    likely: Tone | None = None
    likely_reason: str = ""


@functools.cache
def foot_pairs(characters: int) -> tuple[int, ...]:
    """Where, in a line of so many characters, two neighbours stand in one foot: the index of the first, from 0.

    Feet are of two characters; an odd line ends in three, which hold two pairs: 5 characters 0 2 3, 7 characters 0 2 4 5.
    """
    pairs = list(range(0, characters - 1, 2))
    return tuple([*pairs, characters - 2] if characters % 2 and characters > 1 else pairs)


@functools.cache
def _telling_characters() -> tuple[frozenset[str], frozenset[str]]:
    """The characters that stand in traditional text alone, and those that stand in simplified text alone."""
    table = lexicon()
    forms = {form for key, forms in table.simplified.items() for form in forms if form != key}
    simplified = {key for key in table.simplified if key not in table.rhymes and key not in table.variants}
    return frozenset(forms - table.simplified.keys()), frozenset(simplified)


def is_traditional(text: str) -> bool:
    """Whether a text has more characters that only traditional text has than such that only simplified text has."""
    traditional_only, simplified_only = _telling_characters()
    if traditional_only.isdisjoint(text):
        return False
    if simplified_only.isdisjoint(text):
        return True
    return sum(char in traditional_only for char in text) > sum(char in simplified_only for char in text)


def traditional(lines: Sequence[str]) -> Sequence[str]:
    """The lines in traditional characters; as they are where they are in them already."""
    text = "\n".join(lines)
    return lines if is_traditional(text) else _converted(text)


# Reading one poem asks for its conversion several times.
@functools.lru_cache(maxsize=256)
def _converted(text: str) -> Sequence[str]:
    converted = converter("s2t")(text).split("\n")
    # A conversion by phrases may, though rarely, change the length of a line.
    return tuple(put_right(old, new if len(new) == len(old) else old) for new, old in zip(converted, text.split("\n")))


@functools.cache
def _simplifications() -> dict[int, str]:
    return {ord(form): char for char, forms in lexicon().simplified.items() for form in forms if form != char}


def simplified(text: str) -> str:
    """The text in simplified characters, one by one."""
    return text.translate(_simplifications())


def words_in(line: str) -> list[tuple[int, Tone, str]]:
    """The characters of a traditional line that a neighbour in their foot settles: index from 0, tone, reason.

    A character that two neighbours settle differently is left open.
    """
    return _told_by_words(line, lexicon().words.get)


def _told_by_words(line: str, told: Callable[[str], Settled | None]) -> list[tuple[int, Tone, str]]:
    found: dict[int, tuple[Tone, str]] = {}
    contradicted = set()
    for first in foot_pairs(len(line)):
        word = line[first : first + 2]
        for which in (0, 1):
            settled = told(f"{word}{which + 1}")
            if settled:
                place = first + which
                if place in found and found[place][0] is not settled.tone:
                    contradicted.add(place)
                found[place] = settled.tone, _of_word(word, settled.tone, settled.evidence)
    return [(place, tone, reason) for place, (tone, reason) in found.items() if place not in contradicted]


@functools.lru_cache(maxsize=4096)
def _of_word(word: str, tone: Tone, evidence: str) -> str:
    return _("word {word}: {tone} in {evidence}", word=word, tone=tone.value, evidence=_counted(evidence))


def _counted(evidence: str) -> str:
    count, of, total = evidence.partition(" of ")
    return _("{count} of {total}", count=count, total=total) if of else evidence


def _by_usage(heads: str, at_end: bool) -> Heard:
    table = lexicon()
    kept: dict[tuple[str, str, int], Reading] = {}
    reason = ""
    for head in heads:
        found = readings_of_heads(head)
        settled = table.settled.get(head)
        if settled and not (at_end and settled.inside):
            found = tuple(reading for reading in found if reading.tone is settled.tone)
            reason = _("usage: {tone} in {evidence}", tone=settled.tone.value, evidence=_counted(settled.evidence))
        for reading in found:
            kept.setdefault((reading.rhyme, reading.group, reading.part), reading)
    return Heard(tuple(kept.values()), reason)


@functools.cache
def heard_at_word(char: str, at_end: bool) -> Heard:
    """A character of traditional text, by itself; one that is none stands for all its traditional forms."""
    return _by_usage(_heads_of(char), at_end)


@functools.cache
def heard_widened(char: str, at_end: bool) -> Heard:
    """A character of any text, by itself, for all that it may stand for in some company."""
    return _by_usage(_heads_of(usual_forms(char)) or lexicon().heads(char), at_end)


def interpret(lines: Sequence[str], widened: bool = False) -> list[list[Heard]]:
    """The readings of every place.

    Args:
        lines: The lines, in either script.
        widened: Whether each character may stand for every traditional form that can be meant there; one of traditional
            text for the form that it must be a misprint of.
    """
    read = traditional(lines)
    heard = heard_as_read(read)
    if widened:
        for line, index, place in other_places(lines, read):
            heard[line][index] = place
    return heard


def other_places(lines: Sequence[str], read: Sequence[str]) -> list[tuple[int, int, Heard]]:
    """The places where another form can be meant too: line and index from 0, the readings of all these forms.

    Args:
        lines: The lines, in either script.
        read: What `traditional` makes of them.
    """
    found = []
    plain = simplified("\n".join(lines)).split("\n") if read is lines else lines
    for number, (line, own) in enumerate(zip(plain, read)):
        others = misprinted_forms(own, line) if read is lines else other_forms(line, own)
        for index, forms in others.items():
            found.append((number, index, _heard_as(own[index] + forms, index == len(own) - 1)))
    return found


def every_reading(lines: Sequence[str]) -> list[list[Heard]]:
    """The readings of every place that neither usage nor words narrow, of all the forms that can be meant there."""
    read = traditional(lines)
    heard = []
    for line, own in zip(lines, read):
        others = {} if read is lines else other_forms(line, own)
        heard.append([_unsettled(char + others.get(index, "")) for index, char in enumerate(own)])
    return heard


def _heads_of(forms: str) -> str:
    table = lexicon()
    return "".join(table.variants.get(form, form if form in table.rhymes else table.heads(form)) for form in forms)


@functools.cache
def _heard_as(forms: str, at_end: bool) -> Heard:
    return _by_usage(_heads_of(forms), at_end)


@functools.cache
def _unsettled(forms: str) -> Heard:
    return Heard(readings_of_heads(_heads_of(forms)))


def heard_as_read(read: Sequence[str]) -> list[list[Heard]]:
    """The readings of every place, of lines that `traditional` has converted.

    Args:
        read: The lines, in traditional characters; they are taken at their word.
    """
    heard = []
    for line in read:
        places = [heard_at_word(char, index == len(line) - 1) for index, char in enumerate(line)]
        for place, tone, reason in words_in(line):
            kept = tuple(reading for reading in places[place].readings if reading.tone is tone)
            if 0 < len(kept) < len(places[place].readings):
                places[place] = Heard(kept, reason)
        for place, tone, reason in _told_by_words(line, lexicon().likely_in_word):
            if {reading.tone for reading in places[place].readings} == set(Tone):
                places[place] = places[place]._replace(likely=tone, likely_reason=reason)
        heard.append(places)
    return heard


@functools.lru_cache(maxsize=1024)
def tones_by_words(line: str) -> Mapping[int, Tone]:
    """The tones that words in a line settle or make likely, of characters that have both: by index, from 0.

    Args:
        line: The line; what is no character of it yet may be □.
    """
    (read,) = traditional([line])
    (heard,) = heard_as_read([read])
    told = {place: tone for place, tone, _ in words_in(read) if tone in {one.tone for one in heard[place].readings}}
    return told | {place: one.likely for place, one in enumerate(heard) if one.likely is not None}
