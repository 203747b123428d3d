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
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from gemma_poetry.errors import DataError, OutputError, RunError

MANIFEST = "manifest.json"
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
        return "check the path: gemma-poetry prepare writes it into DATA, gemma-poetry train into RUN when it ends"
    verb = next((verb for verb, names in _WRITERS.items() if name.startswith(names)), None)
    return f"gemma-poetry {verb} writes it: run that again" if verb else "check the path"


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("no such file", where=path, action=_what_writes(path)) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"not valid JSON ({error})", where=path, expected="a JSON file as it was written", action=_what_writes(path)
        ) from error


def read_jsonl(path: Path) -> Iterator[Any]:
    """Reads one JSON value a line, blank lines passed over.

    Raises:
        DataError: The file is missing, or a line is not JSON (the line is named).
    """
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except json.JSONDecodeError as error:
                        raise DataError(
                            f"not a JSON record ({error.msg})",
                            where=f"{path}:{number}",
                            expected="one JSON object a line",
                            action=f"mend or remove the line; {_what_writes(path)}",
                        ) from error
    except FileNotFoundError as error:
        raise DataError("no such file", where=path, action=_what_writes(path)) from error


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
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    for name in names:
        entry = manifest.get("files", {}).get(name)
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
