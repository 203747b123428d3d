"""`gemma-poetry train`: LoRA fine-tuning of a model on a prepared folder.

In: DATA, a model, a recipe. Out: RUN, with its loss curve drawn as `curve.png`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from gemma_poetry.config import Recipe
from gemma_poetry.errors import UsageError


def train(data: Path, model: str, out: Path, recipe: Recipe, *, resume: bool = False, recipe_name: str = "") -> dict[str, Any]:
    """Trains, draws the curve, and returns the run's manifest; of several processes only the first has one.

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
    manifest = finetune(data, model, out, recipe, resume=resume, recipe_name=recipe_name, counting=counting, watching=watching)
    if manifest:
        plot_curves(read_curve(out / "curve.jsonl"), out / "curve.png")
    return manifest


def summary(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know of a finished run, as (name, value) rows."""
    from gemma_poetry.model.lora import describe_matches
    from gemma_poetry.verbs.reading_watch import sentence

    validation = manifest.get("validation", {})
    modules, reading = manifest["lora_modules"], sentence(manifest)
    kept = manifest.get("kept_step", manifest["steps"])
    return [
        ("base model", manifest["base"]["name"]),
        *([("LoRA modules", describe_matches(modules))] if modules else []),
        ("LoRA parameters" if modules else "parameters", f"{manifest['trainable_parameters']:,}"),
        *_vocabulary_row(manifest),
        ("steps", f"{manifest['steps']:,} on {manifest['data']['train_poems']:,} poems"),
        *([("weights kept", f"those of step {kept:,}, the best evaluation")] if kept != manifest["steps"] else []),
        *([("reading", reading)] if reading else []),
        *((f"validation {name}", f"{value:.2f}") for name, value in validation.items()),
        ("wall time", f"{manifest['wall_seconds']:.0f} s"),
        ("peak memory", f"{manifest['peak_memory_bytes'] / 2**30:.2f} GiB"),
    ]


def _vocabulary_row(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    pruned = manifest.get("vocabulary")
    if pruned is None:
        return []
    return [("vocabulary in training", f"{pruned['kept_rows']:,} of {pruned['rows']:,} rows")]
