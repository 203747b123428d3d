"""Files are written whole or not at all, and manifests notice changes."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
from pathlib import Path

import pytest

from gemma_poetry import errors
from gemma_poetry.artifacts import (
    atomic_folder,
    atomic_writer,
    check_manifest,
    check_same_start,
    read_json,
    read_jsonl,
    write_json,
    write_jsonl,
    write_manifest,
    write_text,
)
from gemma_poetry.errors import DataError, OutputError, RunError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "poems.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_writer(path) as stream:
        stream.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and names(tmp_path) == ["poems.txt"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch):
    def no_space(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match=r"No space left on device(.|\n)*free some space"):
        write_json(tmp_path / "stats.json", {"read": 1})
    assert names(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_that_is_full(tmp_path: Path):
    # A link to /dev/full would be replaced by the final rename; writing to it directly shows the operating system's error.
    with pytest.raises(OSError, match="No space"), open("/dev/full", "w") as stream:
        stream.write("x" * 100_000)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path):
    target = tmp_path / "DATA"
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as folder:
        (folder / "train.txt").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == []
    with atomic_folder(target) as folder:
        (folder / "train.txt").write_text("whole")
    with atomic_folder(target) as folder:
        (folder / "val.txt").write_text("newer")
    assert names(tmp_path) == ["DATA"] and names(target) == ["val.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_text(tmp_path / "file" / "below", "x")


def test_manifests_notice_a_changed_a_missing_and_an_unlisted_file(tmp_path: Path):
    for name in ("train.txt", "val.txt", "extra.txt"):
        write_text(tmp_path / name, "春江\n")
    write_manifest(tmp_path, {"seed": 1}, ["train.txt", "val.txt"])
    assert check_manifest(tmp_path, ["train.txt", "val.txt"])["seed"] == 1
    with pytest.raises(DataError, match="missing"):
        check_manifest(tmp_path, ["extra.txt"])
    write_text(tmp_path / "train.txt", "春水\n")
    with pytest.raises(DataError, match="not the one"):
        check_manifest(tmp_path, ["train.txt"])
    (tmp_path / "val.txt").unlink()
    with pytest.raises(DataError, match="missing"):
        check_manifest(tmp_path, ["val.txt"])


def test_json_lines_round_trip_and_name_the_bad_line(tmp_path: Path):
    path = tmp_path / "poems.jsonl"
    assert write_jsonl(path, [{"title": "春"}, {"title": "江"}]) == 2
    assert list(read_jsonl(path)) == [{"title": "春"}, {"title": "江"}]
    with open(path, "a") as stream:
        stream.write('\n{"title": "cut')
    with pytest.raises(DataError) as raised:
        list(read_jsonl(path))
    assert raised.value.where == f"{path}:4"


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xff"])
def test_unreadable_json(tmp_path: Path, content):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError):
        read_json(path)


def every_error() -> list[type[errors.GemmaPoetryError]]:
    found, queue = [], [errors.GemmaPoetryError]
    while queue:
        kind = queue.pop()
        found.append(kind)
        queue.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_drawn_tree_and_crosses_processes(kind):
    assert kind.__name__ in (errors.__doc__ or "")
    error = kind("a cut line", expected="JSON", action="mend it", where="poems.jsonl:3")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and str(copy) == str(error) == "poems.jsonl:3: a cut line\nExpected: JSON\nWhat to do: mend it"


@pytest.mark.parametrize(
    ("begun", "start", "named"),
    [
        ({"model": "mini", "seed": 1}, {"model": "mini"}, ""),
        ({"model": "mini"}, {"model": "mini", "seed": 1}, "seed"),
        ({"model": "a", "seed": 1}, {"model": "b", "seed": 2}, "model, seed"),
    ],
)
def test_a_run_goes_on_with_what_it_was_begun_with(begun, start, named, tmp_path):
    refused = pytest.raises(RunError, match=rf"other settings \({named}\)") if named else contextlib.nullcontext()
    with refused:
        check_same_start(tmp_path, begun, start, "model and seed")
