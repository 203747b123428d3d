"""Small GGUF files of every Gemma family, as llama.cpp's converter writes them, from the random models of `families`.

In: a path, a family, a quantization, and what is to be otherwise. Out: the file, and the model and tokenizer that it holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gemma_poetry.exporting.gguf_file import token_table
from tests.families import family_model, small_tokenizer

ARCHITECTURES = {
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "gemma3n_text": "gemma3n",
    "gemma4_text": "gemma4",
}
_COMMON = ("general.", "tokenizer.", "split.", "adapter.")
_STACKED = ("altup_projections", "altup_unembed_projections")
# What makes a family's small model one that a GGUF file can describe: heads and windows as llama.cpp has them.
_CHANGES: dict[str, dict[str, Any]] = {
    "gemma": {},
    "gemma2": {},
    "gemma3_text": {"layer_types": ["sliding_attention"] * 4},
    "gemma3n_text": {},
    "gemma4_text": {},
}


def write_family(
    path: Path, family: str, kind: str = "F32", *, width: int = 32, values: dict[str, Any] | None = None, drop: str = ""
):  # type: ignore[no-untyped-def]
    """Writes a small model of a family; returns the model and its tokenizer.

    Args:
        path: The file.
        family: A key of `ARCHITECTURES`.
        kind: The quantization of the matrices; vectors are F32 always.
        width: Hidden size and twice the width of the feed-forward layer; K-quants want a multiple of 256.
        values: Values of the file that are to be otherwise; `None` as a value leaves it out.
        drop: A tensor that is left out.
    """
    import gguf

    tokenizer = small_tokenizer(family)
    sizes = {"hidden_size": width, "intermediate_size": 2 * width} if width != 32 else {}
    model = family_model(family, len(tokenizer), **(_CHANGES[family] | sizes))
    config = model.config
    writer = gguf.GGUFWriter(path, ARCHITECTURES[family])
    for key, value in (_values(config, model) | _tokenizer_values(tokenizer) | (values or {})).items():
        if value is not None:
            _add(writer, key if key.startswith(_COMMON) else f"{ARCHITECTURES[family]}.{key}", value)
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES[family])
    table = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in _tensors(model, table).items():
        if name == drop:
            continue
        quantization = gguf.GGMLQuantizationType[kind if tensor.ndim > 1 else "F32"]
        if quantization == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, tensor)
        elif quantization == gguf.GGMLQuantizationType.F16:
            writer.add_tensor(name, tensor.astype(np.float16))
        else:
            writer.add_tensor(name, gguf.quantize(tensor, quantization), raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model, tokenizer


def _tensors(model: Any, table: Any) -> dict[str, np.ndarray]:
    family, found, stacks = model.config.model_type, {}, {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        values = tensor.float().numpy()
        if family in ("gemma", "gemma2", "gemma3_text") and name.endswith("norm.weight"):
            values = values + 1
        base = name.removesuffix(".weight")
        for stacked in _STACKED:
            if f".{stacked}." in base:
                base = base.rsplit(".", 1)[0]
                stacks.setdefault(base, []).append(values)
        if base not in stacks:
            found[f"{table.get_name(base)}.weight"] = np.ascontiguousarray(values)
    return found | {f"{table.get_name(base)}.weight": np.stack(values) for base, values in stacks.items()}


def _head_size(config: Any) -> int:
    """The size of a head in layers with a window; Gemma 4's configuration does not tell it without a layer."""
    return int(config.to_dict()["head_dim"])


def _values(config: Any, model: Any) -> dict[str, Any]:
    windowed = [kind == "sliding_attention" for kind in getattr(config, "layer_types", None) or []]
    values: dict[str, Any] = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": _head_size(config),
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "attention.sliding_window": getattr(config, "sliding_window", None),
        "attn_logit_softcapping": getattr(config, "attn_logit_softcapping", None),
        "final_logit_softcapping": getattr(config, "final_logit_softcapping", None),
    }
    if config.model_type in ("gemma3n_text", "gemma4_text"):
        values |= {
            "attention.sliding_window_pattern": windowed,
            "attention.shared_kv_layers": config.num_kv_shared_layers,
            "embedding_length_per_layer_input": config.hidden_size_per_layer_input,
        }
    if config.model_type == "gemma3n_text":
        values |= {
            "altup.active_idx": config.altup_active_idx,
            "altup.num_inputs": config.altup_num_inputs,
            "activation_sparsity_scale": [float("-inf")] * config.num_hidden_layers,
            "feed_forward_length": list(config.intermediate_size),
        }
    if config.model_type == "gemma4_text":
        attention = [layer.self_attn for layer in model.model.layers]
        whole = next(one for one, windows in zip(attention, windowed) if not windows)
        values |= {
            "attention.key_length": whole.head_dim,
            "attention.key_length_swa": _head_size(config),
        }
    return values


def _tokenizer_values(tokenizer: Any) -> dict[str, Any]:
    pieces, scores, types = token_table(tokenizer, len(tokenizer))
    return {
        "general.name": "a small model",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
    }


def _add(writer: Any, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)
