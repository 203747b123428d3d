"""Sources by name or path: which files are read, what is known of them, and the check of a download."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gemma_poetry.corpus import sources
from gemma_poetry.corpus.sources import CHINESE_POETRY, COMMIT, CONTENT_SHA256, SAMPLE, Source, open_source
from gemma_poetry.errors import SourceError, UsageError

from .http_server import Server
from .packing import folder, tar_gz, zipped

POEM = json.dumps([{"title": "静夜思", "author": "李白", "paragraphs": ["床前明月光，疑是地上霜。"]}]).encode()
LAYOUT = {
    "全唐诗/poet.tang.0.json": POEM,
    "全唐诗/poet.song.1000.json": POEM,
    "全唐诗/authors.tang.json": b'[{"name": "a"}]',
    "全唐诗/唐诗三百首.json": POEM,
    "宋词/ci.song.2019y.json": POEM,
    "宋词/宋词三百首.json": POEM,
    "五代诗词/huajianji/huajianji-0-preface.json": POEM,
    "五代诗词/huajianji/huajianji-x-juan.json": POEM,
    "五代诗词/nantang/authors.json": b"[]",
    "元曲/yuanqu.json": POEM,
    "曹操诗集/caocao.json": POEM,
    "蒙学/qianjiashi.json": POEM,
}
READ = {
    "全唐诗/poet.tang.0.json": (0, "唐", "", ""),
    "全唐诗/poet.song.1000.json": (1, "宋", "", ""),
    "宋词/ci.song.2019y.json": (2, "宋", "词", ""),
    "五代诗词/huajianji/huajianji-x-juan.json": (3, "五代", "词", ""),
    "曹操诗集/caocao.json": (5, "汉", "", "曹操"),
}
TOP = f"chinese-poetry-{COMMIT}"


def parts_read(source: Source) -> dict[str, tuple[int, str, str, str]]:
    return {file.name: (part.order, part.era, part.form, part.author) for part, file in source.files()}


def test_the_collection_is_known_by_its_files_in_every_container(tmp_path: Path) -> None:
    packed = {f"{TOP}/{name}": content for name, content in LAYOUT.items()}
    digests = set()
    for path in (
        tar_gz(tmp_path / "a.tar.gz", packed),
        zipped(tmp_path / "a.zip", packed),
        folder(tmp_path / TOP, LAYOUT),
    ):
        source = open_source(str(path))
        assert source.file_count == len(READ)
        assert parts_read(source) == READ
        assert source.info.commit == COMMIT
        assert source.info.files == len(READ)
        digests.add(source.info.sha256)
    assert len(digests) == 1


def test_one_part_alone_is_known_too(tmp_path: Path) -> None:
    source = open_source(str(folder(tmp_path / "x", {"poet.tang.0.json": POEM, "authors.tang.json": b"[1]"})))
    assert parts_read(source) == {"poet.tang.0.json": (0, "唐", "", "")}
    assert source.info.commit == ""


def test_files_of_ones_own_are_all_read(tmp_path: Path) -> None:
    source = open_source(str(folder(tmp_path / "mine", {"a.json": POEM, "b/c.txt": "春".encode(), "d.md": b""})))
    assert set(parts_read(source)) == {"a.json", "b/c.txt"}
    assert source.info.name == "mine"


def test_the_digest_covers_names_and_contents(tmp_path: Path) -> None:
    seen = set()
    for number, files in enumerate(({"a.json": POEM}, {"b.json": POEM}, {"a.json": POEM + b" "})):
        source = open_source(str(folder(tmp_path / str(number), files)))
        list(source.files())
        seen.add(source.info.sha256)
    assert len(seen) == 3


def test_a_folder_without_poems(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file that could hold poems"):
        open_source(str(folder(tmp_path / "x", {"a.md": b""})))


def test_the_sample_ships_with_the_package() -> None:
    source = open_source(SAMPLE)
    assert source.info.name == SAMPLE
    assert sum(file.content.count(b"\n") for _, file in source.files()) >= 160


@pytest.fixture
def host(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    path = tar_gz(tmp_path / "host.tar.gz", {f"{TOP}/{name}": content for name, content in LAYOUT.items()})
    server.content = path.read_bytes()
    monkeypatch.setenv("GEMMA_POETRY_SOURCE_HOST", server.address.rsplit("/", 1)[0])
    return server


def test_the_collection_is_downloaded_and_checked(host: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = open_source(str(folder(tmp_path / "x", LAYOUT)))
    list(unpacked.files())
    monkeypatch.setattr(sources, "CONTENT_SHA256", unpacked.info.sha256)
    for _ in range(2):
        source = open_source(CHINESE_POETRY)
        assert parts_read(source) == READ
        assert (source.info.name, source.info.commit) == (CHINESE_POETRY, COMMIT)
    assert len(host.ranges) == 1


def test_another_collection_than_expected_is_refused_and_forgotten(host: Server) -> None:
    for attempt in (1, 2):
        with pytest.raises(SourceError, match="not the one expected") as caught:
            list(open_source(CHINESE_POETRY).files())
        assert caught.value.where.endswith(f"/chinese-poetry/chinese-poetry/tar.gz/{COMMIT}")
        assert len(host.ranges) == attempt


@pytest.mark.collection
def test_the_real_collection_has_the_pinned_contents(collection: Path) -> None:
    source = open_source(str(collection))
    for _ in source.files():
        pass
    assert source.info.sha256 == CONTENT_SHA256
    assert source.info.commit == COMMIT


def test_what_is_passed_over_is_counted_with_its_reason(tmp_path: Path) -> None:
    source = open_source(str(folder(tmp_path / "x", {**LAYOUT, "mine/p.txt": "春眠不觉晓，处处闻啼鸟。".encode()})))
    list(source.files())
    passed = source.info.passed_over
    assert {name: (part["files"], part["records"]) for name, part in passed.items()} == {
        "元曲": (1, 1), "蒙学": (1, 1), "唐诗三百首": (1, 1), "宋词三百首": (1, 1), "authors": (2, 1), "prefaces": (1, 1),
        "other files": (1, 0),
    }  # fmt: skip
    assert all(part["reason"] for part in passed.values())


def test_a_section_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    path = folder(tmp_path / "x", LAYOUT)
    plain, asked = open_source(str(path)), open_source(str(path), sections=("元曲",))
    assert parts_read(asked) == {**parts_read(plain), "元曲/yuanqu.json": (9, "元", "曲", "")}
    assert "元曲" in plain.info.passed_over and "元曲" not in asked.info.passed_over
    with pytest.raises(UsageError, match="no section is called"):
        open_source(str(path), sections=("蒙学",))
    with pytest.raises(UsageError, match="has no section"):
        open_source(str(folder(tmp_path / "mine", {"a.json": POEM})), sections=("元曲",))


def test_a_download_with_a_section_is_checked_by_the_rest(
    host: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = open_source(str(folder(tmp_path / "x", LAYOUT)))
    list(unpacked.files())
    monkeypatch.setattr(sources, "CONTENT_SHA256", unpacked.info.sha256)
    source = open_source(CHINESE_POETRY, sections=("元曲",))
    assert "元曲/yuanqu.json" in parts_read(source)
    assert source.info.sha256 != unpacked.info.sha256
