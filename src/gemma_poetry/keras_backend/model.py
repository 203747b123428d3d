"""A Gemma of KerasHub is loaded, gets LoRA, computes, and saves its updates.

In: a checkpoint folder in the published layout or a KerasHub preset, the `lora` section of a recipe. Out: a causal language
model of KerasHub without preprocessor, in float32, with updates on its projections; logits as numpy arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from gemma_poetry.artifacts import read_json
from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import IncompleteModelError, UsageError
from gemma_poetry.keras_backend.batches import bucket
from gemma_poetry.keras_backend.configuration import backbone_name, check_configuration
from gemma_poetry.keras_backend.environment import import_keras
from gemma_poetry.keras_backend.presets import as_transformers, is_preset
from gemma_poetry.languages import _, listed

# What PEFT and the recipes call a projection -> what KerasHub calls it.
PROJECTIONS = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "attention_output",
    "gate_proj": "ffw_gating",
    "up_proj": "ffw_gating_2",
    "down_proj": "ffw_linear",
}
_BLOCK = re.compile(r"decoder_block_(\d+)/")


def read_configuration(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint or preset, in the terms of transformers.

    Raises:
        ModelError: KerasHub would compute it otherwise than transformers.
    """
    written: dict[str, Any] = read_json(folder / "config.json")
    config = as_transformers(written, folder) if is_preset(written) else written
    check_configuration(config, folder)
    return config


def load_causal_lm(folder: Path) -> Any:
    """A KerasHub model with the weights of a Hugging Face folder or a preset, in float32.

    Raises:
        ModelError: KerasHub would compute it otherwise than transformers, or its weights cannot be read.
        UsageError: KerasHub is not installed.
    """
    name = backbone_name(read_configuration(folder)["model_type"])
    models = import_keras().models
    try:
        backbone = getattr(models, f"{name}Backbone").from_preset(str(folder), dtype="float32")
    except (OSError, ValueError, KeyError) as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        raise IncompleteModelError(
            _("KerasHub cannot read the weights ({lines})", lines=lines[0]),
            where=folder,
            expected=_("configuration and weights of one and the same model, complete"),
            action=_("download or save the model again"),
        ) from error
    return getattr(models, f"{name}CausalLM")(backbone=backbone, preprocessor=None)


def enable_lora(model: Any, settings: LoraSettings) -> list[str]:
    """Freezes a model and gives its projections LoRA updates with the recipe's rank, scale, targets and layers.

    Returns:
        The full names of the updated layers.

    Raises:
        UsageError: The recipe names a projection or a layer that the model does not have.
    """
    backbone = model.backbone
    unknown = [name for name in settings.targets if name not in PROJECTIONS]
    if unknown:
        raise UsageError(
            _("lora.targets: {unknown}", unknown=listed(unknown)),
            expected=_("some of {projections}", projections=listed(PROJECTIONS)),
        )
    absent = [layer for layer in settings.layers or () if not 0 <= layer < backbone.num_layers]
    if absent or settings.layers == ():
        raise UsageError(
            _("lora.layers: {layers}", layers=list(settings.layers or ())),
            expected=_("some of the layers 0 to {num_layers}", num_layers=backbone.num_layers - 1),
            action=_("change --set lora.layers=[...], or leave it out for all"),
        )
    backbone.enable_lora(settings.rank, target_layer_names=[PROJECTIONS[name] for name in settings.targets])
    for layer in _layers_with_updates(backbone):
        # The update is scaled by lora_alpha / rank; with rsLoRA by alpha / sqrt(rank).
        layer.lora_alpha = settings.alpha * (settings.rank**0.5 if settings.rslora else 1)
        if settings.layers is not None and _block(layer) not in settings.layers:
            # KerasHub chooses layers by their last name alone. One that is not trained keeps an update of zeros. (To set
            # `trainable` on the others would thaw their kernels too.)
            layer.trainable = False
    return list(updated_layers(model))


def updated_layers(model: Any) -> dict[str, Any]:
    """The layers whose updates are trained, by their full names."""
    return {layer.path: layer for layer in _layers_with_updates(model.backbone) if layer.trainable}


def _layers_with_updates(backbone: Any) -> list[Any]:
    return [layer for layer in backbone._flatten_layers(include_self=False) if getattr(layer, "lora_enabled", False)]


def _block(layer: Any) -> int:
    found = _BLOCK.search(layer.path)
    assert found, layer.path
    return int(found[1])


def save_updates(model: Any, path: Path) -> None:
    """Writes the updates in KerasHub's own format, for `backbone.load_lora_weights` on the base model.

    Their scale goes into the second factor, and the model keeps it so: KerasHub reads a file back with a scale of 1.

    Args:
        model: The trained model.
        path: A file whose name ends in `.lora.h5`.
    """
    for layer in _layers_with_updates(model.backbone):
        layer.lora_kernel_b.assign(layer.lora_kernel_b * (layer.lora_alpha / layer.lora_rank))
        layer.lora_alpha = layer.lora_rank
    # Functions that were compiled with the old scale would go on with it.
    for part in (model, model.backbone):
        part.train_function = part.test_function = part.predict_function = None
    model.backbone.save_lora_weights(str(path))


def logits(model: Any, token_ids: Any, padding_mask: Any) -> Any:
    """Logits (B, T, pieces) as a numpy array, for token ids and padding mask (B, T)."""
    from keras import ops

    return ops.convert_to_numpy(model.predict_on_batch({"token_ids": token_ids, "padding_mask": padding_mask}))


def logits_of(model: Any, texts: Sequence[Sequence[int]]) -> list[Any]:
    """The logits (T, pieces) of some texts of different lengths, computed in one shape."""
    width = bucket(max(map(len, texts)))
    ids = numpy.zeros((len(texts), width), dtype="int32")
    mask = numpy.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return [scores[: len(text)] for scores, text in zip(logits(model, ids, mask), texts)]


def special_ids(config: Mapping[str, Any], tokenizer: Any) -> dict[str, Any]:
    """A configuration with the ids of BOS, EOS and padding that a tokenizer has."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {**config, **{name: getattr(tokenizer, name) for name in names}}
