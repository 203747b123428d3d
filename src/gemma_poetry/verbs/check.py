"""`gemma-poetry check`: reads poems and says what is right and wrong with them.

In: a file of poems, or `-` for standard input, and the domain that they are of. Classical Chinese plain text has poems apart
by empty lines, each with its title and author above it or not, lines apart by punctuation of any kind or by white space; JSON,
JSON lines and tables are read as `prepare` reads them. Out: each text laid out with every fault, classical poems line by line
with tones, readings taken and how faults could be mended; or one JSON object a text (see `prosody.check_result`, with title
and author before it).

A poem among others that cannot be read (a lost character □, letters) is not judged: it is named with its line in the file, and
the others are judged.

Exit status: 0 if no poem fails, 1 if one does, 2 if none could be read, or one has not the shape of the form asked for.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gemma_poetry.corpus.cleaning import layout_of
from gemma_poetry.corpus.containers import MAX_FILE_BYTES, SourceFile, read_bytes
from gemma_poetry.corpus.encodings import decode
from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.corpus.readers import reader_of
from gemma_poetry.corpus.single_poems import offence
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import InputError, TextError, UnreadableError, UsageError, visible
from gemma_poetry.languages import _, localized
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.check_result import CheckResult, scansion_result
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.rules import Verdict

AUTO = "auto"

_NEAR = 10_000
"""Characters of titles and notes between two poems of a file at most, where the second is looked for."""


def check(
    path: str, form: str = AUTO, *, as_json: bool = False, domain: str = DEFAULT, feature: str = "", book: str = ""
) -> int:
    """Checks the poems of a file, prints what it finds, and returns the exit status.

    Args:
        path: The file, or `-` for standard input.
        form: A form (体裁) or tune (词牌) that every poem must keep; `auto`: the one that each suggests.
        as_json: JSON lines in place of text.
        domain: The language or style of the texts.
        feature: What every text must have besides, where the domain knows such: a season word.
        book: The rhyme book that tones and rhymes are judged by; empty: the usual one.

    Raises:
        UsageError: No domain or rhyme book is called so, it cannot be loaded, or it knows no such feature.
        UnknownFormError: No form or tune is called so.
        InputError: The file cannot be read, or its only poem cannot.
    """
    status = unread = number = 0
    for number, (source_id, result) in enumerate(check_file(read_file(path), form, domain, feature, book), 1):
        if isinstance(result, RefusedError):
            print(localized(_("{source_id}: left out: {reason}", source_id=source_id, reason=result.reason)), file=sys.stderr)
            status = 2
            continue
        if isinstance(result, (TextError, UsageError)):
            print(localized(_("poem {number}: {result}", number=number, result=result)), file=sys.stderr)
            status = 2
            continue
        if result.verdict is Verdict.FAIL:
            status = max(status, 1)
        if as_json:
            print(json.dumps(check_record(result), ensure_ascii=False))
        else:
            _print_text(result, source_id)
        # Only what could not be read has no form.
        unread += not result.form
    return 2 if unread and unread == number else status


def check_file(
    file: SourceFile, form: str = "", domain: str = DEFAULT, feature: str = "", book: str = ""
) -> Iterator[tuple[str, CheckResult | RefusedError | TextError | UsageError]]:
    """Checks every poem of a file.

    Args:
        file: The file.
        form: A form or tune that every poem must keep; empty or `auto`: the one that each suggests.
        domain: The language or style of the texts.
        feature: What every text must have besides.
        book: The rhyme book that tones and rhymes are judged by; empty: the usual one.

    Yields:
        For each poem its place in the file, and what was found, or why it could not be read.

    Raises:
        UsageError: No domain, form or rhyme book is called so, or the domain knows no such feature.
        InputError: The file cannot be read as poems, or its only poem cannot.
    """
    loaded = load_domain(domain).by_book(book)
    reader = reader_of(loaded)
    feature = loaded.feature_name(feature) if feature else ""
    form = "" if form in ("", AUTO) else loaded.form_name(form)
    records = list(reader.records(file))
    layouts = _Layouts(file)
    for number, record in enumerate(records, 1):
        try:
            yield record.source_id, loaded.check_poem(layouts.given(reader.strictly(record), record), form, feature)
        except (RefusedError, TextError, UsageError) as error:
            # A rhyme book may be none for this poem (中原音韵), and one for the next.
            if (len(records) == 1 and not isinstance(error, RefusedError)) or (form and isinstance(error, UsageError)):
                raise
            if isinstance(error, UnreadableError):
                yield (
                    record.source_id,
                    _not_judged(record, error, _("poem {number}{line_of}", number=number, line_of=_line_of(record, file))),
                )
            else:
                yield record.source_id, error


def only_poem(source: str | os.PathLike[str]) -> Poem:
    """The one classical poem of a text; a path: of a file.

    Raises:
        UsageError: There are several poems.
        InputError: The file cannot be read, or the poem cannot.
    """
    file = read_file(str(source)) if isinstance(source, os.PathLike) else text_file(source)
    poems = classical_poems(file)
    if len(poems) != 1:
        raise UsageError(
            _("the text holds {count} poems", count=len(poems)), expected=_("one poem"), action=_("give them one by one")
        )
    return poems[0]


def classical_poems(file: SourceFile) -> list[Poem]:
    """The classical poems of a file.

    Raises:
        InputError: The file cannot be read, or one of its poems cannot.
    """
    reader = reader_of(load_domain(DEFAULT))
    poems = []
    layouts = _Layouts(file)
    for record in reader.records(file):
        try:
            poems.append(layouts.given(reader.strictly(record), record))
        except RefusedError as refused:
            raise TextError(_("left out: {reason}", reason=refused.reason), where=record.source_id) from refused
    return poems


class _Layouts:
    """Finds poems where they stand in their file, one behind the other: reading drops blank rows and indents."""

    def __init__(self, file: SourceFile) -> None:
        self._text = ""
        if not file.name.lower().endswith((".json", ".jsonl", ".ndjson", ".csv", ".tsv")):
            self._text = re.sub("\r\n?", "\n", decode(file.content, file.where)[0])
        self._read = 0

    def given(self, poem: Poem, record: SourcePoem) -> Poem:
        """A poem with the layout that its file has; with the one that it has where it is not found."""
        words = " ".join(record.paragraphs).split()
        begin = self._text.find(words[0], self._read, self._read + _NEAR) if words and poem.layout else -1
        found = re.compile(r"\s*".join(map(re.escape, words))).match(self._text, begin) if begin >= 0 else None
        if found is None:
            return poem
        self._read = found.end()
        row = self._text.rfind("\n", 0, begin) + 1
        indent = self._text[row:begin] if not self._text[row:begin].strip() else ""
        layout = layout_of(indent + found[0], poem.lines)
        return replace(poem, layout=layout) if layout else poem


def text_file(text: str) -> SourceFile:
    """A text as a source has files."""
    return SourceFile("text.txt", "text", text.encode("utf-8", "replace"))


def check_record(result: CheckResult) -> dict[str, Any]:
    """The JSON record of a checked text."""
    return {"title": result.title, "author": result.author, **result.to_record()}


def read_file(path: str) -> SourceFile:
    """The file, or standard input, as a source has files.

    Raises:
        InputError: It cannot be read.
    """
    if path == "-":
        content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise InputError(
                _("standard input holds more than {max_file_bytes} MiB", max_file_bytes=MAX_FILE_BYTES >> 20),
                expected=_("poems"),
                action=_("check what writes it"),
            )
        return SourceFile("standard input.txt", "standard input", content)
    try:
        return SourceFile(visible(Path(path).name), visible(path), read_bytes(Path(path), pipes=True))
    except InputError as error:
        if not any(map(is_han, path)):
            raise
        action = _(
            "check the path; a poem itself is read from standard input: echo {path} | gemma-poetry check -", path=visible(path)
        )
        raise InputError(error.found, where=error.where, expected=_("a file of poems"), action=action) from error


def _not_judged(record: SourcePoem, error: UnreadableError, where: str) -> CheckResult:
    """A poem that cannot be read, with the reason and its place in the file."""
    lines = tuple(line for line in record.paragraphs if line.strip())
    scansion = Scansion(
        "", "", lines, Verdict.NOT_JUDGED, False, "", (), remarks=(_("{where}: {found}", where=where, found=error.found),)
    )
    return scansion_result(scansion, title=record.title, author=record.author)


def _line_of(record: SourcePoem, file: SourceFile) -> str:
    """`, line 17 of poems.txt`: where the first row of a poem that cannot be read stands; empty where it cannot be told."""
    number, _unused = offence(record.paragraphs)
    if not number:
        return ""
    text, _unused2 = decode(file.content, file.where)
    begin = text.find(record.paragraphs[number - 1])
    return _(", line {text} of {name}", text=text.count(chr(10), 0, begin) + 1, name=file.name) if begin >= 0 else ""


def _print_text(result: CheckResult, source_id: str) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for row in result.rows(source_id):
        console.print(visible(localized(row)) if isinstance(row, str) else row)
