"""A scansion is recorded as JSON: what `check --json` prints, and `generate --json` holds under `scansion`.

In: a `Scansion`, and mends for its faults where they are wanted. Out: a dictionary of JSON values.

    form pattern       体裁 or 词牌, and which of its patterns
    lines              the lines
    verdict            strict, minor, rescued, fail or not-judged: that of the best choice of readings
    every_reading      whether every choice of readings passes
    book               the rhyme book that it was read by: pingshui, cilin, xinyun, tongyun, of a 曲 yuan
    passes_by          of a poem that fails: the books by which it passes, where that was asked for
    rhyme_group        the group, or of a 词 the groups, of that book; empty where there is none
    faults licences    [{line, position, rule, chinese, english, expected, actual}], position 0 for a whole line;
                       faults also have mends [{line, position, characters}] and advice
    tones expected     one string a line: 平 仄, 通 where both are possible, ？ for an unknown character; 平 仄 中
    taken              [{line, position, character, tone, rhyme, group, part, later, reason}] for characters of which one
                       of several readings was taken; pinyin too where the book is modern
    unknown            [{line, position, character}]
    remarks            sentences
    evidence           of a tune {tier, poems}: how well its template is attested (solid, thin, single); else null

Lines and positions count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gemma_poetry.prosody.findings import ONLY_READING, Fault, Place, Scansion
from gemma_poetry.prosody.mending import Mend
from gemma_poetry.prosody.tune_variants import tier_of

OPEN, UNKNOWN = "通", "？"


def tone_mark(place: Place) -> str:
    """The tone of a place: that of the reading taken, `通` where both stay possible, `？` for an unknown character."""
    if place.taken:
        return place.taken.tone.value
    return (place.tones if len(place.tones) == 1 else OPEN) if place.tones else UNKNOWN


def is_choice(place: Place) -> bool:
    """Whether the reading that was taken is one of several that the character has where it stands."""
    return place.taken is not None and place.reason != ONLY_READING


def scansion_record(scansion: Scansion, mends: Sequence[Mend] = ()) -> dict[str, Any]:
    """The JSON record of a scansion.

    Args:
        scansion: The scansion.
        mends: Mends for its faults, in their order; none: the record has none.
    """
    faults = [_fault_record(fault) for fault in scansion.faults]
    for record, mend in zip(faults, mends):
        record["mends"] = [
            {"line": found.line, "position": found.position, "characters": list(found.characters)}
            for found in mend.alternatives
        ]
        record["advice"] = mend.advice
    return {
        "form": scansion.form,
        "pattern": scansion.pattern,
        "lines": list(scansion.lines),
        "verdict": scansion.verdict.value,
        "every_reading": scansion.every_reading,
        "book": scansion.book.name,
        "passes_by": [book.name for book in scansion.passing_books],
        "rhyme_group": scansion.rhyme_group,
        "faults": faults,
        "licences": [_fault_record(licence) for licence in scansion.licences],
        "tones": ["".join(map(tone_mark, places)) for places in scansion.places],
        "expected": ["".join(place.expected for place in places) for places in scansion.places],
        "taken": [
            {
                "line": line,
                "position": position,
                "character": place.char,
                "tone": place.taken.tone.value,
                "rhyme": place.taken.rhyme,
                "group": place.taken.group,
                "part": place.taken.part,
                **({"pinyin": place.taken.pinyin} if place.taken.pinyin else {}),
                "later": place.taken.later,
                "reason": place.reason,
            }
            for line, places in enumerate(scansion.places, 1)
            for position, place in enumerate(places, 1)
            if place.taken and is_choice(place)
        ],
        "unknown": [{"line": line, "position": position, "character": char} for line, position, char in scansion.unknown],
        "remarks": list(scansion.remarks),
        "evidence": {"tier": tier_of(scansion.poems).value, "poems": scansion.poems} if scansion.poems else None,
    }


def _fault_record(fault: Fault) -> dict[str, Any]:
    return {
        "line": fault.line,
        "position": fault.position,
        "rule": fault.rule.key,
        "chinese": fault.rule.chinese,
        "english": fault.rule.english,
        "expected": fault.expected,
        "actual": fault.actual,
    }
