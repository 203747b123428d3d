"""A 诗 is classified by its lines: which form (体裁) they have.

In: lines of Han characters. Out: the name of their form, by shape, rhyme and tones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemma_poetry.prosody.rhyme_book import RhymeBook

_VERSE_NAMES = {5: "五言", 7: "七言"}


# Broken couplets and joints per couplet: level-rhymed poems of ten lines and more are either below this or, most of them,
# far above (of 4,200 such poems in 全唐诗 the fewest lie between 0.3 and 0.4).
_REGULATED_BROKEN_SHARE = 1 / 3


def classify(lines: str | Sequence[str], book: RhymeBook | None = None) -> str:
    """The form (体裁) of a 诗 by its shape, rhyme and tones: a name in `FORM_NAMES`.

    Lines of five or seven characters are a 绝句 if they are four; a 律诗 if they are eight and rhyme level; a 排律 if they
    are ten or more, an even number, rhyme level and are regulated but for a third of the couplets at most; else a 古诗.
    To rhyme level, every even line must end in a character that can be level, and all of them but one at most must share
    a group of the rhyme book. Faults of metre alone thus never make a 古诗 of eight lines; `scan` tells of them.

    Args:
        lines: The lines, Han characters only; or the poem as one text.
        book: The rhyme book; `None`: 平水韵.
    """
    if isinstance(lines, str):
        from gemma_poetry.prosody.lines import split_lines

        lines, _ = split_lines(lines)
    lengths = {len(line) for line in lines}
    if len(lengths) != 1:
        return "杂言诗"
    (length,) = lengths
    count = len(lines)
    if length in _VERSE_NAMES and count >= 4 and count % 2 == 0:
        if count == 4:
            return f"{_VERSE_NAMES[length]}绝句"
        if count >= 8:
            # These know characters, and so forms; forms know neither.
            from gemma_poetry.prosody.rhyme_books import PINGSHUI
            from gemma_poetry.prosody.verdicts import broken_share, is_level_rhymed

            book = book or PINGSHUI
            if is_level_rhymed(lines, book):
                if count == 8:
                    return f"{_VERSE_NAMES[length]}律诗"
                if broken_share(lines, book) <= _REGULATED_BROKEN_SHARE:
                    return f"{_VERSE_NAMES[length]}排律"
    return {4: "四言诗", 5: "五言古诗", 6: "六言诗", 7: "七言古诗"}.get(length, "杂言诗")
