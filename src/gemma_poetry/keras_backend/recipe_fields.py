"""Which fields of a recipe the KerasHub backend honours, and what it refuses by name.

In: the `train` and `lora` sections of a recipe. Out: nothing, or one error that names every field whose value KerasHub cannot
do; no field is passed over in silence. A field that was left at its default, where KerasHub has nothing of the kind, is
reported and not refused: nobody asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gemma_poetry.config import Recipe
from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _, listed


@dataclass(frozen=True, slots=True)
class _Limit:
    """The values of a field that KerasHub can do.

    Attributes:
        taken: These values.
        reason: Why it is these alone.
        refused: Whether another value is refused where somebody chose it; else it is replaced, and told.
    """

    taken: tuple[Any, ...]
    reason: str
    refused: bool = True


LIMITED = {
    "train.method": _Limit(("lora",), _("it trains adapters")),
    "train.keep": _Limit(("last",), _("it keeps the weights of the last step"), refused=False),
    "train.patience": _Limit((None,), _("it trains all its steps")),
    "train.watched_titles": _Limit((0,), _("it writes nothing while it trains"), refused=False),
    "train.dtype": _Limit(("auto", "float32"), _("in bfloat16 its logits are not proven equal to those of transformers")),
    "train.gradient_checkpointing": _Limit((False,), _("its layers keep their activations")),
    "train.pass_tokens": _Limit((None,), _("a batch goes through the model as a whole")),
    "train.vocabulary": _Limit(("auto", "whole"), _("its vocabulary is not pruned")),
    "train.compile": _Limit(("auto",), _("the backend of Keras decides: JAX compiles, PyTorch does not")),
    "lora.dropout": _Limit((0.0,), _("its updates are added to the kernels, and have no dropout")),
    "lora.dora": _Limit((False,), _("its updates are plain LoRA")),
    "lora.four_bit": _Limit((False,), _("an export of 4-bit kernels is not proven")),
}
"""Fields of which KerasHub can do some values only."""


def check_fields(recipe: Recipe) -> list[str]:
    """Refuses a recipe that asks for what KerasHub cannot do.

    Returns:
        The fields whose value does not hold here, with the value that is taken in its place, for the person to read.

    Raises:
        UsageError: A field was set to what KerasHub cannot do; all of them are named.
    """
    beyond = list(_beyond(recipe))
    refused = [(name, value) for name, value, chosen in beyond if chosen]
    if refused:
        raise UsageError(
            _("the KerasHub backend cannot do ")
            + listed((f"{name}={value} ({LIMITED[name].reason})" for name, value in refused), "; "),
            expected=listed(f"{name}={listed(map(str, LIMITED[name].taken), ' or ')}" for name, _ in refused),
            action=_("change these fields (--set), or train with the default backend"),
        )
    return [
        _(
            "{name}={taken} in place of {value}: {reason}",
            name=name,
            taken=LIMITED[name].taken[0],
            value=value,
            reason=LIMITED[name].reason,
        )
        for name, value, _unused in beyond
    ]


def taken_fields(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The `train` and `lora` sections as they were trained with, for the manifest."""
    sections = {"train": recipe.train.model_dump(mode="json"), "lora": recipe.lora.model_dump(mode="json")}
    for name, _unused, _unused2 in _beyond(recipe):
        section, field = name.split(".")
        sections[section][field] = LIMITED[name].taken[0]
    return sections


def _beyond(recipe: Recipe) -> Iterator[tuple[str, Any, bool]]:
    """Fields whose value KerasHub cannot do: (name, value, whether it was chosen, and is refused for that)."""
    for name, limit in LIMITED.items():
        section, field = name.split(".")
        settings = getattr(recipe, section)
        value = getattr(settings, field)
        if value not in limit.taken:
            yield name, value, limit.refused and field in settings.model_fields_set
