"""A folder that a training writes: who works in it, what it was begun with, where it goes on, when it is finished.

    RUN/.training.lock   who is at work: held while a training lives, left behind only by one that was killed
    RUN/started.json     data, model and recipe that it was begun with
    RUN/checkpoint-N/    how far it has come; counts only once its last file, complete.json, says that all of it is written
    RUN/manifest.json    written last: the training is finished

In: a RUN or MODEL folder, what a training is begun with, and whether it is to go on with what is there. Out: a folder that
no other training writes to, the checkpoint to go on from, and, whatever ends the work, words on how to go on.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from gemma_poetry.artifacts import MANIFEST, read_json, write_json
from gemma_poetry.errors import (
    DataError,
    ExportError,
    GemmaPoetryError,
    OutputError,
    RunError,
    TrainingError,
    ran_out_of_memory,
)
from gemma_poetry.folders import describe_folder
from gemma_poetry.languages import _
from gemma_poetry.manifests import TRAINING_LOCK, check_manifest, check_same_start

STARTED = "started.json"
COMPLETE = "complete.json"
KINDS = ("run", "keras-run", "pretrained model", "tuning")
"""What the manifest of a finished training says that it is."""
_FULL = 2**20
"""Free bytes below which a disk is called full."""
_GO_ON = _("go on with the same command and --resume")


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint has every file that its marker names, each of the size that it names."""
    try:
        sizes = json.loads((checkpoint / COMPLETE).read_text(encoding="utf-8"))["files"]
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def mark_complete(checkpoint: Path, step: int) -> None:
    """Writes the marker of a checkpoint, after its other files.

    Raises:
        OutputError: It cannot be written.
    """
    sizes = {path.name: path.stat().st_size for path in sorted(checkpoint.iterdir()) if path.is_file()}
    write_json(checkpoint / COMPLETE, {"step": step, "files": sizes})


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, complete or not, by their steps."""
    return sorted((path for path in folder.glob("checkpoint-*") if _step(path) >= 0), key=_step)


def newest_checkpoint(folder: Path, complete: Callable[[Path], bool] = is_complete) -> Path | None:
    """The complete checkpoint with the most steps in a folder; those cut short are passed over."""
    return next((path for path in reversed(checkpoints(folder)) if complete(path)), None)


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


@dataclass(slots=True)
class RunFolder:
    """A RUN or MODEL folder that this training alone writes to.

    Attributes:
        folder: The folder.
        start: What the training was begun with, as JSON values.
        checkpoint: The checkpoint to go on from; `None` for a beginning.
        manifest: The manifest of a training that is finished, to which nothing is left to do; else `None`.
        complete: Says whether a checkpoint is complete.
    """

    folder: Path
    start: Mapping[str, Any]
    complete: Callable[[Path], bool] = is_complete
    checkpoint: Path | None = None
    manifest: dict[str, Any] | None = None
    _lock: int | None = field(default=None, repr=False)

    def is_there(self) -> bool:
        """Whether the folder is still the one that the training was begun in: not deleted, not moved away."""
        if self._lock is None:
            return True  # another process of this training holds it, or the file system has no locks
        try:
            held, lying = os.fstat(self._lock), os.stat(self.folder / TRAINING_LOCK)
        except OSError:
            return False
        return (held.st_dev, held.st_ino) == (lying.st_dev, lying.st_ino) and (self.folder / STARTED).is_file()

    def begun_dtype(self) -> str | None:
        """The arithmetic that a training which goes on was begun in; `None` for a beginning, or where none was noted."""
        started = self.folder / STARTED
        noted = read_json(started).get("dtype") if self.checkpoint is not None and started.is_file() else None
        return None if noted is None else str(noted)

    def note_dtype(self, dtype: str) -> None:
        """Notes the arithmetic for whoever goes on, on a machine that may be faster in another one.

        Raises:
            OutputError: It cannot be written.
        """
        self.start = {**self.start, "dtype": dtype}
        write_json(self.folder / STARTED, self.start)

    def restore(self) -> None:
        """Makes a folder that went missing anew, for a checkpoint that keeps what was trained.

        Raises:
            RunError: Another training is at work there by now.
            OutputError: It cannot be written.
        """
        self._release()
        self._lock = _acquire(self.folder)
        write_json(self.folder / STARTED, dict(self.start))

    def gone(self, step: int | None) -> OutputError:
        """What to raise where the folder went missing.

        Args:
            step: The step whose state was written anew; `None` where nothing was kept.
        """
        return OutputError(
            _("the folder was deleted, emptied or moved away while it was trained in"),
            where=self.folder,
            expected=_("the folder of a run to stay where it is until the training ends"),
            action=_("step {step} was written there anew: {go_on}", step=step, go_on=_GO_ON)
            if step is not None
            else _("train again"),
        )

    @contextlib.contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Turns whatever a library raises while it writes a file of the run into an error of ours.

        Args:
            path: The file or folder that is written; removed where that fails half-way.

        Raises:
            OutputError: The file cannot be written.
        """
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            if ran_out_of_memory(error):
                raise
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            raise self._cannot_write(error, path) from error

    def how_to_go_on(self) -> str:
        """What is kept of the training, and how it goes on."""
        kept = newest_checkpoint(self.folder, self.complete)
        if kept is not None:
            return _(
                "{folder} keeps the training up to step {step}: {go_on}", folder=self.folder, step=_step(kept), go_on=_GO_ON
            )
        if (self.folder / STARTED).is_file():
            return _(
                "no checkpoint was complete yet: begin again with the same command and --resume ({folder} is kept)",
                folder=self.folder,
            )
        return _("nothing was written: give the same command again")

    def _cannot_write(self, error: Exception, path: Path) -> OutputError:
        lines = str(error).strip().splitlines()
        reason = (error.strerror if isinstance(error, OSError) else None) or (lines[0] if lines else repr(error))
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self.folder if self.folder.is_dir() else self.folder.parent).free
            if free < _FULL and not isinstance(error, OSError):  # PyTorch's writer does not say so
                reason = f"{os.strerror(errno.ENOSPC)}: {reason}"
            reason += _("; {free:,} bytes are free", free=free)
        return OutputError(
            _("cannot write ({reason})", reason=reason),
            where=path,
            expected=_("a writable place with enough free space, until the training ends"),
            action=_("free some space. {how_to_go_on}", how_to_go_on=self.how_to_go_on()),
        )

    def _release(self) -> None:
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            held, lying = os.fstat(self._lock), os.stat(self.folder / TRAINING_LOCK)
            if (held.st_dev, held.st_ino) == (lying.st_dev, lying.st_ino):
                os.unlink(self.folder / TRAINING_LOCK)
        os.close(self._lock)
        self._lock = None
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # only where it is empty: nothing was begun


@contextlib.contextmanager
def at_work(
    folder: Path,
    start: Mapping[str, Any],
    *,
    resume: bool,
    what: str,
    complete: Callable[[Path], bool] = is_complete,
    writes: bool = True,
) -> Iterator[RunFolder]:
    """Takes a folder for a training, for as long as the block runs.

    Args:
        folder: The RUN or MODEL folder.
        start: What the training is begun with, as JSON values.
        resume: Go on with the training that is there.
        what: What `start` holds, for messages.
        complete: Says whether a checkpoint is complete.
        writes: Whether this process is the one that writes; the others of a training only read.

    Yields:
        The folder, which holds `started.json` from now on.

    Raises:
        RunError: Another training is at work there; or the folder holds something already; or there is nothing to resume, or
            it was begun otherwise.
        OutputError: Something of the run cannot be written; it says how to go on.
        TrainingError: Memory ran out.
    """
    folder = Path(folder)
    if writes and resume and not folder.is_dir():
        raise _no_run(folder)
    run = RunFolder(folder, start, complete)
    killed = (folder / TRAINING_LOCK).is_file()  # or alive: then the lock is refused
    if writes:
        run._lock = _acquire(folder)
    try:
        _find_start(run, resume=resume, writes=writes, killed=killed, what=what)
        if writes and run.manifest is None and run.checkpoint is None:
            write_json(folder / STARTED, dict(start))
        yield run
    except KeyboardInterrupt as interrupt:
        if writes:
            interrupt.add_note(run.how_to_go_on())
        raise
    except ExportError:
        raise
    except OutputError as error:
        if _GO_ON in error.action or not (folder / STARTED).is_file():
            raise
        action = _("free some space. {how_to_go_on}", how_to_go_on=run.how_to_go_on())
        raise OutputError(error.found, expected=error.expected, action=action, where=error.where) from error
    except GemmaPoetryError:
        # A training that was refused leaves nothing: mended, the same command is given again. One that was to go on stays.
        if writes and not resume and folder.is_dir() and {path.name for path in folder.iterdir()} <= {TRAINING_LOCK, STARTED}:
            (folder / STARTED).unlink(missing_ok=True)
        raise
    except (OSError, SafetensorError) as error:
        if not run.is_there():
            raise run.gone(None) from error
        raise run._cannot_write(error, Path(getattr(error, "filename", None) or folder)) from error
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        raise TrainingError(
            _(
                "memory ran out ({error})",
                error=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            ),
            expected=_("memory for the longest samples that go through the model at a time"),
            action=_(
                "lower train.pass_tokens or train.max_tokens, set "
                "train.gradient_checkpointing=true, or take a smaller model (gemma-poetry doctor "
                "estimates what a training takes). {how_to_go_on}; with other settings choose "
                "another --out",
                how_to_go_on=run.how_to_go_on(),
            ),
        ) from error
    finally:
        run._release()


def _find_start(run: RunFolder, *, resume: bool, writes: bool, killed: bool, what: str) -> None:
    """Decides where a training starts, and refuses to write over anything.

    Raises:
        RunError: See `at_work`.
    """
    folder = run.folder
    names = {path.name for path in folder.iterdir()} - {TRAINING_LOCK} if folder.is_dir() else set()
    if not resume:
        # Processes that share a training start at different moments: the one that writes alone judges the folder.
        if writes and names - {STARTED}:
            raise _not_empty(folder)
        return
    checkpoint = newest_checkpoint(folder, run.complete)
    # Earlier versions noted nothing of what a pretraining was begun with.
    begun = (folder / STARTED).is_file() or checkpoint is not None or _kind(folder) in KINDS
    if writes and not begun and (names or not killed):
        raise _no_run(folder)
    if writes and (folder / STARTED).is_file():
        check_same_start(folder, {"processes": 1} | read_json(folder / STARTED), run.start, what)
    run.manifest = _finished(folder)
    if run.manifest is None:
        run.checkpoint = checkpoint
        if writes and checkpoint is not None:
            # One that was cut short would be counted among those to keep, or be resumed from later.
            for path in checkpoints(folder):
                if not run.complete(path):
                    shutil.rmtree(path, ignore_errors=True)


def _kind(folder: Path) -> str:
    try:
        manifest = read_json(folder / MANIFEST)
    except DataError:
        return ""
    return str(manifest.get("kind", "")) if isinstance(manifest, dict) else ""


def _finished(folder: Path) -> dict[str, Any] | None:
    """The manifest of a training that is finished, all its files whole; else `None`."""
    if _kind(folder) not in KINDS:
        return None
    try:
        files = read_json(folder / MANIFEST).get("files")
        return check_manifest(folder, list(files)) if isinstance(files, dict) else None
    except (DataError, OSError, TypeError, KeyError):
        return None


def _no_run(folder: Path) -> RunError:
    return RunError(
        _("there is no run to resume: {describe_folder}", describe_folder=describe_folder(folder)),
        where=folder,
        expected=_("the folder of a run that was begun"),
        action=_("leave --resume out to begin one, or name the --out that it was begun with"),
    )


def _not_empty(folder: Path) -> RunError:
    if _kind(folder) in KINDS and _finished(folder) is not None:
        found, action = _("it holds a finished run"), _("choose another --out")
    elif (folder / STARTED).is_file():
        found = _("it holds a run that was begun and is not finished")
        action = _("add --resume to go on with the run that is there, or choose another --out")
    else:
        found, action = describe_folder(folder), _("choose another --out")
    return RunError(
        _("the folder is not empty: {found}", found=found), where=folder, expected=_("a new or empty folder"), action=action
    )


def _acquire(folder: Path) -> int | None:
    """Locks a folder, made where it is missing; `None` where the file system, or the system, has no locks.

    Raises:
        RunError: Another training is at work there.
        OutputError: The folder cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        folder.mkdir(parents=True, exist_ok=True)
        return None
    path = folder / TRAINING_LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue  # a training that was refused has just removed the folder
        except OSError as error:
            raise OutputError(
                _("cannot write ({reason})", reason=error.strerror),
                where=folder,
                expected=_("a writable place"),
                action=_("choose another --out"),
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _owner(path)
            os.close(descriptor)
            raise RunError(
                _("another training is at work in this folder: {owner}", owner=owner),
                where=folder,
                expected=_("one training at a time"),
                action=_("wait for it to end, end it, or choose another --out"),
            ) from error
        except OSError:  # no locks on this file system
            os.close(descriptor)
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            lying = os.stat(path)
            if lying.st_ino == os.fstat(descriptor).st_ino:
                break
        os.close(descriptor)  # its owner removed the file between opening and locking
    name = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    with contextlib.suppress(OSError):  # a full disk: the lock holds without its owner's name
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, (json.dumps(name) + "\n").encode(), 0)
    return descriptor


def _owner(lock: Path) -> str:
    """Who holds a lock, as the file says."""
    try:
        owner = json.loads(lock.read_text(encoding="utf-8"))
        return _("process {pid} on {host}, since {since}", pid=owner["pid"], host=owner["host"], since=owner["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return _("a process that did not leave its name")
