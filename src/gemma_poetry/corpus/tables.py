"""Rows of fields as records: CSV and its kin, with any delimiter, with a header or without.

In: the text of a table. Out: (place, record) for each row; or a `SourceError` that names the delimiter, the columns that were
found and those that are known.

The delimiter is the one under which the first row names a known column; else, in a table without a header, the one under
which all rows have the same number of fields and one column holds verse. Columns of a table without a header are told by
what they hold: verse, eras, numbers; of two that remain the first is the title unless it repeats more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from gemma_poetry.corpus.headings import PAUSES
from gemma_poetry.corpus.records import COLUMNS, ERAS, TEXT_COLUMNS, field_of
from gemma_poetry.corpus.verse_shapes import verse_lines
from gemma_poetry.errors import SourceError
from gemma_poetry.languages import _, listed

DELIMITERS = {",": _("comma"), "\t": _("tab"), ";": _("semicolon"), "|": _("vertical bar")}
_TEXT_DELIMITERS = ("::", "：：", "\t", "||", "|", "｜", "##", "$$", "@@", "#", ";", ",")
_MOST = 0.9
_SAMPLE = 2000
_LONGEST_LINE = 16
_MAX_COLUMNS = 1000

Records = Iterator[tuple[str, dict[str, str]]]


def table_records(text: str, where: str, delimiter: str = "") -> Records:
    """(place, record) for each row of a CSV or TSV file.

    Args:
        text: The file's text.
        where: How messages name the file.
        delimiter: The delimiter that the file's ending says, which the contents may overrule; empty: none.

    Raises:
        SourceError: A row does not fit, or no column of verse is found.
    """
    skipped = 0
    if text[:4].lower() == "sep=" and "\n" in text:
        # Excel's own way of naming the delimiter.
        delimiter, skipped = text[4:5], 1
        text = text.split("\n", 1)[1]
    order = dict.fromkeys([*([delimiter] if delimiter else []), *DELIMITERS])
    found = {own: _first_row(text, own) for own in order}
    if max(map(len, found.values())) > _MAX_COLUMNS:
        raise SourceError(
            _("a table of more than 1,000 columns"),
            where=f"{where}:{skipped + 1}",
            expected=_("a column of poems"),
            action=_("check the file"),
        )
    named = [own for own, row in found.items() if any(field_of(name) == "text" for name in row)]
    if named:
        rows = _read(text, where, named[0], skipped)
        header = [name.strip().strip("\ufeff") for name in next(rows)[1]]
        yield from with_header(header, rows)
        return
    for own in order:
        rows_of_it = _consistent(text, own)
        if rows_of_it and len(rows_of_it[0]) > 1 and _verse_columns(rows_of_it, own):
            yield from without_header(list(_read(text, where, own, skipped)), where, DELIMITERS.get(own, own))
            return
    best = max(found, key=lambda own: len(found[own]))
    if len(found[best]) == 1 and _verse_columns([found[best]]):
        yield from without_header(list(_read(text, where, best, skipped)), where, _("none"))
        return
    raise _no_text(where, skipped + 1, found[best], DELIMITERS.get(best, best) if len(found[best]) > 1 else _("none"))


def delimited_records(text: str, where: str) -> Records | None:
    """(place, record) for each row of a plain text whose rows are fields (题::作者::文); `None` where they are none."""
    lines = [(number, line.strip("\r \u3000\ufeff")) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        return None
    for delimiter in _TEXT_DELIMITERS:
        if delimiter not in lines[0][1]:
            continue
        rows = [(f"{where}:{number}", [part.strip() for part in line.split(delimiter)]) for number, line in lines]
        header = rows[0][1]
        texts = [name for name in header if field_of(name) == "text"]
        if len(header) > 1 and texts and len(rows) > 1:
            return with_header(header, iter(rows[1:]))
        width = len(header)
        fits = len(rows) > 1 and 1 < width < 8 and all(len(row) == width for _, row in rows[:_SAMPLE])
        if fits and _verse_columns([row for _, row in rows], delimiter):
            return without_header(rows, where, repr(delimiter))
    return None


def with_header(header: Sequence[str], rows: Iterator[tuple[str, list[str]]]) -> Records:
    """Rows as records of named fields.

    Raises:
        SourceError: A row has more or fewer fields than the header.
    """
    for place, row in rows:
        if any(map(str.strip, row)):
            yield place, dict(zip(header, _fitting(row, len(header), place)))


def without_header(rows: Sequence[tuple[str, list[str]]], where: str, delimiter: str) -> Records:
    """Rows as records whose fields are named by what they hold.

    Raises:
        SourceError: No column, or more than one, holds verse; or a row has another number of fields than most.
    """
    rows = [(place, row) for place, row in rows if any(map(str.strip, row))]
    width = len(rows[0][1]) if rows else 0
    for place, row in rows:
        _fitting(row, width, place)
    columns = [[row[index].strip() for _, row in rows[:_SAMPLE]] for index in range(width)]
    verse = _verse_columns([row for _, row in rows])
    if len(verse) != 1:
        raise SourceError(
            _(
                "a table without a header of which {count} columns hold verse (delimiter: {delimiter}; {width} columns)",
                count=len(verse) or _("no"),
                delimiter=delimiter,
                width=width,
            ),
            where=where,
            expected=_("one column of poems"),
            action=_("add a header line with names such as {known}", known=_known()),
        )
    rest = [index for index in range(width) if index not in verse and any(columns[index])]
    names = {verse[0]: "text"}
    for index in list(rest):
        values = [value for value in columns[index] if value]
        if all(value.lower().strip("[]【】（）()") in ERAS for value in values):
            names[index] = "era"
            rest.remove(index)
        elif all(value.isascii() for value in values):
            rest.remove(index)
    if len(rest) > 2:
        raise SourceError(
            _(
                "a table without a header whose columns cannot be told (delimiter: {delimiter}; {width} columns)",
                delimiter=delimiter,
                width=width,
            ),
            where=where,
            expected=_("beside the poems a title and an author, an era, numbers"),
            action=_("add a header line with names such as {known}", known=_known()),
        )
    if len(rest) == 2:
        first, second = (len(set(columns[index])) for index in rest)
        short = max(map(len, columns[rest[0]])) <= 4 < max(map(len, columns[rest[1]]))
        title, author = (1, 0) if first < second or (first == second and short and len(rows) > 2) else (0, 1)
        names[rest[title]], names[rest[author]] = "title", "author"
    elif rest:
        names[rest[0]] = "title"
    for place, row in rows:
        yield place, {names[index]: row[index] for index in range(width) if index in names}


def _read(text: str, where: str, delimiter: str, skipped: int) -> Iterator[tuple[str, list[str]]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            yield f"{where}:{rows.line_num + skipped}", row
    except csv.Error as error:
        raise SourceError(
            _("not valid CSV ({error}; delimiter: {delimiters})", error=error, delimiters=DELIMITERS.get(delimiter, delimiter)),
            where=f"{where}:{rows.line_num + skipped}",
            expected=_("fields with matching double quotes"),
            action=_("mend that row"),
        ) from error


def _first_row(text: str, delimiter: str) -> list[str]:
    try:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []
    return [name.strip() for name in first]


def _consistent(text: str, delimiter: str) -> list[list[str]]:
    """The first rows, if all of them have as many fields as most; else none."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if any(map(str.strip, row)):
                rows.append(row)
            if len(rows) >= _SAMPLE:
                break
    except csv.Error:
        return []
    widths = [len(row) for row in rows]
    most = max(set(widths), key=widths.count) if widths else 0
    return [row for row in rows if len(row) == most] if widths.count(most) >= _MOST * len(widths) else []


def _verse_columns(rows: Sequence[Sequence[str]], delimiter: str = "") -> list[int]:
    """The columns that hold verse; a delimiter that is a mark of verse too must not part the lines of a poem."""
    rows = rows[:_SAMPLE]
    if delimiter in (",", ";") and not any(mark in "".join(rows[0]) for mark in "，。"):
        return []
    width = min(map(len, rows))
    return [index for index in range(width) if sum(_is_verse(row[index]) for row in rows) >= _MOST * len(rows)]


def _is_verse(value: str) -> bool:
    lines = verse_lines(value[:2000])
    return len(lines) >= 2 and bool(PAUSES.search(value) or "\n" in value) and max(map(len, lines)) <= _LONGEST_LINE


def _fitting(row: list[str], width: int, place: str) -> list[str]:
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    if len(row) != width:
        raise SourceError(
            _("the row has {count} fields", count=len(row)),
            where=place,
            expected=_("{width} fields, as the first row has", width=width),
            action=_("put fields that hold the delimiter or a line break into double quotes"),
        )
    return row


def _no_text(where: str, line: int, found: Sequence[str], delimiter: str) -> SourceError:
    return SourceError(
        _(
            "the header names no text column (delimiter: {delimiter}; columns found: {found})",
            delimiter=delimiter,
            found=", ".join(found)[:200],
        ),
        where=f"{where}:{line}",
        expected=_(
            "a column of poems called one of {text_columns}; beside it {known}",
            text_columns=listed(TEXT_COLUMNS),
            known=_known(),
        ),
        action=_("add a header line, or rename the column that holds the poems"),
    )


def _known() -> str:
    return listed(
        _("{names} or {names_2}", names=names[0], names_2=next(name for name in names if not name.isascii()))
        for names in COLUMNS.values()
    )
