"""Poems of any other system, from a file, as writings that stand beside those of ours.

In: a file of poems (JSON, JSON lines, CSV, plain text; either script), and the poems of the judged split, if any.
Out: `Generation`s of a system that is called like the file. A poem whose title and form are those of a judged poem is held
against it; any other is judged on its own. Texts of other domains are read and cleaned as their domain says.

Nothing is dropped: a line with Latin letters or symbols in it is a line that breaks its form, and counts as that. Of a
`generations.jsonl` of ours every system is read but the human and the retrieval ceiling.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from gemma_poetry.corpus.cleaning import RejectedError, clean_lines
from gemma_poetry.corpus.containers import SourceFile, read_bytes
from gemma_poetry.corpus.formats import read_poems
from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.corpus.script import Script, convert, detect_script
from gemma_poetry.corpus.texts import TextDomain
from gemma_poetry.corpus.variants import fold
from gemma_poetry.errors import SourceError
from gemma_poetry.evaluation.records import Generation, Protocol, read_generations
from gemma_poetry.evaluation.references import HUMAN
from gemma_poetry.evaluation.retrieval_oracle import RETRIEVAL
from gemma_poetry.prosody.classification import classify
from gemma_poetry.prosody.forms import SHORT_NAMES, alternating_marks

_NOBODYS = (HUMAN, RETRIEVAL)
_RESERVED = ("base", "tuned", *_NOBODYS)
_MARKS = re.compile(r"[，。？！；：、,.?!;:\s]+")


def read_system_outputs(path: Path, judged: Sequence[Poem] = (), taken: Collection[str] = ()) -> list[Generation]:
    """Reads the poems of a file.

    Args:
        path: The file; its name without the ending names the system (all of the path, where that name is taken).
        judged: The poems of the judged split.
        taken: Names of other systems.

    Raises:
        SourceError: The file is missing, empty, or is no file of poems.
    """
    name, content = _open(path, taken)
    if _is_ours(content):
        return _read_ours(path, name)
    poems = _read(path, content, None)
    texts = [_lines(poem) for poem in poems]
    if judged:
        script: Script = "traditional" if judged[0].script == "traditional" else "simplified"
        if detect_script(line for lines, _ in texts for line in lines) != script:
            poems, texts = _converted(poems, texts, script)
    forms = [poem.tune or SHORT_NAMES.get(poem.form, poem.form) or classify(lines) for poem, (lines, _) in zip(poems, texts)]
    return _writings(name, poems, texts, forms, judged)


def read_system_texts(
    path: Path, domain: TextDomain, judged: Sequence[Poem] = (), taken: Collection[str] = ()
) -> list[Generation]:
    """Reads the texts of a file in another domain.

    The form is the one that the file names; else that of the judged text of the same title, which was asked for; else the
    one that the domain finds. What the domain would leave out of training is kept as it is, and judged.

    Args:
        path: The file; its name without the ending names the system (all of the path, where that name is taken).
        domain: How texts are divided and cleaned.
        judged: The texts of the judged split.
        taken: Names of other systems.

    Raises:
        SourceError: The file is missing, empty, or is no file of texts.
    """
    name, content = _open(path, taken)
    if _is_ours(content):
        return _read_ours(path, name)
    asked: dict[str, set[str]] = defaultdict(set)
    for text in judged:
        asked[fold(text.title)].add(text.kind)
    known = {form.casefold(): form for form in domain.forms}
    records = _read(path, content, domain)
    texts, forms = [], []
    for record in records:
        try:
            poem = domain.clean(record)
        except RefusedError:
            lines = tuple(line for part in record.paragraphs for line in part.split("\n") if line.strip())
            poem = Poem(lines, "\n" * len(lines), form=domain.forms[0])
        texts.append((poem.lines, poem.marks))
        own = asked.get(fold(record.title), set()) if record.title else set()
        forms.append(known.get(record.form.casefold()) or (min(own) if len(own) == 1 else poem.form))
    return _writings(name, records, texts, forms, judged)


def _open(path: Path, taken: Collection[str]) -> tuple[str, bytes]:
    """What the system of a file is called, and the file."""
    content = read_bytes(path)
    return path.stem if path.stem not in {*taken, *_RESERVED} else str(path), content


def _read(path: Path, content: bytes, domain: TextDomain | None) -> list[SourcePoem]:
    file = SourceFile(path.name, str(path), content)
    poems = list(read_poems(file) if domain is None else read_poems(file, domain.divide))
    if not poems:
        raise SourceError("the file holds no poems", where=path, expected="at least one poem")
    return poems


def _read_ours(path: Path, name: str) -> list[Generation]:
    own = [writing for writing in read_generations(path) if writing.system not in _NOBODYS]
    return [replace(writing, system=f"{name} {writing.system}") for writing in own]


def _is_ours(content: bytes) -> bool:
    first = content.lstrip().split(b"\n", 1)[0]
    try:
        record = json.loads(first)
    except ValueError:
        return False
    return isinstance(record, dict) and {"system", "protocol", "lines", "reference"} <= record.keys()


def _lines(poem: SourcePoem) -> tuple[tuple[str, ...], str]:
    """The lines and closing marks of a poem; lines that cannot be cleaned are kept as they are."""
    paired = ["".join(pair) for pair in zip(poem.paragraphs, poem.marks)] if poem.marks else poem.paragraphs
    try:
        return clean_lines(paired)
    except RejectedError:
        lines = tuple(line for line in _MARKS.split("\n".join(paired)) if line)
        return lines, alternating_marks(len(lines))


def _converted(
    poems: Sequence[SourcePoem], texts: Sequence[tuple[tuple[str, ...], str]], script: Script
) -> tuple[list[SourcePoem], list[tuple[tuple[str, ...], str]]]:
    bodies = [body.split("/") for body in convert(["/".join(lines) for lines, _ in texts], script)]
    titles, tunes = convert([poem.title for poem in poems], script), convert([poem.tune for poem in poems], script)
    forms = convert([poem.form for poem in poems], script)
    renamed = [replace(poem, title=title, tune=tune, form=form) for poem, title, tune, form in zip(poems, titles, tunes, forms)]
    return renamed, [(tuple(lines), marks) for lines, (_, marks) in zip(bodies, texts)]


def _writings(
    system: str,
    poems: Sequence[SourcePoem],
    texts: Sequence[tuple[tuple[str, ...], str]],
    forms: Sequence[str],
    judged: Sequence[Poem],
) -> list[Generation]:
    references: dict[tuple[str, str], list[Poem]] = defaultdict(list)
    for judged_poem in judged:
        references[fold(judged_poem.title), judged_poem.kind].append(judged_poem)
    seen: dict[str, int] = defaultdict(int)
    generations = []
    for poem, (lines, marks), form in zip(poems, texts, forms):
        known = references.get((fold(poem.title), form), []) if poem.title else []
        # Several poems to one title answer its references in turn.
        number = seen[f"{poem.title}\x00{form}"]
        seen[f"{poem.title}\x00{form}"] += 1
        reference = known[number % len(known)] if known else None
        repeated = f"~{number // len(known) + 1}" if known and number >= len(known) else ""
        generations.append(
            Generation(
                system=system,
                protocol=Protocol.TITLE,
                source_id=reference.source_id + repeated if reference else poem.source_id,
                cluster_id=(reference.cluster_id or reference.source_id) if reference else "",
                title=poem.title,
                form=form,
                opening=(),
                lines=lines,
                marks=marks,
                reference=reference.lines if reference else (),
                origin={"author": poem.author, "file": poem.source_id},
            )
        )
    return generations
