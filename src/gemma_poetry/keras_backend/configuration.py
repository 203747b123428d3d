"""Which checkpoints KerasHub computes as transformers does, and which not.

In: the `config.json` of a Gemma checkpoint. Out: nothing, or an error that names every setting that KerasHub would pass over in
silence: it builds its Gemma 3 after the published recipe, whatever the file says of layer types, scaling or rotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gemma_poetry.errors import ModelError

# Its attention masks and rotations follow from the number of the layer: five that see a window, then one that sees all.
_PERIOD = 6
_ROTATIONS = {"sliding_attention": 10_000.0, "full_attention": 1_000_000.0}
# Settings with one value that KerasHub has built in.
_BUILT_IN: dict[str, tuple[Any, ...]] = {
    "hidden_activation": ("gelu_pytorch_tanh",),
    "attention_bias": (False,),
    "tie_word_embeddings": (True,),
    "attn_logit_softcapping": (None,),
    "final_logit_softcapping": (None,),
    "use_bidirectional_attention": (False, None),
}


def check_configuration(config: Mapping[str, Any], where: str | Path) -> None:
    """Refuses a checkpoint that KerasHub would load, compute or export otherwise than it was trained.

    Args:
        config: The contents of its `config.json`.
        where: Its folder, for the message.

    Raises:
        ModelError: It is no Gemma 3 text model, or off the published recipe; every setting is named.
    """
    family = config.get("model_type")
    if family != "gemma3_text":
        raise ModelError(
            f"the KerasHub backend does not take models of type {family!r}",
            where=where,
            expected="gemma3_text: the family whose logits and export are proven equal to those of transformers "
            "(Gemma 1 loses key-value heads on export, Gemma 2 is exported under another type)",
            action="train it with the default backend",
        )
    faults = list(_faults(config))
    if faults:
        raise ModelError(
            "KerasHub would compute this model otherwise: " + "; ".join(faults),
            where=where,
            expected="the published recipe of Gemma 3",
            action="train it with the default backend",
        )


def _faults(config: Mapping[str, Any]) -> Iterator[str]:
    layers = int(config.get("num_hidden_layers", 0))
    stock = ["sliding_attention" if layer % _PERIOD < _PERIOD - 1 else "full_attention" for layer in range(layers)]
    found = config.get("layer_types") or stock
    if found != stock:
        layer = next((place for place, (kind, usual) in enumerate(zip(found, stock)) if kind != usual), len(found))
        yield f"layer_types: layer {layer} is not as in five sliding to one full"
    if int(config.get("sliding_window_pattern", config.get("_sliding_window_pattern", _PERIOD)) or 0) != _PERIOD:
        yield f"sliding_window_pattern: not {_PERIOD}"
    if not config.get("sliding_window"):
        yield "sliding_window: none"
    if config.get("query_pre_attn_scalar") != config.get("head_dim"):
        yield f"query_pre_attn_scalar: {config.get('query_pre_attn_scalar')}, not the head size {config.get('head_dim')}"
    for setting, known in _BUILT_IN.items():
        if setting in config and config[setting] not in known:
            yield f"{setting}: {config[setting]}, not {known[0]}"
    yield from _rotation_faults(config)


def _rotation_faults(config: Mapping[str, Any]) -> Iterator[str]:
    # transformers 5 writes rope_parameters; older checkpoints rope_theta, rope_local_base_freq and rope_scaling.
    parameters = config.get("rope_parameters") or {
        "sliding_attention": {"rope_theta": config.get("rope_local_base_freq", _ROTATIONS["sliding_attention"])},
        "full_attention": {"rope_theta": config.get("rope_theta", _ROTATIONS["full_attention"])},
    }
    if config.get("rope_scaling"):
        yield "rope_scaling: not none"
    for kind, base in _ROTATIONS.items():
        entry = parameters.get(kind) or {}
        if float(entry.get("rope_theta", base)) != base:
            yield f"rope_parameters.{kind}.rope_theta: {entry['rope_theta']}, not {base:g}"
        if entry.get("rope_type", "default") != "default":
            yield f"rope_parameters.{kind}.rope_type: {entry['rope_type']}, not default"
