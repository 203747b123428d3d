"""What a rate, a rank, more projections and a kind of LoRA are worth, for the same data and passes.

    gemma-poetry prepare --source sample --recipe quickstart --out data
    python benchmarks/variants.py run --data data --out trials.jsonl lora-r16-attention@1e-3 pissa-r8-all@1e-3 full@1e-4
    python benchmarks/variants.py tell trials.jsonl

In: a DATA folder, a model, and trials named KIND-rRANK-TARGETS@RATE; kinds are lora, dora, rslora, pissa and full (every
weight: no rank, no targets), targets attention and all. Out: a line a trial with the nats of every held-out poem, at the
end of the training, and a table of perplexities with the paired interval of each against the base and against the best.

Trials of one call share passes, order of poems, schedule and seed. Alpha is the rank (twice it with --alpha 2), so that the
update is scaled alike at every rank, save for rsLoRA. PiSSA (Meng et al. 2024) begins with the greatest singular vectors of
the weights themselves; PEFT makes them (4 iterations), and it is here alone, because an adapter of it fits no stock model.
With --watched the model also writes to titles of val.txt, and the table says how far its poems go with their titles.

What stands in FILE is not tried again; --minutes ends the work between two trials.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import read_jsonl, write_jsonl
from gemma_poetry.config import Recipe, load_recipe
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.evaluation.statistics import Bootstrap, mean
from gemma_poetry.verbs.tune import TARGETS

KINDS = ("lora", "dora", "rslora", "pissa")
BASE = "base"
_NAME = re.compile(rf"(?:({'|'.join(KINDS)})-r(\d+)-({'|'.join(TARGETS)})|full)@([\d.e+-]+)")
_PISSA = "pissa_niter_4"


def recipe_of(recipe: Recipe, name: str, alpha: float) -> tuple[str, Recipe]:
    """The kind and the recipe of a trial.

    Args:
        recipe: What all trials share.
        name: The trial.
        alpha: Alpha as a part of the rank.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise SystemExit(f"{name}: expected KIND-rRANK-TARGETS@RATE or full@RATE, e.g. lora-r16-all@1e-3")
    kind, rank, targets, rate = found.groups()
    taught = {"learning_rate": float(rate), "keep": "last", "method": "lora" if kind else "full", "save_steps": 10**9}
    if kind == "pissa":
        taught["vocabulary"] = "whole"  # it is scored while it trains
    lora: dict[str, Any] = {"dora": kind == "dora", "rslora": kind == "rslora"}
    if kind:
        lora |= {"rank": int(rank), "alpha": alpha * int(rank), "targets": TARGETS[targets]}
    changed = {"train": recipe.train.model_copy(update=taught), "lora": recipe.lora.model_copy(update=lora)}
    return kind or "full", recipe.model_copy(update=changed)


@contextlib.contextmanager
def beginning_of(kind: str) -> Iterator[None]:
    """PEFT begins with singular vectors inside, where that is the kind."""
    import peft

    ours = peft.LoraConfig
    if kind == "pissa":
        peft.LoraConfig = functools.partial(ours, init_lora_weights=_PISSA)  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        peft.LoraConfig = ours  # type: ignore[misc]


def held_out_nats(model: Any, tokenizer: Any, data: Path, splits: list[str]) -> list[float]:
    """The nats of every held-out poem, over the whole vocabulary."""
    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.scoring import score_completions

    samples = [sample for split in splits for sample in read_tokenized(data / f"{split}.txt", tokenizer)]
    return [score.nll for score in score_completions(model, samples)]


def scorer_at_the_end(data: Path, splits: list[str], *, first: bool, scores: bool) -> Any:
    """A callback of the Trainer: poems are written before the first step and at the end alone, and the held-out ones scored.

    Args:
        data: The DATA folder.
        splits: Which of its splits.
        first: Whether poems are written before the first step.
        scores: Whether it scores: for PiSSA, which no stock model loads. All others are scored when they are loaded again.
    """
    from transformers import TrainerCallback

    class Scorer(TrainerCallback):
        def __init__(self) -> None:
            self.nats: list[float] = []

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            # In between they cost more than the steps.
            state.eval_steps = state.max_steps
            args.eval_on_start = first

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if scores:
                self.nats = held_out_nats(given["model"].eval(), given["processing_class"], data, splits)

    return Scorer()


def run(arguments: argparse.Namespace) -> None:
    """Tries what is not in the file yet."""
    from gemma_poetry.model.loading import load_model
    from gemma_poetry.verbs.train import train

    begun = time.monotonic()
    shared = load_recipe(arguments.recipe, [f"train.watched_titles={arguments.watched}", *arguments.set])
    characters = [sum(map(len, poem.lines)) for split in arguments.splits for poem in load_poems(arguments.data, split)]
    tried = list(read_jsonl(arguments.out)) if arguments.out.is_file() else []

    def scored(spec: str) -> list[float]:
        loaded = load_model(spec)
        return held_out_nats(loaded.model, loaded.tokenizer, arguments.data, arguments.splits)

    for name in arguments.trials:
        kind, recipe = recipe_of(shared, name, arguments.alpha)
        name += arguments.label
        if any(one["name"] == name for one in tried):
            continue
        if time.monotonic() - begun > 60 * arguments.minutes:
            break
        scorer = scorer_at_the_end(arguments.data, arguments.splits, first=not tried, scores=kind == "pissa")
        folder = Path(tempfile.mkdtemp())
        try:
            with beginning_of(kind):
                manifest = train(arguments.data, arguments.model, folder / "run", recipe, callbacks=[scorer])
            nats = scorer.nats or scored(str(folder / "run"))
            read = folder / "run" / "readings.jsonl"
            records = list(read_jsonl(read)) if read.is_file() else []
        finally:
            shutil.rmtree(folder)
        written = {step: [one["gain"] for one in records if one["step"] == step] for step in (0, manifest["steps"])}
        if not tried:
            tried.append({"name": BASE, "nats": scored(arguments.model), "characters": characters, "gains": written[0]})
        figures = {name: manifest[name] for name in ("steps", "wall_seconds", "trainable_parameters")}
        tried.append({"name": name, "nats": nats, "gains": written[manifest["steps"]], **figures})
        write_jsonl(arguments.out, tried)
        print(_row(tried[0], tried[0], tried[-1]), flush=True)


def _row(base: dict[str, Any], best: dict[str, Any], one: dict[str, Any]) -> str:
    units, weights = [str(number) for number in range(len(base["nats"]))], base["characters"]
    bootstrap = Bootstrap(units, samples=1000, seed=1)
    rows = {name: list(zip(trial["nats"], weights)) for name, trial in (("base", base), ("best", best), ("one", one))}
    cells = [one["name"], f"{one.get('trainable_parameters', 0):,}", f"{math.exp(sum(one['nats']) / sum(weights)):.1f}"]
    for other in ("base", "best"):
        apart = bootstrap.difference(rows["one"], rows[other], mean)
        cells.append(f"{apart.value:+.3f} [{apart.low:+.3f}, {apart.high:+.3f}]")
    if base["gains"]:
        titles = Bootstrap([str(number) for number in range(len(base["gains"]))], samples=1000, seed=1)
        apart = titles.difference([(gain, 1) for gain in one["gains"]], [(gain, 1) for gain in base["gains"]], mean)
        cells.append(f"{sum(one['gains']) / len(one['gains']):.3f}")
        cells.append(f"{apart.value:+.3f} [{apart.low:+.3f}, {apart.high:+.3f}]")
    cells += [f"{one.get('steps', 0)}", f"{one.get('wall_seconds', 0):.0f}"]
    return f"| {' | '.join(cells)} |"


def tell(arguments: argparse.Namespace) -> None:
    """Prints the table, the best first."""
    trials = list(read_jsonl(arguments.file))
    base = trials[0]
    ordered = sorted(trials, key=lambda one: sum(one["nats"]))
    heads = ["trial", "parameters", "ppl_char", "nats a character, less base", "less the best"]
    heads += [*(["title gain", "less base"] if base["gains"] else []), "steps", "seconds"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for one in ordered:
        print(_row(base, ordered[0], one))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    tried = verbs.add_parser("run")
    tried.add_argument("trials", nargs="+")
    tried.add_argument("--data", type=Path, required=True)
    tried.add_argument("--out", type=Path, required=True)
    tried.add_argument("--model", default="mini")
    tried.add_argument("--recipe", default="quickstart")
    tried.add_argument("--set", action="append", default=[])
    tried.add_argument("--alpha", type=float, default=1.0)
    tried.add_argument("--watched", type=int, default=0)
    tried.add_argument("--splits", nargs="+", default=["val", "test"])
    tried.add_argument("--label", default="", help="put behind the names of these trials in FILE")
    tried.add_argument("--minutes", type=float, default=math.inf)
    tried.set_defaults(work=run)
    told = verbs.add_parser("tell")
    told.add_argument("file", type=Path)
    told.set_defaults(work=tell)
    arguments = parser.parse_args()
    arguments.work(arguments)


if __name__ == "__main__":
    main()
