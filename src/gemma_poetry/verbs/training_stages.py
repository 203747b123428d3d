"""The process behind a training of the studio: its stages, one after the other.

    python -m gemma_poetry.verbs.training_stages LOCK JOB STAGE...     the stages, each a process of its own
    python -m gemma_poetry.verbs.training_stages doctor JOB            the stage of the doctor

In: the descriptor of the lock that says that a training is at work, the folder of the job (see `studio.training_job`), and
its stages: `prepare`, `doctor`, `train`, `evaluate`, `export-TARGET`. Out: what they write, and in `process.json` which of
them is under way and how the last one ended.

Nothing heavy is loaded here. SIGTERM goes to the whole group: a stage ends by it as it does in a terminal.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import read_json, write_json
from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.languages import LANGUAGES, _, localized

JOB, PROCESS, FINDINGS = "job.json", "process.json", "findings.json"


def command(folder: Path, job: Mapping[str, Any], stage: str) -> list[str]:
    """The words of `gemma-poetry` that a stage is.

    Args:
        folder: That of the job.
        job: What its `job.json` holds.
        stage: `prepare`, `train`, `evaluate` or `export-TARGET`.
    """
    data, run = _data(folder, job), folder / "run"
    own: dict[str, list[str]] = {
        "prepare": ["prepare", "--source", job["source"], "--out", str(data), "--model", job["spec"]],
        "train": ["train", "--data", str(data), "--model", job["spec"], "--out", str(run)],
        "evaluate": ["evaluate", "--run", str(run), "--data", str(data)],
        "export": ["export", "--run", str(run), "--to", stage.partition("-")[2]],
    }
    words = [*own[stage.partition("-")[0]], "--recipe", job["recipe"]]
    for setting in job["settings"]:
        words += ["--set", setting]
    if stage == "train" and run.is_dir() and any(run.iterdir()):
        words.append("--resume")
    return words


def run_stages(lock: int, folder: Path, stages: Sequence[str]) -> int:
    """Runs stages until one fails or is told to end; returns the exit status of the last."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    job = read_json(folder / JOB)
    noted = {**read_json(folder / PROCESS), "pid": os.getpid()}
    status = 0
    for stage in stages:
        noted["stage"] = stage
        write_json(folder / PROCESS, noted)
        if stage == "doctor":
            words = [sys.executable, "-m", __spec__.name if __spec__ else "", "doctor", str(folder)]
        else:
            own = command(folder, job, stage)
            print(f"$ {shlex.join(['gemma-poetry', *own])}", file=sys.stderr, flush=True)
            words = [sys.executable, "-m", "gemma_poetry.cli", *own]
        status = 128 + signal.SIGTERM if told else _status(subprocess.call(words, pass_fds=(lock,)))
        if status:
            break
    write_json(folder / PROCESS, {**noted, "exit_status": status, "ended": time.strftime("%Y-%m-%d %H:%M:%S %z")})
    return status


def examine(folder: Path) -> int:
    """Has the doctor look a training over; returns 1 where it would be in vain."""
    from gemma_poetry.config import recipe_with
    from gemma_poetry.doctor.findings import Finding, fault_of, has_fault
    from gemma_poetry.verbs.doctor import doctor

    job = read_json(folder / JOB)
    findings: list[Finding] = []
    try:
        for finding in doctor(job["spec"], _data(folder, job), recipe_with(job["recipe"], job["settings"]), out=folder):
            findings.append(finding)
            write_json(folder / FINDINGS, [_in_languages(one) for one in findings])
    except GemmaPoetryError as error:
        findings.append(fault_of(_("doctor"), error))
    write_json(folder / FINDINGS, [_in_languages(one) for one in findings])
    return int(has_fault(findings))


def _in_languages(finding: Any) -> dict[str, dict[str, str]]:
    record = finding.to_record()
    return {language: {name: localized(text, language) for name, text in record.items()} for language in LANGUAGES}


def _data(folder: Path, job: Mapping[str, Any]) -> Path:
    return Path(job["source"]) if job["prepared"] else folder / "data"


def _status(code: int) -> int:
    """An exit status as a shell gives it: 128 and the number of the signal that ended a process."""
    return 128 - code if code < 0 else code


def main(arguments: Sequence[str]) -> int:
    """What the process does, by its arguments; returns its exit status."""
    if arguments[0] == "doctor":
        return examine(Path(arguments[1]))
    return run_stages(int(arguments[0]), Path(arguments[1]), arguments[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
