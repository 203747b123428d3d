"""These checks watch one step of an adapter: where it sits, its gradients, what it changes, and whether it loads again.

In: a fresh `PeftModel`, or a model of which every weight is trained, and a batch; the model is not usable for anything else
afterwards. Out: findings, which name the public reports of the faults that they look for.

The step is a real one, with a rate high enough to be seen (the real one comes from the recipe).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from gemma_poetry.config import Recipe
from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.doctor.loss_checks import Batch, plain_loss, tolerance
from gemma_poetry.languages import _, listed

_STEP_RATE = 1e-2


def check_modules(model: Any, names: Sequence[str]) -> Finding:
    """What LoRA sits on: exactly the language model's projections, no tower (unsloth#4807)."""
    wrapped = [name.removeprefix("base_model.model.") for name, module in model.named_modules() if hasattr(module, "lora_A")]
    counts: dict[str, int] = {}
    for name in names:
        short = name.rpartition(".")[2]
        counts[short] = counts.get(short, 0) + 1
    shorts = set(counts)
    others = sum(
        name.removeprefix("base_model.model.") not in names and name.rpartition(".")[2] in shorts
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lora_" not in name and not name.endswith("base_layer")
    )
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    found = listed(f"{short} {count}" for short, count in counts.items()) + _(": {trainable:,} parameters", trainable=trainable)
    if others:
        found += _("; {others} of the same names left out (towers, other layers)", others=others)
    stray = sorted(set(wrapped) ^ set(names))
    if stray:
        found += _("; not as meant: {stray}", stray=listed(stray[:3]))
    return judge(_("LoRA modules"), not stray, found, _("the language model's projections alone"), _("name other lora.targets"))


def check_step(model: Any, batch: Batch, recipe: Recipe) -> Iterator[Finding]:
    """One step: its loss and gradient norm are finite (unsloth#4014), and what is trained changes what the model says."""
    with torch.inference_mode():
        before = float(plain_loss(model, batch))
    if recipe.train.gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        loss = plain_loss(model, batch)
        loss.backward()
    except (RuntimeError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else repr(error)
        yield Finding(_("step"), "fault", text, _("a forward and a backward pass"), _("see the message; upgrade transformers"))
        return
    norm = float(torch.nn.utils.get_total_norm([weight.grad for weight in trained if weight.grad is not None]))
    reached = sum(weight.grad is not None for weight in trained)
    loss_value = float(loss.detach())
    del loss
    yield judge(
        _("step"),
        math.isfinite(loss_value) and math.isfinite(norm) and norm > 0 and reached == len(trained),
        _(
            "loss {loss_value:.4f}, gradient norm {norm:.3g} over {reached} of {count} matrices",
            loss_value=loss_value,
            norm=norm,
            reached=reached,
            count=len(trained),
        ),
        _("a finite loss, and a finite gradient on every matrix that is trained"),
        _("train in bfloat16 or float32; check lora.targets and lora.layers"),
    )
    adapted = hasattr(model, "disable_adapter")
    # AdamW would hold two more copies of a whole model; with the gradient's length taken out the loss falls by about the rate.
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(trained, lr=_STEP_RATE, weight_decay=0.0)
        if adapted
        else torch.optim.SGD(trained, lr=_STEP_RATE / norm if norm > 0 else _STEP_RATE)
    )
    optimizer.step()
    optimizer.zero_grad()
    model.eval()
    if recipe.train.gradient_checkpointing:
        model.gradient_checkpointing_disable()
    yield judge(
        _("training mode"),
        abs(loss_value - before) <= tolerance(model),
        _(
            "loss {loss_value:.4f} in training mode, {before:.4f} in evaluation mode, before the step",
            loss_value=loss_value,
            before=before,
        ),
        _("the same: nothing but dropout differs"),
        _("upgrade transformers: this family is computed otherwise in training"),
    )
    yield check_on_off(model, batch, before) if adapted else check_change(model, batch, before)


def check_change(model: Any, batch: Batch, before: float) -> Finding:
    """A model of which every weight was trained, after a step: it says something else than before.

    Args:
        model: The model after a step.
        batch: What is scored.
        before: The loss before the step, in nats a token.
    """
    with torch.inference_mode():
        after = float(plain_loss(model, batch))
    return judge(
        _("weights after a step"),
        after != before and math.isfinite(after),
        _("{after:.4f} nats a token after the step, {before:.4f} before it", after=after, before=before),
        _("another loss than before"),
        _("the step changes nothing: train in float32 (train.dtype=float32)"),
    )


def check_on_off(model: Any, batch: Batch, before: float) -> Finding:
    """The adapter after a step: on, it differs from off; off, the base is what it was (transformers#38927).

    Args:
        model: The `PeftModel` after a step.
        batch: What is scored.
        before: The loss before the step, in nats a token.
    """
    with torch.inference_mode():
        on = float(plain_loss(model, batch))
        with model.disable_adapter():
            off = float(plain_loss(model, batch))
    return judge(
        _("adapter"),
        on != off and abs(off - before) <= tolerance(model),
        _("{on:.4f} nats a token with it, {off:.4f} without, {before:.4f} before the step", on=on, off=off, before=before),
        _("with it another loss than without, and without it the base's"),
        _("the adapter does nothing, or the base was trained too: check lora.targets and the PEFT version"),
    )


def check_reload(model: Any, batch: Batch, folder: Path | None = None) -> Finding:
    """The saved adapter, loaded again: every key finds its place, and the loss is the same (vllm#34186).

    Args:
        model: The `PeftModel` after a step.
        batch: What is scored.
        folder: A saved adapter; `None` saves the model's own.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            model.save_pretrained(temporary)
            return check_reload(model, batch, Path(temporary))
    name = "reloaded"
    with torch.inference_mode():
        trained = float(plain_loss(model, batch))
        result = model.load_adapter(str(folder), adapter_name=name)
        model.set_adapter(name)
        again = float(plain_loss(model, batch))
        model.set_adapter("default")
        model.delete_adapter(name)
    missing = [key for key in getattr(result, "missing_keys", []) if "lora_" in key]
    stray = list(getattr(result, "unexpected_keys", []))
    found = _("{again:.4f} nats a token loaded again, {trained:.4f} as trained", again=again, trained=trained)
    if missing or stray:
        found += _(
            "; {count} keys missing, {stray_count} unknown: {value}",
            count=len(missing),
            stray_count=len(stray),
            value=listed([*missing, *stray][:2]),
        )
    return judge(
        _("reload"),
        not missing and not stray and abs(again - trained) <= tolerance(model),
        found,
        _("the same loss, no key missing or left over"),
        _("the adapter's keys do not fit the model class: check the PEFT and transformers versions"),
    )
