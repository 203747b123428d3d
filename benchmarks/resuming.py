"""Trainings that are killed at every stage and resumed until they end.

In: how many trainings. Out: for each the moments of its kills, and whether adapter and steps are those of a training that was
never killed; how many kills fell into each stage; exit status 1 where one training differs or a stage was never met.

    python benchmarks/resuming.py --trainings 12

The model is tiny and the rate constant: a step too many, or one left out, gives other bytes. Each training is `gemma-poetry
train` in a process of its own, killed (SIGKILL) once or twice. Every kill is meant for a stage, in turn: before the first
checkpoint, between two, while one is written, at the last step; what stands in the folder afterwards says which it was. A
kill that falls elsewhere counts as what it was, and the training is killed once more. Every fourth training is resumed when
it is finished already.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gemma_poetry.artifacts import read_json, sha256_file
from gemma_poetry.runs import checkpoints, is_complete, newest_checkpoint
from tests.tiny import save_data, save_model

STEPS = 24
SETTINGS = {
    "train.epochs": 3,
    "train.batch_size": 8,
    "train.learning_rate": 0.01,
    "train.schedule": "constant",
    "train.save_steps": 4,
    "train.evaluation_steps": 8,
    "train.logging_steps": 2,
    "lora.rank": 2,
}
WEIGHTS = "adapter/adapter_model.safetensors"
BEFORE, BETWEEN, WRITING, LAST = STAGES = (
    "before the first checkpoint", "between checkpoints", "while a checkpoint was written", "at the last step",
)  # fmt: skip
ENDED = "when it had ended"
_ATTEMPTS = 6
_START = 3.0  # seconds from the start of a process to its first step, about
_PATIENCE = 300  # seconds until a training counts as hung


def command(data: Path, model: Path, out: Path, *, resume: bool) -> list[str]:
    program = "from gemma_poetry.cli import main; main()"
    settings = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    places = ["--data", str(data), "--model", str(model), "--out", str(out)]
    return [sys.executable, "-c", program, "train", *places, *settings, *(["--resume"] if resume else [])]


def finish(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=_PATIENCE)


def kill_when(words: list[str], due: Callable[[], bool]) -> bool:
    """Starts a training and kills it at a moment; `False` where it ended before."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        limit = time.monotonic() + _PATIENCE
        while process.poll() is None and not due() and time.monotonic() < limit:
            time.sleep(0.0005)
        if process.poll() is not None:
            return False
        process.send_signal(signal.SIGKILL)
        return True


def steps_done(out: Path) -> int:
    newest = newest_checkpoint(out)
    return _step(newest) if newest else 0


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def stage(out: Path) -> str:
    """Where a training stood when it was killed, by what it left."""
    if (out / "manifest.json").exists():
        return ENDED
    # Older ones than the newest complete one may be half removed.
    if any(_step(folder) > steps_done(out) and not is_complete(folder) for folder in checkpoints(out)):
        return WRITING
    return {0: BEFORE, STEPS: LAST}.get(steps_done(out), BETWEEN)


def _moment(wanted: str, out: Path, span: float, draw: random.Random) -> Callable[[], bool]:
    """Says when it is time for a kill of a stage; `span` is the seconds from one checkpoint to the next."""
    begin = steps_done(out)
    every = SETTINGS["train.save_steps"]
    step = STEPS if wanted == LAST else draw.randrange(0 if wanted in (BEFORE, WRITING) else max(begin, every), STEPS, every)
    # Resumed at its last step, a training has some seconds of work left: it starts, evaluates and writes.
    later = {BEFORE: draw.uniform(0, _START), WRITING: 0.0, LAST: draw.uniform(0, _START) if begin == STEPS else 0.0}.get(
        wanted, draw.uniform(0, span)
    )
    curve = out / "curve.jsonl"
    logged = curve.read_bytes() if curve.exists() else b""
    seen: list[float] = []

    def is_reached() -> bool:
        if wanted == BEFORE:
            return (out / "started.json").exists()
        if wanted == WRITING:
            return any(_step(path) > step and not is_complete(path) for path in checkpoints(out))
        # A resumed training stands at its checkpoint from the start; that it has begun to step is seen by its curve.
        return steps_done(out) >= step and (step == STEPS or step > begin or (curve.exists() and curve.read_bytes() != logged))

    def due() -> bool:
        if not seen and is_reached():
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() >= seen[0] + later

    return due


def run_one(number: int, data: Path, model: Path, out: Path, span: float, draw: random.Random) -> list[str]:
    """Trains with kills, to the end; returns the stages in which it was killed, each with its step."""
    stages: list[str] = []
    turn = number // len(STAGES)  # the first of each stage are killed once, later ones twice
    for place in (number, number + turn) if turn else (number,):
        wanted = STAGES[place % len(STAGES)]
        if steps_done(out) == STEPS:
            wanted = LAST
        elif steps_done(out) and wanted == BEFORE:
            wanted = BETWEEN
        for _ in range(_ATTEMPTS):
            # Until its first note there is nothing to resume; a training that was killed before is simply begun again.
            resume = (out / "started.json").exists()
            kill_when(command(data, model, out, resume=resume), _moment(wanted, out, span, draw))
            met = stage(out)
            stages.append(f"{met} ({steps_done(out)})")
            if met in (wanted, LAST, ENDED):
                break
    finish(command(data, model, out, resume=(out / "started.json").exists()))
    if number % 4 == 0:
        finish(command(data, model, out, resume=True))
        stages.append("resumed when finished")
    return stages


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    differing = 0
    met: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data, model, unbroken = save_data(folder / "DATA"), save_model(folder / "model"), folder / "unbroken"
        began = time.monotonic()
        finish(command(data, model, unbroken, resume=False))
        seconds = time.monotonic() - began
        expected = sha256_file(unbroken / WEIGHTS)
        written = sorted((folder / "complete.json").stat().st_mtime for folder in checkpoints(unbroken))
        span = (written[-1] - written[0]) / (len(written) - 1)
        print(f"unbroken: {read_json(unbroken / 'manifest.json')['steps']} steps in {seconds:.0f} s, adapter {expected[:12]}")
        print(f"{span:.2f} s from one checkpoint to the next", flush=True)
        for number in range(options.trainings):
            out = folder / f"run-{number}"
            stages = run_one(number, data, model, out, span, draw)
            met.update(each.partition(" (")[0] for each in stages)
            steps = read_json(out / "manifest.json")["steps"]
            same = sha256_file(out / WEIGHTS) == expected and steps == STEPS
            differing += not same
            print(
                f"{number + 1:>3}  {'same bytes' if same else 'OTHER BYTES'}, {steps} steps; killed {', '.join(stages)}",
                flush=True,
            )
    print(f"{options.trainings - differing} of {options.trainings} end with the bytes and steps of the unbroken training")
    print("; ".join(f"{each}: {count}" for each, count in met.items()))
    return 1 if differing or not all(met[each] for each in STAGES) else 0


if __name__ == "__main__":
    raise SystemExit(main())
