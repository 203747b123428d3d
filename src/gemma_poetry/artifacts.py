"""Files that stages meet through: written whole or not at all, listed in a manifest, and never in the place of another's.

In: text, JSON values, or a folder to fill. Out: files that either stand complete under their final name or do
not exist, and `manifest.json` beside them (sha256 of each file, configuration, seed, versions).

What may be replaced is decided here and nowhere else. A folder is replaced only if its manifest is of the kind that the
verb writes and names every entry in it (`check_folder`); a file only if such a manifest beside it names it
(`check_names`), or the person said so (`check_file`).

    write ──> .NAME.xxxxxxxx.partial ──> checked once more ──one step──> NAME
                    └── killed: nobody holds its lock any more, so the next run that writes NAME removes it
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO, Any

from gemma_poetry.errors import DataError, OutputError, RunError, unreadable
from gemma_poetry.languages import _, listed, reason_of

MANIFEST = "manifest.json"
TRAINING_LOCK = ".training.lock"
"""What a training holds while it writes to a folder; one that was killed leaves it behind."""
WRITERS = {
    "data": "prepare",
    "evaluation": "evaluate",
    "export": "export",
    "quickstart": "quickstart",
}
"""Kinds of folders that are replaced by newer ones, each with the verb that writes it."""

_UNFINISHED = "unfinished"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NAMED_AT_MOST = 3
LARGEST_JSON = 256 * 2**20
"""Bytes of a JSON file that is read at once."""
_LONGEST_NAME = 4096
# What stages read from each other's manifests: `section` or `section.name` -> its kind.
_MANIFEST_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("base", "data", "tokenizer", "recipe", "files", "versions", "validation"), dict),
    **dict.fromkeys(
        ("kind", "domain", "base_url", "base.spec", "base.name", "base.revision", "base.weights_fingerprint", "base.gguf"), str
    ),
    "data.clusters": dict,
    "fixed_poems": list,
    **dict.fromkeys(("data.folder", "data.manifest_sha256", "data.domain", "tokenizer.name", "tokenizer.fingerprint"), str),
    **dict.fromkeys(("wall_seconds", "steps", "trainable_parameters", "data.train_poems"), (int, float)),
}
_VERSIONED = ("gemma-poetry", "torch", "transformers", "peft", "tokenizers", "tshet-uinh", "opencc", "rensa")


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
        _clean_leftovers(path)
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
        raise _output_error(error, path) from error
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


def _what_writes(path: Path) -> str:
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
        raise DataError(_("no such file"), where=path, action=_what_writes(path)) from error
    except OSError as error:
        raise unreadable(error, path, DataError) from error
    except ValueError as error:
        raise DataError(
            _("not valid JSON ({shortened})", shortened=reason_of(error)),
            where=path,
            expected=_("a JSON file as it was written"),
            action=_what_writes(path),
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
        raise DataError(_("no such file"), where=path, action=_what_writes(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(_("not UTF-8"), where=f"{path}:{number + 1}", action=_what_writes(path)) from error
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


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads `folder/manifest.json`; the sections that stages read from it are of the kinds that they wrote.

    Raises:
        DataError: There is none, or a section is something else than it should be.
    """
    path = Path(folder) / MANIFEST
    manifest = read_json(path)
    faults = _manifest_faults(manifest)
    if faults:
        raise DataError(
            _("no manifest: {faults}", faults=listed(faults[:3], "; ")),
            where=path,
            expected=_("the manifest as the stage wrote it"),
            action=_what_writes(path),
        )
    found: dict[str, Any] = manifest
    return found


def _manifest_faults(manifest: Any) -> list[str]:
    """What in a manifest is of the wrong kind; what is missing is none of it."""
    if not isinstance(manifest, dict):
        return [_("it is no object")]
    faults = []
    for dotted, kind in _MANIFEST_KINDS.items():
        section, _unused, name = dotted.partition(".")
        holder, key = (manifest.get(section), name) if name else (manifest, section)
        value = holder.get(key) if isinstance(holder, dict) else None
        # True and false are numbers to Python.
        if value is None and (kind is not dict or section == "validation" or not isinstance(holder, dict) or key not in holder):
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            if kind is dict:
                faults.append(_("{field} is no object", field=dotted))
            else:
                faults.append(_("{field} is no text", field=dotted) if kind is str else _("{field} is no number", field=dotted))
        elif isinstance(value, str) and (len(value) > _LONGEST_NAME or not value.isprintable()):
            faults.append(_("{field} is no name", field=dotted))
    files = manifest.get("files")
    for name, entry in files.items() if isinstance(files, dict) else ():
        whole = isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and type(entry.get("bytes")) is int
        if not whole or not name.isprintable() or len(name) > _LONGEST_NAME:
            faults.append(_("files: {name!r} has no sha256 and bytes", name=name[:80]))
    return faults


@contextlib.contextmanager
def atomic_folder(path: Path, kind: str | None = None) -> Iterator[Path]:
    """A folder to fill that takes the place of `path` only when the block ends without an error.

    Whenever the run is killed, the older folder or the new one stands at `path`.

    Args:
        path: Where the folder will stand.
        kind: One of `WRITERS`: only an older folder of this kind is replaced. `None`: the caller answers for what is there.

    Raises:
        OutputError: The folder cannot be written, or something else is there; that stays.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    partial: Path | None = None
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clean_leftovers(path)
            if kind is not None:
                check_folder(path, kind)
            partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
            stack.enter_context(_held(partial))
            os.chmod(partial, 0o755)
            yield partial
            if kind is not None:  # once more: hours may have gone by
                check_folder(path, kind)
            if _put(partial, path):
                partial = None
        except OSError as error:
            raise _output_error(error, path) from error
        finally:
            if partial is not None:
                shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, path: Path) -> bool:
    """Gives a folder its name; returns whether nothing stands under the old name after that."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        os.replace(partial, path)
        return True
    if _exchange(partial, path):
        return False
    retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".retired", dir=path.parent))
    with _held(retired):
        os.replace(path, retired / path.name)
        try:
            os.replace(partial, path)
        except BaseException:
            os.replace(retired / path.name, path)
            raise
        finally:
            shutil.rmtree(retired, ignore_errors=True)
    return True


def _exchange(first: Path, second: Path) -> bool:
    """Lets two folders change places in one step; returns whether this system can (Linux, `renameat2`)."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return done == 0


@contextlib.contextmanager
def growing_folder(path: Path, kind: str, parts: Sequence[str]) -> Iterator[Path]:
    """A folder that a job of several stages fills in its final place, so that the paths in its files hold.

    An older folder of the kind is emptied first, also one that a killed job left unfinished.

    Args:
        path: The folder.
        kind: One of `WRITERS`.
        parts: What the stages will write, by name.

    Raises:
        OutputError: Something else is there, another job is writing it, or it cannot be written.
    """
    path = Path(path)
    check_folder(path, kind)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with _held(path) as mine:
            if not mine:
                raise OutputError(
                    _("another job is writing here"), where=path, action=_("wait for it, or choose another --out")
                )
            for entry in path.iterdir():
                if entry.name != MANIFEST:  # goes last: without it nobody would know whose the rest is
                    _remove(entry)
            write_manifest(path, {"kind": kind, _UNFINISHED: list(parts)}, [])
            yield path
            files = [entry.relative_to(path).as_posix() for entry in path.rglob("*") if entry.is_file()]
            write_manifest(path, {"kind": kind}, [name for name in files if name != MANIFEST])
    except OSError as error:
        raise _output_error(error, path) from error


@contextlib.contextmanager
def own_files(folder: Path, kind: str, names: Sequence[str]) -> Iterator[None]:
    """Files that a verb writes beside whatever else a folder holds; older ones of the same kind go first, all of them.

    Args:
        folder: The folder.
        kind: One of `WRITERS`.
        names: What will be written, besides the manifest.

    Raises:
        OutputError: One of the names is somebody else's, or the files cannot be written.
    """
    check_names(folder, kind, names)
    write_manifest(folder, {"kind": kind, _UNFINISHED: list(names)}, [])
    for name in names:
        (folder / name).unlink(missing_ok=True)
    yield
    write_manifest(folder, {"kind": kind}, names)


def check_names(folder: Path, kind: str, names: Sequence[str]) -> None:
    """Refuses to write over files that a folder's manifest does not name.

    Args:
        folder: The folder; it may hold other things.
        kind: One of `WRITERS`, that the manifest must be of.
        names: What is to be written, besides the manifest.

    Raises:
        OutputError: One of the names is somebody else's.
    """
    manifest = _manifest_of(folder, kind)
    ours = {MANIFEST, *manifest["files"], *_parts_of(manifest)} if manifest else set()
    taken = [name for name in (*names, MANIFEST) if name not in ours and os.path.lexists(folder / name)]
    if taken or (os.path.lexists(folder) and not folder.is_dir()):
        raise OutputError(
            _("there is something here that {kind} did not write", kind=WRITERS[kind])
            + (_(": {taken!r}", taken=taken[0]) if taken else ""),
            where=folder,
            expected=_(
                "a folder without these files, or one in which {kind} wrote them (they are replaced)", kind=WRITERS[kind]
            ),
            action=_("name another folder as --out, or move what is here away"),
        )


def check_folder(path: Path, kind: str) -> None:
    """Refuses to replace a folder that is not wholly ours.

    Args:
        path: Where a folder is to be written.
        kind: One of `WRITERS`; a folder is ours if its manifest is of this kind and names every entry in it.

    Raises:
        OutputError: `path` is something else.
    """
    path = Path(path)
    try:
        if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())):
            return
        manifest = _manifest_of(path, kind) if path.is_dir() else None
        if manifest is not None:
            _refuse_training(path)
        others = list(_strangers(path, manifest)) if manifest is not None else []
    except OSError as error:
        raise _output_error(error, path) from error
    if manifest is not None and not others:
        return
    named = listed(repr(name) for name in others[:_NAMED_AT_MOST])
    rest = _(" and {count:,} more", count=len(others) - _NAMED_AT_MOST) if len(others) > _NAMED_AT_MOST else ""
    raise OutputError(
        _("there is something here that {kind} did not write", kind=WRITERS[kind])
        + (_(": {named}{rest}", named=named, rest=rest) if others else _(": it holds no {kind} of this project's", kind=kind)),
        where=path,
        expected=_("a new or empty folder, or one that {kind} wrote and nobody added to (it is replaced)", kind=WRITERS[kind]),
        action=_("name another folder as --out, or move what is here away"),
    )


def _refuse_training(folder: Path) -> None:
    """Refuses to replace a folder that a training writes to, or one above it.

    Raises:
        OutputError: A training is at work in it.
    """
    for lock in folder.rglob(TRAINING_LOCK):
        with _held(lock) as mine:
            if not mine and lock.is_file():
                raise OutputError(
                    _("a training is at work in {relative_to}", relative_to=lock.parent.relative_to(folder.parent)),
                    where=folder,
                    expected=_("a folder that nothing else writes to"),
                    action=_("wait for it to end, or name another folder as --out"),
                )


def _manifest_of(folder: Path, kind: str) -> dict[str, Any] | None:
    """The manifest of a folder, if it is one of this kind."""
    try:
        manifest = read_json(folder / MANIFEST)
    except (DataError, OSError, ValueError, RecursionError):
        return None
    ours = isinstance(manifest, dict) and manifest.get("kind") == kind and isinstance(manifest.get("files"), dict)
    return manifest if ours else None


def _strangers(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """The entries of a folder, at whatever depth, that its manifest does not name."""
    files = {MANIFEST, *map(str, manifest["files"])}
    folders = {parent.as_posix() for name in files for parent in PurePosixPath(name).parents}
    parts = _parts_of(manifest)
    leftover = re.compile("|".join(_leftover_pattern(PurePosixPath(name).name) for name in {*files, *folders, *parts}))
    queue = [folder]
    while queue:
        for entry in sorted(queue.pop().iterdir()):
            name = entry.relative_to(folder).as_posix()
            if name in files or name in parts or leftover.fullmatch(entry.name):
                continue
            if entry.name == TRAINING_LOCK and entry.is_file():  # nobody holds it: see `_refuse_training`
                continue
            if entry.is_dir() and not entry.is_symlink() and name in folders:
                queue.append(entry)
            else:
                yield name


def _parts_of(manifest: Mapping[str, Any]) -> set[str]:
    """What a job that was killed had been about to write."""
    unfinished = manifest.get(_UNFINISHED)
    return set(map(str, unfinished)) if isinstance(unfinished, list) else set()


def _leftover_pattern(name: str) -> str:
    return rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}\.(?:partial|retired)"


def _clean_leftovers(path: Path) -> None:
    """Removes what killed runs left beside `path`; an older folder that one of them had put aside comes back."""
    pattern = re.compile(_leftover_pattern(path.name))
    with contextlib.suppress(OSError):  # what cannot be looked at or removed is in nobody's way
        for leftover in [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]:
            with _held(leftover) as mine:
                if not mine:
                    continue
                if not os.path.lexists(path) and os.path.lexists(leftover / path.name) and leftover.suffix == ".retired":
                    os.replace(leftover / path.name, path)
                _remove(leftover)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
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


def _remove(path: Path) -> None:
    if stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _output_error(error: OSError, path: Path) -> OutputError:
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


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that results depend on, those installed."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def write_manifest(folder: Path, contents: Mapping[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """Writes `folder/manifest.json`: `contents`, the versions, and the sha256 and bytes of each named file.

    Raises:
        OutputError: The manifest cannot be written.
    """
    manifest = {
        **contents,
        "versions": versions(),
        "files": {
            name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size} for name in sorted(files)
        },
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def check_manifest(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Reads `folder/manifest.json` and checks that the named files are those it was written for.

    Raises:
        DataError: The manifest is missing, a file is missing, or a file was altered.
    """
    manifest = read_manifest(folder)
    for name in names:
        entry = (manifest.get("files") or {}).get(name)
        if entry is None or not (folder / name).is_file():
            raise DataError(
                _("the file is missing"),
                where=folder / name,
                expected=_("a folder with {name}", name=name),
                action=_("prepare it again"),
            )
        if (folder / name).stat().st_size != entry["bytes"] or sha256_file(folder / name) != entry["sha256"]:
            raise DataError(
                _("the file is not the one that its manifest describes"),
                where=folder / name,
                expected=_("{bytes} bytes with sha256 {sha256}…", bytes=entry["bytes"], sha256=entry["sha256"][:12]),
                action=_("prepare it again; edited data would make every later figure untraceable"),
            )
    return manifest


def check_same_start(out: Path, begun: Mapping[str, Any], start: Mapping[str, Any], what: str) -> None:
    """Refuses to resume a run with other settings than it was begun with.

    Args:
        out: The folder of the run.
        begun: What it was begun with, as JSON values.
        start: What it is to go on with.
        what: What these are, for the message.

    Raises:
        RunError: They differ; each that does is named.
    """
    changed = [name for name in start if start[name] != begun.get(name)]
    if changed:
        raise RunError(
            _("the run was begun with other settings ({changed})", changed=listed(changed)),
            where=out,
            expected=_("the same {what} as when it was begun", what=what),
            action=_("resume with the same options, or choose another --out"),
        )
