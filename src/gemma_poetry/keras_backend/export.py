"""A trained KerasHub model is written as a Hugging Face folder, proven before it counts.

    model ──checkpoint_tensors──> model.safetensors ┐
    base's config.json, tokenizer ──────────────────┴─> FOLDER ──load with transformers, compare logits──> kept

In: a model, its base, some texts. Out: a folder that transformers loads and that computes what the model computes; and,
before a training starts, the same proof for the base, so that nothing that KerasHub gets wrong costs hours.

KerasHub has an exporter of its own, which drops the updates, keeps one key-value head of Gemma 1 and calls Gemma 2 a Gemma 1:
one table for all three families takes its place. Shapes: d hidden, n heads, h head size, f intermediate.

    query, key, value (n, d, h)  ->  {q,k,v}_proj (n·h, d)        ffw_gating, ffw_gating_2 (d, f)  ->  {gate,up}_proj (f, d)
    attention_output  (n, h, d)  ->  o_proj (d, n·h)              ffw_linear (f, d)                ->  down_proj (d, f)
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from gemma_poetry.artifacts import read_json, write_json
from gemma_poetry.errors import ModelError
from gemma_poetry.keras_backend.model import logits_of, read_configuration, special_ids
from gemma_poetry.keras_backend.presets import is_preset
from gemma_poetry.languages import _
from gemma_poetry.manifests import atomic_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PARITY = 1e-4
"""Greatest difference between logits of KerasHub and transformers that counts as none, as a share of the greatest logit where
that is above 1: rounding grows with what is rounded."""
_KEPT_FROM_BASE = ("generation_config.json", "chat_template.jinja")


def prove_base(model: Any, base: Path, tokenizer: PreTrainedTokenizerBase, probes: Sequence[Sequence[int]]) -> float:
    """Compares the logits of a model that was just loaded with those of transformers.

    A checkpoint of transformers is compared as it lies there; a preset by way of its export, into a folder that goes away.

    Args:
        model: The model, its updates zero.
        base: The folder that it was loaded from.
        tokenizer: Its tokenizer.
        probes: Token ids of some texts.

    Returns:
        The greatest difference between the logits.

    Raises:
        ModelError: They differ.
    """
    mine = logits_of(model, probes)
    if not is_preset(read_json(base / "config.json")):
        return _compared(mine, base, probes, base, _("KerasHub computes the model otherwise than transformers: by"))
    with tempfile.TemporaryDirectory() as folder:
        _write(model, base, tokenizer, Path(folder))
        return _compared(mine, Path(folder), probes, base, _("the preset's export differs from the preset by"))


def export(model: Any, base: Path, out: Path, probes: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerBase) -> float:
    """Writes a trained model as a Hugging Face folder, after transformers computed the same from it.

    Args:
        model: The trained model.
        base: The folder that it was loaded from.
        out: The folder to write.
        probes: Token ids of some texts that both are compared on.
        tokenizer: Its tokenizer, for a preset; a checkpoint's own files are copied.

    Returns:
        The greatest difference between their logits.

    Raises:
        ModelError: The exported folder computes something else; it is not kept.
        OutputError: It cannot be written.
    """
    trained = logits_of(model, probes)
    with atomic_folder(out) as folder:
        _write(model, base, tokenizer, folder)
        return _compared(trained, folder, probes, out, _("the exported model differs from the trained one by"))


def _write(model: Any, base: Path, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    from safetensors.numpy import save_file

    config = read_configuration(base)
    tensors = checkpoint_tensors(model.backbone, config["model_type"])
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    if is_preset(read_json(base / "config.json")):
        _write_configuration(special_ids(config, tokenizer), folder)
        tokenizer.save_pretrained(str(folder))
        return
    _write_configuration(config, folder)
    for path in base.iterdir():
        if path.is_file() and (path.name in _KEPT_FROM_BASE or "token" in path.name):
            shutil.copyfile(path, folder / path.name)


def _write_configuration(config: Mapping[str, Any], folder: Path) -> None:
    kept = {name: value for name, value in config.items() if name != "torch_dtype"}
    write_json(folder / "config.json", {**kept, "dtype": "float32"})


def _compared(mine: Sequence[Any], folder: Path, probes: Sequence[Sequence[int]], where: Path, what: str) -> float:
    theirs = _transformers_logits(folder, probes)
    difference = max(float(numpy.abs(ours - others).max()) for ours, others in zip(mine, theirs))
    bound = PARITY * max(1.0, *(float(numpy.abs(scores).max()) for scores in theirs))
    if not difference <= bound:
        raise ModelError(
            _("{what} {difference:.2g} in its logits", what=what, difference=difference),
            where=where,
            expected=_("at most {bound:.2g}", bound=bound),
            action=_("train with the default backend; nothing was written here"),
        )
    return difference


def _transformers_logits(folder: Path, probes: Sequence[Sequence[int]]) -> list[Any]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, use_safetensors=True).eval()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([list(probe)]), use_cache=False).logits[0].numpy() for probe in probes]


_FOUR_NORMS = {
    "input_layernorm": "pre_attention_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "pre_ffw_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
# What transformers calls a norm of a layer -> the block's attribute.
_NORMS = {
    "gemma": {"input_layernorm": "pre_attention_norm", "post_attention_layernorm": "pre_ffw_norm"},
    "gemma2": _FOUR_NORMS,
    "gemma3_text": {**_FOUR_NORMS, "self_attn.q_norm": "attention.query_norm", "self_attn.k_norm": "attention.key_norm"},
}
_HEADS_IN = {"q_proj": "query_dense", "k_proj": "key_dense", "v_proj": "value_dense"}
_FEED_FORWARD = {"gate_proj": "gating_ffw", "up_proj": "gating_ffw_2", "down_proj": "ffw_linear"}


def checkpoint_tensors(backbone: Any, model_type: str) -> dict[str, Any]:
    """The tensors of a checkpoint of transformers, as numpy arrays in float32.

    Args:
        backbone: A `keras_hub.models.GemmaBackbone` or `Gemma3Backbone`.
        model_type: `gemma`, `gemma2` or `gemma3_text`.
    """
    tensors = {"model.embed_tokens.weight": _array(backbone.token_embedding.embeddings)}
    for index, block in enumerate(backbone.transformer_layers):
        layer = f"model.layers.{index}"
        for name, path in _NORMS[model_type].items():
            owner = block
            for attribute in path.split("."):
                owner = getattr(owner, attribute)
            tensors[f"{layer}.{name}.weight"] = _array(owner.scale)
        for name, attribute in _HEADS_IN.items():
            kernel = _kernel(getattr(block.attention, attribute))
            tensors[f"{layer}.self_attn.{name}.weight"] = kernel.transpose(0, 2, 1).reshape(-1, kernel.shape[1])
        kernel = _kernel(block.attention.output_dense)
        tensors[f"{layer}.self_attn.o_proj.weight"] = kernel.transpose(2, 0, 1).reshape(kernel.shape[2], -1)
        for name, attribute in _FEED_FORWARD.items():
            tensors[f"{layer}.mlp.{name}.weight"] = _kernel(getattr(block, attribute)).T
    tensors["model.norm.weight"] = _array(backbone.layer_norm.scale)
    # safetensors writes an array's memory as it lies.
    return {name: numpy.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def _kernel(layer: Any) -> Any:
    # `kernel` is the frozen kernel plus its update; `_kernel` would be the frozen one alone.
    return _array(layer.kernel)


def _array(value: Any) -> Any:
    from keras import ops

    return numpy.asarray(ops.convert_to_numpy(value), dtype="float32")
