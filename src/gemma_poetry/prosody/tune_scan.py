"""Scansion of 词: the best fit among the variants of a tune, as the `Scansion` that 诗 and 词 share.

In: lines and a tune, by name or as a `Tune`. Out: a `Scansion`; `not-judged` for a tune without a template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.prosody.findings import Place, Scansion
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.interpretation import Heard, interpret
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.rhyme import PART_NAMES
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of
from gemma_poetry.prosody.tune_fit import SungPlace, TuneFit, fit_variants
from gemma_poetry.prosody.tunes import MIN_POEMS, Tune, TuneTable, shipped_tunes

_FIRST_STOPPED_PART = 15
_GUESS_WRONG_SHARE = 0.1


def scan_tune(lines: Sequence[str], tune: Tune | str, pattern: str = "") -> Scansion:
    """Reads a poem against a tune.

    Args:
        lines: The lines, Han characters only.
        tune: A tune, or the name of one in the shipped table.
        pattern: The label of the only variant that counts; empty: any.

    Raises:
        TextError: There are no lines.
        UnknownFormError: No tune is called so, or it has no such variant.
    """
    if not any(lines):
        raise TextError("there is no line to read", expected="the lines of a 词")
    if isinstance(tune, str):
        tune = shipped_tunes().require(tune)
    if not tune.judged:
        return _not_judged(lines, tune)
    variants = [variant for variant in tune.variants if pattern in ("", variant.form.pattern)]
    if not variants:
        raise UnknownFormError(
            f"{tune.name} has no variant {pattern!r}",
            expected=" / ".join(variant.form.pattern for variant in tune.variants),
            action="choose one of them",
        )
    return _to_scansion(lines, tune, fit_variants(lines, variants))


def guess_tune(lines: Sequence[str], table: TuneTable | None = None) -> Tune | None:
    """The tune that a poem without a name is written to, if its lines tell; `None` otherwise.

    A tune is a candidate if one of its variants fits the line lengths and at most a tenth of the tones are wrong. The
    candidate with the fewest faults is taken, then with the fewest licences, of equals the commonest tune.

    Args:
        lines: The lines, Han characters only.
        table: The tunes; those that ship with the package if `None`.
    """
    lengths = tuple(map(len, lines))
    best: Tune | None = None
    least = (len("".join(lines)) + 1, 0)
    for tune in (table or shipped_tunes()).judged.values():
        variants = [variant for variant in tune.variants if variant.fits(lengths)]
        if not variants:
            continue
        fit = fit_variants(lines, variants)
        wrong = sum(fault.rule is Rule.TONE for fault in fit.faults)
        fixed = sum(slot.tone is not None for slot in fit.variant.slots)
        cost = len(fit.faults), len(fit.departures)
        if wrong <= _GUESS_WRONG_SHARE * fixed and cost < least:
            best, least = tune, cost
    return best


def _not_judged(lines: Sequence[str], tune: Tune) -> Scansion:
    if tune.poems < MIN_POEMS:
        reason = f"{tune.name} has {tune.poems} poems in the corpus, fewer than the {MIN_POEMS} that a template needs"
    else:
        reason = f"the {tune.poems} poems of {tune.name} in the corpus have no pattern in common"
    places = _unsung_places(lines)
    return Scansion(tune.name, "", tuple(lines), Verdict.NOT_JUDGED, False, "", _frozen(places), remarks=(reason,))


def _to_scansion(lines: Sequence[str], tune: Tune, fit: TuneFit) -> Scansion:
    places = _unsung_places(lines)
    for sung in fit.places:
        places[sung.line - 1][sung.position - 1] = _sung_place(sung, fit.parts)
    verdict = verdict_of(found.rule for found in fit.departures)
    if not any(place.tones for line in places for place in line):
        verdict = Verdict.NOT_JUDGED
    return Scansion(
        tune.name,
        fit.variant.form.pattern,
        tuple(lines),
        verdict,
        fit.every_reading,
        _rhyme_text(fit),
        _frozen(places),
        fit.faults,
        tuple(found for found in fit.departures if found.rule.verdict is not Verdict.FAIL),
        tuple(_remarks(fit)),
    )


def _frozen(places: list[list[Place]]) -> tuple[tuple[Place, ...], ...]:
    return tuple(map(tuple, places))


def _unsung_places(lines: Sequence[str]) -> list[list[Place]]:
    """The characters as they are when nothing is asked of them."""
    return [
        [Place(char, _tones_text(heard), "中", "", *_taken(heard, None, None)) for char, heard in zip(line, own)]
        for line, own in zip(lines, interpret(lines))
    ]


def _sung_place(sung: SungPlace, parts: Mapping[str, int]) -> Place:
    slot = sung.slot
    rhyme = slot.rhyme or ""
    expected = slot.tone.value if slot.tone else "中"
    return Place(sung.char, _tones_text(sung.heard), expected, rhyme, *_taken(sung.heard, slot.tone, parts.get(rhyme)))


def _tones_text(heard: Heard) -> str:
    tones = {reading.tone for reading in heard.readings}
    return "".join(tone.value for tone in Tone if tone in tones)


def _taken(heard: Heard, tone: Tone | None, part: int | None) -> tuple[Reading | None, str]:
    """The reading that a place takes and why; `None` where several stay possible."""
    found = heard.readings
    if len(found) == 1:
        return found[0], heard.reason or "only reading"
    if part is not None:
        rhyming = [reading for reading in found if reading.part == part and reading.tone is tone]
        if rhyming:
            return rhyming[0], "rhyme"
    fitting = [reading for reading in found if reading.tone is tone]
    if fitting and len(fitting) < len(found):
        return fitting[0], "metre"
    return (found[0], heard.reason) if heard.reason else (None, "")


def _rhyme_text(fit: TuneFit) -> str:
    """The parts in the order of their first rhyme, with the tones they rhyme in: 第三部仄、第十一部平."""
    tones_of: dict[str, set[Tone]] = {}
    for slot in fit.variant.slots:
        if slot.rhyme and slot.tone:
            tones_of.setdefault(slot.rhyme, set()).add(slot.tone)
    texts = []
    for rhyme, used in tones_of.items():
        if rhyme in fit.parts:
            part = fit.parts[rhyme]
            sung = "" if part >= _FIRST_STOPPED_PART else "".join(tone.value for tone in Tone if tone in used)
            texts.append(PART_NAMES[part] + sung)
    return "、".join(texts)


def _remarks(fit: TuneFit) -> list[str]:
    """How usual the tone is in each place where it is wrong."""
    share_at = {(place.line, place.position): place.level_share for place in fit.places}
    remarks = []
    for fault in fit.faults:
        share = share_at.get((fault.line, fault.position), -1)
        if fault.rule is Rule.TONE and share >= 0:
            share = share if fault.expected == Tone.LEVEL.value else 100 - share
            where = f"line {fault.line}, position {fault.position}"
            remarks.append(f"{where}: {share}% of {fit.variant.poems} poems have {fault.expected} here")
    return remarks
