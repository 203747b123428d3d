"""Files are written whole or not at all, and manifests notice changes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from gemma_poetry import errors
from gemma_poetry.artifacts import atomic_writer, check_file, read_json, read_jsonl, write_json, write_jsonl, write_text
from gemma_poetry.errors import DataError, OutputError, RunError
from gemma_poetry.manifests import (
    TRAINING_LOCK,
    atomic_folder,
    check_manifest,
    check_same_start,
    growing_folder,
    own_files,
    write_manifest,
)


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


def make_folder(folder: Path, kind: str = "data", files=("train.txt", "exports/jsonl/val.jsonl")) -> Path:
    for name in files:
        write_text(folder / name, "春")
    write_manifest(folder, {"kind": kind}, files)
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("spoil", "replaced", "why"),
    [
        (lambda folder: None, True, "all of it is named"),
        (lambda folder: (folder / "train.txt").unlink(), True, "what is missing is nobody's"),
        (lambda folder: write_text(folder / "train.txt", "cut"), True, "a damaged file is prepared again"),
        (lambda folder: write_text(folder / "notes.txt", "mine"), False, "a file that is not named"),
        (lambda folder: write_text(folder / "exports" / "mine.txt", "mine"), False, "the same, deeper down"),
        (lambda folder: (folder / "empty").mkdir(), False, "a folder that is not named"),
        (lambda folder: (folder / "link").symlink_to(folder), False, "a link that is not named"),
        (lambda folder: write_json(folder / "manifest.json", {"kind": "run", "files": {}}), False, "another kind"),
        (lambda folder: write_text(folder / "manifest.json", "[1]"), False, "no manifest of ours"),
        (lambda folder: write_json(folder / "manifest.json", {"kind": "data", "files": [1]}), False, "an ill-typed one"),
        (lambda folder: (folder / "manifest.json").unlink(), False, "none at all"),
    ],
)
def test_a_folder_is_replaced_only_if_all_of_it_is_ours(spoil, replaced, why, tmp_path: Path):
    target = make_folder(tmp_path / "DATA")
    spoil(target)
    before = everything(target)
    refused = contextlib.nullcontext() if replaced else pytest.raises(OutputError, match="prepare did not write")
    with refused, atomic_folder(target, "data") as folder:
        write_text(folder / "new.txt", "new")
    assert everything(target) == ({"new.txt": "new"} if replaced else before), why
    assert names(tmp_path) == ["DATA"]


def test_what_a_person_adds_while_a_folder_is_written_stays(tmp_path: Path):
    target = make_folder(tmp_path / "DATA")
    with pytest.raises(OutputError, match=r"'notes\.txt'"), atomic_folder(target, "data") as folder:
        write_text(folder / "new.txt", "new")
        write_text(target / "notes.txt", "mine")
    assert (target / "notes.txt").read_text() == "mine" and names(tmp_path) == ["DATA"]


def test_a_folder_behind_a_link_is_replaced_where_it_lies(tmp_path: Path):
    (tmp_path / "DATA").symlink_to(make_folder(tmp_path / "disk"))
    with atomic_folder(tmp_path / "DATA", "data") as folder:
        write_text(folder / "new.txt", "new")
    assert (tmp_path / "DATA").is_symlink() and names(tmp_path / "disk") == ["new.txt"]


KILLED = """
import os, sys
from pathlib import Path
from gemma_poetry import manifests
point, target = sys.argv[1], Path(sys.argv[2])
if point == "between":  # on a system that cannot exchange two folders
    manifests._exchange = lambda first, second: False
renames = []
def rename(first, second, replace=os.replace):
    renames.append(second)
    if len(renames) == 2 and point == "between":
        os._exit(9)
    replace(first, second)
os.replace = rename
with manifests.atomic_folder(target, "data") as folder:
    (folder / "new.txt").write_text("new")
    manifests.write_manifest(folder, {"kind": "data"}, ["new.txt"])
    renames.clear()
    if point == "inside":
        os._exit(9)
    if point == "after":
        manifests.shutil.rmtree = lambda *_, **__: os._exit(9)
"""


@pytest.mark.parametrize(
    ("point", "in_place", "afterwards"),
    [("inside", ["old.txt"], ["old.txt"]), ("after", ["new.txt"], ["new.txt"]), ("between", [], ["old.txt"])],
)
def test_a_kill_leaves_the_old_or_the_new_and_the_next_run_cleans(point, in_place, afterwards, tmp_path: Path):
    target = make_folder(tmp_path / "DATA", files=("old.txt",))
    killed = subprocess.run([sys.executable, "-c", KILLED, point, str(target)], check=False)
    assert killed.returncode == 9
    shown = names(target) if target.exists() else []
    assert [name for name in shown if name != "manifest.json"] == in_place
    assert len(names(tmp_path)) > len(in_place[:1])
    with pytest.raises(ZeroDivisionError), atomic_folder(target, "data"):
        assert [name for name in names(target) if name != "manifest.json"] == afterwards
        raise ZeroDivisionError
    assert names(tmp_path) == ["DATA"]


def test_only_what_nobody_holds_any_more_is_a_leftover(tmp_path: Path):
    path = tmp_path / "poems.txt"
    others = [".poems.txt.mine", ".poems.txt.abcd1234.partial.bak", "poems.txt.abcd1234.partial", ".poem.abcd1234.partial"]
    for name in [".poems.txt.abcd1234.partial", *others]:
        (tmp_path / name).write_text("x")
    with atomic_writer(path) as first:
        first.write("first")
        write_text(path, "second")  # cleans what is dead, and leaves the file that is being written
    assert path.read_text() == "first" and names(tmp_path) == sorted(["poems.txt", *others])


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: os.mkfifo(path)])
def test_what_is_no_file_is_not_replaced(make, tmp_path: Path):
    make(tmp_path / "out")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="this is no file"):
            check_file(tmp_path / "out", overwrite=overwrite)


def test_a_file_is_replaced_only_if_that_is_said(tmp_path: Path):
    path = tmp_path / "poems.txt"
    write_text(path, "new", overwrite=False)
    with pytest.raises(OutputError, match=r"the file exists(.|\n)*--overwrite"):
        check_file(path)
    with pytest.raises(OutputError, match="the file exists"):  # also one that appeared meanwhile
        write_text(path, "newer", overwrite=False)
    assert path.read_text() == "new" and names(tmp_path) == ["poems.txt"]
    check_file(path, overwrite=True)
    write_text(path, "newer")
    assert path.read_text() == "newer"


def test_a_job_of_stages_replaces_its_own_work_alone_finished_or_not(tmp_path: Path):
    out = tmp_path / "W"
    with pytest.raises(ZeroDivisionError), growing_folder(out, "quickstart", ["data", "run"]):
        write_text(out / "data" / "train.txt", "half")
        raise ZeroDivisionError
    with growing_folder(out, "quickstart", ["data", "run"]):
        assert names(out) == ["manifest.json"]
        with pytest.raises(OutputError, match="another job"), growing_folder(out, "quickstart", []):
            pass
        write_text(out / "run" / "curve.jsonl", "whole")
    assert list(read_json(out / "manifest.json")["files"]) == ["run/curve.jsonl"]
    write_text(out / "run" / "notes.txt", "mine")
    with pytest.raises(OutputError, match=r"quickstart did not write: 'run/notes\.txt'"), growing_folder(out, "quickstart", []):
        pass
    assert (out / "run" / "notes.txt").read_text() == "mine"


def test_the_lock_of_a_training_is_ours_and_one_that_is_held_is_not_replaced(tmp_path: Path):
    """`train --out W/run --resume` in the folder of a quickstart: killed, it leaves its lock; alive, it is not deleted."""
    out = tmp_path / "out"
    with growing_folder(out, "quickstart", ["run"]):
        (out / "run").mkdir()
        write_text(out / "run" / "x", "x")
    lock = out / "run" / TRAINING_LOCK
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="a training is at work in out/run"), growing_folder(out, "quickstart", []):
            raise AssertionError
    assert lock.exists()
    with growing_folder(out, "quickstart", []):
        assert not (out / "run").exists()


def test_files_beside_others_are_replaced_only_if_a_manifest_names_them(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    for text in ("first", "second"):
        with own_files(tmp_path, "evaluation", ["results.json"]):
            assert not (tmp_path / "results.json").exists()
            write_text(tmp_path / "results.json", text)
    with pytest.raises(OutputError, match=r"'notes\.txt'"), own_files(tmp_path, "evaluation", ["notes.txt"]):
        pass
    assert everything(tmp_path)["notes.txt"] == "mine" and everything(tmp_path)["results.json"] == "second"


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
