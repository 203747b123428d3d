"""`gemma-poetry train --backend keras`: LoRA fine-tuning with KerasHub on a prepared folder.

In: DATA, a model (what the default backend takes, a KerasHub preset, or its handle), a recipe. Out: RUN with KerasHub's
updates, `merged/` (a Hugging Face folder that every other verb takes as `--model`), the loss curve drawn as `curve.png`, and
a manifest.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import Recipe
from gemma_poetry.errors import GemmaPoetryError, RunError, TokenizerMismatchError
from gemma_poetry.languages import _

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gemma_poetry.keras_backend.training import Base

_COMPARED_POEMS = 500


def train_with_keras(
    data: Path, model: str, out: Path, recipe: Recipe, *, resume: bool = False, recipe_name: str = ""
) -> dict[str, Any]:
    """Trains, draws the curve, and returns the run's manifest.

    Raises:
        RunError: The model is a run, not a base model.
        GemmaPoetryError: See `keras_backend.training.train_keras`.
    """
    from gemma_poetry.evaluation.curves import plot_curves, read_curve
    from gemma_poetry.keras_backend.training import CURVE, train_keras
    from gemma_poetry.verbs.domain_lookup import counting_of_data

    base, counting = find_base(model, data), counting_of_data(data)
    manifest = train_keras(data, base, out, recipe, resume=resume, recipe_name=recipe_name, counting=counting)
    plot_curves(read_curve(out / CURVE), out / "curve.png")
    return manifest


def find_base(model: str, data: Path) -> Base:
    """The model that `--model` names, on this machine, with the tokenizer that DATA was made with.

    Args:
        model: A preset of this project's, a folder, a GGUF file, a published name, a Hub id; a KerasHub preset's folder, name
            or handle.
        data: The DATA folder to be trained on.

    Raises:
        ModelError: There is no such model, or it is incomplete, unsafe or out of reach.
        RunError: It is a run.
        TokenizerMismatchError: A preset cuts texts otherwise than DATA has them.
    """
    from gemma_poetry.keras_backend.training import Base
    from gemma_poetry.model.checkpoint import check_model_folder, weights_fingerprint
    from gemma_poetry.model.configuration_fields import check_preset
    from gemma_poetry.model.keras_preset import is_keras_preset
    from gemma_poetry.model.loading import load_tokenizer
    from gemma_poetry.model.locating import is_run, lasting_spec

    if is_run(Path(model)):
        raise RunError(_("the model is a run, not a base model"), where=model, action=_("name its base"))
    folder, revision = _folder(model)
    path = Path(model)
    name = path.resolve().name if path.is_dir() else path.stem if path.is_file() else model
    identity = {"spec": lasting_spec(model), "name": name, "revision": revision}
    if is_keras_preset(folder):
        check_preset(folder)
        return Base(folder, _preset_tokenizer(folder, data), {**identity, "weights_fingerprint": weights_fingerprint(folder)})
    check_model_folder(folder)
    return Base(folder, load_tokenizer(str(folder)), {**identity, "weights_fingerprint": weights_fingerprint(folder)})


def _folder(model: str) -> tuple[Path, str | None]:
    """Where a model lies on this machine, downloaded where it must be, and the commit of a Hub id."""
    from gemma_poetry.keras_backend.presets import HUGGING_FACE, fetch_preset, is_handle
    from gemma_poetry.model.hub import fetch
    from gemma_poetry.model.keras_preset import is_keras_preset
    from gemma_poetry.model.locating import locate, packaged_model
    from gemma_poetry.model.named_models import named_repository

    packaged = packaged_model(model)
    if packaged is not None:
        return packaged, None
    # gemma-3-270m is a real model's name; KerasHub's own names have underscores.
    if named_repository(model) is None and is_handle(model) and not model.startswith(HUGGING_FACE):
        return fetch_preset(model), None
    location = locate(model.removeprefix(HUGGING_FACE))
    if Path(location).is_dir():
        return Path(location), None
    # Of a repository in the format of transformers, weights in other formats are never fetched.
    texts = fetch(location, weights=False)
    if is_keras_preset(texts):
        folder = fetch_preset(HUGGING_FACE + location)
        return folder, folder.name
    folder = fetch(location)
    return folder, folder.name


def _preset_tokenizer(folder: Path, data: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a preset, or the one that DATA names, where it is the same with a chat template or pieces more.

    Raises:
        TokenizerMismatchError: DATA was made with neither.
    """
    from gemma_poetry.corpus.reading import load_poems
    from gemma_poetry.data.tokenization import check_tokenizer
    from gemma_poetry.manifests import read_manifest
    from gemma_poetry.model.keras_preset import difference, preset_tokenizer
    from gemma_poetry.model.loading import load_tokenizer

    own = preset_tokenizer(folder)
    manifest = read_manifest(data)
    try:
        check_tokenizer(manifest, own, data)
        return own
    except TokenizerMismatchError as mismatch:
        again = _("run prepare again with --model {folder}", folder=folder)
        refusal = TokenizerMismatchError(mismatch.found, where=data, expected=mismatch.expected, action=again)
    try:
        named = load_tokenizer(str(manifest["tokenizer"]["name"]))
        check_tokenizer(manifest, named, data)
    except (GemmaPoetryError, KeyError, TypeError):
        raise refusal from None
    poems = [poem for split in ("val", "train") for poem in load_poems(data, split, _COMPARED_POEMS)]
    apart = difference(own, named, [poem.text for poem in poems])
    if apart:
        raise TokenizerMismatchError(
            _("the data was tokenized for {name!r}; the preset {apart}", name=manifest["tokenizer"]["name"], apart=apart),
            where=data,
            expected=_("data that was prepared with the preset's own tokenizer, or with that of the same model"),
            action=again,
        )
    return named


def summary(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know of a finished run, as (name, value) rows."""
    perplexity = manifest["perplexity"]
    backend = manifest["backend"]
    return [
        (_("base model"), manifest["base"]["name"]),
        (_("backend"), _("Keras {keras} on {arithmetic}", keras=backend["keras"], arithmetic=backend["arithmetic"])),
        (
            _("LoRA layers"),
            _(
                "{count} ({trainable_parameters:,} parameters)",
                count=len(manifest["lora_modules"]),
                trainable_parameters=manifest["trainable_parameters"],
            ),
        ),
        *((_("otherwise"), line) for line in manifest["replaced"]),
        (
            _("steps"),
            _("{steps:,} on {train_poems:,} poems", steps=manifest["steps"], train_poems=manifest["data"]["train_poems"]),
        ),
        *(
            (f"{split} {name}", f"{perplexity['before'][split][name]:.2f} -> {value:.2f}")
            for split, figures in perplexity["after"].items()
            for name, value in figures.items()
        ),
        (
            _("export"),
            _("logits within {export_difference:.1g} of the trained model's", export_difference=manifest["export_difference"]),
        ),
        (_("wall time"), f"{manifest['wall_seconds']:.0f} s"),
        (_("peak memory"), f"{manifest['peak_memory_bytes'] / 2**30:.2f} GiB"),
    ]
