"""A running text as the lines of a poem.

In: a text with marks or white space, or lines that somebody has parted already. Out: lines of Han characters alone, and one
closing mark a line; or an error that names the first character that is none.

A colon ends a line or stands inside one (笑问：客从何处来): `settle_colons` tells by the lengths of the other lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from gemma_poetry.errors import UnreadableError
from gemma_poetry.languages import _
from gemma_poetry.prosody.characters import HAN, is_han
from gemma_poetry.prosody.forms import COMMA, FULL_STOP

# Somebody begins to speak: 道：, 却道：, 凭谁问：. In 词 too the colon is a pause in the line then, and not its end.
_LONGEST_OPENING = 3

_DROPPED = str.maketrans("", "", "、《》「」『』“”‘’\"'﹁﹂﹃﹄·・•‧—－\ufeff\u200b")
_MARKS = str.maketrans(",;:?!.．｡", "，；：？！。。。")
_LINE = re.compile(r"([^，。；：？！\s|/]+)\s*([，。；：？！]*)")
_ENDS_SENTENCE = frozenset("。；？！")
_PIECES = re.compile(r"([，。；：？！\s])")
_ONLY_HAN = re.compile(f"[{HAN}]*")


def split_lines(text: str) -> tuple[tuple[str, ...], str]:
    """The lines of a running text, and their closing marks.

    Marks and white space part lines; quotation marks, title marks and 、 stand inside them.

    Returns:
        The lines, and one `，` or `。` a line; no marks at all where the text has none.
    """
    text = unicodedata.normalize("NFC", text).translate(_DROPPED).translate(_MARKS)
    found = _LINE.findall(settle_colons(text))
    marks = (
        ""
        if not any(mark for _, mark in found)
        else "".join(FULL_STOP if not mark or not _ENDS_SENTENCE.isdisjoint(mark) else COMMA for _, mark in found)
    )
    return tuple(line for line, _ in found), marks


def as_lines(poem: str | Sequence[str]) -> Sequence[str]:
    """The lines of a poem that may also be given as one text; a sequence of lines stays what it is."""
    return split_lines(poem)[0] if isinstance(poem, str) else poem


def check_characters(lines: Sequence[str]) -> None:
    """Makes sure that lines hold Han characters and nothing else.

    Raises:
        UnreadableError: Something else stands there: punctuation, letters, a lost character (□).
    """
    if _ONLY_HAN.fullmatch("".join(lines)):
        return
    number, position, char = next(
        (number, position, char)
        for number, line in enumerate(lines, 1)
        for position, char in enumerate(line, 1)
        if not is_han(char)
    )
    raise UnreadableError(
        _("{char!r} stands in line {number}, position {position}", char=char, number=number, position=position),
        expected=_("lines of Chinese characters and nothing else"),
        action=_("take it out, or give the whole poem as one text: its marks then part the lines"),
    )


def settle_colons(text: str) -> str:
    """The text with `，` for each colon that ends a line, and without the others.

    A colon stands inside a line if what it parts makes together a line as long as most others (笑问：客从何处来 among lines
    of seven), or if no more than a few characters stand before it (却道：海棠依旧) and what follows is not as long as all the
    other lines (问春桂：桃李正芬华).

    Args:
        text: A text without quotation marks; `，。；：？！` and white space part its lines.
    """
    if "：" not in text:
        return text
    pieces = _PIECES.split(re.sub(r"[^\S\n]*：[^\S\n]*", "：", text))
    lengths = [len(piece.replace("、", "")) for piece in pieces[::2]]
    separators = pieces[1::2]
    beside = {index + offset for index, mark in enumerate(separators) if mark == "：" for offset in (0, 1)}
    others = Counter(length for index, length in enumerate(lengths) if length and index not in beside)
    usual = others.most_common(1)[0][0] if others else 0
    settled = [pieces[0]]
    length = lengths[0]
    for mark, piece, following in zip(separators, pieces[2::2], lengths[1:]):
        speaks = length <= _LONGEST_OPENING and not (following == usual and len(others) == 1)
        inside = mark == "：" and 0 < length != usual > 0 and following > 0 and (length + following == usual or speaks)
        if not inside:
            settled.append(COMMA if mark == "：" else mark)
        length = length + following if inside else following
        settled.append(piece)
    return "".join(settled)
