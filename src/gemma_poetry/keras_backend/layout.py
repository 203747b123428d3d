"""The layout maps the weights of a KerasHub Gemma to a checkpoint of transformers.

In: a backbone of KerasHub and its `model_type`. Out: the tensors of `model.safetensors`, by name, with every LoRA update in
them.

KerasHub has an exporter of its own, which drops the updates, keeps one key-value head of Gemma 1 and calls Gemma 2 a Gemma 1:
one table for all three families takes its place. Shapes: d hidden, n heads, h head size, f intermediate.

    query, key, value (n, d, h)  ->  {q,k,v}_proj (n·h, d)        ffw_gating, ffw_gating_2 (d, f)  ->  {gate,up}_proj (f, d)
    attention_output  (n, h, d)  ->  o_proj (d, n·h)              ffw_linear (f, d)                ->  down_proj (d, f)
"""

from __future__ import annotations

from typing import Any

import numpy

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
