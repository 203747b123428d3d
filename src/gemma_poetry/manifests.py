"""Folders that stages meet through: listed in a manifest, and never in the place of another's.

In: a folder to fill, and what is to be told of it. Out: a folder that either stands complete under its final name or does
not exist, and `manifest.json` in it (sha256 of each file, configuration, seed, versions).

What may be replaced is decided here and nowhere else. A folder is replaced only if its manifest is of the kind that the
verb writes and names every entry in it (`check_folder`); a file only if such a manifest beside it names it (`check_names`).

    write ──> .NAME.xxxxxxxx.partial ──> checked once more ──one step──> NAME
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from gemma_poetry.artifacts import (
    MANIFEST,
    clean_leftovers,
    held,
    leftover_pattern,
    read_json,
    remove,
    sha256_file,
    unwritable,
    what_writes,
    write_json,
)
from gemma_poetry.errors import DataError, OutputError, RunError
from gemma_poetry.languages import _, listed

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
            action=what_writes(path),
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
            clean_leftovers(path)
            if kind is not None:
                check_folder(path, kind)
            partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
            stack.enter_context(held(partial))
            os.chmod(partial, 0o755)
            yield partial
            if kind is not None:  # once more: hours may have gone by
                check_folder(path, kind)
            if _put(partial, path):
                partial = None
        except OSError as error:
            raise unwritable(error, path) from error
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
    with held(retired):
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
        with held(path) as mine:
            if not mine:
                raise OutputError(
                    _("another job is writing here"), where=path, action=_("wait for it, or choose another --out")
                )
            for entry in path.iterdir():
                if entry.name != MANIFEST:  # goes last: without it nobody would know whose the rest is
                    remove(entry)
            write_manifest(path, {"kind": kind, _UNFINISHED: list(parts)}, [])
            yield path
            files = [entry.relative_to(path).as_posix() for entry in path.rglob("*") if entry.is_file()]
            write_manifest(path, {"kind": kind}, [name for name in files if name != MANIFEST])
    except OSError as error:
        raise unwritable(error, path) from error


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
        raise unwritable(error, path) from error
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
        with held(lock) as mine:
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
    leftover = re.compile("|".join(leftover_pattern(PurePosixPath(name).name) for name in {*files, *folders, *parts}))
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
