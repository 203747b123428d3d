"""This module tells which checkpoints KerasHub computes as transformers does, and which not.

In: a configuration in the terms of transformers: the `config.json` of a Gemma checkpoint, or what a KerasHub preset amounts
to. Out: nothing, or an error that names every setting that KerasHub would pass over in silence: it builds its Gemmas after
the published recipes, whatever the file says of layer types, scaling or rotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemma_poetry.errors import ModelError
from gemma_poetry.languages import _, listed

_TANH_GELU = "gelu_pytorch_tanh"
# Settings with one value that KerasHub has built in, whatever the family.
_BUILT_IN: dict[str, tuple[Any, ...]] = {
    "hidden_activation": (_TANH_GELU, None),
    "attention_bias": (False,),
    "tie_word_embeddings": (True,),
    "use_bidirectional_attention": (False, None),
}


@dataclass(frozen=True, slots=True)
class _Family:
    """What KerasHub makes of one `model_type`.

    Attributes:
        backbone: The name of its backbone class, less `Backbone`.
        period: Layers of a period, the last of which sees all and the others a window; 1: every layer sees all.
        rotations: The bases of the rotary positions that are built in, by kind of layer ("" where there is one kind).
        stretched: Kinds of layers whose positions may be scaled down (`rope_type` linear).
        scaled_by_head: Whether queries are always scaled by the head size.
        built_in: Further settings with one value.
    """

    backbone: str
    period: int
    rotations: Mapping[str, float]
    stretched: tuple[str, ...] = ()
    scaled_by_head: bool = True
    built_in: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


_FAMILIES = {
    # Published files say `gelu` and mean its approximation by tanh; transformers reads them so too.
    "gemma": _Family(
        "Gemma",
        1,
        {"": 10_000.0},
        scaled_by_head=False,
        built_in={"hidden_act": (_TANH_GELU, "gelu"), "rms_norm_eps": (1e-6,)},
    ),
    "gemma2": _Family("Gemma", 2, {"": 10_000.0}, built_in={"rms_norm_eps": (1e-6,)}),
    "gemma3_text": _Family(
        "Gemma3",
        6,
        {"sliding_attention": 10_000.0, "full_attention": 1_000_000.0},
        stretched=("full_attention",),
        built_in={"attn_logit_softcapping": (None,), "final_logit_softcapping": (None,)},
    ),
}
FAMILIES = tuple(_FAMILIES)
"""The `model_type`s whose logits and exports are proven equal to those of transformers."""


def backbone_name(model_type: str) -> str:
    """The name of KerasHub's backbone class for a `model_type`, less `Backbone`."""
    return _FAMILIES[model_type].backbone


def check_configuration(config: Mapping[str, Any], where: str | Path) -> None:
    """Refuses a checkpoint that KerasHub would load, compute or export otherwise than it was trained.

    Raises:
        ModelError: It is of no family that is proven, or off the published recipe; every setting is named.
    """
    family = _FAMILIES.get(str(config.get("model_type")))
    if family is None:
        raise ModelError(
            _("the KerasHub backend does not take models of type {config!r}", config=config.get("model_type")),
            where=where,
            expected=_(
                "{families}: the families whose logits and export are proven equal to those of transformers",
                families=listed(FAMILIES),
            ),
            action=_("train it with the default backend"),
        )
    faults = list(_faults(config, family))
    if faults:
        raise ModelError(
            _("KerasHub would compute this model otherwise: ") + listed(faults, "; "),
            where=where,
            expected=_("the published recipe of {model_type}", model_type=config["model_type"]),
            action=_("train it with the default backend"),
        )


def _faults(config: Mapping[str, Any], family: _Family) -> Iterator[str]:
    if family.period > 1:
        yield from _window_faults(config, family.period)
    if family.scaled_by_head and config.get("query_pre_attn_scalar") != config.get("head_dim"):
        yield _(
            "query_pre_attn_scalar: {config}, not the head size {config_2}",
            config=config.get("query_pre_attn_scalar"),
            config_2=config.get("head_dim"),
        )
    for setting, known in {**_BUILT_IN, **family.built_in}.items():
        if setting in config and config[setting] not in known:
            yield _("{setting}: {config}, not {known}", setting=setting, config=config[setting], known=known[0])
    yield from _rotation_faults(config, family)


def _window_faults(config: Mapping[str, Any], period: int) -> Iterator[str]:
    layers = int(config.get("num_hidden_layers", 0))
    stock = ["full_attention" if layer % period == period - 1 else "sliding_attention" for layer in range(layers)]
    found = config.get("layer_types") or stock
    if found != stock:
        layer = next((place for place, (kind, usual) in enumerate(zip(found, stock)) if kind != usual), len(found))
        yield _("layer_types: layer {layer} is not as in {period} sliding to one full", layer=layer, period=period - 1)
    if int(config.get("sliding_window_pattern", config.get("_sliding_window_pattern", period)) or 0) != period:
        yield _("sliding_window_pattern: not {period}", period=period)
    if not config.get("sliding_window"):
        yield _("sliding_window: none")


def _rotation_faults(config: Mapping[str, Any], family: _Family) -> Iterator[str]:
    # transformers 5 writes rope_parameters; older checkpoints rope_theta, rope_local_base_freq and rope_scaling.
    written = config.get("rope_parameters")
    older = {"sliding_attention": "rope_local_base_freq", "full_attention": "rope_theta", "": "rope_theta"}
    if config.get("rope_scaling"):
        yield _("rope_scaling: not none")
    for kind, base in family.rotations.items():
        if written:
            entry = (written.get(kind) or {}) if kind else written
        else:
            entry = {"rope_theta": config.get(older[kind], base)}
        name = f"rope_parameters.{kind}" if kind else "rope_parameters"
        if float(entry.get("rope_theta", base)) != base:
            yield _("{name}.rope_theta: {rope_theta}, not {base:g}", name=name, rope_theta=entry["rope_theta"], base=base)
        known = ("default", "linear") if kind in family.stretched else ("default",)
        if entry.get("rope_type", "default") not in known:
            yield _(
                "{name}.rope_type: {rope_type}, not {known}",
                name=name,
                rope_type=entry["rope_type"],
                known=listed(known, " or "),
            )
