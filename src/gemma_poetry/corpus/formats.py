"""The files of any collection as poems: JSON, JSON lines, CSV, TSV and plain text.

In: one file of a source. Out: its `SourcePoem`s; a record that cannot be one is a `SourceError` that names file and
line, what was found and what was expected.

A record needs a text, everything else is optional; fields may bear any of the usual names (`FIELDS`). Plain text
holds poems with blank lines between them; a first line without pause marks above lines that have them is the title,
and so is one that differs in length from equal lines without marks; the author may follow on the same line or the next.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from gemma_poetry.corpus.containers import SourceFile
from gemma_poetry.corpus.encodings import decode
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.errors import SourceError

FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("paragraphs", "lines", "content", "text", "para", "body", "poem", "正文", "内容", "內容", "诗文", "詩文", "原文"),
    "title": ("title", "题目", "題目", "标题", "標題", "诗题", "詩題", "诗名", "詩名"),
    "author": ("author", "poet", "作者", "诗人", "詩人"),
    "era": ("era", "dynasty", "朝代", "时代", "時代"),
    "tune": ("tune", "rhythmic", "词牌", "詞牌", "词牌名", "詞牌名"),
    "form": ("form", "体裁", "體裁"),
}
_FIELD_OF = {name: field for field, names in FIELDS.items() if field != "text" for name in names}
_ERAS = {"tang": "唐", "song": "宋", "yuan": "元", "ming": "明", "qing": "清", "t": "唐", "s": "宋"}
_LONGEST_NAME = 4
_PAUSES = re.compile(r"[，。？！；,?!;]")
_HEADER = re.compile(r"^《(?P<title>[^》]+)》\s*(?P<author>\S{0,12})$|^(?P<plain>\S+)[\s\u3000]+(?P<poet>\S{1,8})$")


Divide = Callable[[str, str], Iterator[SourcePoem]]
"""Divides a plain text, given with the name of its file, into poems."""


def read_poems(file: SourceFile, divide: Divide | None = None) -> Iterator[SourcePoem]:
    """The poems of one file.

    Args:
        file: The file.
        divide: How plain text is divided; `None`: as `divide_text` does.

    Raises:
        SourceError: The file is not what its ending says, or a record is no poem.
    """
    ending = file.name.lower().rpartition(".")[2]
    if ending == "json":
        yield from _records_to_poems(file, _json_records(file))
        return
    text, _ = decode(file.content, file.where)
    if not text.strip():
        raise SourceError("the file is empty", where=file.where, expected="at least one poem", action="remove or fill the file")
    if ending in ("jsonl", "ndjson"):
        yield from _records_to_poems(file, _json_line_records(file, text))
    elif ending in ("csv", "tsv"):
        yield from _records_to_poems(file, _table_records(file, text, "\t" if ending == "tsv" else ","))
    else:
        yield from (divide or divide_text)(text, file.name)


def divide_text(text: str, name: str) -> Iterator[SourcePoem]:
    """The poems of a plain text, as the module's docstring tells.

    Args:
        text: The text.
        name: The name of its file.
    """
    for number, (title, author, lines) in enumerate(_text_blocks(text), 1):
        yield SourcePoem(tuple(lines), f"{name}#{number}", title=title, author=author)


def _json_records(file: SourceFile) -> Iterator[tuple[str, Any]]:
    """(place in the file, record) for each record of a JSON file: a list, or an object that is or holds the poems."""
    content: bytes | str = file.content
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        content, _ = decode(file.content, file.where)
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise _not_json(file, error, error.lineno) from error
    if isinstance(value, Mapping):
        lists = [part for part in value.values() if isinstance(part, list) and part and isinstance(part[0], Mapping)]
        value = lists[0] if len(lists) == 1 else [value]
    if not isinstance(value, list) or not value:
        raise SourceError(
            "the file holds no poems",
            where=file.where,
            expected="a list of objects, one a poem",
            action='make each poem an object such as {"title": "…", "author": "…", "paragraphs": ["…，…。"]}',
        )
    for number, record in enumerate(value, 1):
        yield f"{file.where} (record {number})", record


def _json_line_records(file: SourceFile, text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"{file.where}:{number}", orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise _not_json(file, error, number) from error


def _table_records(file: SourceFile, text: str, delimiter: str) -> Iterator[tuple[str, Any]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(rows)]
        if not set(header) & set(FIELDS["text"]):
            raise SourceError(
                f"the header names no text column (found {', '.join(header)[:200]})",
                where=f"{file.where}:1",
                expected=f"a column called {' or '.join(FIELDS['text'][:4])}",
                action="add a header line, or rename the column that holds the poems",
            )
        for row in rows:
            if not any(map(str.strip, row)):
                continue
            if len(row) != len(header):
                raise SourceError(
                    f"the row has {len(row)} fields",
                    where=f"{file.where}:{rows.line_num}",
                    expected=f"{len(header)} fields, as the header has",
                    action="put fields that hold the delimiter or a line break into double quotes",
                )
            yield f"{file.where}:{rows.line_num}", dict(zip(header, row))
    except csv.Error as error:
        raise SourceError(
            f"not valid CSV ({error})",
            where=f"{file.where}:{rows.line_num}",
            expected="fields with matching double quotes",
            action="mend that row",
        ) from error


def _records_to_poems(file: SourceFile, records: Iterator[tuple[str, Any]]) -> Iterator[SourcePoem]:
    for number, (where, record) in enumerate(records, 1):
        if not isinstance(record, Mapping):
            raise SourceError(
                f"the record is a {_json_type(record)}",
                where=where,
                expected="an object with the fields of one poem",
                action="remove it, or put its text into a field `paragraphs`",
            )
        yield _poem_of(record, where, f"{file.name}#{number}")


def _poem_of(record: Mapping[str, Any], where: str, source_id: str) -> SourcePoem:
    values: dict[str, str] = {}
    for name, value in record.items():
        field = _FIELD_OF.get(name)
        if field is None or not value or field in values:
            continue
        if not isinstance(value, str):
            raise SourceError(
                f"the field {name!r} is a {_json_type(value)}", where=where, expected="a text", action="mend the record"
            )
        values[field] = value
    paragraphs = _paragraphs(record, where)
    marks = record.get("marks", "")
    if not isinstance(marks, str) or (marks and (len(marks) != len(paragraphs) or marks.strip("，。\n "))):
        raise SourceError(
            f"the field 'marks' does not fit {len(paragraphs)} lines (found {marks!r})",
            where=where,
            expected="one ， or 。 a line (or a line break or space)",
            action="mend the field or leave it out",
        )
    if "era" in values:
        values["era"] = _ERAS.get(values["era"].lower(), values["era"])
    return SourcePoem(paragraphs, source_id, marks=marks, **values)


def _paragraphs(record: Mapping[str, Any], where: str) -> tuple[str, ...]:
    for name in FIELDS["text"]:
        if name in record:
            value = record[name]
            if value is None:
                return ()
            if isinstance(value, str):
                return tuple(value.splitlines())
            if isinstance(value, list) and all(isinstance(part, str) for part in value):
                return tuple(value)
            raise SourceError(
                f"the field {name!r} is a {_json_type(value)}" + (" with other things than texts" if value else ""),
                where=where,
                expected="a text, or a list of texts",
                action="mend the record",
            )
    raise SourceError(
        f"the record has no text (found the fields {', '.join(map(str, record))[:200] or 'none'})",
        where=where,
        expected=f"a field called {' or '.join(FIELDS['text'][:4])}",
        action="rename the field that holds the poem, or take files of other content out of the source",
    )


def _text_blocks(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """(title, author, lines) of each poem of a plain text."""
    waiting: list[str] = []
    for block in re.split(r"\n[\s\u3000]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        if not lines:
            continue
        if len(waiting) == 2 and not _PAUSES.search(lines[0]):
            # Two lines over a text without marks: nothing says that they are a heading.
            yield "", "", waiting
            waiting = []
        if _is_parted_heading(lines) and not waiting:
            waiting = lines
            continue
        yield _heading(waiting + lines)
        waiting = []
    if waiting:
        yield "", "", waiting


def _is_parted_heading(lines: Sequence[str]) -> bool:
    """Whether a block is a title, or a title over a name, that a blank line parts from its poem."""
    if any(_PAUSES.search(line) or re.search(r"\s", line) for line in lines):
        return False
    if len(lines) != 2:
        return len(lines) == 1
    title, name = map(len, lines)
    return name <= _LONGEST_NAME and (title != name or name < _LONGEST_NAME)


def _heading(lines: list[str]) -> tuple[str, str, list[str]]:
    marked = [bool(_PAUSES.search(line)) for line in lines]
    if any(marked):
        count = min(marked.index(True), 2)
    else:
        lengths = {len(line) for line in lines[1:]}
        count = 1 if len(lines) > 2 and len(lengths) == 1 and len(lines[0]) not in lengths else 0
    if not count:
        return "", "", lines
    title, author = lines[0], lines[1] if count == 2 else ""
    match = _HEADER.match(title)
    if match and not author:
        title = match["title"] or match["plain"]
        author = match["author"] or match["poet"] or ""
        # 帝京篇 其一: a serial number is no author.
        if author.startswith(("其", "第")):
            title, author = lines[0], ""
    title = title.removeprefix("《").removesuffix("》")
    return title, re.sub(r"^[(（\[【]?\S{1,2}[)）\]】·・:：]\s*|^作者[:：]", "", author), lines[count:]


def _json_type(value: object) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", int: "number", float: "number"}
    return kinds.get(type(value), "null" if value is None else type(value).__name__)


def _not_json(file: SourceFile, error: json.JSONDecodeError, line: int) -> SourceError:
    return SourceError(
        f"not valid JSON ({error.msg})",
        where=f"{file.where}:{line}",
        expected="a complete JSON value" if file.name.lower().endswith(".json") else "one complete JSON object a line",
        action="fetch the file again if it was cut short, else mend that place",
    )
