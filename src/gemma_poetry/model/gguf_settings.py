"""From what a GGUF file says to the configuration that transformers builds the model from.

In: a `GgufHeader`. Out: the settings of a text configuration, and `gguf_names`: where each tensor of the model lies in the
file.

What llama.cpp fixes in its code stands in no file: five windows to each global layer and a window base of 10,000 in Gemma
3, the scale of the queries in the 27B models. Names come from the tables of the package `gguf`.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

from gemma_poetry.errors import IncompleteModelError, NotAGemmaError
from gemma_poetry.languages import _, listed
from gemma_poetry.model.gguf_header import ARCHITECTURES, GgufHeader

_WINDOW, _GLOBAL = "sliding_attention", "full_attention"
_GEMMA_3_PATTERN = 6
_LOCAL_BASE = 10_000.0
_GLOBAL_BASE = 1_000_000.0
# Layers of the 27B models, whose queries are scaled by hidden size / heads in place of the size of a head.
_SCALED_BY_WIDTH = {"gemma2": 46, "gemma3": 62}
_STACKED = ("altup_projections", "altup_unembed_projections")  # one tensor in GGUF, a list of them in transformers


def model_settings(header: GgufHeader) -> dict[str, Any]:
    """The settings of the configuration, `model_type` among them.

    Raises:
        IncompleteModelError: A value that the architecture needs is not there.
        NotAGemmaError: The model has experts, which no class here trains.
    """
    if header.value("expert_count"):
        raise NotAGemmaError(
            _("the model is a mixture of experts"),
            where=header.path,
            expected=_("a dense Gemma"),
            action=_("name another size (gemma-poetry models lists them)"),
        )
    heads, layers = _needed(header, "attention.head_count"), _needed(header, "block_count")
    hidden, head_size = _needed(header, "embedding_length"), _needed(header, "attention.key_length")
    ids = {name: header.metadata.get(f"tokenizer.ggml.{key}_token_id") for name, key in _SPECIALS.items()}
    common = {
        "model_type": ARCHITECTURES[header.architecture],
        "architectures": [_CLASSES[header.architecture]],
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": header.value("attention.head_count_kv", heads),
        "head_dim": head_size,
        "intermediate_size": _needed(header, "feed_forward_length"),
        "max_position_embeddings": _needed(header, "context_length"),
        "rms_norm_eps": float(f"{_needed(header, 'attention.layer_norm_rms_epsilon'):.6g}"),
        "vocab_size": _rows(header, "token_embd.weight"),
        "tie_word_embeddings": "output.weight" not in header.tensors,
        **{name: index for name, index in ids.items() if index is not None},
    }
    own = {"gemma": _gemma, "gemma2": _gemma2, "gemma3": _gemma3, "gemma3n": _gemma3n, "gemma4": _gemma4}
    return common | own[header.architecture](header, common)


_SPECIALS = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
_CLASSES = {
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
    "gemma3n": "Gemma3nForCausalLM",
    "gemma4": "Gemma4ForCausalLM",
}


def gguf_names(header: GgufHeader, names: Iterable[str]) -> dict[str, tuple[str, int | None]]:
    """Where each tensor of the model lies: the name in the file, and the row of a stack or `None`.

    Raises:
        IncompleteModelError: Some are not in the file, or the file has some that the model has not.
    """
    import gguf

    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == header.architecture)
    table = gguf.get_tensor_name_map(architecture, _needed(header, "block_count"))
    found: dict[str, tuple[str, int | None]] = {}
    missing = []
    for name in names:
        base, row = name.removesuffix(".weight"), None
        for stacked in _STACKED:
            if f".{stacked}." in name:
                base, number = base.rsplit(".", 1)
                row = int(number)
        known = f"{table.get_name(base)}.weight"
        if known in header.tensors:
            found[name] = known, row
        else:
            missing.append(name)
    left = sorted(set(header.tensors) - {known for known, _ in found.values()} - set(_unused(header)))
    if missing or left:
        faults = (
            [_("{count} tensors are missing (first: {missing})", count=len(missing), missing=missing[0])] if missing else []
        )
        faults += [_("{count} have no place (first: {left})", count=len(left), left=left[0])] if left else []
        raise IncompleteModelError(
            _(
                "the file's tensors are not those of the {architecture} that it describes: ",
                architecture=ARCHITECTURES[header.architecture],
            )
            + listed(faults),
            where=header.path,
            expected=_("the file as llama.cpp's converter writes it"),
            action=_("download it again, or another conversion of the same model"),
        )
    return found


def is_shifted(header: GgufHeader, name: str) -> bool:
    """Whether GGUF keeps a tensor with the 1 that the norms of Gemma 1 to 3 add to it."""
    return header.architecture in ("gemma", "gemma2", "gemma3") and name.endswith("norm.weight")


def _unused(header: GgufHeader) -> list[str]:
    """Tensors that transformers computes or never looks at: rope factors, keys and values of layers that share them."""
    first = header.value("block_count", 0) - header.value("attention.shared_kv_layers", 0)
    shared = [f"blk.{layer}.attn_{part}.weight" for layer in range(first, first + header.value("attention.shared_kv_layers", 0))
              for part in ("k", "v", "k_norm")]  # fmt: skip
    return ["rope_freqs.weight", *shared]


def _gemma(header: GgufHeader, common: dict[str, Any]) -> dict[str, Any]:
    return {"rope_parameters": _rope(header, header.value("rope.freq_base", _LOCAL_BASE))}


def _gemma2(header: GgufHeader, common: dict[str, Any]) -> dict[str, Any]:
    return {
        "rope_parameters": _rope(header, header.value("rope.freq_base", _LOCAL_BASE)),
        "sliding_window": header.value("attention.sliding_window", 4096),
        "attn_logit_softcapping": header.value("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": header.value("final_logit_softcapping", 30.0),
        "query_pre_attn_scalar": _query_scale(header, common),
    }


def _gemma3(header: GgufHeader, common: dict[str, Any]) -> dict[str, Any]:
    layers, window = common["num_hidden_layers"], header.value("attention.sliding_window")
    pattern = [
        _GLOBAL if window is None or layer % _GEMMA_3_PATTERN == _GEMMA_3_PATTERN - 1 else _WINDOW for layer in range(layers)
    ]
    return {
        "layer_types": pattern,
        **({"sliding_window": window} if window is not None else {}),
        "query_pre_attn_scalar": _query_scale(header, common),
        "final_logit_softcapping": header.value("final_logit_softcapping"),
        "attn_logit_softcapping": None,
        "rope_parameters": {
            _GLOBAL: _rope(header, header.value("rope.freq_base", _GLOBAL_BASE)),
            _WINDOW: {"rope_type": "default", "rope_theta": header.value("rope.freq_base_swa", _LOCAL_BASE)},
        },
    }


def _gemma3n(header: GgufHeader, common: dict[str, Any]) -> dict[str, Any]:
    scales = _each(header, "activation_sparsity_scale", common["num_hidden_layers"])
    return {
        "layer_types": _pattern(header, common["num_hidden_layers"]),
        "sliding_window": _needed(header, "attention.sliding_window"),
        "final_logit_softcapping": header.value("final_logit_softcapping", 30.0),
        "vocab_size_per_layer_input": _rows(header, "per_layer_token_embd.weight"),
        "hidden_size_per_layer_input": _needed(header, "embedding_length_per_layer_input"),
        "num_kv_shared_layers": header.value("attention.shared_kv_layers", 0),
        "altup_active_idx": header.value("altup.active_idx", 0),
        "altup_num_inputs": header.value("altup.num_inputs", 4),
        "laurel_rank": _rows(header, "blk.0.laurel_l.weight"),
        # The file has the quantiles of the normal distribution, the configuration their shares; -inf stands for none.
        "activation_sparsity_pattern": [round(NormalDist().cdf(scale), 4) if scale > -10 else 0.0 for scale in scales],
        "rope_parameters": {
            _GLOBAL: _rope(header, header.value("rope.freq_base", _GLOBAL_BASE)),
            _WINDOW: {"rope_type": "default", "rope_theta": header.value("rope.freq_base_swa", _LOCAL_BASE)},
        },
    }


def _gemma4(header: GgufHeader, common: dict[str, Any]) -> dict[str, Any]:
    layers = common["num_hidden_layers"]
    pattern = _pattern(header, layers)
    by_kind = {kind: [layer for layer, found in enumerate(pattern) if found == kind] for kind in (_WINDOW, _GLOBAL)}
    heads, widths = _each(header, "attention.head_count_kv", layers), _each(header, "feed_forward_length", layers)
    # A global layer whose values are its keys has no tensor for them.
    alike = any(f"blk.{layer}.attn_v.weight" not in header.tensors for layer in by_kind[_GLOBAL][:1])
    shared = header.value("attention.shared_kv_layers", 0)
    per_layer = header.value("embedding_length_per_layer_input", 0)
    return {
        "layer_types": pattern,
        "sliding_window": _needed(header, "attention.sliding_window"),
        "head_dim": header.value("attention.key_length_swa", common["head_dim"]),
        "global_head_dim": common["head_dim"],
        "num_key_value_heads": heads[by_kind[_WINDOW][0]] if by_kind[_WINDOW] else heads[0],
        **({"num_global_key_value_heads": heads[by_kind[_GLOBAL][0]]} if alike and by_kind[_GLOBAL] else {}),
        "attention_k_eq_v": alike,
        "intermediate_size": widths[0],
        "use_double_wide_mlp": widths[-1] == 2 * widths[0],
        "num_kv_shared_layers": shared,
        "final_logit_softcapping": header.value("final_logit_softcapping"),
        "hidden_size_per_layer_input": per_layer,
        **({"vocab_size_per_layer_input": _rows(header, "per_layer_token_embd.weight")} if per_layer else {}),
        "rope_parameters": {
            _GLOBAL: {
                "rope_type": "proportional",
                "rope_theta": header.value("rope.freq_base", _GLOBAL_BASE),
                "partial_rotary_factor": _rotated_share(header),
            },
            _WINDOW: {"rope_type": "default", "rope_theta": header.value("rope.freq_base_swa", _LOCAL_BASE)},
        },
    }


def _rotated_share(header: GgufHeader) -> float:
    """The share of a global head that is rotated in Gemma 4: the file blocks the rest by factors of 1e30."""
    import numpy as np

    factors = header.tensors.get("rope_freqs.weight")
    if factors is None:
        return 0.25
    values = np.fromfile(header.path, dtype="<f4", count=factors.shape[-1], offset=factors.start)
    return float((values < 1e29).mean())


def _rope(header: GgufHeader, base: float) -> dict[str, Any]:
    scaling, factor = header.value("rope.scaling.type", "none"), header.value("rope.scaling.factor", 1.0)
    if scaling == "linear" and factor != 1.0:
        return {"rope_type": "linear", "rope_theta": base, "factor": factor}
    return {"rope_type": "default", "rope_theta": base}


def _query_scale(header: GgufHeader, common: dict[str, Any]) -> int:
    by_width = common["num_hidden_layers"] == _SCALED_BY_WIDTH[header.architecture]
    return int(common["hidden_size"] // common["num_attention_heads"] if by_width else common["head_dim"])


def _pattern(header: GgufHeader, layers: int) -> list[str]:
    return [_WINDOW if windowed else _GLOBAL for windowed in _each(header, "attention.sliding_window_pattern", layers)]


def _each(header: GgufHeader, name: str, layers: int) -> list[Any]:
    """A value for each layer, whether the file has one for all or a list."""
    value = _needed(header, name)
    values = list(value) if isinstance(value, list) else [value] * layers
    if len(values) != layers:
        raise _lacking(header, _("{count} values of {name} for {layers} layers", count=len(values), name=name, layers=layers))
    return values


def _needed(header: GgufHeader, name: str) -> Any:
    value = header.value(name)
    if value is None:
        raise _lacking(header, _("no {architecture}.{name}", architecture=header.architecture, name=name))
    return value


def _rows(header: GgufHeader, name: str) -> int:
    if name not in header.tensors:
        raise _lacking(header, _("no tensor {name}", name=name))
    return header.tensors[name].shape[0]


def _lacking(header: GgufHeader, what: str) -> IncompleteModelError:
    return IncompleteModelError(
        _("the file has {what}", what=what),
        where=header.path,
        expected=_("a complete {architecture} as llama.cpp's converter writes it", architecture=header.architecture),
        action=_("download it again, or another conversion of the same model"),
    )
