"""Folders and archives: the same files from each, and nothing of a hostile one."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from gemma_poetry.corpus import containers
from gemma_poetry.corpus.containers import common_folder, list_files, read_files
from gemma_poetry.errors import SourceError

from .packing import folder, tar_gz, zipped

FILES = {"诗/a.json": b"[1]", "诗/b.txt": "春".encode(), "c.csv": b"x"}
IGNORED = {".git/d.json": b"", "__MACOSX/e.json": b"", "f.png": b"", "诗/.g.json": b""}


@pytest.mark.parametrize(("make", "name"), [(tar_gz, "s.tar.gz"), (tar_gz, "s.tgz"), (zipped, "s.zip"), (folder, "s")])
def test_every_container_gives_the_same_files(tmp_path: Path, make, name: str) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path / name, FILES | IGNORED)
    assert list_files(path) == sorted(FILES)
    assert {file.name: file.content for file in read_files(path, lambda _: True)} == FILES
    assert [file.name for file in read_files(path, lambda entry: entry.endswith("b.txt"))] == ["诗/b.txt"]


def test_a_common_top_folder_is_left_out(tmp_path: Path) -> None:
    path = tar_gz(tmp_path / "s.tar.gz", {f"top-1.0/{name}": content for name, content in FILES.items()})
    top = common_folder(list_files(path))
    assert top == "top-1.0/"
    files = list(read_files(path, FILES.__contains__, top))
    assert {file.name for file in files} == set(FILES)
    assert files[0].where == f"{path}!top-1.0/{files[0].name}"
    assert common_folder(["a/x", "b/y"]) == common_folder(["x"]) == common_folder([]) == ""


def hostile_tar(path: Path, name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        good = tarfile.TarInfo("a.json")
        good.size = 2
        archive.addfile(good, io.BytesIO(b"[]"))
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "target", "found"),
    [
        ("../../etc/x.json", tarfile.REGTYPE, "", "leads out of the archive"),
        ("a/../../x.json", tarfile.REGTYPE, "", "leads out of the archive"),
        ("/etc/x.json", tarfile.REGTYPE, "", "leads out of the archive"),
        ("..\\x.json", tarfile.REGTYPE, "", "leads out of the archive"),
        ("C:/x.json", tarfile.REGTYPE, "", "leads out of the archive"),
        ("x.json", tarfile.SYMTYPE, "/etc/passwd", "is a link"),
        ("x.json", tarfile.LNKTYPE, "a.json", "is a link"),
        ("x.json", tarfile.FIFOTYPE, "", "is a device"),
        ("x.json", tarfile.CHRTYPE, "", "is a device"),
    ],
)
def test_a_hostile_tar_is_refused_as_a_whole(tmp_path: Path, name: str, kind: bytes, target: str, found: str) -> None:
    path = hostile_tar(tmp_path / "s.tar.gz", name, kind, target)
    with pytest.raises(SourceError, match=found) as caught:
        list_files(path)
    assert caught.value.where == str(path)
    assert not (tmp_path.parent / "x.json").exists()


@pytest.mark.parametrize("name", ["../x.json", "/x.json"])
def test_a_zip_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="leads out of the archive"):
        list_files(zipped(tmp_path / "s.zip", {name: b"[]"}))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        info = zipfile.ZipInfo("x.json")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match="is a link"):
        list_files(tmp_path / "s.zip")


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_a_bomb_is_refused(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path / ("s.zip" if make is zipped else "s.tar.gz"), {"a.json": bytes(64 * 2**20)})
    assert path.stat().st_size < 2**17
    with pytest.raises(SourceError, match="unpacks to"):
        list_files(path)


def test_a_header_that_asks_for_gigabytes_is_stopped(tmp_path: Path) -> None:
    """A pax header is read into memory by tarfile; the count of unpacked bytes must stop it before its end."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    path = tmp_path / "s.tar.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        stream.write(bytes(48 * 2**20))
    with pytest.raises(SourceError, match="unpacks to more than"):
        list_files(path)


def test_limits_on_single_files_and_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_FILE_BYTES", 3)
    for path in (
        tar_gz(tmp_path / "s.tar.gz", {"a.json": b"1234"}),
        zipped(tmp_path / "s.zip", {"a.json": b"1234"}),
        folder(tmp_path / "s", {"a.json": b"1234"}),
    ):
        with pytest.raises(SourceError, match="the file holds"):
            list(read_files(path, lambda _: True))
    monkeypatch.setattr(containers, "MAX_MEMBERS", 1)
    for path in (tar_gz(tmp_path / "t.tar.gz", FILES), zipped(tmp_path / "t.zip", FILES)):
        with pytest.raises(SourceError, match="more than 1 members"):
            list_files(path)


@pytest.mark.parametrize("make", [tar_gz, zipped])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_cut_archive_is_refused(tmp_path: Path, make, kept: float) -> None:  # type: ignore[no-untyped-def]
    path = make(
        tmp_path / ("s.zip" if make is zipped else "s.tar.gz"), {"a.json": os.urandom(20_000), "b.json": os.urandom(999)}
    )
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SourceError, match="damaged or cut short"):
        list_files(path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip", {"a.json": os.urandom(1000)})
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(SourceError, match="damaged or cut short"):
        list(read_files(path, lambda _: True))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip", {"a.json": b"[]"})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match="encrypted"):
        list_files(path)


@pytest.mark.parametrize(("name", "found"), [("nothing", "no such file or folder"), ("poems.docx", "are not read")])
def test_what_is_no_source(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "poems.docx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=found) as caught:
        list_files(tmp_path / name)
    assert ".tar.gz" in caught.value.expected
