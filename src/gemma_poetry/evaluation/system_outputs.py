"""Poems of any other system, from a file, as writings that stand beside those of ours.

In: a file of poems (JSON, JSON lines, CSV, plain text; either script), and the poems of the judged split, if any.
Out: `Generation`s of a system that is called like the file. A poem whose title and form are those of a judged poem is held
against it; any other is judged on its own. Texts of other domains are read and cleaned as their domain says.

Nothing is dropped: a line with Latin letters or symbols in it is a line that breaks its form, and counts as that. Of a
`generations.jsonl` of ours every system is read but the human and the retrieval ceiling.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from gemma_poetry.corpus.collection import HanVerse, Reader
from gemma_poetry.corpus.containers import SourceFile, read_bytes
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.variants import fold
from gemma_poetry.errors import SourceError
from gemma_poetry.evaluation.records import Generation, Protocol, read_records, repeated
from gemma_poetry.evaluation.references import HUMAN
from gemma_poetry.evaluation.retrieval_oracle import RETRIEVAL
from gemma_poetry.languages import _

_NOBODYS = (HUMAN, RETRIEVAL)
RESERVED = ("base", "tuned", *_NOBODYS)
"""What the systems of a single evaluation are called."""


def read_system_outputs(
    path: Path, judged: Sequence[Poem] = (), taken: Collection[str] = (), reader: Reader | None = None
) -> list[Generation]:
    """Reads the texts of a file.

    Args:
        path: The file; its name without the ending names the system (all of the path, where that name is taken).
        judged: The texts of the judged split.
        taken: Names of other systems.
        reader: How its texts are read; `None`: as classical Chinese poems.

    Raises:
        SourceError: The file is missing, empty, or is no file of poems.
    """
    name, content = _open(path, taken)
    if _is_ours(content):
        return _read_ours(path, name)
    reader = reader or HanVerse()
    records = list(reader.records(SourceFile(path.name, str(path), content)))
    if not records:
        raise SourceError(_("the file holds no poems"), where=path, expected=_("at least one poem"))
    return _generations(name, reader.leniently(records, judged), judged)


def _open(path: Path, taken: Collection[str]) -> tuple[str, bytes]:
    """What the system of a file is called, and the file."""
    content = read_bytes(path)
    return path.stem if path.stem not in {*taken, *RESERVED} else str(path), content


def _read_ours(path: Path, name: str) -> list[Generation]:
    own = [writing for writing in read_records(path, Generation) if writing.system not in _NOBODYS]
    return [replace(writing, system=f"{name} {writing.system}") for writing in own]


def _is_ours(content: bytes) -> bool:
    first = content.lstrip().split(b"\n", 1)[0]
    try:
        record = json.loads(first)
    except ValueError:
        return False
    return isinstance(record, dict) and {"system", "protocol", "lines", "reference"} <= record.keys()


def _generations(system: str, poems: Sequence[Poem], judged: Sequence[Poem]) -> list[Generation]:
    references: dict[tuple[str, str], list[Poem]] = defaultdict(list)
    for judged_poem in judged:
        references[fold(judged_poem.title), judged_poem.kind].append(judged_poem)
    seen: dict[str, int] = defaultdict(int)
    generations = []
    for poem in poems:
        known = references.get((fold(poem.title), poem.kind), []) if poem.title else []
        # Several poems to one title answer its references in turn.
        number = seen[f"{poem.title}\x00{poem.kind}"]
        seen[f"{poem.title}\x00{poem.kind}"] += 1
        reference = known[number % len(known)] if known else None
        generations.append(
            Generation(
                system=system,
                protocol=Protocol.TITLE,
                # Files of one name have other poems under one number: only judged poems are shared between systems.
                source_id=repeated(reference.source_id, number // len(known)) if reference else f"{system}:{poem.source_id}",
                cluster_id=(reference.cluster_id or reference.source_id) if reference else "",
                title=poem.title,
                form=poem.kind,
                opening=(),
                lines=poem.lines,
                marks=poem.marks,
                reference=reference.lines if reference else (),
                origin={"author": poem.author, "file": poem.source_id},
            )
        )
    return generations
