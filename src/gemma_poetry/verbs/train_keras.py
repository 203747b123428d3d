"""`gemma-poetry train --backend keras`: LoRA fine-tuning with KerasHub on a prepared folder.

In: DATA, a model, a recipe. Out: RUN with KerasHub's updates, `merged/` (a Hugging Face folder that every other verb takes as
`--model`), the loss curve drawn as `curve.png`, and a manifest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemma_poetry.config import Recipe
from gemma_poetry.errors import RunError, UsageError


def train_with_keras(
    data: Path, model: str, out: Path, recipe: Recipe, *, resume: bool = False, recipe_name: str = ""
) -> dict[str, Any]:
    """Trains, draws the curve, and returns the run's manifest.

    Raises:
        UsageError: `resume` was asked for: KerasHub runs are not resumed.
        RunError: The model is a run, not a base model.
        GemmaPoetryError: See `keras_backend.training.train_keras`.
    """
    from gemma_poetry.evaluation.curves import plot_curves, read_curve
    from gemma_poetry.keras_backend.training import CURVE, train_keras
    from gemma_poetry.model.base import is_run, load_tokenizer, locate
    from gemma_poetry.model.checkpoint import check_model_folder
    from gemma_poetry.model.hub import fetch

    if resume:
        raise UsageError(
            "--resume is not there with --backend keras",
            expected="a run from its beginning",
            action="choose another --out, or train with the default backend",
        )
    if is_run(Path(model)):
        raise RunError("the model is a run, not a base model", where=model, action="name its base")
    location = locate(model)
    folder = Path(location) if Path(location).is_dir() else fetch(location)
    check_model_folder(folder)
    manifest = train_keras(data, model, folder, load_tokenizer(model), out, recipe, recipe_name=recipe_name)
    plot_curves(read_curve(out / CURVE), out / "curve.png")
    return manifest


def summary(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know of a finished run, as (name, value) rows."""
    perplexity = manifest["perplexity"]
    backend = manifest["backend"]
    return [
        ("base model", manifest["base"]["name"]),
        ("backend", f"Keras {backend['keras']} on {backend['arithmetic']}"),
        ("LoRA layers", f"{len(manifest['lora_modules'])} ({manifest['trainable_parameters']:,} parameters)"),
        ("steps", f"{manifest['steps']:,} on {manifest['data']['train_poems']:,} poems"),
        *(
            (f"{split} {name}", f"{perplexity['before'][split][name]:.2f} -> {value:.2f}")
            for split, figures in perplexity["after"].items()
            for name, value in figures.items()
        ),
        ("export", f"logits within {manifest['export_difference']:.1g} of the trained model's"),
        ("wall time", f"{manifest['wall_seconds']:.0f} s"),
        ("peak memory", f"{manifest['peak_memory_bytes'] / 2**30:.2f} GiB"),
    ]
