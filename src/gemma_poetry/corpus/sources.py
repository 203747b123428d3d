"""Where poems come from: the embedded sample, the chinese-poetry collection, or files of one's own.

In: what the person named as source. Out: an open `Source`: its files one after the other, and a `SourceInfo` for the
manifest.

The chinese-poetry collection is known by the names of its files, whether downloaded, unpacked or packed anew. Read
are 全唐诗, 全宋诗, 宋词, 花间集 and 南唐二主词, 曹操诗集, 楚辞, 诗经 and 纳兰性德. Not read: selections that repeat
them (三百首, 水墨唐诗), 蒙学 (primers and prose, damaged by an automatic conversion), 元曲 (speech, stage directions
and verse run together), 唐诗补录 (one poem), 表面结构字 (a table of glyphs), prefaces and lives of authors.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from gemma_poetry.corpus.containers import DATA_ENDINGS, SourceFile, common_folder, list_files, read_files
from gemma_poetry.corpus.download import fetch, forget
from gemma_poetry.errors import SourceError

SAMPLE = "sample"
CHINESE_POETRY = "chinese-poetry"
COMMIT = "99ebbef7e1345c0985c44b9fd96a3f9e776f117b"
# Over name and sha256 of each file that is read of the archive at COMMIT: the host may pack the same files anew.
CONTENT_SHA256 = "69a821bd7d4442186eff04dd5929332c260d07b8d2ad992d9f07179b2c9ec448"
_HOST = "https://codeload.github.com"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a source and what its file names tell about the poems in it.

    Attributes:
        order: Parts are taken in this order; of exact duplicates the first stays.
        era: 朝代 of poems that name none.
        form: `词` where all are 词, else empty.
        author: Author of poems that name none.
    """

    order: int
    era: str = ""
    form: str = ""
    author: str = ""


_CHINESE_POETRY_PARTS: tuple[tuple[re.Pattern[str], Part], ...] = tuple(
    (re.compile(rf"(?:.*/)?{pattern}"), Part(order, *known))
    for order, (pattern, *known) in enumerate(
        (
            (r"poet\.tang\.\d+\.json", "唐"),
            (r"poet\.song\.\d+\.json", "宋"),
            (r"ci\.song\.\w+\.json", "宋", "词"),
            (r"huajianji-[0-9x]+-juan\.json", "五代", "词"),
            (r"nantang/poetrys\.json", "五代", "词"),
            (r"caocao\.json", "汉", "", "曹操"),
            (r"chuci\.json", "先秦"),
            (r"shijing\.json", "先秦"),
            (r"纳兰性德诗集\.json", "清"),
        )
    )
)
_OWN_PART = Part(0)
# A folder that `prepare` wrote can be prepared again (for another tokenizer): its records are read, nothing else of it.
_DATA_RECORDS = ("test.jsonl", "train.jsonl", "val.jsonl")


@dataclass(slots=True)
class SourceInfo:
    """What was read, for the manifest.

    Attributes:
        name: `sample`, `chinese-poetry`, or the name of the folder or file.
        commit: The commit of the collection, where it is known.
        sha256: Digest over the names and digests of the files that were read.
        files: How many files were read.
    """

    name: str
    commit: str = ""
    sha256: str = ""
    files: int = 0


@dataclass(slots=True)
class Source:
    """A source whose files can be read once, in stored order.

    Attributes:
        info: What is known of it; complete once `files` is exhausted.
        file_count: How many files `files` gives.
    """

    info: SourceInfo
    file_count: int
    _path: Path
    _parts: dict[str, Part] = field(default_factory=dict)
    _top: str = ""
    _expected_sha256: str = ""
    _endings: Sequence[str] = DATA_ENDINGS

    def files(self) -> Iterator[tuple[Part, SourceFile]]:
        """Each file with the part it belongs to.

        Raises:
            SourceError: A file cannot be read, or a download is not what it should be.
        """
        digests: dict[str, str] = {}
        for file in self._stored():
            digests[file.name] = hashlib.sha256(file.content).hexdigest()
            yield self._parts.get(file.name, _OWN_PART), file
        self.info.files = len(digests)
        self.info.sha256 = hashlib.sha256(
            "".join(f"{name}\x00{digests[name]}\n" for name in sorted(digests)).encode()
        ).hexdigest()
        if self._expected_sha256 and self.info.sha256 != self._expected_sha256:
            forget(_cache_name())
            raise SourceError(
                f"the downloaded collection is not the one expected (sha256 {self.info.sha256[:12]}…)",
                where=_address(),
                expected=f"the files of commit {COMMIT[:12]} (sha256 {self._expected_sha256[:12]}…)",
                action="run the command again: the download was removed from the cache and is fetched anew",
            )

    def _stored(self) -> Iterator[SourceFile]:
        return read_files(self._path, self._parts.__contains__, self._top, self._endings)


def open_source(source: str, endings: Sequence[str] = DATA_ENDINGS) -> Source:
    """Opens a source; downloads the chinese-poetry collection where it is asked for by name and not cached.

    Args:
        source: `sample`, `chinese-poetry`, or the path of a folder, archive or file.
        endings: Files that are read.

    Raises:
        SourceError: It is missing, empty, unreadable or hostile.
    """
    if source == SAMPLE:
        return _open_path(_sample_folder(), SAMPLE)
    if source == CHINESE_POETRY:
        path = fetch(_address(), _cache_name())
        opened = _open_path(path, CHINESE_POETRY)
        opened.info.commit, opened._expected_sha256 = COMMIT, CONTENT_SHA256
        return opened
    return _open_path(Path(source), Path(source).resolve().name, endings)


def _open_path(path: Path, name: str, endings: Sequence[str] = DATA_ENDINGS) -> Source:
    stored = list_files(path, endings)
    if not stored:
        raise SourceError(
            "it holds no file that could hold poems",
            where=path,
            expected=f"files that end in {', '.join(endings)}",
            action="check the path given as --source",
        )
    top = common_folder(stored) if not path.is_dir() else ""
    names = [entry.removeprefix(top) for entry in stored]
    if "manifest.json" in names and set(_DATA_RECORDS) <= set(names):
        names = list(_DATA_RECORDS)
    parts = {entry: part for entry in names for pattern, part in _CHINESE_POETRY_PARTS if pattern.fullmatch(entry)}
    info = SourceInfo(name)
    if parts:
        commit = re.fullmatch(r"chinese-poetry-([0-9a-f]{40})", top.rstrip("/") or name)
        info.commit = commit[1] if commit else ""
    else:
        parts = dict.fromkeys(names, _OWN_PART)
    return Source(info, len(parts), path, parts, top, _endings=endings)


def _address() -> str:
    host = os.environ.get("GEMMA_POETRY_SOURCE_HOST", _HOST).rstrip("/")
    return f"{host}/chinese-poetry/chinese-poetry/tar.gz/{COMMIT}"


def _cache_name() -> str:
    return f"chinese-poetry-{COMMIT}.tar.gz"


def _sample_folder() -> Path:
    path = Path(str(resources.files("gemma_poetry") / "assets" / "sample"))
    if not path.is_dir():
        raise SourceError("the embedded sample is missing", where=path, action="install the package again")
    return path
