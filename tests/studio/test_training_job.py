"""Trainings that the studio starts: real processes on the embedded model, seen through their files alone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

from gemma_poetry.artifacts import read_json, read_jsonl, write_json
from gemma_poetry.errors import RecipeError, UsageError
from gemma_poetry.studio.training_job import SAMPLE, JobState, TrainingJobs
from gemma_poetry.studio.training_wish import JobRequest, settings_of
from gemma_poetry.verbs.training_stages import command

PATIENCE = 400  # seconds: test machines are seldom idle
POEMS = "登鹳雀楼\n王之涣\n白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n"


def jobs_in(root: Path) -> TrainingJobs:
    return TrainingJobs(root, {"mini": "mini", "missing": str(root / "no-model")})


def follow(jobs: TrainingJobs, name: str, until=lambda state: state.status != "running") -> JobState:
    """Looks until something holds, and how it stands then."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        state = jobs.look(name, "en")
        if until(state):
            return state
        assert state.status == "running", f"{state.status} at {state.stage}:\n{state.log}"
        time.sleep(0.05)
    pytest.fail(f"{state.status} at {state.stage}, step {state.step}:\n{state.log}")


def watch_little(jobs: TrainingJobs, name: str) -> None:
    """Two titles are enough to see that poems are written."""
    path = jobs.root / name / "job.json"
    job = read_json(path)
    write_json(path, {**job, "settings": [*job["settings"], "train.watched_titles=2", "train.logging_steps=1"]})


def test_looked_over_trained_stopped_found_again_resumed_and_exported(tmp_path: Path):
    root = tmp_path / "jobs"
    jobs = jobs_in(root)
    assert jobs.names() == [] and jobs.at_work() == "" and not root.exists()
    assert jobs.data_names() == [SAMPLE]
    name = jobs.begin(JobRequest(SAMPLE, "mini", steps="24"), "en")

    # A second one is refused while it lives, by another studio as well.
    for other in (jobs, jobs_in(root)):
        with pytest.raises(UsageError, match=f"{name} is at work"):
            other.begin(JobRequest(SAMPLE, "mini"), "en")
        with pytest.raises(UsageError, match="is at work"):
            other.go_on(name, "en")
    assert jobs.names() == [name], "what was refused leaves no folder"

    state = follow(jobs, name)
    assert (state.status, state.stage, state.exit_status) == ("looked", "doctor", 0)
    assert len(state.findings) > 10
    assert {one["en"]["verdict"] for one in state.findings} <= {"ok", "warning"}
    assert any(one["zh"]["check"] == "分词器" and one["en"]["check"] == "tokenizer" for one in state.findings)
    assert state.steps == 24 and state.step == 0 and state.goes_on
    assert f"{name}/data" in jobs.data_names(), "what was prepared can be trained on again"

    watch_little(jobs, name)
    jobs.go_on(name, "en")
    assert jobs.look(name, "en").status == "running"
    state = follow(jobs, name, lambda state: state.step >= 8)
    assert {one["step"] for one in state.readings} >= {0, 6}
    assert all(one["title"] and one["lines"] for one in state.readings)

    # The studio is started again: another object, which started nothing, finds it and stops it.
    again = jobs_in(root)
    assert again.at_work() == name and again.look(name, "en").status == "running"
    again.stop(name, "en")
    state = follow(again, name)
    assert (state.status, state.stage, state.exit_status) == ("stopped", "train", 143)
    assert state.goes_on and not state.manifest
    assert "--resume" in state.log, "the training says how it goes on"
    with pytest.raises(UsageError, match="nothing is at work"):
        again.stop(name, "en")
    with pytest.raises(UsageError, match="not finished"):
        again.export(name, "peft", "en")

    again.go_on(name, "en")
    state = follow(again, name)
    assert (state.status, state.stage) == ("finished", "train")
    assert state.step == state.steps == state.manifest["steps"] == 24
    assert "--resume\n" in state.log, "it was resumed, not begun again"
    steps = [point["step"] for point in read_jsonl(again.run_folder(name) / "curve.jsonl") if "loss" in point]
    assert steps == list(range(1, 25))
    with pytest.raises(UsageError, match="nothing is left"):
        again.go_on(name, "en")

    again.export(name, "peft", "en")
    state = follow(again, name)
    assert (state.status, state.stage) == ("finished", "export-peft")
    assert [folder.name for folder in state.exports] == ["peft"]
    assert (state.exports[0] / "adapter_config.json").is_file()


def test_a_process_that_was_killed_is_told_and_its_work_goes_on(tmp_path: Path):
    jobs = jobs_in(tmp_path / "jobs")
    name = jobs.begin(JobRequest(SAMPLE, "mini", steps="2"), "en")
    state = follow(jobs, name, lambda state: state.pid is not None)
    os.killpg(state.pid, signal.SIGKILL)
    state = follow(jobs, name)
    assert (state.status, state.stage, state.exit_status) == ("lost", "prepare", None)
    assert jobs.at_work() == "" and state.goes_on
    jobs.go_on(name, "en")
    state = follow(jobs, name)
    assert (state.status, state.stage) == ("looked", "doctor")


def test_a_stage_that_outlives_its_parent_is_still_at_work_and_can_be_stopped(tmp_path: Path):
    jobs = jobs_in(tmp_path / "jobs")
    name = jobs.begin(JobRequest(SAMPLE, "mini", steps="2"), "en")
    state = follow(jobs, name, lambda state: state.pid is not None and "$ gemma-poetry prepare" in state.log)
    time.sleep(0.3)  # the stage itself has begun
    os.kill(state.pid, signal.SIGKILL)
    time.sleep(0.1)
    if jobs.at_work():  # unless it was as quick as that
        with pytest.raises(UsageError, match="is at work"):
            jobs.begin(JobRequest(SAMPLE, "mini"), "en")
        jobs.stop(name, "en")
    assert follow(jobs, name).status == "lost"


def test_what_cannot_be_read_fails_and_says_why(tmp_path: Path):
    jobs = jobs_in(tmp_path / "jobs")
    sent = tmp_path / "sent.jsonl"
    sent.write_text("this is no JSON\n", encoding="utf-8")
    data = jobs.keep_upload(sent, "en")
    assert not sent.exists() and data.startswith("uploads/") and data in jobs.data_names()
    name = jobs.begin(JobRequest(data, "mini"), "en")
    state = follow(jobs, name)
    assert (state.status, state.stage, state.exit_status) == ("failed", "prepare", 2)
    assert data in state.log and "JSON" in state.log


def test_a_model_that_is_not_there_is_a_failure_not_a_hang(tmp_path: Path):
    jobs = jobs_in(tmp_path / "jobs")
    name = jobs.begin(JobRequest(SAMPLE, "missing"), "en")
    assert follow(jobs, name).status == "failed"


@pytest.mark.parametrize(
    "request_, words",
    [
        (JobRequest("../../etc/passwd", "mini"), "no poems are called"),
        (JobRequest("/etc/passwd", "mini"), "no poems are called"),
        (JobRequest("", "mini"), "no poems are called"),
        (JobRequest(SAMPLE, "/etc"), "no model is called"),
        (JobRequest(SAMPLE, "mini", "/etc/passwd"), "no recipe is called"),
        (JobRequest(SAMPLE, "mini", rate="fast"), "no number"),
        (JobRequest(SAMPLE, "mini", rank="2.5"), "no number"),
        (JobRequest(SAMPLE, "mini", steps="1]\nprepare.x=1"), "no number"),
    ],
)
def test_only_what_is_offered_can_be_asked_for(tmp_path: Path, request_: JobRequest, words: str):
    jobs = jobs_in(tmp_path / "jobs")
    with pytest.raises(UsageError, match=words):
        jobs.begin(request_, "en")
    assert not jobs.root.exists()


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "1e99"])
def test_numbers_out_of_bounds_are_refused(number: str):
    with pytest.raises(RecipeError):
        settings_of(JobRequest(SAMPLE, "mini", rate=number), "en")


@pytest.mark.parametrize("name", ["..", "../jobs", "uploads", "20260101-000000", "", "."])
def test_only_trainings_of_the_folder_can_be_named(tmp_path: Path, name: str):
    jobs = jobs_in(tmp_path / "jobs")
    (jobs.root / "uploads").mkdir(parents=True)
    for act in (jobs.look, jobs.go_on):
        with pytest.raises(UsageError, match="no training is called"):
            act(name, "en")


def test_a_checkpoint_is_kept_as_often_as_the_training_is_evaluated():
    assert settings_of(JobRequest(SAMPLE, "mini", rate="0.0002", epochs="2", rank="4"), "en") == [
        "train.learning_rate=0.0002",
        "train.epochs=2.0",
        "lora.rank=4",
        "train.save_steps=25",
    ]
    assert "train.save_steps=5" in settings_of(JobRequest(SAMPLE, "mini", steps="20"), "en")


def test_uploads_are_bounded(tmp_path: Path):
    jobs = TrainingJobs(tmp_path / "jobs", {"mini": "mini"}, largest_upload=100)
    for name, text, words in (("a.zip", "x", "'.zip' are not read"), ("a.txt", "x" * 101, "101 bytes")):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=words):
            jobs.keep_upload(path, "en")
    names = set()
    for _number in range(3):
        path = tmp_path / "诗 .. ; rm.txt"
        path.write_text(POEMS[:20], encoding="utf-8")
        names.add(jobs.keep_upload(path, "en"))
    assert len(names) == 3 and set(jobs.data_names()) == {SAMPLE, *names}
    assert all(name.isascii() and " " not in name for name in names), "names are ours"


def test_the_stages_are_commands_that_a_person_could_give(tmp_path: Path):
    job = {"source": "sample", "prepared": False, "spec": "mini", "recipe": "gemma", "settings": ["lora.rank=4"]}
    assert command(tmp_path, job, "prepare")[:3] == ["prepare", "--source", "sample"]
    fresh = command(tmp_path, job, "train")
    assert fresh[-4:] == ["--recipe", "gemma", "--set", "lora.rank=4"]
    (tmp_path / "run").mkdir()
    assert command(tmp_path, job, "train") == fresh, "an empty folder holds nothing to resume"
    (tmp_path / "run" / "started.json").write_text("{}")
    assert command(tmp_path, job, "train") == [*fresh, "--resume"]
    assert command(tmp_path, job, "export-gguf")[:5] == ["export", "--run", str(tmp_path / "run"), "--to", "gguf"]
    chosen = {**job, "source": "/some/data", "prepared": True}
    assert command(tmp_path, chosen, "train")[:3] == ["train", "--data", "/some/data"]


def test_files_that_are_half_there_are_read_as_nothing(tmp_path: Path):
    jobs = jobs_in(tmp_path / "jobs")
    folder = jobs.root / "20260101-000000"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"data": SAMPLE, "model": "mini", "prepared": False}))
    (folder / "process.json").write_text('{"stages": ["prep')
    (folder / "run").mkdir()
    (folder / "run" / "curve.jsonl").write_text('{"step": 1, "lo')
    state = jobs.look(folder.name, "en")
    assert (state.status, state.points, state.steps, state.log) == ("lost", 0, 0, "")
