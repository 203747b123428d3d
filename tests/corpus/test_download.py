"""Downloads against a local server: whole, resumed, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_poetry.corpus import download
from gemma_poetry.corpus.download import cache_folder, fetch, forget
from gemma_poetry.errors import OutputError, SourceError

from .http_server import CONTENT, Server


def test_a_file_is_fetched_once(server: Server) -> None:
    path = fetch(server.address, "f.tar.gz")
    assert path == cache_folder() / "f.tar.gz"
    assert path.read_bytes() == CONTENT
    assert fetch(server.address, "f.tar.gz") == path
    assert len(server.ranges) == 1
    assert [entry.name for entry in cache_folder().iterdir()] == ["f.tar.gz"]
    forget("f.tar.gz")
    fetch(server.address, "f.tar.gz")
    assert len(server.ranges) == 2


def test_a_broken_download_goes_on_where_it_stopped(server: Server) -> None:
    server.break_after = 300_000
    assert fetch(server.address, "f.tar.gz").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_download_left_by_an_earlier_run_is_resumed(server: Server) -> None:
    cache_folder().mkdir()
    (cache_folder() / "f.tar.gz.part").write_bytes(CONTENT[:1000])
    (cache_folder() / "f.tar.gz.etag").write_text('"one"')
    assert fetch(server.address, "f.tar.gz").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize("etag", ['"other"', ""])
def test_a_part_of_another_file_is_not_continued(server: Server, etag: str) -> None:
    cache_folder().mkdir()
    (cache_folder() / "f.tar.gz.part").write_bytes(b"old" * 1000)
    (cache_folder() / "f.tar.gz.etag").write_text(etag)
    assert fetch(server.address, "f.tar.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 4)])
def test_a_server_that_refuses(server: Server, status: int, requests: int) -> None:
    server.status = status
    with pytest.raises(SourceError, match=f"the server answered {status}") as caught:
        fetch(server.address, "f.tar.gz")
    assert caught.value.where == server.address
    assert "--source" in caught.value.action
    assert len(server.ranges) == requests
    assert not (cache_folder() / "f.tar.gz").exists()


def test_no_server_at_all(server: Server) -> None:
    server.server_close()
    with pytest.raises(SourceError, match="refused"):
        fetch(server.address, "f.tar.gz")


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OutputError, match="cannot be kept") as caught:
        fetch(server.address, "f.tar.gz")
    assert "GEMMA_POETRY_CACHE" in caught.value.action


def test_a_disk_without_room_is_told_before_it_is_full(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(OutputError, match="No space left"):
        fetch(server.address, "f.tar.gz")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GEMMA_POETRY_CACHE": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/gemma-poetry"),
        ({"HOME": "/c"}, "/c/.cache/gemma-poetry"),
    ],
)
def test_the_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("GEMMA_POETRY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
