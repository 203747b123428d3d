"""LoRA through PEFT, on the language model's own projections and nowhere else.

In: a causal language model and the `lora` section of a recipe. Out: a `PeftModel` and the names of what it matched.
"""

from __future__ import annotations

import re
from typing import Any

from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import UsageError

# Vision and audio towers reuse names such as q_proj; an update there would train nothing and break serving.
_TOWER = re.compile(r"(vision|audio|image|speech)[^.]*\.")
_LAYER = re.compile(r"\blayers\.(\d+)\.")


def matched_modules(model: Any, settings: LoraSettings) -> list[str]:
    """The full names of the linear layers that get an update, in the model's order.

    Raises:
        UsageError: Nothing matches.
    """
    import torch

    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    matched = [
        name
        for name in linear
        if name.rpartition(".")[2] in settings.targets and not _TOWER.search(name) and _in_layers(name, settings.layers)
    ]
    if not matched:
        present = sorted({name.rpartition(".")[2] for name in linear if _LAYER.search(name)})
        layers = 1 + max((int(found[1]) for name in linear if (found := _LAYER.search(name))), default=-1)
        raise UsageError(
            f"lora.targets {list(settings.targets)} with lora.layers {settings.layers} match nothing",
            expected=f"some of {', '.join(present)} in layers 0 to {layers - 1}",
            action="change --set lora.targets=[...] or lora.layers",
        )
    return matched


def _in_layers(name: str, layers: tuple[int, ...] | None) -> bool:
    found = _LAYER.search(name)
    return found is not None and (layers is None or int(found[1]) in layers)


def add_adapter(model: Any, settings: LoraSettings, seed: int) -> tuple[Any, list[str]]:
    """Wraps a model with fresh LoRA updates.

    Args:
        model: The base model; its weights are frozen.
        settings: The `lora` section of a recipe.
        seed: Seed of the initial updates.

    Returns:
        The `PeftModel`, and the names of the matched modules.

    Raises:
        UsageError: Nothing matches the targets.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    names = matched_modules(model, settings)
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=_target(model, names, settings),
        use_dora=settings.dora,
        use_rslora=settings.rslora,
        bias="none",
    )
    torch.manual_seed(seed)
    return get_peft_model(model, config), names


def _target(model: Any, names: list[str], settings: LoraSettings) -> list[str] | str:
    """The shortest target that PEFT resolves to exactly these modules: the short names, else a pattern."""
    same_names = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in settings.targets]
    if same_names == names:
        return list(settings.targets)
    return "^(" + "|".join(re.escape(name) for name in names) + ")$"
