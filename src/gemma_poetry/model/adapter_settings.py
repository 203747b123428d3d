"""The settings of an adapter as PEFT is given them: what its file says of LoRA, and no more.

In: the values of `adapter_config.json`, each of its kind, and the shapes of the adapter's tensors. Out: a `LoraConfig`.

PEFT runs what such a file holds: regular expressions over every module of a model, names of modules to import, starts that
decompose all weights anew. None of it is needed to read an adapter. Where a pattern says which modules have an update, the
names of the tensors say it too, and they are taken instead.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.errors import RunError
from gemma_poetry.languages import _, listed

_COPIED = ("revision", "r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora", "fan_in_fan_out", "lora_bias", "bias")
_PATTERNS = ("exclude_modules", "layers_to_transform", "layers_pattern")
_OF_ITSELF = (
    "peft_version",
    "peft_type",
    "task_type",
    "inference_mode",
    "base_model_name_or_path",
    "megatron_core",
    "init_lora_weights",
)
_KNOWN_APART = ("target_modules", "modules_to_save", "rank_pattern", "alpha_pattern")
_STARTS = (None, True, False, "gaussian", "orthogonal")
_NAME = re.compile(r"[\w.]{1,300}")
_UPDATE = re.compile(r"base_model\.model\.([\w.]{1,300}?)\.lora_A\.weight")


def adapter_settings(settings: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], folder: Path) -> Any:
    """What PEFT is to build for the tensors of an adapter.

    Args:
        settings: The fields of `adapter_config.json`, each of its kind.
        shapes: The shapes of the adapter's tensors by name.
        folder: Where the adapter lies, for messages.

    Returns:
        A `LoraConfig`.

    Raises:
        RunError: The adapter is of another kind than LoRA, asks for something beside it, or its ranks are not those of its
            tensors.
    """
    from peft import LoraConfig, TaskType

    if settings["peft_type"] != "LORA" or settings.get("task_type") not in (None, "CAUSAL_LM"):
        raise _refusal(
            folder, _("it is a {peft_type} for {settings}", peft_type=settings["peft_type"], settings=settings.get("task_type"))
        )
    if settings.get("init_lora_weights", True) not in _STARTS:
        raise _refusal(
            folder, _("its start {init_lora_weights!r} changes the base model", init_lora_weights=settings["init_lora_weights"])
        )
    defaults = {field.name: field.default for field in dataclasses.fields(LoraConfig)}
    understood = (*_COPIED, *_PATTERNS, *_OF_ITSELF, *_KNOWN_APART)
    further = [
        name
        for name, value in settings.items()
        if name in defaults and name not in understood and value and value != defaults[name] and not _is_plain(name, value)
    ]
    if further:
        raise _refusal(folder, _("it asks for {further}", further=listed(further[:5])))
    updated = {match[1]: shape[0] for name, shape in shapes.items() if (match := _UPDATE.fullmatch(name)) and shape}
    targets = settings.get("target_modules")
    if not isinstance(targets, list) or any(settings.get(name) for name in _PATTERNS):
        targets = list(updated)
    patterns = {name: settings.get(name) or {} for name in ("rank_pattern", "alpha_pattern")}
    names = [*targets, *(settings.get("modules_to_save") or ()), *patterns["rank_pattern"], *patterns["alpha_pattern"]]
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise _refusal(folder, _("{odd!r} is no name of a module", odd=odd[0][:80]))
    if not targets or not set(updated.values()) <= {settings["r"], *patterns["rank_pattern"].values()}:
        ranks = listed(map(str, sorted(set(updated.values()))))
        raise _refusal(
            folder, _("its tensors have the ranks {ranks}, its settings r {r}", ranks=ranks or _("of none"), r=settings["r"])
        )
    return LoraConfig(
        **{name: settings[name] for name in _COPIED if name in settings},
        **patterns,
        task_type=TaskType.CAUSAL_LM,
        inference_mode=True,
        base_model_name_or_path=settings.get("base_model_name_or_path"),
        target_modules=targets,
        modules_to_save=settings.get("modules_to_save"),
    )


def _is_plain(name: str, value: Any) -> bool:
    """Whether a setting only says how a training was run."""
    return name in ("ensure_weight_tying", "qalora_group_size") or (name == "runtime_config" and isinstance(value, dict))


def _refusal(folder: Path, reason: str) -> RunError:
    return RunError(
        _("the adapter cannot be used: {reason}", reason=reason),
        where=folder,
        expected=_("LoRA on named modules of a causal language model, as `gemma-poetry train` and plain PEFT write it"),
        action=_("train again, or convert the adapter to plain LoRA with PEFT"),
    )
