"""`gemma-poetry check`: reads poems and says what is right and wrong with them.

In: a file of poems, or `-` for standard input. Plain text has poems apart by empty lines, each with its title and author
above it or not, lines apart by punctuation of any kind or by white space; JSON, JSON lines and tables are read as
`prepare` reads them. Out: each poem laid out line by line with its tones, the readings taken, every fault and how it could
be mended; or one JSON object a poem (see `prosody.scansion_record`, with title and author before it).

A poem among others that cannot be read (a lost character □, letters) is not judged: it is named with its line in the file, and
the others are judged.

Exit status: 0 if no poem fails, 1 if one does, 2 if none could be read, or one has not the shape of the form asked for.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.containers import MAX_FILE_BYTES, SourceFile, read_bytes
from gemma_poetry.corpus.encodings import decode
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.corpus.tune_names import split_tune
from gemma_poetry.domains.registry import DEFAULT, load_domain
from gemma_poetry.errors import GemmaPoetryError, InputError, TextError, UnreadableError, visible
from gemma_poetry.prosody.characters import UNIFIED
from gemma_poetry.prosody.findings import Scansion
from gemma_poetry.prosody.mending import mends
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion import check_form, scan, scan_auto
from gemma_poetry.prosody.scansion_record import scansion_record
from gemma_poetry.prosody.tune_scan import named_tune
from gemma_poetry.prosody.tunes import find_tune
from gemma_poetry.verbs.check_layout import CheckedPoem, rows

AUTO = "auto"


def check(path: str, form: str = AUTO, *, as_json: bool = False, domain: str = DEFAULT, feature: str = "") -> int:
    """Checks the poems of a file, prints what it finds, and returns the exit status.

    Args:
        path: The file, or `-` for standard input.
        form: A form (体裁) or tune (词牌) that every poem must keep; `auto`: the one that each suggests.
        as_json: JSON lines in place of text.
        domain: The language or style of the texts.
        feature: What every text must have besides, where the domain knows such: a season word.

    Raises:
        UsageError: No domain is called so, it cannot be loaded, or it knows no such feature.
        UnknownFormError: No form or tune is called so.
        InputError: The file cannot be read, or its only poem cannot.
    """
    loaded = load_domain(domain)
    if not loaded.tonal:
        from gemma_poetry.verbs.check_texts import check_texts

        wanted = "" if form == AUTO else loaded.form_name(form)
        return check_texts(read_file(path), wanted, loaded, as_json=as_json, feature=feature)
    if feature:
        loaded.feature_name(feature)
    if form != AUTO:
        check_form(form)
    file = read_file(path)
    poems = list(read_poems(file))
    status = 0
    unread = 0
    for number, poem in enumerate(poems, 1):
        try:
            checked = check_poem(poem, form)
        except UnreadableError as error:
            if len(poems) == 1:
                raise
            unread += 1
            checked = _not_judged(poem, error, f"poem {number}{_line_of(poem, file)}")
        except TextError as error:
            if len(poems) == 1:
                raise
            print(f"poem {number}: {error}", file=sys.stderr)
            status = 2
            continue
        if checked.scansion.verdict is Verdict.FAIL:
            status = max(status, 1)
        if as_json:
            print(json.dumps(record(checked), ensure_ascii=False))
        else:
            _print_text(checked)
    return 2 if unread and unread == len(poems) else status


def check_poem(poem: SourcePoem, form: str = AUTO) -> CheckedPoem:
    """Reads one poem.

    Args:
        poem: The poem as its source has it.
        form: As for `check`; with `auto` a tune that the source names is taken, and one that the title names if the lines
            have a shape of it.

    Raises:
        UnreadableError: The text is no poem.
        TextError: It is not of the form's shape.
    """
    where = f"《{poem.title}》" if poem.title else poem.source_id
    try:
        lines, marks = clean_lines(poem.paragraphs)
    except RejectedError as rejection:
        raise UnreadableError(
            f"it cannot be read: {rejection}{_offending(poem.paragraphs)}",
            expected="lines of Chinese characters, apart by punctuation or white space",
            action="take everything else out",
            where=where,
        ) from rejection
    tune = _tune_of(poem, lines) if form == AUTO else ""
    scansion = scan(lines, tune or form, marks) if tune or form != AUTO else scan_auto(lines, marks)
    return CheckedPoem(poem.title, poem.author, scansion, tuple(mends(scansion)))


def record(checked: CheckedPoem) -> dict[str, Any]:
    """The JSON record of a poem."""
    return {"title": checked.title, "author": checked.author, **scansion_record(checked.scansion, checked.mends)}


def read_file(path: str) -> SourceFile:
    """The file, or standard input, as a source has files.

    Raises:
        InputError: It cannot be read.
    """
    if path == "-":
        content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise InputError(
                f"standard input holds more than {MAX_FILE_BYTES >> 20} MiB", expected="poems", action="check what writes it"
            )
        return SourceFile("standard input.txt", "standard input", content)
    return SourceFile(visible(Path(path).name), visible(path), read_bytes(Path(path), pipes=True))


def _not_judged(poem: SourcePoem, error: TextError, where: str) -> CheckedPoem:
    """A poem that cannot be read, with the reason and its place in the file."""
    lines = tuple(line for line in poem.paragraphs if line.strip())
    scansion = Scansion("", "", lines, Verdict.NOT_JUDGED, False, "", (), remarks=(f"{where}: {error.found}",))
    return CheckedPoem(poem.title, poem.author, scansion)


def _line_of(poem: SourcePoem, file: SourceFile) -> str:
    """`, line 17 of poems.txt`: where the first row of a poem that cannot be read stands; empty where it cannot be told."""
    number, _ = _offence(poem.paragraphs)
    if not number:
        return ""
    text, _ = decode(file.content, file.where)
    begin = text.find(poem.paragraphs[number - 1])
    return f", line {text.count(chr(10), 0, begin) + 1} of {file.name}" if begin >= 0 else ""


def _tune_of(poem: SourcePoem, lines: Sequence[str]) -> str:
    """The tune that a source names, if it is known, or that a title names, if the lines have a shape of it."""
    named = split_tune(poem.tune)[0] if poem.tune else ""
    if named and find_tune(named):
        return named
    title = split_tune(poem.title)[0] if poem.title else ""
    tune = named_tune(title, lines) if title else None
    return tune.name if tune else ""


def _offending(paragraphs: tuple[str, ...]) -> str:
    """Where the first character stands that is neither Chinese nor a usual mark, as words."""
    number, position = _offence(paragraphs)
    return f" ({paragraphs[number - 1][position - 1]!r} in row {number}, position {position})" if number else ""


def _offence(paragraphs: tuple[str, ...]) -> tuple[int, int]:
    """Row and position, from 1, of the first character that is neither Chinese nor a usual mark; zeros without one."""
    for number, paragraph in enumerate(paragraphs, 1):
        for position, char in enumerate(paragraph, 1):
            if not re.match(f"[{UNIFIED}]", char) and char not in _USUAL:
                return number, position
    return 0, 0


_USUAL = frozenset("，。、；：？！,.;:?!《》「」『』“”‘’\"'·・（）()〈〉【】〖〗〔〕[]［］ 　\t")


def _print_text(checked: CheckedPoem) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for row in rows(checked):
        console.print(row)
    console.print()


def main(arguments: list[str]) -> int:
    """`python -m gemma_poetry.verbs.check FILE [FORM]`."""
    try:
        return check(*(arguments[:2] or ["-"]))
    except GemmaPoetryError as error:
        print(error, file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
