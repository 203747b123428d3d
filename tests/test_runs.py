"""The folder of a training: one at a time works in it, and whatever ends the work says how to go on."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gemma_poetry.artifacts import write_json, write_text
from gemma_poetry.errors import DataError, GemmaPoetryError, OutputError, RunError, TrainingError
from gemma_poetry.manifests import TRAINING_LOCK, write_manifest
from gemma_poetry.runs import STARTED, at_work, is_complete, mark_complete, newest_checkpoint

START = {"model": "mini", "seed": 1}


def working(folder: Path, *, resume: bool = False, start=START):
    return at_work(folder, start, resume=resume, what="model and seed")


def checkpoint(folder: Path, step: int, *, complete: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    write_text(path / "optimizer.pt", "x" * step)
    if complete:
        mark_complete(path, step)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_checkpoints_that_were_cut_short_are_passed_over(tmp_path):
    for step in (5, 10, 15):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-15" / "optimizer.pt").write_text("cut")
    checkpoint(tmp_path, 20, complete=False)
    (tmp_path / "checkpoint-last").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert not is_complete(tmp_path / "checkpoint-15") and not is_complete(tmp_path / "checkpoint-20")


def test_two_trainings_never_share_a_folder(tmp_path):
    run = tmp_path / "RUN"
    with working(run):
        for resume in (False, True):
            other = pytest.raises(RunError, match=rf"another training is at work.*process {os.getpid()} on .*, since \d{{4}}-")
            with other, working(run, resume=resume):
                pass
        assert {TRAINING_LOCK, STARTED} <= names(run)
    assert names(run) == {STARTED}


def test_a_killed_process_leaves_a_lock_that_holds_nobody_back(tmp_path):
    run = tmp_path / "RUN"
    program = (
        "import sys, time; from pathlib import Path; from gemma_poetry.runs import at_work\n"
        "with at_work(Path(sys.argv[1]), {'model': 'mini', 'seed': 1}, resume=False, what=''):\n"
        "    print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(run)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"in\n"
        with pytest.raises(RunError, match=f"process {process.pid} "), working(run, resume=True):
            pass
        process.send_signal(signal.SIGKILL)
    assert (run / TRAINING_LOCK).exists()
    with working(run, resume=True) as taken:
        assert taken.checkpoint is None and taken.manifest is None


def finished(folder: Path) -> None:
    write_text(folder / "weights", "w")
    write_json(folder / STARTED, START)
    write_manifest(folder, {"kind": "run", "steps": 6}, ["weights"])


# (what lies in the folder, words of the refusal or None, words that must not be in it)
@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("fill", "fresh", "resumed"),
    [
        (lambda folder: None, None, "no run to resume: an empty folder"),
        (
            lambda folder: write_text(folder / "letter.txt", "mine"),
            "not empty: a folder that holds letter.txt",
            "no run to resume",
        ),
        (lambda folder: write_json(folder / STARTED, START), None, None),
        (lambda folder: (write_json(folder / STARTED, START), checkpoint(folder, 4)), "add --resume", None),
        (finished, "holds a finished run", None),
        (lambda folder: write_json(folder / STARTED, {"model": "other", "seed": 1}), None, "other settings"),
        (lambda folder: write_manifest(folder, {"kind": "data"}, []), "not empty: prepared data", "no run to resume: prepared"),
    ],
    ids=["empty", "a letter", "begun", "a checkpoint", "finished", "begun otherwise", "data"],
)
def test_what_is_in_a_folder_decides(fill, fresh, resumed, resume, tmp_path):
    fill(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != STARTED}
    message = resumed if resume else fresh
    refused = pytest.raises(RunError, match=message) if message else contextlib.nullcontext()
    with refused, working(tmp_path, resume=resume) as run:
        assert (run.manifest is not None) == (fill is finished)
        assert (run.checkpoint is not None) == (fresh == "add --resume")
    assert {path: path.read_bytes() for path in before} == before


def test_resuming_where_there_is_no_folder_makes_none(tmp_path):
    with pytest.raises(RunError, match="no such folder"), working(tmp_path / "RUN", resume=True):
        pass
    assert names(tmp_path) == set()


def test_a_finished_run_whose_files_were_changed_goes_on_from_its_checkpoint(tmp_path):
    finished(tmp_path)
    newest = checkpoint(tmp_path, 6)
    (tmp_path / "weights").write_text("other")
    cut = checkpoint(tmp_path, 7, complete=False)
    with working(tmp_path, resume=True) as run:
        assert run.manifest is None and run.checkpoint == newest and not cut.exists()


def test_a_refused_resumption_leaves_what_it_was_to_go_on_with(tmp_path):
    write_json(tmp_path / STARTED, START)
    with pytest.raises(RunError, match="other settings"), at_work(tmp_path, {**START, "seed": 9}, resume=True, what="seed"):
        pass
    with pytest.raises(TrainingError), at_work(tmp_path, START, resume=True, what="seed"):
        raise TrainingError("no memory is free")
    with at_work(tmp_path, START, resume=True, what="seed") as run:
        assert run.manifest is None


def test_a_refused_training_leaves_nothing(tmp_path):
    with pytest.raises(DataError), working(tmp_path / "RUN"):
        raise DataError("of another tokenizer")
    assert names(tmp_path) == set()


# (what ends the work, the error that comes of it, what it says)
@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OutputError, "No space left"),
        (OutputError("cannot write", action="choose another --out"), OutputError, "cannot write"),
        (MemoryError(), TrainingError, "memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), TrainingError, "memory ran out"),
    ],
)
def test_what_ends_a_training_says_how_to_go_on(cause, kind, words, tmp_path):
    with pytest.raises(kind, match=rf"{words}(.|\n)*up to step 4: go on with the same command and --resume"), working(tmp_path):
        checkpoint(tmp_path, 4)
        raise cause


@pytest.mark.parametrize(("begun", "words"), [(True, "up to step 4"), (False, "no checkpoint was complete yet")])
def test_an_interrupt_says_how_to_go_on(begun, words, tmp_path):
    with pytest.raises(KeyboardInterrupt) as raised, working(tmp_path):
        if begun:
            checkpoint(tmp_path, 4)
        raise KeyboardInterrupt
    assert words in raised.value.__notes__[0] and "--resume" in raised.value.__notes__[0]
    with working(tmp_path, resume=True):
        pass


def test_errors_that_are_not_about_the_folder_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), working(tmp_path):
        raise RuntimeError("shapes do not fit")


def test_a_library_that_cannot_write_leaves_nothing_half_written(tmp_path):
    with (
        pytest.raises(OutputError, match="file write failed"),
        working(tmp_path) as run,
        run.writing(tmp_path / "checkpoint-8"),
    ):
        checkpoint(tmp_path, 8, complete=False)
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed")
    assert names(tmp_path) == {STARTED}


def test_a_folder_that_went_missing_is_noticed_and_made_anew(tmp_path):
    import shutil

    folder = tmp_path / "RUN"
    with pytest.raises(GemmaPoetryError, match=r"deleted(.|\n)*step 9(.|\n)*--resume"), working(folder) as run:
        assert run.is_there()
        shutil.rmtree(folder)
        assert not run.is_there()
        folder.mkdir()  # by whatever else writes into it
        assert not run.is_there()
        run.restore()
        assert run.is_there()
        raise run.gone(9)
    with working(folder, resume=True):
        pass
