"""`gemma-poetry tune`: a recipe for fine-tuning is searched for, within a time.

In: DATA, a model, a recipe whose `tune` section says what is tried. Out: in OUT

    trials.jsonl   each trial: its settings, validation loss, title gain, seconds, whether it was given up or failed
    tuning.png     the loss of the trials over their rates
    best.yaml      the recipe of the best
    best/          its RUN

Trials are drawn by Optuna (tree-structured Parzen estimator: Bergstra et al. 2011); a trial whose loss lies above the median
of the others at the same share of its steps is given up. A trial whose poems lost their titles (`reading_fell`) is best only
where all did. One that fails (its loss becomes infinite, memory runs out) is the worst, and the search goes on. What stands in
trials.jsonl is not tried again: an interrupted search goes on with --resume.
"""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, atomic_writer, read_jsonl, sha256_file, write_jsonl, write_text
from gemma_poetry.config import Recipe
from gemma_poetry.errors import TrainingError, UsageError
from gemma_poetry.extras import require
from gemma_poetry.folders import check_data_folder
from gemma_poetry.languages import _, listed, localized
from gemma_poetry.manifests import write_manifest
from gemma_poetry.progress import say
from gemma_poetry.runs import RunFolder, at_work
from gemma_poetry.verbs.train import train

if TYPE_CHECKING:
    from rich.table import Table

TRIALS, PICTURE, BEST, BEST_RUN = "trials.jsonl", "tuning.png", "best.yaml", "best"
_TRIAL = "trial"
TARGETS = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "all": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
}
_STATES = {"whole": _("whole"), "given up": _("given up"), "cut off": _("cut off"), "failed": _("failed")}
_JUDGED_FROM = 25
"""Per cent of a trial's steps before which it is not given up."""
_FAILURES = 4
"""Trials that fail, with none before them that did not, after which the search ends: the fault is not their settings."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of the search.

    Attributes:
        number: Its number, from 0.
        settings: The settings that were drawn, by dotted name.
        loss: Validation loss of the weights that it kept, in nats a token; of one that was given up, the last; of one that
            failed, infinite.
        reading_fell: Whether its poems go with their titles less than the base model's and the poets'.
        title_gain: Nats a character that a poem's own title is ahead of others; `None`: not measured.
        seconds: Wall time.
        state: `whole`, `given up` (worse than the others at the same share of its steps), `cut off` (time was up), or
            `failed` (its training ended in an error).
        error: What a failed one ended in.
    """

    number: int
    settings: Mapping[str, Any]
    loss: float
    reading_fell: bool
    title_gain: float | None
    seconds: float
    state: str
    error: str = ""

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        """The lower the better."""
        return self.state == "failed", self.state == "given up", self.reading_fell, self.loss


def tune(data: Path, model: str, out: Path, recipe: Recipe, *, resume: bool = False) -> list[Trial]:
    """Searches, and leaves the best recipe and its run.

    Args:
        data: A DATA folder.
        model: The base model.
        out: The folder to write; new or empty unless `resume`.
        recipe: Its `tune` section says what is tried, `train` and `lora` everything else.
        resume: Go on with the search that is there.

    Returns:
        The trials, the best first.

    Raises:
        MissingExtraError: Optuna is not installed.
        UsageError: The recipe trains every weight, which has none of the settings that are tried.
        TrainingError: No trial came to an evaluation.
        GemmaPoetryError: See `training.finetuning.finetune`.
    """
    require("optuna", extra="train", purpose=_("a search for a recipe"))
    if recipe.train.method == "full":
        raise UsageError(
            _("ranks, projections and kinds of LoRA are searched, and train.method is full"),
            expected="train.method=lora",
            action=_("leave train.method=full out, or train with a rate of your choice (gemma-poetry train)"),
        )
    check_data_folder(data)
    start = {
        "data_manifest_sha256": sha256_file(data / MANIFEST),
        "model": model,
        **{name: getattr(recipe, name).model_dump(mode="json") for name in ("train", "lora")},
        # Time and number may change from one session to the next.
        "tune": recipe.tune.model_dump(mode="json", exclude={"minutes", "trials"}),
    }
    with at_work(out, start, resume=resume, what=_("data, model and recipe")) as folder:
        if folder.manifest is not None:
            say(_("{out}: the search is finished, and stays as it is", out=out))
            return sorted(_read_trials(out), key=lambda trial: trial.rank)
        return _search(data, model, folder, recipe)


def _search(data: Path, model: str, folder: RunFolder, recipe: Recipe) -> list[Trial]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out, wanted = folder.folder, recipe.tune
    trials = _read_trials(out)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=wanted.seed + len(trials), n_startup_trials=4, multivariate=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=_JUDGED_FROM),
    )
    space = _space(recipe, optuna)
    for known in trials:
        tried: dict[str, Any] = {"params": {name: known.settings[name] for name in space}, "distributions": space}
        # One that is pruned without a value counts as the worst of all.
        figures = {} if known.state == "failed" else {"value": known.loss, "intermediate_values": {100: known.loss}}
        found: dict[str, Any] = {"state": _optuna_state(known), **figures}
        study.add_trial(optuna.trial.create_trial(**tried, **found))
    deadline = time.monotonic() + 60 * wanted.minutes
    while wanted.trials is None or len(trials) < wanted.trials:
        whole = [trial.seconds for trial in trials if trial.state == "whole"]
        left = deadline - time.monotonic()
        # The first is tried in any case; later ones only where they may come to half of their way.
        if trials and left < 0.5 * (statistics.median(whole) if whole else 0):
            break
        asked = study.ask(space)
        done = _try(data, model, out, recipe, asked, len(trials), deadline)
        state = _optuna_state(done)
        study.tell(asked, None if state == optuna.trial.TrialState.PRUNED else done.loss, state=state)
        trials.append(done)
        _keep_best(out, trials)
        write_jsonl(out / TRIALS, map(asdict, trials))
        say(_told(done))
        if left < 0 or time.monotonic() >= deadline:
            break
        if len(trials) >= _FAILURES and all(trial.state == "failed" for trial in trials):
            break
    if trials and all(trial.state == "failed" for trial in trials):
        raise TrainingError(
            _("every trial failed, the last of them: {error}", error=trials[-1].error),
            where=out,
            expected=_("settings that can be trained"),
            action=_("mend what the trials ended in, or search other rates and ranks in another --out"),
        )
    if not any(math.isfinite(trial.loss) for trial in trials):
        raise TrainingError(
            _("no trial came to an evaluation"), where=out, action=_("raise tune.minutes, or prepare poems for val.txt")
        )
    trials.sort(key=lambda trial: trial.rank)
    write_text(out / BEST, _yaml(recipe, trials[0]))
    _draw(trials, out / PICTURE)
    run = sorted(path for path in (out / BEST_RUN).rglob("*") if path.is_file())
    files = [TRIALS, BEST, PICTURE, *(path.relative_to(out).as_posix() for path in run)]
    write_manifest(out, {"kind": "tuning", "model": model, "trials": len(trials), "best": asdict(trials[0])}, files)
    return trials


def _read_trials(out: Path) -> list[Trial]:
    return [Trial(**record) for record in read_jsonl(out / TRIALS)] if (out / TRIALS).is_file() else []


def _optuna_state(trial: Trial) -> Any:
    from optuna.trial import TrialState

    return TrialState.PRUNED if trial.state in ("given up", "failed") else TrialState.COMPLETE


def _space(recipe: Recipe, optuna: Any) -> dict[str, Any]:
    """What is drawn of each setting; of one that has a single value, that. `train.max_steps` leaves epochs nothing to say."""
    wanted = recipe.tune
    choices = optuna.distributions.CategoricalDistribution
    low, high = sorted(wanted.learning_rates)
    return {
        "train.learning_rate": optuna.distributions.FloatDistribution(low, high, log=True),
        "lora.rank": choices(wanted.ranks),
        "lora.targets": choices(wanted.targets),
        **({} if recipe.train.max_steps else {"train.epochs": choices(wanted.epochs)}),
        "variant": choices(wanted.variants),
    }


def recipe_of(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """A recipe with the settings of a trial; the update is scaled as in the recipe, by alpha / rank."""
    rank = settings["lora.rank"]
    lora = {
        "rank": rank,
        "alpha": rank * recipe.lora.alpha / recipe.lora.rank,
        "targets": TARGETS[settings["lora.targets"]],
        "dora": settings["variant"] == "dora",
        "rslora": settings["variant"] == "rslora",
    }
    taught = {name.removeprefix("train."): value for name, value in settings.items() if name.startswith("train.")}
    return recipe.model_copy(
        update={
            "lora": recipe.lora.model_copy(update=lora),
            # Every step of the curve is paid for by each trial; none is gone on with.
            "train": recipe.train.model_copy(update={**taught, "save_steps": 10**9}),
        }
    )


def _try(data: Path, model: str, out: Path, recipe: Recipe, asked: Any, number: int, deadline: float) -> Trial:
    """One trial, in a folder that is new each time."""
    import optuna

    run = out / _TRIAL
    shutil.rmtree(run, ignore_errors=True)
    watcher = _watcher(asked, deadline)
    began = time.monotonic()
    state, fault = "whole", ""
    try:
        train(data, model, run, recipe_of(recipe, asked.params), callbacks=[watcher])
        state = "cut off" if watcher.cut_off else state
    except optuna.TrialPruned:
        state = "given up"
    except TrainingError as error:
        # What these settings end in says nothing of others.
        state, fault = "failed", error.found
    figures = _figures(watcher, recipe, state)
    if math.isnan(figures.get("eval_loss", 0)):
        state, fault, figures = "failed", _("the validation loss is no number"), {}
    return Trial(
        number,
        dict(asked.params),
        figures.get("eval_loss", math.inf),
        bool(figures.get("eval_reading_fell", 0)),
        figures.get("eval_title_gain"),
        round(time.monotonic() - began, 1),
        state,
        fault,
    )


def _figures(watcher: Any, recipe: Recipe, state: str) -> Mapping[str, float]:
    """The evaluation that a trial is judged by: that of the weights which its run keeps; none where there is none."""
    seen: list[dict[str, float]] = watcher.seen
    if state == "failed":
        return {}
    if state == "given up" or recipe.train.keep == "last":
        return seen[-1] if seen else {}
    return min(seen, key=_figures_rank, default={})


def _figures_rank(figures: Mapping[str, float]) -> tuple[bool, float]:
    """As `training.best_weights` orders evaluations."""
    return bool(figures.get("eval_reading_fell", 0)), figures["eval_loss"]


def _watcher(asked: Any, deadline: float) -> Any:
    """Tells Optuna how a trial does, and ends it where it is worse than others, or time is up."""
    import optuna
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        def __init__(self) -> None:
            self.cut_off = False
            self.seen: list[dict[str, float]] = []

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_rest: Any) -> None:
            figures = dict(metrics or {})
            if state.global_step:
                self.seen.append(figures)
            share = round(100 * state.global_step / max(1, state.max_steps))
            asked.report(figures["eval_loss"], share)
            if share < 100 and asked.should_prune():
                raise optuna.TrialPruned

        def on_step_end(self, args: Any, state: Any, control: Any, **_rest: Any) -> None:
            if time.monotonic() >= deadline and state.global_step < state.max_steps:
                self.cut_off = True
                control.should_evaluate = True
                control.should_training_stop = True

    return Watcher()


def _keep_best(out: Path, trials: Sequence[Trial]) -> None:
    """Moves the run of the last trial to that of the best, where it is the best."""
    run = out / _TRIAL
    if min(trials, key=lambda trial: trial.rank) is trials[-1] and (run / MANIFEST).is_file():
        shutil.rmtree(out / BEST_RUN, ignore_errors=True)
        run.replace(out / BEST_RUN)
    shutil.rmtree(run, ignore_errors=True)


def _told(trial: Trial) -> str:
    settings = listed(f"{name}={_short(value)}" for name, value in trial.settings.items())
    if trial.state == "failed":
        return _("trial {number} failed, {error}: {settings}", number=trial.number, error=trial.error, settings=settings)
    return _(
        "trial {number}: loss {loss:.4f} in {seconds:.0f} s ({state}): {settings}",
        number=trial.number,
        loss=trial.loss,
        seconds=trial.seconds,
        state=_STATES[trial.state],
        settings=settings,
    )


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def table(trials: Sequence[Trial]) -> Table:
    """The trials as a table for a terminal, the best first."""
    from rich.table import Table

    drawn = Table(title=localized(_("trials, the best first")), title_justify="left")
    heads = (_("rate"), _("rank"), _("projections"), _("epochs"), _("kind"), _("loss"), _("title gain"), _("seconds"), "")
    for head in heads:
        drawn.add_column(localized(head), justify="right")
    for trial in sorted(trials, key=lambda one: one.rank):
        own = trial.settings
        gain = "—" if trial.title_gain is None else f"{trial.title_gain:.3f}{'↓' if trial.reading_fell else ''}"
        drawn.add_row(
            f"{own['train.learning_rate']:.2g}",
            str(own["lora.rank"]),
            own["lora.targets"],
            f"{own['train.epochs']:g}" if "train.epochs" in own else "—",
            own["variant"],
            f"{trial.loss:.4f}",
            gain,
            f"{trial.seconds:.0f}",
            localized(_STATES[trial.state]),
        )
    return drawn


def _yaml(recipe: Recipe, trial: Trial) -> str:
    import yaml

    best = recipe_of(recipe, trial.settings)
    contents = {
        "train": {**best.train.model_dump(mode="json"), "save_steps": recipe.train.save_steps},
        "lora": best.lora.model_dump(mode="json"),
    }
    head = f"# The best of a search: validation loss {trial.loss:.4f} nats a token.\n"
    return head + yaml.safe_dump(contents, sort_keys=False, allow_unicode=True)


def _draw(trials: Sequence[Trial], path: Path) -> None:
    """Loss over rate, a mark a rank; trials that were given up are hollow."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    colours = ("#2f6159", "#b4532a", "#6a5acd", "#b8860b", "#444444", "#c71585")
    ranks = sorted({trial.settings["lora.rank"] for trial in trials})
    for rank, colour in zip(ranks, colours * len(ranks)):
        for targets, mark in (("attention", "o"), ("all", "s")):
            own = [one for one in trials if (one.settings["lora.rank"], one.settings["lora.targets"]) == (rank, targets)]
            if own:
                axes.scatter(
                    [one.settings["train.learning_rate"] for one in own],
                    [one.loss for one in own],
                    marker=mark,
                    edgecolors=colour,
                    facecolors=[colour if one.state == "whole" else "none" for one in own],
                    label=f"rank {rank}, {targets}",
                )
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("validation loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with atomic_writer(path, binary=True) as stream:
        figure.savefig(stream, format="png", dpi=120)
