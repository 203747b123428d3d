"""Plain text as poems, in the layouts that people have.

In: a text. Out: its poems, each whole with its title and author; or an `UntoldError` that names the row from which on the
layout cannot be told.

    题目 / 作者 / rows of verse     blank rows part poems, or stanzas (片) of one; titles part poems without blank rows too
    题目:正文, 题::作者::文, 《题》正文, 题 作者 正文, 正文——作者《题》      one poem a row
    rows of whole poems without titles                                        one poem a row
    题目：… / 作者：… / 正文：…                                               labelled fields
    1. … 2. …, # …, ---                                                       numbers, Markdown headings and rules begin a poem

A row without pause marks among rows that have them is a heading, unless it completes the verse around it. Text without any
marks is verse where its rows are of one length. Whether rows and blocks of verse are one poem or several `stanzas` says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gemma_poetry.corpus.headings import (
    PAUSES,
    announced,
    attribution,
    is_rule,
    is_serial,
    named,
    number_of,
    parted,
    without_bullet,
    without_stanza_label,
)
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.corpus.stanzas import Piece, UntoldError, divide, joined
from gemma_poetry.corpus.tune_names import split_tune
from gemma_poetry.corpus.unmarked import MAX_HEADING_ROWS, headings_over_unmarked, unmarked_headings
from gemma_poetry.corpus.verse_shapes import fits_a_tune, is_even_verse, verse_lines
from gemma_poetry.languages import _
from gemma_poetry.prosody.tunes import find_tune

_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")
_EDGES = " \t\u3000\u00a0\u200b\ufeff"
_LABEL = re.compile(r"^[【\[]?(?P<label>[^\s:：【】\[\]]{1,12})(?:[】\]][:：]?|[:：])\s*(?P<value>.*)$")
_LABELS = {
    "title": ("题目", "題目", "标题", "標題", "诗题", "詩題", "诗名", "詩名", "题", "title"),
    "author": ("作者", "诗人", "詩人", "author", "poet"),
    "era": ("朝代", "时代", "時代", "年代", "dynasty", "era"),
    "text": ("正文", "内容", "內容", "诗文", "詩文", "原文", "全文", "诗句", "詩句", "诗", "詩", "text", "content", "poem"),
    "": (
        "注释",
        "注釋",
        "译文",
        "譯文",
        "翻译",
        "赏析",
        "賞析",
        "简析",
        "评析",
        "拼音",
        "标签",
        "出处",
        "来源",
        "体裁",
        "體裁",
    ),
}
_FIELD_OF_LABEL = {label: name for name, labels in _LABELS.items() for label in labels}
_INLINE_SHARE = 0.8


@dataclass(slots=True)
class _Row:
    """A row that is not blank: its number in the file, its text, and how many blank rows stand before it."""

    number: int
    text: str
    gap: int
    begins: bool = False
    heading: bool = False

    def piece(self) -> Piece:
        return Piece((self.text,), self.number, verse_lines(self.text), self.gap)


@dataclass(slots=True)
class _Entry:
    """What stands under one heading: its rows, and the verse in blocks."""

    heading: list[_Row] = field(default_factory=list)
    blocks: list[list[Piece]] = field(default_factory=list)
    title: str = ""
    author: str = ""


def divide_text(text: str, name: str) -> Iterator[SourcePoem]:
    """The poems of a plain text, as the module's docstring tells.

    Raises:
        UntoldError: The layout cannot be told.
    """
    rows = _rows(text)
    found = _labelled(rows) or _poems(rows)
    for number, (title, author, era, lines) in enumerate(found, 1):
        yield SourcePoem(tuple(lines), f"{name}#{number}", title=title, author=author, era=era)


_Found = tuple[str, str, str, Sequence[str]]


def _rows(text: str) -> list[_Row]:
    rows: list[_Row] = []
    gap, begins, stanza = 0, False, ""
    for number, line in enumerate(_LINE_ENDS.sub("\n", text).split("\n"), 1):
        line = " ".join(line.strip(_EDGES).split())
        if not line:
            gap += 1
        elif is_rule(line):
            begins = True
        else:
            heading = line.startswith("#")
            bare, label = without_stanza_label(without_bullet(line))
            stanza = label or stanza
            if not bare:
                continue
            if stanza == "later" and rows:
                # 下片 goes on with its poem, whatever stands between.
                rows[-1].text += f" {bare}"
                gap, begins, stanza = 0, False, ""
                continue
            begins, heading, stanza = begins or stanza == "first", heading and not stanza, ""
            rows.append(_Row(number, bare, gap, begins or heading, heading and not PAUSES.search(bare)))
            gap, begins = 0, False
    _take_numbers(rows)
    return rows


def _take_numbers(rows: Sequence[_Row]) -> None:
    """Takes the numbers from the rows where they count poems, or lines of a poem."""
    items = [(row, *number_of(row.text)) for row in rows]
    counted = [(row, number, rest) for row, number, rest in items if number and not is_serial(row.text)]
    numbers = [number for _, number, _ in counted]
    if not counted or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return
    if len(counted) == 1 and not counted[0][0].text[:2].strip("（([【").isdigit() and not counted[0][0].text[0].isdigit():
        return
    of_lines = len(counted) == len(rows) and all(PAUSES.search(rest) and len(verse_lines(rest)) < 4 for _, _, rest in counted)
    for row, _unused, rest in counted:
        row.text = rest.strip(_EDGES)
        row.begins = row.begins or not of_lines


def _labelled(rows: Sequence[_Row]) -> list[_Found]:
    """The poems of a file whose fields have labels (题目：…, 正文：…); none where it has no such labels."""
    fields = []
    for row in rows:
        match = _LABEL.match(row.text)
        name = _FIELD_OF_LABEL.get(match["label"].lower()) if match else None
        fields.append((row, name, match["value"] if match and name is not None else row.text))
    names = [name for _, name, _ in fields if name]
    if "text" not in names and len({"title", "author", "era"} & set(names)) < 2:
        return []
    found: list[_Found] = []
    values: dict[str, list[str]] = {}
    text: list[list[Piece]] = []
    current: str | None = None

    def close() -> None:
        if text:
            title, author, era = ("".join(values.get(name, [])) for name in ("title", "author", "era"))
            title = title.strip("《》")
            # The rows of a block are one poem: its label says so. What stands behind a blank row may be another.
            found.extend((title, author, era, poem.rows) for poem in _divided([[joined(block)] for block in text], title, True))

    for row, name, value in fields:
        fresh = bool(name) and bool(text) and (name == "text" or name in values)
        again = name == "title" or (name in ("author", "era") and bool(text))
        if fresh or (again and (values or text)):
            close()
            values, text, current = {}, [], None
        if name is not None:
            current = name
        elif current in (None, "title", "author", "era") and PAUSES.search(value) is not None:
            current = "text"
        elif current is None:
            raise UntoldError(
                row.number, _("a row outside the labelled fields"), _("give it a label, such as 题目： or 正文：")
            )
        if value and current == "text":
            if row.gap or not text:
                text.append([])
            text[-1].append(Piece((value,), row.number, verse_lines(value), row.gap))
        elif value:
            values.setdefault(current or "", []).append(value)
    close()
    return found


def _divided(blocks: Sequence[Sequence[Piece]], title: str, titled: bool) -> list[Piece]:
    """The poems of verse under a title; see `divide`."""
    tune = find_tune(split_tune(title)[0]) if title else None
    return divide(blocks, titled=titled, tune=tune, announced=announced(title))


def _poems(rows: Sequence[_Row]) -> list[_Found]:
    if not any(PAUSES.search(row.text) for row in rows):
        entries = _unmarked_entries(rows)
    else:
        entries = _marked_entries(rows)
    found: list[_Found] = []
    title = ""
    for entry in entries:
        if entry.heading:
            texts = [row.text for row in entry.heading]
            if is_serial(texts[-1]):
                base, entry.author = named(texts[:-1]) if texts[:-1] else (title, entry.author)
                entry.title, title = f"{base} {texts[-1]}".strip(), base
            else:
                entry.title, author = named(texts)
                title, entry.author = entry.title, author or entry.author
        if not entry.blocks:
            if entry.heading and len(entries) > 1:
                # The title of a book or a part.
                continue
            entry.blocks, entry.title = [[row.piece() for row in entry.heading]], ""
        poems = _divided(entry.blocks, entry.title, bool(entry.title))
        found += [(entry.title, entry.author, "", poem.rows) for poem in poems]
    return found


def _marked_entries(rows: Sequence[_Row]) -> list[_Entry]:
    """The entries of a text with pause marks."""
    blocks = list(_blocks(rows))
    for block in blocks:
        _settle_headings(block)
    verse = [row for row in rows if not row.heading]
    inline = {row.number: found for row in verse if (found := parted(row.text))}
    layout = len(inline) > 1 and len(inline) >= _INLINE_SHARE * len(verse)
    # 题目:第一行, further rows below it, the next 题目:第一行.
    begun = len(inline) > 1 and rows[0].number in inline
    headed = False
    entries = [_Entry()]
    for block in blocks:
        for index, row in enumerate(block):
            entry = entries[-1]
            if row.heading:
                headed = True
                if row.text.startswith(("——", "—", "--")) and entry.blocks:
                    title, author = attribution(row.text)
                    entry.title, entry.author = entry.title or title, entry.author or author
                    continue
                if entry.blocks or row.begins:
                    entry = _Entry()
                    entries.append(entry)
                entry.heading.append(row)
                if len(entry.heading) > MAX_HEADING_ROWS:
                    raise UntoldError(
                        row.number,
                        _(
                            "{count} rows without pause marks, one below the other, in a text that has marks",
                            count=len(entry.heading),
                        ),
                        _("part lines by ， and 。 in all poems, or in none"),
                    )
                continue
            first = not entry.blocks
            own = inline.get(row.number)
            if own and not layout and begun and index and not block[index - 1].heading:
                if block[index - 1].piece().goes_on:
                    own = None
                elif len(own[0]) == len(verse_lines(own[2])[0]):
                    raise UntoldError(
                        row.number,
                        _("{own!r} may be a title or a line of verse", own=own[0]),
                        _("put titles on rows of their own"),
                    )
            if own and (layout or begun or (first and not entry.heading) or (index == 0 and not headed)):
                if entry.blocks or entry.heading:
                    entry = _Entry()
                    entries.append(entry)
                entry.title, entry.author, row.text = own
            elif row.begins and entry.blocks:
                entry = _Entry()
                entries.append(entry)
            if not entry.blocks or index == 0 or block[index - 1].heading:
                entry.blocks.append([])
            entry.blocks[-1].append(row.piece())
    return [entry for entry in entries if entry.heading or entry.blocks]


def _blocks(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    block: list[_Row] = []
    for row in rows:
        if block and (row.gap or row.begins):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _settle_headings(block: Sequence[_Row]) -> None:
    """Marks the headings of a block of marked text: rows without a pause, unless the verse is complete with them alone."""
    bare = [row for row in block if not PAUSES.search(row.text)]
    if bare and len(bare) == len(block) and (heads := headings_over_unmarked([row.text for row in block])):
        for row, heading in zip(block, heads):
            row.heading = row.heading or heading
        return
    if not bare or any(row.heading for row in bare):
        for row in bare:
            row.heading = True
        return
    if len(bare) < len(block) and _is_verse(block):
        return
    if len(bare) >= 4 and is_even_verse([line for row in bare for line in row.text.split()]):
        return
    for row in bare:
        row.heading = True


def _is_verse(block: Sequence[_Row]) -> bool:
    """Whether all rows of a block are the lines of one poem, some without their mark."""
    pieces = [row.piece() for row in block]
    lines = joined(pieces).lines
    if any(len(piece.lines) > 2 for piece in pieces):
        return False
    if not is_even_verse(lines):
        # A tune's name above a 词 that lacks as many characters is its title all the same.
        return len(set(map(len, lines))) > 1 and fits_a_tune(lines) and find_tune(block[0].text) is None
    # In verse the comma stands behind odd lines, the full stop behind even ones; a title between poems shifts them.
    place = 0
    for piece in pieces:
        place += len(piece.lines)
        mark = piece.rows[0][-1]
        if (mark in "，," and place % 2 == 0) or (mark in "。.？！?!" and place % 2):
            return False
    return True


def _unmarked_entries(rows: Sequence[_Row]) -> list[_Entry]:
    """The entries of a text without any pause marks: its lines are of one length, or fill a tune."""
    entries = [_Entry()]
    usual = Counter(len(token) for row in rows for token in row.text.split())
    for block in _blocks(rows):
        heads = unmarked_headings([row.text for row in block], block[0].number, usual)
        for index, row in enumerate(block):
            entry = entries[-1]
            if heads[index] or row.heading:
                if entry.blocks or row.begins:
                    entries.append(entry := _Entry())
                entry.heading.append(row)
                continue
            if row.begins and entry.blocks:
                entries.append(entry := _Entry())
            if not entry.blocks or index == 0 or heads[index - 1]:
                entry.blocks.append([])
            entry.blocks[-1].append(row.piece())
    return [entry for entry in entries if entry.heading or entry.blocks]
