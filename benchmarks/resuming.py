"""Trainings that are killed at random moments and at their last step, and resumed until they end.

In: how many trainings. Out: for each the moments of its kills, and whether adapter, curve and steps are those of a training
that was never killed; exit status 1 where one differs.

    python benchmarks/resuming.py --trainings 12

The model is tiny and the rate constant: a step too many, or one left out, gives other bytes. Each training is `gemma-poetry
train` in a process of its own, killed (SIGKILL) once or twice at a random moment between its beginning and its last step;
every third is killed as soon as the checkpoint of its last step is complete, and every fourth is resumed once more when it is
finished.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gemma_poetry.artifacts import read_json, sha256_file
from gemma_poetry.runs import newest_checkpoint
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
            time.sleep(0.002)
        if process.poll() is not None:
            return False
        process.send_signal(signal.SIGKILL)
        return True


def steps_done(out: Path) -> int:
    newest = newest_checkpoint(out)
    return int(newest.name.rpartition("-")[2]) if newest else 0


def _after(out: Path, step: int, later: float) -> Callable[[], bool]:
    """Says when a checkpoint has been there for some seconds; of step 0, the note that the training was begun."""
    seen: list[float] = []

    def due() -> bool:
        there = steps_done(out) >= step if step else (out / "started.json").exists()
        if there and not seen:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() >= seen[0] + later

    return due


def run_one(number: int, data: Path, model: Path, out: Path, draw: random.Random) -> str:
    """Trains with kills, to the end; says when it was killed."""
    moments = []
    kills = 1 + number % 2
    for _ in range(kills):
        # Until its first note there is nothing to resume; a training that was killed before is simply begun again.
        resume = (out / "started.json").exists()
        if number % 3 == 0:
            step, later = STEPS, 0.0
        else:
            # Starting takes seconds and a step some milliseconds: a moment drawn from the whole time would seldom meet one.
            step, later = draw.randrange(steps_done(out), STEPS, 4), draw.uniform(0, 0.3)
        moment = f"{later:.2f} s after step {step}"
        killed = kill_when(command(data, model, out, resume=resume), _after(out, step, later))
        finished = (out / "manifest.json").exists()
        moments.append(f"{moment} (at step {steps_done(out)}{'' if killed and not finished else ', it had ended'})")
    finish(command(data, model, out, resume=(out / "started.json").exists()))
    if number % 4 == 0:
        finish(command(data, model, out, resume=True))
        moments.append("resumed when finished")
    return ", ".join(moments)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    differing = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data, model, unbroken = save_data(folder / "DATA"), save_model(folder / "model"), folder / "unbroken"
        began = time.monotonic()
        finish(command(data, model, unbroken, resume=False))
        seconds = time.monotonic() - began
        expected = sha256_file(unbroken / WEIGHTS)
        print(f"unbroken: {read_json(unbroken / 'manifest.json')['steps']} steps in {seconds:.0f} s, adapter {expected[:12]}")
        for number in range(options.trainings):
            out = folder / f"run-{number}"
            moments = run_one(number, data, model, out, draw)
            steps = read_json(out / "manifest.json")["steps"]
            same = sha256_file(out / WEIGHTS) == expected and steps == STEPS
            differing += not same
            print(f"{number + 1:>3}  {'same bytes' if same else 'OTHER BYTES'}, {steps} steps; killed at {moments}", flush=True)
    print(f"{options.trainings - differing} of {options.trainings} end with the bytes and steps of the unbroken training")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
