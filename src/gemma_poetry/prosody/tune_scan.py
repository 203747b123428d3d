"""Scansion of 词 and 曲: the best fit among the variants of a tune, as the `Scansion` that 诗 and 词 share.

In: lines and a tune, by name or as a `Tune`, a rhyme book. Out: a `Scansion`; `not-judged` for a tune without a template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.languages import _
from gemma_poetry.prosody.findings import Place, Scansion
from gemma_poetry.prosody.forms import FIXED_SHAPES, Tone
from gemma_poetry.prosody.interpretation import Heard
from gemma_poetry.prosody.lexicon import Reading
from gemma_poetry.prosody.lines import as_lines, check_characters
from gemma_poetry.prosody.regulated_scan import scan_regulated
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import YUAN, for_songs_alone
from gemma_poetry.prosody.rules import Rule, Verdict, verdict_of
from gemma_poetry.prosody.tune_fit import SungPlace, TuneFit, fit_padded, fit_variants, line_pairs
from gemma_poetry.prosody.tune_likeness import are_alike
from gemma_poetry.prosody.tune_patterns import pattern_lines
from gemma_poetry.prosody.tune_variants import Tier, TuneVariant
from gemma_poetry.prosody.tunes import Tune, TuneTable, shipped_tunes

_GUESS_WRONG_SHARE = 0.1


def scan_tune(lines: str | Sequence[str], tune: Tune | str, pattern: str = "", book: RhymeBook | None = None) -> Scansion:
    """Reads a poem against a tune.

    Args:
        lines: The lines, Han characters only; or the poem as one text.
        tune: A tune, or the name of one in the shipped table; of tunes that share it, the first that the lines keep.
        pattern: The label of the only variant that counts; empty: any.
        book: The rhyme book; `None`: the usual one of the tune.

    Raises:
        TextError: There are no lines, or one holds something else than Han characters.
        UnknownFormError: No tune is called so, or it has no such variant.
        UsageError: The book is one for 曲 alone, and the tune is none.
    """
    lines = as_lines(lines)
    if not any(lines):
        raise TextError(_("there is no line to read"), expected=_("the lines of a 词"))
    check_characters(lines)
    lengths = tuple(map(len, lines))
    if isinstance(tune, str):
        called = shipped_tunes().called(tune)
        if book is YUAN:
            called = [one for one in called if one.mode]
        having = [one for one in called if pattern and pattern in {variant.form.pattern for variant in one.variants}]
        fitting = rivals(tune, having or called, lengths)
        if len(fitting) > 1:
            found = [scan_tune(lines, one, pattern, book) for one in fitting]
            return next((scansion for scansion in found if scansion.verdict.passes), found[0])
        tune = suited_tune(having or called, lengths) or shipped_tunes().require(tune)
    book = book or tune.book
    if book is YUAN and not tune.mode:
        raise for_songs_alone()
    if not tune.judged:
        return _not_judged(lines, tune, book)
    attested = not tune.fits(lengths) and tune.attests(lengths)
    if attested and not tune.is_near(lengths):
        if (len(lines), lengths[0]) in FIXED_SHAPES.values() and len(set(lengths)) == 1:
            # Many a tune was a 绝句 before it took its later form (浪淘沙); one of old metre is no fault of the tune.
            quatrain = scan_regulated(lines, tune.name, book=book)
            if quatrain.verdict.passes:
                return quatrain
        reason = _("poems of {name} with such lines exist, too few for a template of their own", name=tune.name)
        return _not_judged(lines, tune, book, reason)
    variants = [variant for variant in tune.variants if pattern in ("", variant.form.pattern)]
    if not variants:
        raise UnknownFormError(
            _("{name} has no variant {pattern!r}", name=tune.name, pattern=pattern),
            expected=" / ".join(variant.form.pattern for variant in tune.variants),
            action=_("choose one of them"),
        )
    if tune.mode and not any(variant.fits(lengths) for variant in variants):
        padded = fit_padded(lines, variants, book)
        return _to_scansion(lines, tune, padded) if padded else _not_judged(lines, tune, book, _fits_no_shape(tune))
    return _to_scansion(lines, tune, fit_variants(lines, variants, Rule.RARE_SHAPE if attested else Rule.SHAPE, book))


def _fits_no_shape(tune: Tune) -> str:
    return _(
        "the lines fit no shape of {name} ({mode}) that songs have in common, not even with some padding characters (衬字)",
        name=tune.name,
        mode=tune.mode,
    )


def rivals(name: str, tunes: Sequence[Tune], lengths: Sequence[int]) -> list[Tune]:
    """Of tunes that are called by a name those that lines of such lengths fit.

    Where many poems attest the first, one that is merely like it must be attested as well: few poems would excuse a slip.
    """
    fitting = [tune for tune in tunes if tune.fits(lengths)]
    if not fitting or not any(variant.fits(lengths) for variant in fitting[0].solid):
        return fitting
    return [
        tune for tune in fitting if name in (tune.name, *tune.aliases) or any(variant.fits(lengths) for variant in tune.solid)
    ]


def suited_tune(tunes: Sequence[Tune], lengths: tuple[int, ...]) -> Tune | None:
    """Of tunes that share a name the first that lines of such lengths fit, or poems of which have them; else the first."""
    for suits in (Tune.fits, Tune.attests):
        for tune in tunes:
            if suits(tune, lengths):
                return tune
    return next(iter(tunes), None)


def fitting_tune(name: str, lines: Sequence[str], table: TuneTable | None = None) -> Tune | None:
    """The tune of this name, if lines fit one of its variants; `None` otherwise.

    Lines that are all of one length could be a 绝句, 律诗 or 古诗 too: of their tones a tenth at most may be wrong, by a
    variant that many poems attest.

    Args:
        name: The name of a tune, which may also be the title of a 诗 (出塞, 长相思).
        lines: The lines, Han characters only.
        table: The tunes; those that ship with the package if `None`.
    """
    lengths = tuple(map(len, lines))
    for tune in (table or shipped_tunes()).called(name):
        if tune.fits(lengths) and (len(set(lengths)) > 1 or _fit_in_tone(lines, tune.solid, tune.book)):
            return tune
    return None


def named_tune(name: str, lines: Sequence[str], table: TuneTable | None = None) -> Tune | None:
    """The tune of this name, if lines can be meant for it; `None` where they have another shape.

    A name alone decides nothing: 出塞 and 将进酒 are tunes and titles of 诗. Lines of several lengths can be meant for a tune
    if they fit it, or poems of it have such lines, or they are near to a variant and may have missed it.

    Args:
        name: The name of a tune, or a title.
        lines: The lines, Han characters only.
        table: The tunes; those that ship with the package if `None`.
    """
    tunes = (table or shipped_tunes()).called(name)
    lengths = tuple(map(len, lines))
    fitting = fitting_tune(name, lines, table) if tunes else None
    if fitting or len(set(lengths)) == 1:
        return fitting
    for suits in (Tune.attests, Tune.is_near):
        for tune in tunes:
            if suits(tune, lengths):
                return tune
    return None


def _fit_in_tone(lines: Sequence[str], variants: Sequence[TuneVariant], book: RhymeBook) -> TuneFit | None:
    """The fit of lines to the variants whose shape they have; `None` if there is none, or a tenth of the tones is wrong."""
    lengths = tuple(map(len, lines))
    variants = [variant for variant in variants if variant.fits(lengths)]
    if not variants:
        return None
    fit = fit_variants(lines, variants, book=book)
    wrong = sum(found.rule in (Rule.TONE, Rule.USUAL_TONE) for found in fit.departures)
    fixed = sum(slot.tone is not None for slot in fit.variant.slots)
    return fit if wrong <= _GUESS_WRONG_SHARE * fixed else None


def guess_tune(lines: Sequence[str], table: TuneTable | None = None, book: RhymeBook | None = None) -> Tune | None:
    """The tune that a poem without a name is written to, if its lines tell; `None` otherwise.

    A tune is a candidate if one of its variants fits the line lengths and at most a tenth of the tones are wrong. The
    candidate with the fewest faults is taken, then with the fewest licences, of equals the commonest tune. Variants of few
    poems, which ask for less, come into question only where none of many poems does.

    Args:
        lines: The lines, Han characters only.
        table: The tunes; those that ship with the package if `None`.
        book: The rhyme book; `None`: the usual one of each tune.
    """
    lengths = tuple(map(len, lines))
    tunes = (table or shipped_tunes()).judged.values()
    fitting = [tune for tune in tunes if tune.fits(lengths) and (tune.mode or book is not YUAN)]
    for variants_of in (lambda tune: tune.solid, lambda tune: tune.variants):
        best: Tune | None = None
        least = (sum(lengths) + 1, 0)
        for tune in fitting:
            fit = _fit_in_tone(lines, variants_of(tune), book or tune.book)
            if fit and (cost := (len(fit.faults), len(fit.departures))) < least:
                best, least = tune, cost
        if best:
            return best
    return None


def _not_judged(lines: Sequence[str], tune: Tune, book: RhymeBook, reason: str = "") -> Scansion:
    if not reason:
        reason = _(
            "the lines of the {poems} poems of {name} in the corpus show no rhyme to go by", poems=tune.poems, name=tune.name
        )
    places = _frozen(_unsung_places(lines, book))
    return Scansion(tune.name, "", tuple(lines), Verdict.NOT_JUDGED, False, "", places, remarks=(reason,), book=book)


def _to_scansion(lines: Sequence[str], tune: Tune, fit: TuneFit) -> Scansion:
    places = _unsung_places(lines, fit.book)
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
        tuple(_remarks(lines, tune, fit)),
        fit.book,
        poems=fit.variant.poems,
    )


def _frozen(places: list[list[Place]]) -> tuple[tuple[Place, ...], ...]:
    return tuple(map(tuple, places))


def _unsung_places(lines: Sequence[str], book: RhymeBook) -> list[list[Place]]:
    """The characters as they are when nothing is asked of them."""
    return [
        [Place(char, _tones_text(heard), "中", "", *_taken(heard, None, None)) for char, heard in zip(line, own)]
        for line, own in zip(lines, book.interpret(lines))
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
        return found[0], heard.reason or _("only reading")
    if part is not None:
        rhyming = [reading for reading in found if reading.part == part and tone in (None, reading.tone)]
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
            sung = "" if part in fit.book.stopped_parts else "".join(tone.value for tone in Tone if tone in used)
            texts.append(fit.book.parts[part] + sung)
    return "、".join(texts)


def evidence_text(variant: TuneVariant) -> str:
    """What a variant was learned from, in words."""
    if variant.tier is Tier.SOLID:
        return _("{poems} poems", poems=variant.poems)
    if variant.tier is Tier.SINGLE:
        return _("a single poem, the rest told by what is usual")
    return _("only {poems} poems, the rest told by what is usual", poems=variant.poems)


def _side_by_side(lines: Sequence[str], variant: TuneVariant) -> Iterator[str]:
    """The lines of a poem beside those of the variant that is nearest to it, both with their lengths."""
    patterns = pattern_lines(variant.form)
    for _tag, begin, end, usual_begin, usual_end in line_pairs(tuple(map(len, lines)), variant.form.line_lengths):
        for offset in range(max(end - begin, usual_end - usual_begin)):
            mine = lines[begin + offset] if begin + offset < end else "-"
            usual = patterns[usual_begin + offset] if usual_begin + offset < usual_end else "-"
            yield _("{mine} / {usual}", mine=mine, usual=usual)


def _remarks(lines: Sequence[str], tune: Tune, fit: TuneFit) -> list[str]:
    """What a thin variant was learned from, which tunes have the same pattern, and how usual a tone is where it is missed."""
    remarks = []
    variant = fit.variant
    if tune.mode and fit.book is tune.book:
        remarks.append(
            _("曲 ({mode}): rhyme by 中原音韵, derived by rules from the 廣韻; 入 counts among the other tones", mode=tune.mode)
        )
    if variant.tier is not Tier.SOLID:
        pattern, tier, evidence = variant.form.pattern, variant.tier.value, evidence_text(variant)
        remarks.append(_("template {pattern} ({tier}): learned from {evidence}", pattern=pattern, tier=tier, evidence=evidence))
    padded = any(found.rule is Rule.PADDING for found in fit.departures)
    if not padded and not variant.fits(tuple(map(len, lines))):
        nearest = variant.form.pattern
        remarks.append(_("it fits no variant; the nearest is {nearest}, beside the poem line by line:", nearest=nearest))
        remarks += _side_by_side(lines, variant)
    table = shipped_tunes()
    for name in tune.like:
        if name in table.tunes and any(are_alike(variant, other) for other in table.tunes[name].variants):
            remarks.append(_("{name} has the same pattern as {tune} here", name=name, tune=tune.name))
    share_at = {(place.line, place.position): place.level_share for place in fit.places}
    for fault in fit.departures:
        share = share_at.get((fault.line, fault.position), -1)
        if fault.rule in (Rule.TONE, Rule.USUAL_TONE) and share >= 0:
            share = share if fault.expected == Tone.LEVEL.value else 100 - share
            where = _("line {line}, position {position}", line=fault.line, position=fault.position)
            usual, count = fault.expected, variant.poems
            if variant.tier is Tier.SOLID:
                said = _(
                    "{where}: {share}% of {poems} poems have {expected} here",
                    where=where,
                    share=share,
                    poems=count,
                    expected=usual,
                )
            else:
                said = _(
                    "{where}: {expected} is to be expected of {share}% of poems here", where=where, share=share, expected=usual
                )
            remarks.append(said)
    return remarks
