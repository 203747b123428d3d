"""Files that stages meet through: written whole or not at all, and listed in a manifest.

In: text, JSON values, or a folder to fill. Out: files that either stand complete under their final name or do
not exist, and `manifest.json` beside them (sha256 of each file, configuration, seed, versions).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from gemma_poetry.errors import DataError, OutputError, RunError

MANIFEST = "manifest.json"
LARGEST_JSON = 256 * 2**20
"""Bytes of a JSON file that is read at once."""
_LONGEST_NAME = 4096
# What stages read from each other's manifests: `section` or `section.name` -> its kind.
_MANIFEST_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("base", "data", "tokenizer", "recipe", "files", "versions", "validation"), dict),
    **dict.fromkeys(("kind", "domain", "base_url", "base.spec", "base.name", "base.revision", "base.weights_fingerprint"), str),
    "data.clusters": dict,
    **dict.fromkeys(("data.folder", "data.manifest_sha256", "data.domain", "tokenizer.name", "tokenizer.fingerprint"), str),
    **dict.fromkeys(("wall_seconds", "steps", "trainable_parameters", "data.train_poems"), (int, float)),
}
_VERSIONED = ("gemma-poetry", "torch", "transformers", "peft", "tokenizers", "tshet-uinh", "opencc", "rensa")


@contextlib.contextmanager
def atomic_writer(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Opens a file that appears under `path` only when the block ends without an error.

    Args:
        path: Where the file will stand; its folder is made where it is missing.
        binary: Bytes in place of UTF-8 text.

    Raises:
        OutputError: The file cannot be written (full disk, no permission); nothing is left behind.
    """
    path = Path(path)
    partial: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        with os.fdopen(descriptor, "wb" if binary else "w", encoding=None if binary else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
        partial = None
    except OSError as error:
        raise _output_error(error, path) from error
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                os.unlink(partial)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_writer(path) as stream:
        stream.write(text)


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON atomically, characters unescaped.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


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
            raise ValueError("no file" if not stat.S_ISREG(mode) else f"{size:,} bytes, {LARGEST_JSON:,} at most are read")
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("no such file", where=path, action="run the stage that writes it") from error
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", where=path, action="check its permissions") from error
    except ValueError as error:
        raise DataError(
            f"not valid JSON ({_shortened(error)})",
            where=path,
            expected="a JSON file as the stage wrote it",
            action="run the stage again",
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
        raise ValueError("it nests too deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} stands twice")
    return found


def _shortened(error: Exception) -> str:
    return str(error)[:200]


def read_jsonl(path: Path) -> Iterator[Any]:
    """Reads one JSON value a line, blank lines passed over.

    Raises:
        DataError: The file is missing, or a line is not JSON (the line is named).
    """
    number = 0
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise DataError("no file", where=path, expected="one JSON object a line")
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield _parsed_line(line, f"{path}:{number}")
    except FileNotFoundError as error:
        raise DataError("no such file", where=path, action="run the stage that writes it") from error
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8", where=f"{path}:{number + 1}", action="run the stage again") from error
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", where=path, action="check its permissions") from error


def _parsed_line(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"not a JSON record ({_shortened(error)})",
            where=where,
            expected="one JSON object a line",
            action="mend or remove the line, or run the stage again",
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
            f"no manifest: {'; '.join(faults[:3])}",
            where=path,
            expected="the manifest as the stage wrote it",
            action="run the stage again",
        )
    found: dict[str, Any] = manifest
    return found


def _manifest_faults(manifest: Any) -> list[str]:
    """What in a manifest is of the wrong kind; what is missing is none of it."""
    if not isinstance(manifest, dict):
        return ["it is no object"]
    faults = []
    for dotted, kind in _MANIFEST_KINDS.items():
        section, _, name = dotted.partition(".")
        holder, key = (manifest.get(section), name) if name else (manifest, section)
        value = holder.get(key) if isinstance(holder, dict) else None
        # True and false are numbers to Python.
        if value is None and (kind is not dict or section == "validation" or not isinstance(holder, dict) or key not in holder):
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            faults.append(f"{dotted} is no {'object' if kind is dict else 'text' if kind is str else 'number'}")
        elif isinstance(value, str) and (len(value) > _LONGEST_NAME or not value.isprintable()):
            faults.append(f"{dotted} is no name")
    files = manifest.get("files")
    for name, entry in files.items() if isinstance(files, dict) else ():
        whole = isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and type(entry.get("bytes")) is int
        if not whole or not name.isprintable() or len(name) > _LONGEST_NAME:
            faults.append(f"files: {name[:80]!r} has no sha256 and bytes")
    return faults


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of `path` only when the block ends without an error.

    An older folder at `path` is replaced as a whole.

    Raises:
        OutputError: The folder cannot be written; the older one stays.
    """
    path = Path(path)
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        os.chmod(partial, 0o755)
        yield partial
        if path.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".retired", dir=path.parent))
            os.replace(path, retired / path.name)
            os.replace(partial, path)
            shutil.rmtree(retired, ignore_errors=True)
        else:
            os.replace(partial, path)
        partial = None
    except OSError as error:
        raise _output_error(error, path) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _output_error(error: OSError, path: Path) -> OutputError:
    return OutputError(
        f"cannot write ({error.strerror or error})",
        where=path,
        expected="a writable place with enough free space",
        action="free some space or choose another --out; nothing half-written was left behind",
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
                "the file is missing", where=folder / name, expected=f"a folder with {name}", action="prepare it again"
            )
        if (folder / name).stat().st_size != entry["bytes"] or sha256_file(folder / name) != entry["sha256"]:
            raise DataError(
                "the file is not the one that its manifest describes",
                where=folder / name,
                expected=f"{entry['bytes']} bytes with sha256 {entry['sha256'][:12]}…",
                action="prepare it again; edited data would make every later figure untraceable",
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
            f"the run was begun with other settings ({', '.join(changed)})",
            where=out,
            expected=f"the same {what} as when it was begun",
            action="resume with the same options, or choose another --out",
        )
