"""Where poems come from: the embedded sample, the chinese-poetry collection, or files of one's own.

In: what the person named as source. Out: an open `Source`: its files one after the other, and a `SourceInfo` for the
manifest.

The chinese-poetry collection is known by the names of its files, whether downloaded, unpacked or packed anew. Read
are 全唐诗, 全宋诗, 宋词, 花间集 and 南唐二主词, 曹操诗集, 楚辞, 诗经 and 纳兰性德; 元曲 where it is asked for. What is passed
over is counted, with the reason (`PASSED_OVER`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from gemma_poetry.corpus.containers import DATA_ENDINGS, SourceFile, common_folder, list_files, read_files
from gemma_poetry.corpus.download import fetch, forget
from gemma_poetry.errors import SourceError, UsageError, visible
from gemma_poetry.languages import _, listed

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
# Read where they are asked for.
SECTIONS: dict[str, tuple[re.Pattern[str], Part]] = {
    "元曲": (re.compile(r"(?:.*/)?yuanqu\.json"), Part(len(_CHINESE_POETRY_PARTS), "元", "曲")),
}
PASSED_OVER: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(rf"(?:.*/)?{pattern}"), name, reason)
    for pattern, name, reason in (
        (r"yuanqu\.json", "元曲", _("speech, stage directions and verse run together; read with prepare.sections=[元曲]")),
        (r"蒙学/.*", "蒙学", _("primers and prose, damaged by an automatic conversion")),
        (r"shuimotangshi\.json", "水墨唐诗", _("a selection of 全唐诗")),
        (r"唐诗三百首\.json", "唐诗三百首", _("a selection of 全唐诗")),
        (r"宋词三百首\.json", "宋词三百首", _("a selection of 宋词")),
        (r"唐诗补录\.json", "唐诗补录", _("a supplement that 全唐诗 repeats")),
        (r"表面结构字\.json", "表面结构字", _("a table of glyphs")),
        (r"(?:authors?\.\w+|authors|intro)\.json", "authors", _("lives of authors")),
        (r".*-preface\.json", "prefaces", _("prose")),
    )
)
"""(file names, what they are called in stats.json, why they are not read)"""
_OTHER_FILES = ("other files", _("no part of the collection; name their folder as a source of its own"))
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
        passed_over: What was not read, by name: files, records (where a file is a list of them) and the reason.
    """

    name: str
    commit: str = ""
    sha256: str = ""
    files: int = 0
    passed_over: dict[str, dict[str, Any]] = field(default_factory=dict)


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
    _others: frozenset[str] = frozenset()

    def files(self) -> Iterator[tuple[Part, SourceFile]]:
        """Each file with the part it belongs to.

        Raises:
            SourceError: A file cannot be read, or a download is not what it should be.
        """
        digests: dict[str, str] = {}
        wanted = (self._parts.keys() | self._others).__contains__
        for file in read_files(self._path, wanted, self._top, self._endings):
            if file.name not in self._parts:
                self._pass_over(file)
                continue
            digests[file.name] = hashlib.sha256(file.content).hexdigest()
            yield self._parts[file.name], file
        self.info.files = len(digests)
        self.info.sha256 = self._digest(digests)
        if self._expected_sha256 and self._digest(digests, _CHINESE_POETRY_PARTS) != self._expected_sha256:
            forget(_cache_name())
            raise SourceError(
                _("the downloaded collection is not the one expected (sha256 {sha256}…)", sha256=self.info.sha256[:12]),
                where=_address(),
                expected=_(
                    "the files of commit {commit} (sha256 {expected_sha256}…)",
                    commit=COMMIT[:12],
                    expected_sha256=self._expected_sha256[:12],
                ),
                action=_("run the command again: the download was removed from the cache and is fetched anew"),
            )

    @staticmethod
    def _digest(digests: Mapping[str, str], parts: Sequence[tuple[re.Pattern[str], Part]] = ()) -> str:
        """One digest over names and digests, of the files of some parts where such are given."""
        names = [name for name in sorted(digests) if not parts or any(pattern.fullmatch(name) for pattern, _ in parts)]
        return hashlib.sha256("".join(f"{name}\x00{digests[name]}\n" for name in names).encode()).hexdigest()

    def _pass_over(self, file: SourceFile) -> None:
        known = ((name, reason) for pattern, name, reason in PASSED_OVER if pattern.fullmatch(file.name))
        name, reason = next(known, _OTHER_FILES)
        counts = self.info.passed_over.setdefault(name, {"files": 0, "records": 0, "reason": reason})
        counts["files"] += 1
        counts["records"] += _records_in(file.content)


def open_source(source: str, endings: Sequence[str] = DATA_ENDINGS, sections: Sequence[str] = ()) -> Source:
    """Opens a source; downloads the chinese-poetry collection where it is asked for by name and not cached.

    Args:
        source: `sample`, `chinese-poetry`, or the path of a folder, archive or file.
        endings: Files that are read.
        sections: Parts of the chinese-poetry collection that are read besides, of `SECTIONS`.

    Raises:
        SourceError: It is missing, empty, unreadable or hostile.
        UsageError: It has no such section.
    """
    for section in sections:
        if section not in SECTIONS:
            raise UsageError(
                _("no section is called {section!r}", section=section),
                expected=_("one of {sections}", sections=" ".join(SECTIONS)),
                action=_("correct prepare.sections"),
            )
    if source == SAMPLE:
        opened = _open_path(_sample_folder(), SAMPLE, sections=sections)
    elif source == CHINESE_POETRY:
        path = fetch(_address(), _cache_name())
        opened = _open_path(path, CHINESE_POETRY, sections=sections)
        opened.info.commit, opened._expected_sha256 = COMMIT, CONTENT_SHA256
    else:
        opened = _open_path(Path(source), visible(_full(Path(source)).name), endings, sections)
    return opened


def _full(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        # A loop of links, or a name that no path can have: opening it says so.
        return path


def _records_in(content: bytes) -> int:
    """How many records a JSON file lists, 0 where it is no list."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return 0
    return len(value) if isinstance(value, list) else 0


def _open_path(path: Path, name: str, endings: Sequence[str] = DATA_ENDINGS, sections: Sequence[str] = ()) -> Source:
    stored = list_files(path, endings)
    if not stored:
        raise SourceError(
            _("it holds no file that could hold poems"),
            where=path,
            expected=_("files that end in {endings}", endings=listed(endings)),
            action=_("check the path given as --source"),
        )
    top = common_folder(stored) if not path.is_dir() else ""
    names = [entry.removeprefix(top) for entry in stored]
    if "manifest.json" in names and set(_DATA_RECORDS) <= set(names):
        names = list(_DATA_RECORDS)
    known = (*_CHINESE_POETRY_PARTS, *(SECTIONS[section] for section in sections))
    parts = {entry: part for entry in names for pattern, part in known if pattern.fullmatch(entry)}
    info = SourceInfo(name)
    for section in sections:
        if not any(SECTIONS[section][0].fullmatch(entry) for entry in names):
            raise UsageError(
                _("the source has no section {section}", section=section),
                where=path,
                expected=_("the chinese-poetry collection"),
                action=_("leave prepare.sections out"),
            )
    others = frozenset(names) - parts.keys() if parts else frozenset()
    if parts:
        commit = re.fullmatch(r"chinese-poetry-([0-9a-f]{40})", top.rstrip("/") or name)
        info.commit = commit[1] if commit else ""
    else:
        parts = dict.fromkeys(names, _OWN_PART)
    return Source(info, len(parts), path, parts, top, _endings=endings, _others=others)


def _address() -> str:
    host = os.environ.get("GEMMA_POETRY_SOURCE_HOST", _HOST).rstrip("/")
    return f"{host}/chinese-poetry/chinese-poetry/tar.gz/{COMMIT}"


def _cache_name() -> str:
    return f"chinese-poetry-{COMMIT}.tar.gz"


def _sample_folder() -> Path:
    path = Path(str(resources.files("gemma_poetry") / "assets" / "sample"))
    if not path.is_dir():
        raise SourceError(_("the embedded sample is missing"), where=path, action=_("install the package again"))
    return path
