"""Files inside a folder or an archive, one after the other, nothing ever unpacked to disk.

In: the path of a folder, `.tar.gz`/`.tgz`, `.zip` or single file. Out: names first (checked as a whole, so
that a hostile archive is refused before anything of it is used), then the bytes of each wanted file.

Refused: members that climb out of the archive, links, devices and sparse files, and bombs. Text of this kind compresses
three- to tenfold; an archive that unpacks to more than `MAX_RATIO` times its size, or beyond `MAX_BYTES`, is no collection.
Pipes and devices are no sources: reading them may never end.

Names that are not UTF-8 are read, and shown with their bytes written out.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from gemma_poetry.errors import SourceError, unreadable, visible
from gemma_poetry.languages import _

MAX_BYTES = 4 * 2**30
MAX_FILE_BYTES = 512 * 2**20
MAX_RATIO = 150
MAX_MEMBERS = 200_000
_RATIO_FREE_BYTES = 16 * 2**20
ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".zip")
DATA_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
# What the modules of the standard library raise on damaged archives, beside errors of their own.
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, struct.error, ValueError, LookupError,
           OverflowError, AttributeError, TypeError, MemoryError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        name: Its path inside the source, with `/`, the common top folder left out.
        where: How messages name it.
        content: Its bytes.
    """

    name: str
    where: str
    content: bytes


def list_files(path: Path, endings: Sequence[str] = DATA_ENDINGS) -> list[str]:
    """The names of the data files in a source, in a stable order.

    Raises:
        SourceError: The source is missing, unreadable, cut, hostile, or of a kind that is not read.
    """
    if not _exists(path):
        raise SourceError(
            _("no such file or folder"),
            where=path,
            expected=_("a folder, a .tar.gz, .zip, .csv, .jsonl, .json or .txt file, `sample` or `chinese-poetry`"),
            action=_("check the path given as --source"),
        )
    if path.is_dir():
        names = list(_in_folder(path))
    elif path.name.lower().endswith(".zip"):
        names = [visible(info.filename) for info in _checked_zip(path)]
    elif path.name.lower().endswith(ARCHIVE_ENDINGS):
        names = [name for name, _ in _tar_members(path, wanted=lambda name: False)]
    elif path.name.lower().endswith(tuple(endings)):
        names = [visible(path.name)]
    else:
        raise SourceError(
            _("files that end in {suffix!r} are not read", suffix=path.suffix or _("nothing")),
            where=path,
            expected=_("one of {value}, or a folder of such files", value=" ".join((*ARCHIVE_ENDINGS, *endings))),
            action=_("convert the collection to one of these"),
        )
    return sorted(name for name in names if _is_data(name, endings))


def read_files(
    path: Path, wanted: Callable[[str], bool], top: str = "", endings: Sequence[str] = DATA_ENDINGS
) -> Iterator[SourceFile]:
    """The wanted data files of a source, in the order in which they are stored.

    Args:
        path: The folder, archive or file.
        wanted: Whether a data file of this name is read.
        top: The folder, with its `/`, that is left out of the names (see `common_folder`).
        endings: What the names of data files end in.

    Raises:
        SourceError: As `list_files`, or a file is too large, encrypted or damaged.
    """
    if path.is_dir():
        stored = _in_folder(path)
        for name in sorted(stored):
            if _is_data(name, endings) and wanted(name):
                yield SourceFile(name, visible(str(path / name)), read_bytes(stored[name]))
        return
    if not path.name.lower().endswith(ARCHIVE_ENDINGS):
        if wanted(visible(path.name)):
            yield SourceFile(visible(path.name), visible(str(path)), read_bytes(path))
        return

    def chosen(name: str) -> bool:
        return _is_data(name, endings) and wanted(name.removeprefix(top))

    members = _zip_members(path, chosen) if path.name.lower().endswith(".zip") else _tar_members(path, chosen)
    for name, content in members:
        if content is not None:
            yield SourceFile(name.removeprefix(top), visible(f"{path}!{name}"), content)


def natural_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as people do: `2.json` before `10.json`, numbers of any length among them."""
    pieces = re.split(r"([0-9]+)", name)
    return [(len(piece.lstrip("0")), piece.lstrip("0")) if place % 2 else (0, piece) for place, piece in enumerate(pieces)]


def common_folder(names: list[str]) -> str:
    """The one folder that all names stand in, with its `/`; empty where there is none."""
    tops = {name.split("/", 1)[0] if "/" in name else "" for name in names}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top else ""


def _is_data(name: str, endings: Sequence[str]) -> bool:
    parts = PurePosixPath(name).parts
    return name.lower().endswith(tuple(endings)) and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # A name that is too long, or holds a zero byte.
        return False


def _in_folder(path: Path) -> dict[str, Path]:
    """The regular files of a folder by the names that are shown for them."""
    found = {}
    for parent, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if file.is_file():
                found[visible(file.relative_to(path).as_posix())] = file
    return found


def read_bytes(path: Path, *, pipes: bool = False) -> bytes:
    """The bytes of a file.

    Args:
        path: The file.
        pipes: Whether a pipe that the shell opened (`<(…)`) may be read as well.

    Raises:
        SourceError: It is missing, no regular file, larger than `MAX_FILE_BYTES`, or cannot be read.
    """
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind) and not (pipes and stat.S_ISFIFO(kind) and path.parent in _DESCRIPTORS):
            what = _("a folder") if stat.S_ISDIR(kind) else _("a pipe") if stat.S_ISFIFO(kind) else _("no regular file")
            raise SourceError(_("this is {what}", what=what), where=path, expected=_("a regular file"), action=_("name a file"))
        with open(path, "rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise unreadable(error, path, SourceError) from error
    if len(content) > MAX_FILE_BYTES:
        raise _too_large(str(path), max(len(content), path.stat().st_size))
    return content


_DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise SourceError(
            _("the member {name!r} leads out of the archive", name=name),
            where=archive,
            expected=_("members with relative paths and without `..`"),
            action=_("do not use this archive; nothing of it was read"),
        )


def _not_a_file(archive: Path, name: str, kind: str) -> SourceError:
    return SourceError(
        _("the member {name!r} is a {kind}", name=name, kind=kind),
        where=archive,
        expected=_("files and folders only"),
        action=_("pack the collection anew without links and devices"),
    )


def _bomb(archive: Path, found: str) -> SourceError:
    return SourceError(
        found,
        where=archive,
        expected=_(
            "text that unpacks to at most {max_ratio} times its packed size and {max_bytes} GiB",
            max_ratio=MAX_RATIO,
            max_bytes=MAX_BYTES >> 30,
        ),
        action=_("do not use this archive; nothing of it was unpacked"),
    )


def _too_large(where: str, size: int) -> SourceError:
    return SourceError(
        _("the file holds {size} MiB", size=size >> 20),
        where=where,
        expected=_("files of at most {max_file_bytes} MiB", max_file_bytes=MAX_FILE_BYTES >> 20),
        action=_("split the file"),
    )


def _cut(archive: Path, error: Exception) -> SourceError:
    return SourceError(
        _("the archive is damaged or cut short ({error})", error=error),
        where=archive,
        expected=_("a complete archive"),
        action=_("fetch or pack it again"),
    )


class _Gauge(io.RawIOBase):
    """A stream that counts what comes out of a decompressor and stops a bomb while it unpacks."""

    def __init__(self, archive: Path, stream: gzip.GzipFile) -> None:
        self._archive, self._stream, self._unpacked = archive, stream, 0
        self._limit = min(MAX_BYTES, max(_RATIO_FREE_BYTES, archive.stat().st_size * MAX_RATIO))

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        # A pax header may ask for gigabytes at once; a bounded answer lets the count stop it first.
        data = self._stream.read(min(size, 2**20) if size >= 0 else 2**20)
        self._unpacked += len(data)
        if self._unpacked > self._limit:
            raise _bomb(self._archive, _("the archive unpacks to more than {limit} MiB", limit=self._limit >> 20))
        return data


def _tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | None]]:
    """Name of each file in a tar archive, with its content where it is wanted."""
    _refuse_irregular(path)
    try:
        with gzip.open(path) as packed:
            gauge = cast(IO[bytes], _Gauge(path, packed))
            with tarfile.open(fileobj=gauge, mode="r|", bufsize=2**18) as archive:
                for number, member in enumerate(archive, 1):
                    _check_name(path, member.name)
                    if number > MAX_MEMBERS:
                        raise _bomb(path, _("the archive has more than {max_members} members", max_members=MAX_MEMBERS))
                    if member.isdir():
                        continue
                    if not member.isreg() or member.issparse():
                        links = member.issym() or member.islnk()
                        kind = _("sparse file") if member.issparse() else _("link") if links else _("device")
                        raise _not_a_file(path, member.name, kind)
                    if member.size > MAX_FILE_BYTES:
                        raise _too_large(f"{path}!{member.name}", member.size)
                    content = None
                    if wanted(visible(member.name)):
                        stream = archive.extractfile(member)
                        assert stream is not None, member.name
                        content = stream.read()
                    yield visible(member.name), content
    except (tarfile.TarError, gzip.BadGzipFile, *_DAMAGE) as error:
        raise _cut(path, error) from error
    except OSError as error:
        raise unreadable(error, path, SourceError) from error


def _refuse_irregular(path: Path) -> None:
    if not path.is_file():
        raise SourceError(_("this is no regular file"), where=path, expected=_("an archive"), action=_("name a file or folder"))


def _checked_zip(path: Path) -> list[zipfile.ZipInfo]:
    _refuse_irregular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, *_DAMAGE) as error:
        raise _cut(path, error) from error
    except OSError as error:
        raise unreadable(error, path, SourceError) from error
    if len(members) > MAX_MEMBERS:
        raise _bomb(path, _("the archive has more than {max_members} members", max_members=MAX_MEMBERS))
    for info in members:
        _check_name(path, info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _not_a_file(path, info.filename, _("link") if kind == stat.S_IFLNK else _("device"))
        if info.flag_bits & 1:
            raise SourceError(
                _("the member {filename!r} is encrypted", filename=info.filename),
                where=path,
                action=_("unpack it and name the folder"),
            )
        if info.file_size > MAX_FILE_BYTES:
            raise _too_large(f"{path}!{info.filename}", info.file_size)
    total = sum(info.file_size for info in members)
    packed = path.stat().st_size
    if total > MAX_BYTES or total > max(_RATIO_FREE_BYTES, packed * MAX_RATIO):
        raise _bomb(path, _("the archive of {packed} bytes unpacks to {total} MiB", packed=packed, total=total >> 20))
    return [info for info in members if not info.is_dir()]


def _zip_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | None]]:
    """Name of each wanted file in a zip archive, with its content."""
    members = _checked_zip(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in members:
                if wanted(visible(info.filename)):
                    # zipfile reads no more than the size it was told, which was checked above, and compares the CRC.
                    yield visible(info.filename), archive.read(info)
    except (zipfile.BadZipFile, OSError, *_DAMAGE) as error:
        # bz2 says of damage what the system says of files: OSError.
        raise _cut(path, error) from error
