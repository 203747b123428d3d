"""A Gemma 3 of KerasHub: from a Hugging Face folder, with LoRA, and back into a Hugging Face folder.

    FOLDER ──load──> Gemma3CausalLM ──enable_lora──> trained ──fold_lora──> export ──compare logits──> FOLDER

In: a checkpoint folder in the published layout, the `lora` section of a recipe. Out: a `keras_hub.models.Gemma3CausalLM`
without preprocessor, in float32; a folder that transformers loads.

KerasHub exports the kernels without their updates: the updates are folded into the kernels first, and the exported folder
is loaded with transformers and compared before it counts. What `export_to_transformers` does not write, or writes
otherwise (tokenizer.json, config.json with the ids of BOS and EOS exchanged), is taken from the base checkpoint.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from gemma_poetry.artifacts import atomic_folder, read_json, write_json
from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import ModelError, UsageError
from gemma_poetry.keras_backend.configuration import check_configuration

BACKENDS = ("torch", "jax")
PARITY = 1e-4
"""Greatest difference between logits of KerasHub and transformers that counts as none."""
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
_KEPT_FROM_BASE = ("generation_config.json", "chat_template.jinja")


def import_keras() -> Any:
    """KerasHub on one of the backends that this project tests; PyTorch unless `KERAS_BACKEND` says otherwise.

    Raises:
        UsageError: KerasHub is not installed, or runs on another backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import keras_hub
    except ImportError as error:
        raise UsageError(
            f"the KerasHub backend is not installed ({error})",
            expected="keras and keras-hub, in an environment of their own",
            action="run make keras, then .venv-keras/bin/gemma-poetry train --backend keras",
        ) from error
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(
            f"Keras runs on {keras.backend.backend()}",
            expected=f"one of {', '.join(BACKENDS)}",
            action="set KERAS_BACKEND=torch or jax",
        )
    return keras_hub


def load_causal_lm(folder: Path) -> Any:
    """A KerasHub model with the weights of a Hugging Face folder, in float32.

    Raises:
        ModelError: KerasHub would compute it otherwise than transformers.
        UsageError: KerasHub is not installed.
    """
    check_configuration(read_json(folder / "config.json"), folder)
    keras_hub = import_keras()
    backbone = keras_hub.models.Gemma3Backbone.from_preset(str(folder), dtype="float32")
    return keras_hub.models.Gemma3CausalLM(backbone=backbone, preprocessor=None)


def enable_lora(model: Any, settings: LoraSettings) -> list[str]:
    """Freezes a model and gives its projections LoRA updates with the recipe's rank, scale and targets.

    Returns:
        The full names of the updated layers.

    Raises:
        UsageError: The recipe asks for what KerasHub's LoRA does not have.
    """
    unknown = [name for name in settings.targets if name not in PROJECTIONS]
    if unknown:
        raise UsageError(f"lora.targets: {', '.join(unknown)}", expected=f"some of {', '.join(PROJECTIONS)}")
    if settings.dora or settings.layers is not None:
        raise UsageError(
            "lora.dora and lora.layers are not there with the KerasHub backend",
            expected="plain LoRA on every layer",
            action="leave them out, or train with the default backend",
        )
    backbone = model.backbone
    backbone.enable_lora(settings.rank, target_layer_names=[PROJECTIONS[name] for name in settings.targets])
    updated = _updated_layers(backbone)
    for layer in updated:
        # The update is scaled by lora_alpha / rank; with rsLoRA by alpha / sqrt(rank).
        layer.lora_alpha = settings.alpha * (settings.rank**0.5 if settings.rslora else 1)
    return [layer.path for layer in updated]


def _updated_layers(backbone: Any) -> list[Any]:
    return [layer for layer in backbone._flatten_layers(include_self=False) if getattr(layer, "lora_enabled", False)]


def fold_lora(model: Any) -> None:
    """Adds each update to its kernel and sets it to zero: the model computes the same, its kernels hold it all."""
    from keras import ops

    for layer in _updated_layers(model.backbone):
        layer._kernel.assign(layer.kernel)
        layer.lora_kernel_b.assign(ops.zeros(layer.lora_kernel_b.shape))


def logits(model: Any, token_ids: Any, padding_mask: Any) -> Any:
    """Logits (B, T, pieces) as a numpy array, for token ids and padding mask (B, T)."""
    from keras import ops

    return ops.convert_to_numpy(model.predict_on_batch({"token_ids": token_ids, "padding_mask": padding_mask}))


def export(model: Any, base: Path, out: Path, probes: Sequence[Sequence[int]]) -> float:
    """Writes a trained model as a Hugging Face folder, after transformers computed the same from it.

    Its updates are folded into its kernels.

    Args:
        model: The trained model.
        base: The folder that it was loaded from.
        out: The folder to write.
        probes: Token ids of some texts that both are compared on.

    Returns:
        The greatest difference between their logits.

    Raises:
        ModelError: The exported folder computes something else; it is not kept.
        OutputError: It cannot be written.
    """
    trained = [logits(model, *_one_row(probe)) for probe in probes]
    fold_lora(model)
    with atomic_folder(out) as folder:
        model.export_to_transformers(str(folder))
        _take_from_base(base, folder)
        difference = max(
            float(numpy.abs(mine - theirs).max()) for mine, theirs in zip(trained, _transformers_logits(folder, probes))
        )
        if not difference <= PARITY:
            raise ModelError(
                f"the exported model differs from the trained one by {difference:.2g} in its logits",
                where=out,
                expected=f"at most {PARITY:g}",
                action="train with the default backend; nothing was written here",
            )
    return difference


def _take_from_base(base: Path, folder: Path) -> None:
    """Configuration and tokenizer, as the base checkpoint has them; KerasHub's own versions of them go."""
    weights = folder / "model.safetensors"
    for path in [path for path in folder.iterdir() if path != weights]:
        path.unlink()
    config = {name: value for name, value in read_json(base / "config.json").items() if name != "torch_dtype"}
    write_json(folder / "config.json", {**config, "dtype": "float32"})
    for path in base.iterdir():
        if path.name in _KEPT_FROM_BASE or "token" in path.name:
            shutil.copyfile(path, folder / path.name)


def _one_row(ids: Sequence[int]) -> tuple[Any, Any]:
    row = numpy.asarray([ids], dtype="int32")
    return row, numpy.ones_like(row)


def _transformers_logits(folder: Path, probes: Sequence[Sequence[int]]) -> list[Any]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([list(probe)]), use_cache=False).logits.numpy() for probe in probes]
