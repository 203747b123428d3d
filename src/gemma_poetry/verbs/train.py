"""`gemma-poetry train`: LoRA fine-tuning of a model on a prepared folder.

In: DATA, a model, a recipe. Out: RUN, with its loss curve drawn as `curve.png`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gemma_poetry.config import Recipe
from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _


def train(
    data: Path,
    model: str,
    out: Path,
    recipe: Recipe,
    *,
    resume: bool = False,
    recipe_name: str = "",
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Trains, draws the curve, and returns the run's manifest; of several processes only the first has one.

    Args:
        data: A DATA folder.
        model: The base model.
        out: The RUN folder.
        recipe: Its `train`, `lora` and `generate` sections are used.
        resume: Go on from the newest complete checkpoint.
        recipe_name: The recipe's name, for the manifest.
        callbacks: `TrainerCallback`s that are told how the training goes, and may end it.

    Raises:
        GemmaPoetryError: See `training.finetuning.finetune`.
    """
    from gemma_poetry.evaluation.curves import plot_curves, read_curve
    from gemma_poetry.training.finetuning import finetune
    from gemma_poetry.verbs.domain_lookup import counting_of_data, domain_of_data
    from gemma_poetry.verbs.reading_watch import reading_watch

    counting = counting_of_data(data)
    watching = None
    with suppress(UsageError):  # a domain that is not at hand here writes nothing
        watching = reading_watch(data, recipe, domain_of_data(data))
    manifest = finetune(
        data,
        model,
        out,
        recipe,
        resume=resume,
        recipe_name=recipe_name,
        counting=counting,
        watching=watching,
        callbacks=callbacks,
    )
    if manifest:
        plot_curves(read_curve(out / "curve.jsonl"), out / "curve.png")
    return manifest


def summary(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know of a finished run, as (name, value) rows."""
    from gemma_poetry.model.lora import describe_matches
    from gemma_poetry.verbs.reading_watch import sentence

    validation = manifest.get("validation", {})
    modules, reading = manifest["lora_modules"], sentence(manifest)
    return [
        (_("base model"), manifest["base"]["name"]),
        *([(_("LoRA modules"), describe_matches(modules))] if modules else []),
        (_("LoRA parameters") if modules else _("parameters"), f"{manifest['trainable_parameters']:,}"),
        *_vocabulary_row(manifest),
        (
            _("steps"),
            _("{steps:,} on {train_poems:,} poems", steps=manifest["steps"], train_poems=manifest["data"]["train_poems"]),
        ),
        *kept_row(manifest),
        *([(_("the writing"), reading)] if reading else []),
        *((_("validation {name}", name=name), f"{value:.2f}") for name, value in validation.items()),
        (_("wall time"), f"{manifest['wall_seconds']:.0f} s"),
        (_("peak memory"), f"{manifest['peak_memory_bytes'] / 2**30:.2f} GiB"),
    ]


def kept_row(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Whose weights a training kept, as a row; none where they are the last ones."""
    kept = manifest.get("kept_step", manifest["steps"])
    if kept == manifest["steps"]:
        return []
    return [(_("weights kept"), _("those of step {kept:,}, the best evaluation", kept=kept))]


def _vocabulary_row(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    pruned = manifest.get("vocabulary")
    if pruned is None:
        return []
    return [
        (_("vocabulary in training"), _("{kept_rows:,} of {rows:,} rows", kept_rows=pruned["kept_rows"], rows=pruned["rows"]))
    ]
