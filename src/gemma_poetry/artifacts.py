"""Files that stand whole under their name or not at all, and JSON that is read back with the place of every fault.

In: text, bytes or JSON values; the path of a file that anybody may have written. Out: a complete file; the values of one.

    write ──> .NAME.xxxxxxxx.partial ──one step──> NAME
                    └── killed: nobody holds its lock any more, so the next run that writes NAME removes it

A file is replaced where a stage writes its own anew; a file that a person named only if they said so (`check_file`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from gemma_poetry.errors import DataError, OutputError, unreadable
from gemma_poetry.languages import _, reason_of

MANIFEST = "manifest.json"
LARGEST_JSON = 256 * 2**20
"""Bytes of a JSON file that is read at once."""


def cache_folder() -> Path:
    """Where downloads and conversions are kept: GEMMA_POETRY_CACHE, else XDG_CACHE_HOME/gemma-poetry, else ~/.cache/…."""
    named = os.environ.get("GEMMA_POETRY_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gemma-poetry"


@contextlib.contextmanager
def atomic_writer(path: Path, *, binary: bool = False, overwrite: bool = True) -> Iterator[IO[Any]]:
    """Opens a file that appears under `path` only when the block ends without an error.

    Args:
        path: Where the file will stand; its folder is made where it is missing.
        binary: Bytes in place of UTF-8 text.
        overwrite: Whether a file that stands there already is replaced.

    Raises:
        OutputError: The file cannot be written (full disk, no permission), or stands there already; nothing is left behind.
    """
    path = Path(path)
    partial: str | None = None
    lock: int | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clean_leftovers(path)
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        # The same lock through a second descriptor: it must outlive the stream, which is closed before the rename.
        lock = os.dup(descriptor)
        _lock(lock)
        with os.fdopen(descriptor, "wb" if binary else "w", encoding=None if binary else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, 0o644)
        if overwrite:
            os.replace(partial, path)
            partial = None
        else:
            _link(partial, path)
    except OSError as error:
        raise unwritable(error, path) from error
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                os.unlink(partial)
        if lock is not None:
            os.close(lock)


def _link(partial: str, path: Path) -> None:
    """Gives a file its name if nothing has it yet."""
    try:
        os.link(partial, path)
    except FileExistsError:
        check_file(path)
    except OSError:  # a file system without links
        check_file(path)
        os.replace(partial, path)


def check_file(path: Path, *, overwrite: bool = False) -> None:
    """Refuses to write over a file, unless the person said so.

    Raises:
        OutputError: Something stands there that may not be replaced.
    """
    path = Path(path)
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise OutputError(_("this is no file"), where=path, expected=_("the name of a file"), action=_("choose another --out"))
    if not overwrite:
        raise OutputError(
            _("the file exists"),
            where=path,
            expected=_("a new file"),
            action=_("choose another --out, or add --overwrite to replace this one"),
        )


def write_text(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Writes UTF-8 text atomically.

    Raises:
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    with atomic_writer(path, overwrite=overwrite) as stream:
        stream.write(text)


def write_json(path: Path, value: Any, *, overwrite: bool = True) -> None:
    """Writes indented JSON atomically, characters unescaped.

    Raises:
        OutputError: The file cannot be written, or exists and may not be replaced.
    """
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n", overwrite=overwrite)


def copy_file(source: Path, target: Path) -> None:
    """Copies a file atomically.

    Raises:
        OutputError: It cannot be read or written.
    """
    with atomic_writer(target, binary=True) as stream, open(source, "rb") as original:
        shutil.copyfileobj(original, stream)


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Writes one JSON record a line atomically; returns how many.

    Raises:
        OutputError: The file cannot be written.
    """
    count = 0
    with atomic_writer(path) as stream:
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


_WRITERS = {
    "prepare": ("train.", "val.", "test.", "stats.json"),
    "train": ("started.json", "curve.jsonl", "adapter_config.json"),
    "evaluate": ("results.json", "generations.jsonl"),
    "rate build": ("items.jsonl", "study.json", "tokens.json", "key.json"),
}


def what_writes(path: Path) -> str:
    """Which verb writes a file, as what to do where it cannot be read."""
    name = Path(path).name
    if name == MANIFEST:
        return _("check the path: gemma-poetry prepare writes it into DATA, gemma-poetry train into RUN when it ends")
    verb = next((verb for verb, names in _WRITERS.items() if name.startswith(names)), None)
    return _("gemma-poetry {verb} writes it: run that again", verb=verb) if verb else _("check the path")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: The file is missing, is no file of at most `LARGEST_JSON` bytes, or is not JSON: UTF-8, with text that can
            be printed, no key twice in one object, numbers and depth within the bounds of the `json` module.
    """
    try:
        mode, size = (status := os.stat(path)).st_mode, status.st_size
        if not stat.S_ISREG(mode) or size > LARGEST_JSON:
            # A pipe or a device would never end.
            raise ValueError(
                _("no file")
                if not stat.S_ISREG(mode)
                else _("{size:,} bytes, {largest_json:,} at most are read", size=size, largest_json=LARGEST_JSON)
            )
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(_("no such file"), where=path, action=what_writes(path)) from error
    except OSError as error:
        raise unreadable(error, path, DataError) from error
    except ValueError as error:
        raise DataError(
            _("not valid JSON ({shortened})", shortened=reason_of(error)),
            where=path,
            expected=_("a JSON file as it was written"),
            action=what_writes(path),
        ) from error


def parse_json(text: str | bytes) -> Any:
    """A JSON value from text that anybody may have written.

    Raises:
        ValueError: It is not JSON, nests too deep, has a number of thousands of digits, a key twice in one object, or half of a
            character that takes two.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(_("it nests too deep")) from error
    except UnicodeEncodeError as error:
        raise ValueError(_("half of a surrogate pair")) from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(_("the key {twice!r} stands twice", twice=twice[:80]))
    return found


def read_jsonl(path: Path) -> Iterator[Any]:
    """Reads one JSON value a line, blank lines passed over.

    Raises:
        DataError: The file is missing, or a line is not JSON (the line is named).
    """
    number = 0
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise DataError(_("no file"), where=path, expected=_("one JSON object a line"))
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield _parsed_line(line, f"{path}:{number}")
    except FileNotFoundError as error:
        raise DataError(_("no such file"), where=path, action=what_writes(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(_("not UTF-8"), where=f"{path}:{number + 1}", action=what_writes(path)) from error
    except OSError as error:
        raise unreadable(error, path, DataError) from error


def _parsed_line(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            _("not a JSON record ({shortened})", shortened=reason_of(error)),
            where=where,
            expected=_("one JSON object a line"),
            action=_("mend or remove the line, or run again the verb that writes the file"),
        ) from error


def leftover_pattern(name: str) -> str:
    return rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}\.(?:partial|retired)"


def clean_leftovers(path: Path) -> None:
    """Removes what killed runs left beside `path`; an older folder that one of them had put aside comes back."""
    pattern = re.compile(leftover_pattern(path.name))
    with contextlib.suppress(OSError):  # what cannot be looked at or removed is in nobody's way
        for leftover in [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]:
            with held(leftover) as mine:
                if not mine:
                    continue
                if not os.path.lexists(path) and os.path.lexists(leftover / path.name) and leftover.suffix == ".retired":
                    os.replace(leftover / path.name, path)
                remove(leftover)


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Holds the lock of a file or folder while it is open; gives whether it is ours, and nobody else's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another, or a file system without locks
        return False
    return True


def remove(path: Path) -> None:
    if stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def unwritable(error: OSError, path: Path) -> OutputError:
    return OutputError(
        _("cannot write ({reason})", reason=error.strerror or error),
        where=path,
        expected=_("a writable place with enough free space"),
        action=_("free some space or choose another --out; nothing half-written was left behind"),
    )


def sha256_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
