"""LoRA through PEFT, on the language model's own projections and nowhere else.

In: a causal language model and the `lora` section of a recipe. Out: a `PeftModel` and the names of what it matched.

Vision and audio towers reuse names such as `q_proj` (Gemma 4 wraps theirs in a class that PEFT refuses); an update there
would train nothing and break serving. So only modules below the decoder count, never a name by itself. Embeddings and
head are left alone: they are one tied matrix, and PEFT would save two copies of which a merge keeps one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gemma_poetry.config import LoraSettings
from gemma_poetry.errors import RunError, UsageError
from gemma_poetry.languages import _, listed
from gemma_poetry.model.families import language_model_prefix

ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PROBE_TOKENS = 8
_FOLDING_ERROR = {"float32": 1e-4, "bfloat16": 0.05}
"""By dtype: largest norm of the difference of scores, as a part of theirs, that rounding may make."""
_LAYER = re.compile(r"layers\.(\d+)\.")


def matched_modules(model: Any, settings: LoraSettings) -> list[str]:
    """The full names of the linear layers that get an update, in the model's order.

    Raises:
        UsageError: One of the targets, or one of the layers, matches nothing.
    """
    import torch

    prefix = language_model_prefix(model)
    linear = {
        name: int(found[1])
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.startswith(prefix)
        and (found := _LAYER.match(name.removeprefix(prefix)))
    }
    chosen = [name for name, layer in linear.items() if settings.layers is None or layer in settings.layers]
    matched = [name for name in chosen if _short(name) in settings.targets]
    idle = [target for target in settings.targets if target not in {_short(name) for name in matched}]
    idle_layers = sorted(set(settings.layers or ()) - {linear[name] for name in matched})
    if idle or idle_layers:
        what = [_("the targets {idle}", idle=idle)] if idle else []
        what += [_("the layers {idle_layers}", idle_layers=idle_layers)] if idle_layers else []
        present, last = sorted(set(map(_short, linear))), max(linear.values(), default=-1)
        raise UsageError(
            _(
                "{what} match nothing (lora.targets {targets}, lora.layers {layers})",
                what=listed(what, " and "),
                targets=list(settings.targets),
                layers=settings.layers,
            ),
            expected=_(
                "some of {present} in layers 0 to {last}; embeddings and head are tied and never trained",
                present=listed(present),
                last=last,
            ),
            action=_("change --set lora.targets=[...] or lora.layers"),
        )
    return matched


def describe_matches(names: Sequence[str]) -> str:
    """What LoRA matched, in one line: `72: q_proj, k_proj, v_proj, o_proj of layers 0-17`."""
    layers = sorted({int(found[1]) for name in names if (found := _LAYER.search(name))})
    spans = [[layers[0], layers[0]]] if layers else []
    for layer in layers[1:]:
        if layer == spans[-1][1] + 1:
            spans[-1][1] = layer
        else:
            spans.append([layer, layer])
    ranges = listed(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return _(
        "{count}: {fromkeys} of layers {ranges}",
        count=len(names),
        fromkeys=listed(dict.fromkeys(map(_short, names))),
        ranges=ranges,
    )


def add_adapter(model: Any, settings: LoraSettings, seed: int, revision: str | None = None) -> tuple[Any, list[str]]:
    """Wraps a model with fresh LoRA updates.

    Args:
        model: The base model; its weights are frozen.
        settings: The `lora` section of a recipe.
        seed: Seed of the initial updates.
        revision: Commit of a Hub model, written into the adapter: plain PEFT then takes the weights it was trained on.

    Returns:
        The `PeftModel`, and the names of the matched modules.

    Raises:
        UsageError: A target or a layer matches nothing.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    names = matched_modules(model, settings)
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=_target(model, names),
        use_dora=settings.dora,
        use_rslora=settings.rslora,
        bias="none",
    )
    torch.manual_seed(seed)
    adapted = get_peft_model(model, config, revision=revision)
    # No embedding is trained; PEFT would ask the Hub at each checkpoint whether one was.
    adapted.save_pretrained = functools.partial(adapted.save_pretrained, save_embedding_layers=False)  # type: ignore[method-assign]
    for written in adapted.peft_config.values():
        # PEFT makes sets of lists and writes them in an order that differs from process to process.
        for name, value in vars(written).items():
            if isinstance(value, set):
                setattr(written, name, sorted(value))
    return adapted, names


def trained_weights(model: Any) -> dict[str, Any]:
    """The weights of a model that are trained, whole and on the CPU, also where FSDP2 has sharded them.

    All processes of a training call this together: each gives its shard.

    Args:
        model: A `PeftModel`, or a model that is trained whole.

    Returns:
        Tensors by their names in the model, as `PeftModel.save_pretrained` takes them.
    """
    from gemma_poetry.model.shards import whole

    return {name: whole(weight) for name, weight in _trained(model).items()}


def put_trained_weights(model: Any, weights: Mapping[str, Any]) -> None:
    """Puts weights of `trained_weights` back in their places; all processes of a training call this together.

    Args:
        model: The model that they were taken from.
        weights: Whole tensors by their names in the model.
    """
    _put(_trained(model), weights)


def put_adapter_weights(model: Any, weights: Mapping[str, Any]) -> None:
    """Puts weights of an adapter file in the place of a model's own, also where FSDP2 has sharded those.

    All processes of a training call this together: each takes its shard.

    Args:
        model: The `PeftModel`.
        weights: Whole tensors by their names in the file.

    Raises:
        RunError: The names are not those of this model's adapter.
    """
    from peft import get_peft_model_state_dict

    trained = _trained(model)
    # The file leaves the adapter's name out.
    places = get_peft_model_state_dict(model, state_dict=trained, save_embedding_layers=False)
    amiss = sorted(places.keys() ^ weights.keys())
    if amiss:
        raise RunError(
            _("the weights fit another adapter (first: {amiss})", amiss=amiss[0]),
            action=_("resume with the recipe that the run was begun with"),
        )
    _put(places, weights)


def _trained(model: Any) -> dict[str, Any]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _put(places: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Each process takes its shard of the whole weight of each place."""
    import torch

    from gemma_poetry.model.shards import shard_like

    with torch.no_grad():
        for name, place in places.items():
            place.copy_(shard_like(weights[name], place))


def fold_adapter(model: Any) -> bool:
    """Adds the updates of an adapter to the weights below it for as long as the model lives, so that each costs nothing.

    In float32 the sum is as exact as the two products were. In bfloat16 each sum of weight and update, computed in float32,
    is rounded, as in a merged export. Scores of a few tokens before and after are compared all the same, for updates that are
    more than a sum (DoRA).

    Args:
        model: Any causal language model; one that will write or score, and not be trained or saved.

    Returns:
        Whether the weights are now those of base and adapter together.
    """
    import torch
    from peft import PeftModel

    if not isinstance(model, PeftModel):
        return False
    allowed = _FOLDING_ERROR.get(str(model.get_input_embeddings().weight.dtype).removeprefix("torch."))
    if allowed is None or getattr(model.base_model.model, "is_quantized", False):
        return False
    rows = model.get_input_embeddings().weight.shape[0]
    probe = torch.arange(1, _PROBE_TOKENS + 1, device=model.device)[None] * (rows // (_PROBE_TOKENS + 1))
    with torch.inference_mode():
        apart = model(input_ids=probe, use_cache=False).logits
    tuner: Any = model.base_model
    with torch.no_grad():
        tuner.merge_adapter()
    with torch.inference_mode():
        together = model(input_ids=probe, use_cache=False).logits
    if float((apart - together).float().norm()) <= allowed * float(apart.float().norm()):
        return True
    with torch.no_grad():
        tuner.unmerge_adapter()
    return False


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _target(model: Any, names: list[str]) -> list[str] | str:
    """The shortest target that PEFT resolves to exactly these modules: their short names, else a pattern."""
    every = [name for name, _ in model.named_modules()]
    shorts = list(dict.fromkeys(map(_short, names)))
    inside = language_model_prefix(model)
    # A multimodal checkpoint has towers with the same short names, loaded or not.
    if inside == "model." and [name for name in every if _short(name) in shorts] == names:
        return shorts
    prefix = re.escape(inside)
    layers = sorted({int(found[1]) for name in names if (found := _LAYER.search(name))})
    parents = dict.fromkeys(name.split(".")[-2] for name in names)
    pattern = rf"{prefix}layers\.({_either(layers)})\.({_either(parents)})\.({_either(shorts)})"
    if [name for name in every if re.fullmatch(pattern, name)] == names:
        return pattern
    return "(" + "|".join(map(re.escape, names)) + ")"


def _either(choices: Any) -> str:
    return "|".join(map(str, choices))
