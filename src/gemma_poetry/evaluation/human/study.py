"""A study on disk: what raters see, what only the organiser knows, and who holds which link.

    STUDY/items.jsonl        the poems as they are shown: opaque ids, title, form, lines; no system, no author
    STUDY/raters/R01.json    the tasks of one rater, in order; ids only
    STUDY/tokens.json        rater -> sha256 of the token of the private link; the server needs no more
    STUDY/study.json         how the study was made
    STUDY/key.json           for the organiser: who wrote which item, checks, lines that stand in the corpus
    STUDY/links.csv          for the organiser: the private links, to be handed out and then deleted
    STUDY/answers.sqlite     what raters answered (written by the server)

In: those files. Out: `Study` (the blind part, all that the server reads) and `Key` (the organiser's).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import MANIFEST, read_json, read_jsonl, write_json
from gemma_poetry.errors import DataError
from gemma_poetry.languages import _
from gemma_poetry.manifests import check_manifest

ITEMS, TOKENS, SETTINGS, KEY = "items.jsonl", "tokens.json", "study.json", "key.json"
LINKS, ANSWERS, RATERS = "links.csv", "answers.sqlite", "raters"

TOKEN_BYTES = 24
"""192 bits: nobody guesses a link, however many are tried."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")

RATE, COMPARE = "rate", "compare"


@dataclass(frozen=True, slots=True)
class Item:
    """A poem as a rater sees it.

    Attributes:
        item: Its opaque id.
        title: 题目, may be empty.
        form: 体裁 or 词牌.
        lines: The lines.
        marks: One closing mark a line.
    """

    item: str
    title: str
    form: str
    lines: tuple[str, ...]
    marks: str


@dataclass(frozen=True, slots=True)
class Task:
    """One screen of a rater.

    Attributes:
        task: Its id, unique within the rater.
        kind: `RATE` (one poem, five scales) or `COMPARE` (two poems, one choice).
        items: The item, or the left and the right one.
    """

    task: str
    kind: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """The blind part of a study.

    Attributes:
        folder: Where it stands.
        items: Item id -> poem.
        tasks: Rater -> tasks in order.
        token_hashes: sha256 of a token, in hexadecimal -> rater.
        settings: How the study was made.
    """

    folder: Path
    items: Mapping[str, Item]
    tasks: Mapping[str, Sequence[Task]]
    token_hashes: Mapping[str, str]
    settings: Mapping[str, Any]

    def rater_of(self, token: str) -> str | None:
        """The rater whose link has this token; `None` for anything else, however long or odd."""
        return self.token_hashes.get(hash_token(token)) if _TOKEN.fullmatch(token) else None

    def find_task(self, rater: str, task: str) -> Task | None:
        """A rater's own task; `None` for the tasks of others."""
        return next((own for own in self.tasks[rater] if own.task == task), None)


@dataclass(frozen=True, slots=True)
class Source:
    """What the organiser knows of an item.

    Attributes:
        system: Who wrote it; empty for a shuffled poem.
        title: The id of the title that it was written to; its poems share it.
        shuffled_from: The item id or source whose characters were shuffled, where this is an attention check.
        repeats: The item that this one repeats, where it measures a rater's self-consistency.
        source_id: Where the poem stands in its file or collection.
        copied: Its lines that stand in the corpus word for word, each with author, title and id.
        longest_span: The longest run of characters shared with one poem of the corpus.
    """

    system: str
    title: str
    shuffled_from: str = ""
    repeats: str = ""
    source_id: str = ""
    copied: Sequence[Mapping[str, str]] = ()
    longest_span: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """The organiser's part of a study.

    Attributes:
        systems: The systems, in the order of reports.
        sources: Item id -> what is known of it.
        notes: What was left out while the study was built, and why.
    """

    systems: tuple[str, ...]
    sources: Mapping[str, Source]
    notes: Sequence[str] = field(default_factory=tuple)


def new_token() -> str:
    """A token for a private link, from the system's own source of randomness: the study's seed does not tell it."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> str:
    """What is stored of a token. A plain hash is enough: there is nothing to guess among 2^192."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_study(folder: Path) -> Study:
    """Reads the blind part of a study.

    Raises:
        DataError: The folder is no study, or a file is missing or altered.
    """
    if not (folder / SETTINGS).is_file() or not (folder / MANIFEST).is_file():
        raise DataError(
            _("the folder is no study"),
            where=folder,
            expected=_("{settings}, {items} and {raters}/", settings=SETTINGS, items=ITEMS, raters=RATERS),
            action=_("build one with: gemma-poetry rate build"),
        )
    tokens: dict[str, str] = read_json(folder / TOKENS)
    check_manifest(folder, [ITEMS, SETTINGS, TOKENS, *(f"{RATERS}/{rater}.json" for rater in tokens)])
    items = {record["item"]: Item(**{**record, "lines": tuple(record["lines"])}) for record in read_jsonl(folder / ITEMS)}
    tasks = {
        rater: [
            Task(task["task"], task["kind"], tuple(task["items"]))
            for task in read_json(folder / RATERS / f"{rater}.json")["tasks"]
        ]
        for rater in tokens
    }
    hashes = {digest: rater for rater, digest in tokens.items()}
    return Study(folder, items, tasks, hashes, read_json(folder / SETTINGS))


def read_key(folder: Path) -> Key:
    """Reads the organiser's part of a study.

    Raises:
        DataError: It is missing or altered.
    """
    check_manifest(folder, [KEY])
    record = read_json(folder / KEY)
    sources = {item: Source(**source) for item, source in record["sources"].items()}
    return Key(tuple(record["systems"]), sources, tuple(record["notes"]))


def write_private_json(path: Path, value: Any) -> None:
    """Writes JSON that only its owner may read."""
    write_json(path, value)
    os.chmod(path, 0o600)


def key_record(key: Key) -> dict[str, Any]:
    """The record that stands in `key.json`."""
    return {
        "systems": list(key.systems),
        "notes": list(key.notes),
        "sources": {item: asdict(source) for item, source in key.sources.items()},
    }
