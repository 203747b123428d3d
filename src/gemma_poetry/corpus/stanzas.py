"""Whether pieces of verse that stand apart are one poem or several.

In: `Piece`s of verse, rows or blocks of a plain text, as they follow each other under one title or none.
Out: runs of them, each one poem; where nothing tells, an `UntoldError`: a wrong guess would make one poem of two, or two
of one, and no later stage could see it.

What tells, the surest first: a piece that ends inside a sentence goes on in the next; lines that together fill a tune are
its stanzas (片); pieces of less than four lines are couplets of one poem; pieces that rhyme with each other belong together;
pieces that each have the shape of a 绝句 or 律诗 and a rhyme of their own are poems. A title names the poem right below it: a
block behind a blank row that may be a poem is read into it only where one of these says so.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from gemma_poetry.corpus.verse_shapes import NOTE, QUATRAIN, fits_a_tune, is_even_verse, rhyme_together, sounds, verse_lines
from gemma_poetry.languages import _
from gemma_poetry.prosody.tunes import Tune
from gemma_poetry.prosody.verdicts import regulated_verdict

_GOES_ON = tuple("，,、：:")
_SENTENCE = re.compile(r"[。？！；.?!;｡．]")
_MAX_STANZAS = 4
_ANCIENT = 4
"""Characters of the lines of 四言, whose stanzas (章) rhyme each by itself."""
_MOST = 0.8
_USUALLY = 0.6
_FEW = 0.2
_HALF = 0.5
_UNRHYMED = 0.25
_UNRHYMED_TITLED = 12


class UntoldError(Exception):
    """Says that a layout cannot be told; the reader of files adds the place and makes a `SourceError` of it.

    Attributes:
        row: The row of the file that is in doubt, counted from 1.
        found: What was met there.
        action: What would make it clear.
    """

    def __init__(self, row: int, found: str, action: str) -> None:
        super().__init__(found)
        self.row, self.found, self.action = row, found, action


@dataclass(frozen=True, slots=True)
class Piece:
    """A row or block of verse.

    Attributes:
        rows: Its rows, as the file has them.
        row: The number of the first of them in the file, counted from 1.
        lines: Its lines (句), marks left out.
        gap: How many blank rows stand before it.
    """

    rows: tuple[str, ...]
    row: int
    lines: tuple[str, ...]
    gap: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether it ends inside a sentence."""
        return self.rows[-1].endswith(_GOES_ON)

    @property
    def is_whole(self) -> bool:
        """Whether it is long enough for a poem of its own, and ends where a sentence does."""
        return len(self.lines) >= QUATRAIN and not self.goes_on


def joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces that follow each other as one."""
    first = pieces[0]
    rows = tuple(row for piece in pieces for row in piece.rows)
    return Piece(rows, first.row, tuple(line for piece in pieces for line in piece.lines), first.gap)


def divide(blocks: Sequence[Sequence[Piece]], *, titled: bool, tune: Tune | None = None, announced: int = 0) -> list[Piece]:
    """The poems of verse that stands under one title, or under none.

    Args:
        blocks: Rows, in blocks that blank rows part.
        titled: Whether a title stands above.
        tune: The tune that this title names.
        announced: How many poems that title says there are (凉州词二首), 0 where it does not.

    Raises:
        UntoldError: They may be one poem or several.
    """
    inner = [_divide_rows(block, titled=titled and len(blocks) == 1, tune=tune, announced=announced) for block in blocks]
    if any(len(poems) > 1 for poems in inner):
        poems = [poem for found in inner for poem in found]
        return poems
    units = [found[0] for found in inner]
    if titled:
        return _divide_titled(units, tune=tune, announced=announced, parted=True)
    poems = []
    for part in _at_wide_gaps(units):
        poems += _divide_untitled(part, apart=len(part) < len(units))
    if sum(map(_is_complete, poems)) < _USUALLY * len(poems) or len(poems) < 3:
        # Where most blocks are poems, blank rows part poems; else rows without titles may be anything.
        for poem in poems:
            _refuse_patchwork(poem, titled=False)
    return poems


def _divide_rows(rows: Sequence[Piece], *, titled: bool, tune: Tune | None, announced: int) -> list[Piece]:
    """One poem a row, or one poem of all rows."""
    whole = sum(row.is_whole for row in rows)
    if len(rows) < 2 or whole < _MOST * len(rows):
        return [joined(rows)]
    if titled:
        return _divide_titled(rows, tune=tune, announced=announced, parted=False)
    if all(map(_is_complete, rows)) and _begin_anew(rows):
        return list(rows)
    if all(row.is_whole for row in rows) and _is_one(rows):
        if len(rows) > 2 and all(map(_is_complete, rows)):
            # A 排律 with four lines a row, or 绝句 that were written on one rhyme.
            raise _untold(rows[1], len(rows), _("rows that all rhyme with each other"))
        return [joined(rows)]
    own = [row for row in rows if _is_complete(row)]
    if len(own) >= _MOST * len(rows) or (len(rows) > _MAX_STANZAS and len(own) >= len(rows) / 2):
        return list(rows)
    raise _untold(rows[1], len(rows), "rows")


def _divide_titled(units: Sequence[Piece], *, tune: Tune | None, announced: int, parted: bool) -> list[Piece]:
    """What stands under one title.

    Args:
        units: Rows or blocks.
        tune: The tune that the title names.
        announced: How many poems the title says there are.
        parted: Whether blank rows part them: such a block may be a poem of its own that has no title.

    Raises:
        UntoldError: They may be one poem or several.
    """
    if len(units) == 1:
        _refuse_patchwork(units[0], titled=True)
        return list(units)
    if announced == len(units) == sum(unit.is_whole for unit in units):
        return list(units)
    if tune is not None and (filled := _fillings(units, tune)):
        return filled
    one = joined(units)
    widths = {len(unit.lines[0]) for unit in units if unit.lines}
    if is_even_verse(units[0].lines) and _is_complete(units[0]) and len(widths) > 1 and not fits_a_tune(one.lines):
        raise _untold(units[1], len(units), _("stanzas of different lines under one title"))
    if not _is_one(units):
        if all(is_even_verse(unit.lines) and _is_complete(unit) for unit in units) and widths != {_ANCIENT}:
            # Quatrains with rhymes of their own under one title: 绝句 keep their tones, the stanzas of a 古诗 mostly do not.
            kept = sum(_keeps_tones(unit.lines) for unit in units) / len(units)
            if kept >= _MOST:
                return list(units)
            if kept > _FEW or parted:
                raise _untold(units[1], len(units), _("stanzas under one title"))
        elif parted and any(_is_complete(unit) and len(unit.lines[0]) > _ANCIENT for unit in units):
            raise _untold(units[1], len(units), _("stanzas under one title"))
    elif (
        parted
        and any(map(_is_complete, units))
        and not (_sound_alike(units) if fits_a_tune(one.lines) else all(map(_rhymes, units)))
    ):
        raise _untold(units[1], len(units), _("stanzas under one title"))
    _refuse_patchwork(one, titled=not parted or not is_even_verse(one.lines) or widths == {_ANCIENT})
    return [one]


def _fillings(units: Sequence[Piece], tune: Tune) -> list[Piece]:
    """The poems to a tune that its title stands above, each of as many pieces as fill it; none where nothing comes near it.

    Raises:
        UntoldError: They may be one poem or several, or what follows a poem to the tune is none.
    """

    def of(count: int) -> Piece:
        return joined(units[start : start + count])

    poems: list[Piece] = []
    start = 0
    while start < len(units):
        most = min(_MAX_STANZAS, len(units) - start)
        counts = [count for count in range(1, most + 1) if tune.fits([*map(len, of(count).lines)])]
        if not counts:
            break
        if len(counts) > 1 and not _sound_alike(units[start : start + counts[-1]]):
            # 望江南 has one stanza or two; two that rhyme with each other are one poem.
            raise _untold(units[start], len(units), _("stanzas under one title"))
        poems.append(of(counts[-1]))
        start += counts[-1]
    if start == len(units):
        return poems
    near = any(tune.is_near([*map(len, unit.lines)]) for unit in units)
    if poems or near:
        raise _untold(units[start or 1], len(units), _("stanzas under one title"))
    if any(is_even_verse(unit.lines) and _is_complete(unit) for unit in units):
        return []
    one = joined(units)
    return [one] if len(units) == 2 or tune.is_near([*map(len, one.lines)]) else []


def _sound_alike(units: Sequence[Piece]) -> bool:
    """Whether the last lines of all pieces rhyme with each other."""
    return bool(functools.reduce(frozenset.__and__, (sounds(unit.lines[-1]) for unit in units)))


def _divide_untitled(units: Sequence[Piece], *, apart: bool) -> list[Piece]:
    """Blocks without a title, read from the first on.

    Args:
        units: The blocks.
        apart: Whether wider gaps than those between these blocks part them from others.
    """
    poems: list[Piece] = []
    start = 0
    if all(map(_is_complete, units)):
        # Blank rows between complete poems part them; only of two halves of a 律诗 nothing tells.
        halves = len(units) == 2 and _is_one(units) and not _begin_anew(units)
        if halves and _keeps_tones(joined(units).lines):
            raise _untold(units[1], 2, _("blocks of one rhyme"))
        return list(units)
    if len(units) > 1 and _is_one(units):
        return [joined(units)]
    while start < len(units):
        count = _stanzas(units, start)
        if not count:
            if apart:
                return [joined(units)]
            raise _untold(units[start + 1], len(units) - start, "blocks")
        poems.append(joined(units[start : start + count]))
        start += count
    return poems


def _stanzas(units: Sequence[Piece], start: int) -> int:
    """How many of the blocks from `start` on are one poem; 0 where it cannot be told."""
    first = units[start]
    if start + 1 == len(units):
        return 1
    if first.goes_on:
        end = start + 1
        while end < len(units) and units[end - 1].goes_on:
            end += 1
        return end - start
    units = units[start : start + _MAX_STANZAS]
    alone = _is_complete(first)
    if alone and is_even_verse(first.lines):
        return 1
    for count in range(2, min(_MAX_STANZAS, len(units)) + 1):
        parts = units[:count]
        if fits_a_tune(joined(parts).lines) and not all(map(_is_complete, parts[1:])):
            return count
        if fits_a_tune(joined(parts).lines) and not alone:
            return count
    if alone or (first.is_whole and (_is_complete(units[1]) or (is_even_verse(first.lines) and units[1].is_whole))):
        return 1
    if len(set(map(len, first.lines))) == 1 and {len(first.lines[0])}.isdisjoint(map(len, units[1].lines)):
        # Couplets of five beside verse of seven.
        return 1
    return 0


def _is_one(units: Sequence[Piece]) -> bool:
    """Whether something says that all pieces are one poem."""
    if any(unit.goes_on for unit in units[:-1]):
        return all(unit.goes_on or not unit.is_whole for unit in units[:-1]) or len(units) == 2
    lines = joined(units).lines
    even = len(set(map(len, lines))) == 1
    if not even and fits_a_tune(lines) and len(units) <= _MAX_STANZAS:
        return True
    short = sum(len(unit.lines) < QUATRAIN for unit in units)
    if short == len(units) and even and len(lines) % 2 == 0:
        return len(lines) < 2 * QUATRAIN or _sentences_rhyme(lines)
    if len({is_even_verse(unit.lines) for unit in units}) > 1 or short:
        return False
    return _sound_alike(units)


def _begin_anew(units: Sequence[Piece]) -> bool:
    """Whether pieces that rhyme with each other are poems all the same: a rhyme word returns, or a later first line rhymes."""
    words = [line[-1] for unit in units for line in unit.lines[1::2]]
    if len(set(words)) < len(words):
        return True
    return all(is_even_verse(unit.lines) for unit in units) and any(
        rhyme_together((unit.lines[0], unit.lines[1])) for unit in units[1:]
    )


def _is_complete(unit: Piece) -> bool:
    """Whether a piece has the shape of a poem and rhymes in itself."""
    return unit.is_whole and (is_even_verse(unit.lines) or fits_a_tune(unit.lines)) and _rhymes(unit)


def _rhymes(unit: Piece) -> bool:
    if is_even_verse(unit.lines):
        return rhyme_together(unit.lines[1::2], spared=len(unit.lines) // 8)
    heard = Counter(sound for line in unit.lines for sound in sounds(line))
    return max(heard.values(), default=0) > 1


def _sentences_rhyme(lines: Sequence[str]) -> bool:
    """Whether every second line rhymes with another one beside it, for the most part."""
    ends = lines[1::2]
    near = [bool(sounds(first) & sounds(second)) for first, second in pairwise(ends)]
    return not near or sum(near) >= len(near) / 2


def _refuse_patchwork(poem: Piece, *, titled: bool) -> None:
    """Refuses a long poem that is most likely several: nothing in it rhymes, or each four lines rhyme by themselves.

    Raises:
        UntoldError: It is one.
    """
    lines = poem.lines
    if len(poem.rows) < 2 or fits_a_tune(lines):
        return
    sentences = [end for end in _SENTENCE.split(NOTE.sub("", "".join(poem.rows))) if verse_lines(end)]
    ends = [verse_lines(sentence)[-1] for sentence in sentences] if len(sentences) > 1 else list(lines[1::2])
    near = [bool(sounds(first) & sounds(second)) for first, second in pairwise(ends)]
    if titled:
        if len(near) >= _UNRHYMED_TITLED and sum(near) < _UNRHYMED * len(near):
            raise _untold(poem, len(poem.rows), _("rows that do not rhyme with each other"))
        return
    heard = Counter(sound for end in ends for sound in sounds(end))
    if len(lines) > 2 * QUATRAIN and max(heard.values(), default=0) < _USUALLY * len(ends):
        raise _untold(poem, len(poem.rows), _("rows without one rhyme"))
    quatrains = [lines[start : start + QUATRAIN] for start in range(0, len(lines), QUATRAIN)]
    own = all(is_even_verse(one) and rhyme_together((one[1], one[3])) for one in quatrains)
    if own and len(quatrains) > 1 and not any(rhyme_together((first[3], second[3])) for first, second in pairwise(quatrains)):
        raise _untold(poem, len(poem.rows), _("rows whose rhyme changes every four lines"))
    if own and len(quatrains) > 1 and _may_be_quatrains(lines, quatrains):
        raise _untold(poem, len(poem.rows), _("rows of one rhyme, of which each four keep the tones by themselves"))
    runs = [list(run) for _length, run in groupby(lines, len)]
    if len(runs) > 1 and all(is_even_verse(run) and len(run) % QUATRAIN == 0 for run in runs):
        raise _untold(poem, len(poem.rows), _("rows of verse whose length changes"))


def _may_be_quatrains(lines: Sequence[str], quatrains: Sequence[Sequence[str]]) -> bool:
    """Whether lines of one rhyme may be 绝句 (or 律诗) that follow each other, in place of one 排律 or 古诗.

    The lines of a 律诗 or 排律 hang together (粘), none but the even ones rhymes, and no rhyme word returns. 绝句 one after the
    other keep the tones each, and break one of these sooner or later; but eight lines that only hang together badly are a 律诗
    that somebody got wrong.
    """
    kept = sum(regulated_verdict(quatrain).passes for quatrain in quatrains) / len(quatrains)
    again = len({line[-1] for line in lines[1::2]}) < len(lines) // 2
    if regulated_verdict(lines).passes:
        return again and len(quatrains) > 2
    anew = again or any(rhyme_together(quatrain[:2]) for quatrain in quatrains[1:])
    if len(quatrains) == 2:
        return anew and kept == 1
    return kept > _FEW if anew else kept >= _HALF


def _untold(piece: Piece, count: int, what: str) -> UntoldError:
    return UntoldError(
        piece.row,
        _("{count} {what}: they may be one poem or several", count=count, what=what),
        _("put a title above each poem and no blank row inside one, or write 题目:正文 with one poem a line"),
    )


def _at_wide_gaps(units: Sequence[Piece]) -> list[list[Piece]]:
    """The blocks, divided where more blank rows stand than elsewhere."""
    gaps = [unit.gap for unit in units[1:]]
    narrow, wide = min(gaps, default=0), max(gaps, default=0)
    parts: list[list[Piece]] = []
    for unit in units:
        if not parts or (narrow < unit.gap <= wide and not parts[-1][-1].goes_on):
            parts.append([])
        parts[-1].append(unit)
    return parts


def _keeps_tones(lines: Sequence[str]) -> bool:
    from gemma_poetry.errors import TextError
    from gemma_poetry.prosody.scansion import scan_auto

    try:
        return scan_auto(lines).verdict.passes
    except TextError:
        return False
