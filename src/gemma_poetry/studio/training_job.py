"""Trainings that the studio starts: each in a folder and a process of its own, one at a time.

    ROOT/.lock            held by the one process that works, and by whatever it started; says which job it works on
    ROOT/uploads/         texts that were sent from the page
    ROOT/JOB/job.json     what was asked for: data, model, recipe, changes to it
        process.json      the stages, the one that is under way, the process, and how it ended
        findings.json     what the doctor found, in both languages
        log.txt           what the stages said
        data/, run/       DATA, where it is prepared here, and RUN

In: what a person asks for (see `training_wish`), stages to run. Out: a process that outlives page and studio; a `JobState`,
read from the files alone, so that a page that is loaded anew and a studio that is started again find the same.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gemma_poetry.artifacts import MANIFEST, read_json, read_jsonl, write_json
from gemma_poetry.config import recipe_with
from gemma_poetry.errors import DataError, OutputError, RecipeError
from gemma_poetry.folders import folder_kind
from gemma_poetry.languages import _
from gemma_poetry.studio.texts import Language, complaint
from gemma_poetry.studio.training_wish import JobRequest, settings_of

SAMPLE = "sample"
UPLOAD_ENDINGS = (".txt", ".jsonl", ".json", ".csv", ".tsv")
"""The files that can be sent: texts, and nothing that must be unpacked."""
EXPORTS = ("peft", "merged", "ollama", "gguf")
FIRST = ("prepare", "doctor")
"""The stages that come before a person says that the training shall begin."""

Status = Literal["running", "looked", "fault", "stopped", "failed", "lost", "finished"]
"""`looked`: the doctor found nothing against it, and it waits to be begun; `fault`: the doctor did; `lost`: the process is
gone and left no word (killed, a power cut); `finished`: the last stages that were asked for ended well."""

_LOCK, _JOB, _PROCESS, _FINDINGS, _LOG, _UPLOADS = ".lock", "job.json", "process.json", "findings.json", "log.txt", "uploads"
_NAME = re.compile(r"\d{8}-\d{6}(-\d+)?")
_RUNNER = "gemma_poetry.verbs.training_stages"
_LOG_SHOWN = 6000
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class JobState:
    """Where a training stands.

    Attributes:
        name: Its name.
        status: What became of it so far.
        stage: The stage that is under way, or that ended last.
        exit_status: Of the stage that ended it; `None` where it is running or lost.
        pid: The process that works, or worked.
        request: What `job.json` holds.
        findings: What the doctor found, one mapping of languages to records each.
        step: The step that the curve has come to.
        steps: The steps that it will have; 0 where that is not known yet.
        points: How many points the curve has.
        readings: The poems that were written at evaluations: records of `readings.jsonl`.
        manifest: That of the finished run; empty before.
        exports: The folders that the run was exported to.
        log: The end of what the stages said.
    """

    name: str
    status: Status
    stage: str
    exit_status: int | None
    pid: int | None
    request: Mapping[str, Any]
    findings: Sequence[Mapping[str, Mapping[str, str]]]
    step: int
    steps: int
    points: int
    readings: Sequence[Mapping[str, Any]]
    manifest: Mapping[str, Any]
    exports: Sequence[Path]
    log: str

    @property
    def goes_on(self) -> bool:
        """Whether there are stages left that can be run: the person's word is wanted, or something interrupted them."""
        return self.status in ("looked", "stopped", "failed", "lost")


@dataclass(frozen=True)
class TrainingJobs:
    """The trainings of one folder.

    Attributes:
        root: The folder; made when the first training is asked for.
        models: By the name that the page says, the base models that can be trained.
        largest_upload: Bytes of a text that is sent, at most.
    """

    root: Path
    models: Mapping[str, str]
    largest_upload: int = 32 * 2**20
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        """The trainings that there are, the newest first."""
        found = [path.name for path in self.root.glob("*") if _NAME.fullmatch(path.name) and (path / _JOB).is_file()]
        return sorted(found, key=_in_order, reverse=True)

    def data_names(self) -> list[str]:
        """What can be trained on: the sample, texts that were sent, and DATA folders below the root, by their paths there."""
        sent = sorted(path.relative_to(self.root).as_posix() for path in (self.root / _UPLOADS).glob("*.*"))
        folders = [path for pattern in ("*", "*/data") for path in self.root.glob(pattern) if path.is_dir()]
        prepared = sorted(path.relative_to(self.root).as_posix() for path in folders if folder_kind(path) == "data")
        return [SAMPLE, *sent, *(name for name in prepared if (self.root / name / MANIFEST).is_file())]

    def run_folder(self, name: str) -> Path:
        """The RUN of a training."""
        return self.root / name / "run"

    def check_name(self, name: str, language: Language) -> None:
        """Makes sure that a name is that of a training here.

        Raises:
            UsageError: It is not.
        """
        if name not in self.names():
            raise complaint("no_job", language, name=repr(str(name)[:40]))

    def keep_upload(self, sent: Path, language: Language) -> str:
        """Takes a text that was sent; returns the name by which it can be trained on.

        Raises:
            UsageError: It is too large, or no text that can be read.
        """
        ending = sent.suffix.lower()
        if ending not in UPLOAD_ENDINGS:
            raise complaint("upload_kind", language, ending=repr(ending), endings=" ".join(UPLOAD_ENDINGS))
        size = sent.stat().st_size
        if size > self.largest_upload:
            raise complaint("upload_size", language, size=f"{size:,}", limit=f"{self.largest_upload:,}")
        folder = self.root / _UPLOADS
        _make(folder)
        kept = folder / f"{_now()}{ending}"
        number = 1
        while kept.exists():
            number += 1
            kept = folder / f"{_now()}-{number}{ending}"
        shutil.move(sent, kept)
        return kept.relative_to(self.root).as_posix()

    def begin(self, request: JobRequest, language: Language) -> str:
        """Prepares the data of a new training and has the doctor look it over; returns its name.

        Raises:
            UsageError: Another training is at work, or data, model or recipe are none of those offered.
            RecipeError: A setting cannot be.
            OutputError: The folder cannot be made.
        """
        if request.data not in self.data_names():
            raise complaint("no_data", language, name=repr(str(request.data)[:40]))
        if request.model not in self.models:
            raise complaint("no_model", language, name=repr(str(request.model)[:40]), names=", ".join(self.models))
        settings = settings_of(request, language)
        _make(self.root)
        with self._taking(language) as lock:
            name = self._new_folder()
            chosen = self.root / request.data
            asked = {
                "data": request.data,
                "source": SAMPLE if request.data == SAMPLE else str(chosen.resolve()),
                "prepared": chosen.is_dir(),
                "model": request.model,
                "spec": self.models[request.model],
                "recipe": request.recipe,
                "settings": settings,
                "evaluate": request.evaluate,
            }
            write_json(self.root / name / _JOB, asked)
            self._start(name, FIRST[1:] if chosen.is_dir() else FIRST, lock, language)
        return name

    def go_on(self, name: str, language: Language) -> None:
        """Runs the stages that are left: begins the training that was looked over, or resumes what was interrupted.

        Raises:
            UsageError: There is no such training, nothing is left to do, or another training is at work.
        """
        state = self.look(name, language)
        with self._taking(language) as lock:
            if not state.goes_on:
                raise complaint("nothing_left", language)
            self._start(name, self._stages_left(state), lock, language)

    def export(self, name: str, target: str, language: Language) -> None:
        """Exports the run of a finished training, in a process as a training is.

        Raises:
            UsageError: There is no such training, it is not finished, or another one is at work.
        """
        state = self.look(name, language)
        if target not in EXPORTS or not state.manifest:
            raise complaint("not_trained", language)
        with self._taking(language) as lock:
            self._start(name, (f"export-{target}",), lock, language)

    def stop(self, name: str, language: Language) -> None:
        """Asks the process of a training to end; its checkpoints stay, and `go_on` resumes from them.

        Raises:
            UsageError: Nothing is at work there.
        """
        deadline = time.monotonic() + _PATIENCE
        while self.at_work() == name:
            pid = _read(self.root / name / _PROCESS).get("pid")
            if pid is not None:
                # The group lives as long as any of its processes: no stranger can have been given its number.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGTERM)
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        raise complaint("not_running", language)

    def at_work(self) -> str:
        """The training whose process lives; empty where none does."""
        self._reap()
        with self._guard, _locked(self.root / _LOCK, wait=False) as lock:
            if lock is not None or not (self.root / _LOCK).is_file():
                return ""
            return str(_read(self.root / _LOCK).get("job", ""))

    def look(self, name: str, language: Language) -> JobState:
        """Where a training stands, as its files tell.

        Raises:
            UsageError: There is no such training.
        """
        self.check_name(name, language)
        # Asked first: a process that ends meanwhile has written how before it lets go.
        living = self.at_work() == name
        folder, run = self.root / name, self.run_folder(name)
        request, process = _read(folder / _JOB), _read(folder / _PROCESS)
        points = _records(run / "curve.jsonl")
        manifest = _read(run / MANIFEST)
        ended = process.get("exit_status")
        return JobState(
            name=name,
            status="running" if living else _status(process),
            stage=str(process.get("stage", "")),
            exit_status=None if living else ended,
            pid=process.get("pid"),
            request=request,
            findings=_read(folder / _FINDINGS, []),
            step=int(manifest.get("steps") or max((int(point["step"]) for point in points), default=0)),
            steps=int(manifest.get("steps") or self._steps(request, folder)),
            points=len(points),
            readings=_records(run / "readings.jsonl"),
            manifest=manifest,
            exports=sorted(path.parent for path in run.glob(f"export/*/{MANIFEST}")),
            log=_end_of(folder / _LOG),
        )

    def _steps(self, request: Mapping[str, Any], folder: Path) -> int:
        """How many steps a training will have; 0 before the data is there."""
        data = Path(request["source"]) if request.get("prepared") else folder / "data"
        poems = (_read(data / MANIFEST).get("poems") or {}).get("train")
        if not poems:
            return 0
        try:
            train = recipe_with(request["recipe"], request["settings"]).train
        except RecipeError:  # begun by another version
            return 0
        at_once = train.batch_size * train.gradient_accumulation
        return train.max_steps or math.ceil(train.epochs * math.ceil(poems / at_once))

    def _stages_left(self, state: JobState) -> Sequence[str]:
        if state.status == "looked":
            return ("train", *(("evaluate",) if state.request["evaluate"] else ()))
        stages = _read(self.root / state.name / _PROCESS).get("stages", FIRST)
        return stages[stages.index(state.stage) :] if state.stage in stages else stages

    def _start(self, name: str, stages: Sequence[str], lock: int, language: Language) -> None:
        folder = self.root / name
        write_json(
            folder / _PROCESS, {"stages": list(stages), "stage": stages[0], "pid": None, "exit_status": None, "since": _clock()}
        )
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"job": name}).encode(), 0)
        with (folder / _LOG).open("ab") as log:
            # A session of its own: neither the end of the studio nor Ctrl-C in its terminal reaches it.
            process = subprocess.Popen(
                [sys.executable, "-m", _RUNNER, str(lock), str(folder), *stages],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
                env={**os.environ, "LANGUAGE": language, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"},
            )
        self._started.append(process)

    def _new_folder(self) -> str:
        base, number = _now(), 1
        name = base
        while True:
            try:
                (self.root / name).mkdir()
            except FileExistsError:
                number += 1
                name = f"{base}-{number}"
            else:
                return name

    @contextlib.contextmanager
    def _taking(self, language: Language) -> Iterator[int]:
        """The lock, for a process that is started while the block runs and inherits it.

        Raises:
            UsageError: A training is at work.
        """
        self._reap()
        with self._guard, _locked(self.root / _LOCK, wait=True) as lock:
            if lock is None:
                working = _read(self.root / _LOCK)
                raise complaint("at_work", language, name=working.get("job", "?"))
            yield lock

    def _reap(self) -> None:
        for process in list(self._started):
            if process.poll() is not None:
                self._started.remove(process)


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[int | None]:
    """A lock on a file for the block, and for whatever process inherits its descriptor; `None` where another has it.

    Args:
        path: The file.
        wait: Whether to make it, and to try for a moment: another studio that only looks has it no longer than that.
    """
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if wait else 0), 0o644)
    except FileNotFoundError:
        yield None
        return
    try:
        for _attempt in range(20 if wait else 1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02 if wait else 0)
            else:
                yield descriptor
                return
        yield None
    finally:
        os.close(descriptor)


def _status(process: Mapping[str, Any]) -> Status:
    """What became of a training whose process is gone."""
    ended, stage = process.get("exit_status"), process.get("stage")
    if ended is None:
        return "lost"
    if ended == 0:
        return "looked" if stage == "doctor" else "finished"
    if ended in (130, 143):
        return "stopped"
    return "fault" if stage == "doctor" and ended == 1 else "failed"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            _("cannot write ({reason})", reason=error.strerror),
            where=folder,
            expected=_("a writable place"),
            action=_("start the studio with another --folder"),
        ) from error


def _in_order(name: str) -> tuple[str, int]:
    return name[:15], int(name[16:] or 1)


def _now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


def _clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def _read(path: Path, missing: Any = None) -> Any:
    try:
        return read_json(path)
    except DataError:
        return {} if missing is None else missing


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        return list(read_jsonl(path))
    except DataError:
        return []


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LOG_SHOWN))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
