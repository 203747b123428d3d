"""Scansion: the lines of a poem, read back against a form.

In: lines of Han characters, or one text, a form (its name, a `Form` with a pattern, or nothing: `scan_auto` finds it), and the
name of a rhyme book. Out: a `Scansion`: the verdict, each fault and licence with line and position, the readings taken and why.

    lines ──interpretation──> readings of every place ──┬─ 绝句 (仄韵 too) 律诗 排律: regulated_scan
                                                        ├─ 古诗: ancient_scan (rhyme alone)
                                                        └─ 词牌: tune_scan

Two scores: `verdict` is that of the best choice of readings; `every_reading` tells whether all choices pass. Where too many
characters have no known reading the verdict is `not-judged`: unknown characters break no rule, and keep none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gemma_poetry.errors import TextError, UnknownFormError, nearest_names
from gemma_poetry.languages import _, listed
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.findings import Fault, Place, Scansion
from gemma_poetry.prosody.forms import FIXED_SHAPES, FORM_NAMES, OBLIQUE_FORMS, SHORT_NAMES, Form, Tone
from gemma_poetry.prosody.lines import check_characters, split_lines
from gemma_poetry.prosody.rhyme_book import RhymeBook
from gemma_poetry.prosody.rhyme_books import BOOKS, CILIN, YUAN, rhyme_book
from gemma_poetry.prosody.rules import MAX_UNKNOWN_SHARE, Rule, Verdict

ANCIENT_CHARACTERS = {"四言诗": 4, "五言古诗": 5, "六言诗": 6, "七言古诗": 7}
"""The forms that are read for their rhyme alone, and the characters of their lines."""


_MIN_RHYMING_LINES = 4
_SIX_BY_LINES = {4: "六言绝句", 8: "六言律诗"}


def scan(lines: str | Sequence[str], form: Form | str, marks: str = "", book: str = "") -> Scansion:
    """Reads a poem against a form.

    Args:
        lines: The lines, Han characters only; or the poem as one text, which its marks part.
        form: The full or short name of a form, or a tune; or a `Form`, whose pattern is then the only one that counts and
            whose given characters must stand where it has them.
        marks: One closing mark (`，` or `。`) a line, where they are known: in 古体 rhymes stand at the ends of sentences.
        book: The name of a rhyme book (see `rhyme_books`); empty: 平水韵 for 诗, 词林正韵 for 词, 中原音韵 for 曲.

    Returns:
        The scansion; `not-judged` for a form without a rule (杂言诗, 曲, a tune without a template), and for a poem of which
        too little can be read (see `MAX_UNKNOWN_SHARE`).

    Raises:
        TextError: There are no lines, one holds something else than Han characters, or their number or length is not the
            form's.
        UnknownFormError: No form or tune is called so, or it has no such pattern.
        UsageError: No rhyme book is called so, or it is one for 曲 alone and the poem is none.
    """
    lines, marks = _parted(lines, marks)
    return _if_readable(_scan(lines, form, marks, book))


def _parted(lines: str | Sequence[str], marks: str) -> tuple[Sequence[str], str]:
    """Lines and their marks, of a poem that may be given as one text."""
    if isinstance(lines, str):
        lines, marks = split_lines(lines)
    _check_lines(lines)
    return lines, marks


def _if_readable(scansion: Scansion) -> Scansion:
    """The scansion, or the same not judged, where too little of the poem can be read."""
    unknown = len(scansion.unknown)
    if not unknown or scansion.verdict is Verdict.NOT_JUDGED:
        return scansion
    characters = sum(map(len, scansion.lines))
    rhyming = [line[-1] for line in scansion.places if line[-1].rhyme]
    unread = sum(not place.tones for place in rhyming)
    if unknown <= MAX_UNKNOWN_SHARE * characters and 2 * unread < max(len(rhyming), 1):
        return scansion
    remark = _(
        "not judged: {unknown} of {characters} characters have no known reading", unknown=unknown, characters=characters
    ) + (_(", {unread} of its {count} rhyme words among them", unread=unread, count=len(rhyming)) if unread else "")
    return replace(scansion, verdict=Verdict.NOT_JUDGED, every_reading=False, faults=(), licences=(), remarks=(remark,))


def _scan(lines: Sequence[str], form: Form | str, marks: str, book: str) -> Scansion:
    # What reads each kind of form returns a `Scansion`, and so needs this module.
    from gemma_poetry.prosody.ancient_scan import scan_ancient
    from gemma_poetry.prosody.regulated import REGULATED_CHARACTERS, patterns_of, without_first_rhyme
    from gemma_poetry.prosody.regulated_scan import scan_regulated
    from gemma_poetry.prosody.tune_scan import guess_tune, scan_tune
    from gemma_poetry.prosody.tunes import find_tune

    name, pattern = (form.name, form.pattern) if isinstance(form, Form) else (form, "")
    name = SHORT_NAMES.get(name, name)
    if name not in FORM_NAMES and find_tune(name):
        # Which of the tunes of a name is meant, 词 or 曲, its lines tell.
        scansion = scan_tune(lines, name, pattern, rhyme_book(book, sung=True, song=True) if book else None)
        return _with_given_characters(scansion, form) if isinstance(form, Form) else scansion
    spoken = rhyme_book(book, song=name == "曲")
    sung = rhyme_book(book, sung=True, song=name == "曲") if book else None
    if name in REGULATED_CHARACTERS:
        characters = REGULATED_CHARACTERS[name]
        _check_lengths(lines, name, characters)
        _check_count(lines, name)
        if pattern and pattern not in {*patterns_of(name), *map(without_first_rhyme, patterns_of(name))}:
            raise UnknownFormError(
                _("{name} has no pattern {pattern!r}", name=name, pattern=pattern), expected=" / ".join(patterns_of(name))
            )
        scansion = scan_regulated(lines, name, pattern, book=spoken)
        if not pattern and name in OBLIQUE_FORMS and scansion.verdict is Verdict.FAIL and _ends_oblique(lines, spoken):
            oblique = scan_regulated(lines, name, rhyme=Tone.OBLIQUE, book=spoken)
            scansion = oblique if len(oblique.faults) < len(scansion.faults) else scansion
    elif name in ANCIENT_CHARACTERS:
        _check_lengths(lines, name, ANCIENT_CHARACTERS[name])
        if len(lines) < _MIN_RHYMING_LINES:
            scansion = _not_judged(lines, name, spoken, _("{count} lines are too few to tell a rhyme", count=len(lines)))
        else:
            scansion = scan_ancient(lines, name, marks=marks, book=spoken)
    elif name == "词":
        tune = guess_tune(lines, book=sung)
        unfit = _("no tune (词牌) fits the lines: name one")
        scansion = scan_tune(lines, tune, book=sung) if tune else _not_judged(lines, name, sung or CILIN, unfit)
    elif name in FORM_NAMES:
        scansion = _not_judged(lines, name, spoken, _("{name} has no rule to judge by", name=name))
    else:
        raise _unknown(name)
    return _with_given_characters(scansion, form) if isinstance(form, Form) else scansion


def scan_auto(lines: str | Sequence[str], marks: str = "", book: str = "") -> Scansion:
    """Reads a poem against the form that its lines suggest.

    A 诗 is classified as `classification.classify` says. A 绝句 whose even lines cannot end level is read as one on an oblique
    rhyme (仄韵), and where it does not keep that metre as 古绝, for its rhyme. Level-rhymed poems of four or eight lines of six
    characters are read as 六言绝句 and 六言律诗, and else for their rhyme. Lines of several lengths are read as the tune that
    they fit, if any.

    Args:
        lines: As for `scan`.
        marks: As for `scan`.
        book: As for `scan`.

    Raises:
        TextError: There are no lines, or one holds something else than Han characters.
        UsageError: No rhyme book is called so, or it is one for 曲 alone and the poem is none.
    """
    lines, marks = _parted(lines, marks)
    return _if_readable(_scan_auto(lines, marks, book))


def _scan_auto(lines: Sequence[str], marks: str, book: str) -> Scansion:
    from gemma_poetry.prosody.ancient_scan import scan_ancient
    from gemma_poetry.prosody.regulated_scan import scan_regulated
    from gemma_poetry.prosody.tune_scan import guess_tune, scan_tune

    if book and rhyme_book(book, song=True) is YUAN:
        song = guess_tune(lines, book=YUAN)
        if song:
            return scan_tune(lines, song)
    spoken, sung = rhyme_book(book), rhyme_book(book, sung=True) if book else None
    name = classify(lines, spoken)
    if name == "杂言诗":
        tune = guess_tune(lines, book=sung)
        return scan_tune(lines, tune, book=sung) if tune else _scan(lines, name, marks, book)
    if name == "六言诗":
        ancient = _scan(lines, name, marks, book)
        regulated = _SIX_BY_LINES.get(len(lines))
        return _or_ancient(_scan(lines, regulated, marks, book), ancient) if regulated else ancient
    if name not in FIXED_SHAPES:
        return _scan(lines, name, marks, book)
    if name in OBLIQUE_FORMS and _ends_oblique(lines, spoken):
        oblique = scan_regulated(lines, name, rhyme=Tone.OBLIQUE, book=spoken)
        ancient = scan_ancient(lines, name, "古绝", marks, spoken)
        if oblique.verdict.passes or ancient.verdict.passes:
            return _or_ancient(oblique, ancient)
    scansion = _scan(lines, name, marks, book)
    if not scansion.verdict.passes and scan_ancient(lines, name, marks=marks, book=spoken).verdict.passes:
        remark = _("as ancient verse (古体), which asks for rhyme alone, it passes")
        return replace(scansion, remarks=(*scansion.remarks, remark))
    return scansion


def _or_ancient(regulated: Scansion, ancient: Scansion) -> Scansion:
    """The regulated reading if it passes, else the ancient one, with what keeps the poem from being regulated."""
    if regulated.verdict.passes:
        return regulated
    kind = "仄韵绝句" if regulated.form in OBLIQUE_FORMS else regulated.form
    faults = listed((_("line {line} {rule}", line=fault.line, rule=fault.rule.chinese) for fault in regulated.faults), ", ")
    remark = _("it does not keep the metre of {kind}: {faults}", kind=kind, faults=faults)
    return replace(ancient, remarks=(*ancient.remarks, remark))


def _ends_oblique(lines: Sequence[str], book: RhymeBook) -> bool:
    """Whether an even line has no reading that ends it level."""
    ends = [line[-1].readings for line in book.interpret(lines)[1::2]]
    return any(found and all(reading.tone is Tone.OBLIQUE for reading in found) for found in ends)


def with_passing_books(scansion: Scansion, form: Form | str = "", marks: str = "") -> Scansion:
    """Of a poem that fails by its rhyme book, the scansion with the books by which it passes; any other as it is.

    Args:
        scansion: What `scan` or `scan_auto` said of it.
        form: What `scan` was told; empty: `scan_auto` found the form.
        marks: What it was told of marks.
    """
    if scansion.verdict is not Verdict.FAIL:
        return scansion
    passing = []
    for book in BOOKS:
        if book.name != scansion.book.name:
            lines = scansion.lines
            other = scan(lines, form, marks, book.name) if form else scan_auto(lines, marks, book.name)
            if other.verdict.passes:
                passing.append(book)
    return replace(scansion, passing_books=tuple(passing))


def check_form(name: str) -> None:
    """Makes sure that a name is one that `scan` knows.

    Raises:
        UnknownFormError: No form or tune is called so; the nearest names are offered.
    """
    from gemma_poetry.prosody.tunes import find_tune

    if SHORT_NAMES.get(name, name) not in FORM_NAMES and not find_tune(name):
        raise _unknown(name)


def _check_lines(lines: Sequence[str]) -> None:
    if not lines or not all(lines):
        raise TextError(
            _("one of the lines is empty") if lines else _("there is no line to read"), expected=_("the lines of a poem")
        )
    if len(lines) == 1:
        raise TextError(
            _("there is one line only ({lines})", lines=lines[0][:20]),
            expected=_("a poem of two lines at least"),
            action=_("give the whole poem, its lines apart by punctuation or white space"),
        )
    check_characters(lines)


def _check_lengths(lines: Sequence[str], name: str, characters: int) -> None:
    for number, line in enumerate(lines, 1):
        if len(line) != characters:
            raise TextError(
                _("line {number} ({line}) has {count} characters", number=number, line=line[:20], count=len(line)),
                expected=_("{characters} characters in each line, as {name} has", characters=characters, name=name),
                action=_("mend the line, or name another form"),
            )


def _check_count(lines: Sequence[str], name: str) -> None:
    count, _unused = FIXED_SHAPES.get(name, (0, 0))
    if len(lines) != count if count else len(lines) < 10 or len(lines) % 2:
        raise TextError(
            _("the poem has {count} lines", count=len(lines)),
            expected=_("{count} lines, as {name} has", count=count, name=name)
            if count
            else _("an even number of lines, at least 10, as {name} has", name=name),
            action=_("mend the poem, or name another form"),
        )


def _not_judged(lines: Sequence[str], name: str, book: RhymeBook, remark: str) -> Scansion:
    places = tuple(tuple(Place(char, _tones_of(char, book), "中") for char in line) for line in lines)
    return Scansion(name, "", tuple(lines), Verdict.NOT_JUDGED, False, "", places, remarks=(remark,), book=book)


def _tones_of(char: str, book: RhymeBook) -> str:
    tones = {reading.tone for reading in book.readings(char)}
    return "".join(tone.value for tone in Tone if tone in tones)


def _with_given_characters(scansion: Scansion, form: Form) -> Scansion:
    """The scansion with a fault for each character that a form gives and the poem has not."""
    if form.line_lengths != tuple(map(len, scansion.lines)):
        return scansion
    missed = [
        Fault(Rule.CHARACTER, line, position, slot.char, char)
        for line, (slots, text) in enumerate(zip(form.lines, scansion.lines), 1)
        for position, (slot, char) in enumerate(zip(slots, text), 1)
        if slot.char and slot.char != char
    ]
    if not missed:
        return scansion
    faults = sorted([*scansion.faults, *missed], key=lambda fault: (fault.line, fault.position))
    return replace(scansion, verdict=Verdict.FAIL, every_reading=False, faults=tuple(faults))


def _unknown(name: str) -> UnknownFormError:
    from gemma_poetry.prosody.tunes import shipped_tunes

    tunes = shipped_tunes()
    near = nearest_names(name, [*FORM_NAMES, *SHORT_NAMES, *tunes.tunes])
    return UnknownFormError(
        _("no form or tune (词牌) is called {name!r}", name=name),
        expected=_("one of {form_names}, or one of {count} tunes", form_names=" ".join(FORM_NAMES), count=len(tunes.tunes)),
        action=_("did you mean {near}?", near=" / ".join(near)) if near else _("see `gemma-poetry tunes list`"),
    )
