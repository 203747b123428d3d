"""The files of any collection as poems: JSON, JSON lines, tables and plain text.

In: one file of a source. Out: its `SourcePoem`s; a record that cannot be one is a `SourceError` that names file and
line, what was found and what was expected.

    .json         a list of records, or of texts; an object that is a record, holds records, maps titles to poems or authors
                  to records; columns (pandas)
    .jsonl        one record a line
    .csv .tsv     see `tables`
    .txt          rows of fields, see `tables`; else see `plain_text`

What a record may look like, `records` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.containers import SourceFile
from gemma_poetry.corpus.encodings import decode
from gemma_poetry.corpus.plain_text import divide_text
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.corpus.records import ERAS, era_name, field_of, json_type, poems_of, titled
from gemma_poetry.corpus.sources import Part
from gemma_poetry.corpus.stanzas import UntoldError
from gemma_poetry.corpus.tables import delimited_records, table_records, with_header, without_header
from gemma_poetry.errors import SourceError
from gemma_poetry.languages import _

Divide = Callable[[str, str], Iterator[SourcePoem]]
"""Divides a plain text, given with the name of its file, into poems."""


def read_poems(file: SourceFile, divide: Divide | None = None) -> Iterator[SourcePoem]:
    """The poems of one file.

    Args:
        file: The file.
        divide: How plain text is divided; `None`: as a collection of classical Chinese poems.

    Raises:
        SourceError: The file is not what its ending says, a record is no poem, or the layout cannot be told.
    """
    ending = file.name.lower().rpartition(".")[2]
    if ending == "json":
        yield from _of_records(file, _json_records(file))
        return
    text, _unused = decode(file.content, file.where)
    if not text.strip():
        raise SourceError(
            _("the file is empty"), where=file.where, expected=_("at least one poem"), action=_("remove or fill the file")
        )
    if ending in ("jsonl", "ndjson"):
        yield from _of_records(file, _json_line_records(file, text))
    elif ending in ("csv", "tsv"):
        yield from _of_records(file, table_records(text, file.where, "\t" if ending == "tsv" else ","))
    elif divide:
        yield from divide(text, file.name)
    else:
        yield from _of_plain_text(file, text)


def _of_plain_text(file: SourceFile, text: str) -> Iterator[SourcePoem]:
    records = delimited_records(text, file.where)
    if records is not None:
        yield from _of_records(file, records)
        return
    try:
        yield from list(divide_text(text, file.name))
    except UntoldError as error:
        raise SourceError(
            _("the layout cannot be told from here on: {found}", found=error.found),
            where=f"{file.where}:{error.row}",
            expected=_("poems parted by blank rows, each under its title; or one poem a line"),
            action=error.action,
        ) from error


def _json_records(file: SourceFile) -> Iterator[tuple[str, Any]]:
    """(place in the file, record) for each record of a JSON file."""
    content: bytes | str = file.content
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        content, _unused = decode(file.content, file.where)
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            if _is_json(content.lstrip().split("\n", 1)[0]):
                yield from _json_line_records(file, content)
                return
            raise _not_json(file, error, error.lineno) from error
    for number, record in enumerate(_listed(value), 1):
        yield f"{file.where} (record {number})", record
    if not _listed(value):
        raise SourceError(
            _("the file holds no poems"),
            where=file.where,
            expected=_("a list of objects, one a poem; or an object that maps titles to poems"),
            action=_('make each poem an object such as {"title": "…", "author": "…", "paragraphs": ["…，…。"]}'),
        )


def _listed(value: Any) -> list[Any]:
    """The records of a JSON value."""
    if isinstance(value, list):
        if value and all(isinstance(row, list) and all(isinstance(part, str) for part in row) for row in value):
            return _table(value)
        return value
    if not isinstance(value, Mapping) or not value:
        return []
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return [dict(zip(map(str, value["columns"]), row)) if isinstance(row, list) else row for row in value["data"]]
    columns = _columns(value)
    if columns:
        return columns
    known = any(field_of(name) for name in value) or {"messages", "conversations", "instruction", "prompt"} & set(value)
    parts = {
        str(name): part for name, part in value.items() if isinstance(part, list) and part and isinstance(part[0], Mapping)
    }
    if parts and not {"messages", "conversations", "conversation"} & set(value):
        holding = {name: part for name, part in parts.items() if any(field_of(key) == "text" for key in part[0])} or parts
        return [_under(name, record) for name, part in holding.items() for record in part]
    if known:
        return [value]
    if all(isinstance(part, str) or _is_texts(part) for part in value.values()):
        return [titled(str(title), part) for title, part in value.items()]
    if all(isinstance(part, Mapping) for part in value.values()):
        return [
            record
            for name, part in value.items()
            for record in (
                [{"title": str(name), **part}]
                if any(map(field_of, part))
                else [_under(str(name), one) for one in _listed(part)]
            )
        ]
    return [value]


def _under(name: str, record: Any) -> Any:
    """A record with the author or era that the object it stands in files it under."""
    if not isinstance(record, Mapping) or not name or not all("\u4e00" <= char <= "\u9fff" or char == "·" for char in name):
        return record
    field = "era" if name in ERAS else "author" if 2 <= len(name) <= 4 else ""
    if not field or any(field_of(key) == field for key in record):
        return record
    return {**record, field: era_name(name) if field == "era" else name}


def _columns(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table that is stored by columns, as pandas does; none where the object is no such table."""
    if not any(field_of(name) == "text" for name in value) or len(value) < 2:
        return []
    columns: dict[str, list[Any]] = {}
    for name, part in value.items():
        if isinstance(part, Mapping) and field_of(name):
            columns[name] = list(part.values())
        elif isinstance(part, list) and field_of(name):
            columns[name] = part
        else:
            return []
    if len({len(part) for part in columns.values()}) != 1:
        return []
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _table(rows: list[list[str]]) -> list[Any]:
    places = [(str(number), row) for number, row in enumerate(rows, 1)]
    if rows and any(field_of(name) == "text" for name in rows[0]):
        return [record for _, record in with_header(rows[0], iter(places[1:]))]
    return [record for _unused, record in without_header(places, _("the list of lists"), _("none"))]


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _is_json(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _json_line_records(file: SourceFile, text: str) -> Iterator[tuple[str, Any]]:
    if text.lstrip()[:1] == "[":
        # A list in a file that is called .jsonl.
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, list) and value and isinstance(value[0], Mapping | str):
            for number, record in enumerate(_listed(value), 1):
                yield f"{file.where} (record {number})", record
            return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"{file.where}:{number}", orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise _not_json(file, error, number) from error


def _of_records(file: SourceFile, records: Iterator[tuple[str, Any]]) -> Iterator[SourcePoem]:
    for number, (where, record) in enumerate(records, 1):
        source_id = f"{file.name}#{number}"
        if isinstance(record, str):
            yield from _of_text(record, where, source_id)
        elif isinstance(record, Mapping):
            yield from poems_of(record, where, source_id)
        else:
            raise SourceError(
                _("the record is a {json_type}", json_type=json_type(record)),
                where=where,
                expected=_("an object with the fields of one poem, or its text"),
                action=_("remove it, or put its text into a field `paragraphs`"),
            )


def _of_text(text: str, where: str, source_id: str) -> Iterator[SourcePoem]:
    """The poem of a record that is a text alone."""
    try:
        poems = list(divide_text(text, source_id))
    except UntoldError as error:
        raise SourceError(error.found, where=where, expected=_("one poem a text"), action=error.action) from error
    if len(poems) > 1:
        raise SourceError(
            _("the text holds {count} poems", count=len(poems)),
            where=where,
            expected=_("one poem a text"),
            action=_("make each poem a text of its own"),
        )
    yield from (replace(poem, source_id=source_id) for poem in poems)


def _not_json(file: SourceFile, error: json.JSONDecodeError, line: int) -> SourceError:
    return SourceError(
        _("not valid JSON ({msg})", msg=error.msg),
        where=f"{file.where}:{line}",
        expected=_("a complete JSON value") if file.name.lower().endswith(".json") else _("one complete JSON object a line"),
        action=_("fetch the file again if it was cut short, else mend that place"),
    )


def whole_poems(
    files: Iterable[tuple[Part, SourceFile]],
    wanted: Callable[[Part, SourcePoem], bool] = lambda part, poem: True,
    lost: int = 0,
) -> Iterator[tuple[Part, SourcePoem, tuple[str, ...], str]]:
    """The wanted poems of files whose text is whole but for so many lost characters: part, record, lines, one mark a line."""
    for part, file in files:
        for poem in read_poems(file):
            if wanted(part, poem):
                try:
                    lines, marks = clean_lines(poem.paragraphs, lost)
                except RejectedError:
                    continue
                yield part, poem, lines, poem.marks or marks
