"""One training step on a few poems, watched closely: what would cost hours later is seen in seconds.

In: a base model as training would load it, its tokenizer, training samples, and the `train` and `lora` sections of a
recipe. Out: findings, in the order of the checks:

    as loaded     dtype, attention, embeddings, weights, stops
    before a step step-0 loss, cache, head
    one step      LoRA modules, step, adapter (on against off), reload, memory

The step is a real one, with a rate high enough to be seen (the real one comes from the recipe); the model is not usable
for anything else afterwards. Each check names the public reports of the fault that it looks for.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from gemma_poetry.config import Recipe
from gemma_poetry.data.dataset import IGNORED, PaddedCollator, pass_tokens
from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.errors import ModelError, UsageError
from gemma_poetry.model.findings import Finding, fault_of, judge
from gemma_poetry.model.lora import add_adapter
from gemma_poetry.model.memory import MemoryEstimate, estimate_memory, read_shape
from gemma_poetry.model.room import activation_meter, available_memory, gib
from gemma_poetry.model.sample_checks import check_stops, usable
from gemma_poetry.model.scoring import score_completions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROBE_POEMS = 16
"""Poems that the step-0 loss is computed on."""
_STEP_POEMS = 4
_STEP_RATE = 1e-2
# A pretrained model knows more than nothing; one that is worse than chance is fed or wired wrongly.
_UNTRAINED_SHARE = 0.9
_WORSE_THAN_CHANCE_NATS = 1.0
# How far two ways to the same loss may lie apart, in nats a token.
_SAME_LOSS = {torch.float32: 1e-3}
_SAME_LOSS_HALF = 5e-2
_FULL_MEMORY_SHARE = 0.9
_FLASH_HEAD_SIZE = 256

Batch = dict[str, torch.Tensor]


def diagnose(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[TokenizedPoem],
    recipe: Recipe,
    *,
    available: int | None = None,
    vocabulary_rows: int | None = None,
) -> Iterator[Finding]:
    """Runs every check; a check that makes the rest pointless ends them.

    Args:
        model: The base model in evaluation mode; it is changed.
        tokenizer: Its tokenizer.
        samples: Samples of train.txt.
        recipe: The recipe; its `train` and `lora` sections are used.
        available: Bytes that were free before the model was loaded; `None`: what is free now and what it takes.
        vocabulary_rows: Rows that training keeps of the vocabulary; `None`: all.
    """
    if available is None:
        taken = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        available = available_memory(model.device) + taken
    yield check_dtype(model)
    yield check_attention(model)
    yield check_embeddings(model)
    yield check_stops(model, tokenizer)
    weights = check_weights(model)
    yield weights
    fitting = usable(samples, recipe.train.max_tokens)
    if weights.verdict == "fault" or not fitting:
        return
    probe = random.Random(recipe.train.seed).sample(fitting, min(PROBE_POEMS, len(fitting)))
    step_0 = check_step_0(model, probe)
    yield step_0
    if step_0.verdict == "fault":
        return
    batch = _batch(probe[:_STEP_POEMS], tokenizer, model.device)
    yield check_cache(model, batch)
    yield check_head(model, probe[:_STEP_POEMS], batch)
    try:
        adapted, names = add_adapter(model, recipe.lora, recipe.train.seed)
    except UsageError as error:
        yield fault_of("LoRA modules", error)
        return
    yield check_modules(adapted, names)
    yield check_embeddings(adapted, check="trained embeddings")
    yield from check_step(adapted, batch, recipe)
    yield check_reload(adapted, batch)
    estimate = step_memory(adapted, fitting, tokenizer, recipe, vocabulary_rows)
    yield check_memory(estimate, available)


def check_dtype(model: Any) -> Finding:
    """The arithmetic, for this family and device: Gemma 3's activations reach 800,000, float16 ends at 65,504."""
    dtype, device, family = model.dtype, model.device, model.config.get_text_config().model_type
    found = f"{str(dtype).removeprefix('torch.')} on {device.type}"
    expected = "bfloat16 on GPUs that have it, else float32"
    if dtype == torch.float16:
        early = family in ("gemma", "gemma2")
        return judge("dtype", False, found, expected, "set train.dtype to auto", otherwise="warning" if early else "fault")
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    wasteful = (dtype == torch.float32) == has_bfloat16
    action = "set train.dtype to auto; " + ("float32 doubles memory here" if has_bfloat16 else "bfloat16 is slow here")
    return judge("dtype", not wasteful, found, expected, action, otherwise="warning")


def check_attention(model: Any) -> Finding:
    """Whether the attention kernel keeps a family's soft-cap and has room for its heads (transformers#32865)."""
    text = model.config.get_text_config()
    kernel = text._attn_implementation
    cap = getattr(text, "attn_logit_softcapping", None)
    # Gemma 4's global layers have larger heads than its configuration's head_dim: the layers themselves know.
    heads = max(int(module.head_dim) for module in model.modules() if hasattr(module, "q_proj") and hasattr(module, "head_dim"))
    found = f"{kernel}, heads of {heads}" + (f", soft-cap {cap:g}" if cap else ", no soft-cap")
    loses_cap = bool(cap) and kernel == "sdpa"
    too_large = heads > _FLASH_HEAD_SIZE and kernel.startswith("flash_attention")
    return judge(
        "attention",
        not loses_cap and not too_large,
        found,
        "a kernel that keeps the soft-cap and takes heads of this size",
        f"load the model with attn_implementation {'eager' if loses_cap else 'sdpa'}",
    )


def check_embeddings(model: Any, check: str = "embeddings") -> Finding:
    """Tied embeddings are one tensor, and none of its copies is trained apart (unsloth#9331).

    Args:
        model: The base model or the `PeftModel`.
        check: The finding's name.
    """
    config = model.config
    tied = bool(getattr(config, "tie_word_embeddings", False) or config.get_text_config().tie_word_embeddings)
    inner, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    same = inner.data_ptr() == head.data_ptr()
    trained = [
        name
        for name, weight in model.named_parameters()
        if hasattr(model, "peft_config") and weight.requires_grad and any(part in name for part in ("embed_tokens", "lm_head"))
    ]
    found = ("tied, one tensor" if same else "tied by the configuration, but two tensors") if tied else "not tied"
    if trained:
        found += f"; trained in a copy of their own: {', '.join(trained[:2])}"
    good = not tied or (same and not trained)
    return judge(
        check,
        good,
        found,
        "tied embeddings as one tensor that the adapter leaves alone",
        "take embed_tokens and lm_head out of modules_to_save (a merge would drop one of the copies)"
        if trained
        else "download the checkpoint again: its head is not the one that its configuration tells of",
    )


def check_weights(model: Any) -> Finding:
    """No weight is infinite or not a number."""
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight.sum(dtype=torch.float32)))]
    found = f"{sum(weight.numel() for weight in model.parameters()):,} parameters"
    if broken:
        found += f"; not finite: {', '.join(broken[:3])}" + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
    return judge("weights", not broken, found, "finite numbers", "download the checkpoint again")


def check_step_0(model: Any, probe: Sequence[TokenizedPoem]) -> Finding:
    """The loss before training against that of guessing: the logarithm of the vocabulary (transformers#45242)."""
    expected_by_chance = math.log(model.get_output_embeddings().weight.shape[0])
    expected = f"finite, and below the {expected_by_chance:.2f} nats of guessing"
    try:
        scores = score_completions(model, probe)
        loss = sum(score.nll for score in scores) / sum(score.tokens for score in scores)
        if not math.isfinite(loss):
            raise ModelError("the loss is infinite", action="load the model in float32 or bfloat16")
    except ModelError as error:
        return Finding("step-0 loss", "fault", error.found, expected, error.action)
    found = f"{loss:.2f} nats a token on {len(probe)} poems"
    if loss > expected_by_chance + _WORSE_THAN_CHANCE_NATS:
        action = (
            "worse than guessing: look for another tokenizer's data, a missing BOS, or a transformers version that "
            "computes this family wrongly"
        )
        return Finding("step-0 loss", "fault", found, expected, action)
    action = "the model seems untrained; name a pretrained one, unless that is meant"
    return judge("step-0 loss", loss < _UNTRAINED_SHARE * expected_by_chance, found, expected, action, otherwise="warning")


def check_cache(model: Any, batch: Batch) -> Finding:
    """The loss is the same with and without the key-value cache, through which Gemma 3n and 4 share keys."""
    with torch.inference_mode():
        with_cache, without = (float(_loss(model, batch, use_cache=use)) for use in (True, False))
    return judge(
        "cache",
        abs(with_cache - without) <= _tolerance(model),
        f"{without:.4f} nats a token without the cache, {with_cache:.4f} with it",
        "the same (training runs without it)",
        "upgrade transformers: layers that share keys and values lose them in training (transformers#45242)",
    )


def check_head(model: Any, probe: Sequence[TokenizedPoem], batch: Batch) -> Finding:
    """The chunked loss is that of the whole logits, the final soft-cap kept (prime-rl#2362, Liger#1308)."""
    scores = score_completions(model, probe)
    chunked = sum(score.nll for score in scores) / sum(score.tokens for score in scores)
    with torch.inference_mode():
        whole = float(_loss(model, batch))
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return judge(
        "head",
        abs(chunked - whole) <= _tolerance(model),
        f"{chunked:.4f} nats a token in chunks, {whole:.4f} at once, soft-cap {cap or 'none'}",
        "the same",
        "perplexities of this model would be wrong; report the versions of torch and transformers",
    )


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
    found = ", ".join(f"{short} {count}" for short, count in counts.items()) + f": {trainable:,} parameters"
    if others:
        found += f"; {others} of the same names left out (towers, other layers)"
    stray = sorted(set(wrapped) ^ set(names))
    if stray:
        found += f"; not as meant: {', '.join(stray[:3])}"
    return judge("LoRA modules", not stray, found, "the language model's projections alone", "name other lora.targets")


def check_step(model: Any, batch: Batch, recipe: Recipe) -> Iterator[Finding]:
    """One step: its loss and gradient norm are finite (unsloth#4014), and the adapter changes what the model says.

    Args:
        model: The `PeftModel`, fresh.
        batch: What the step is made on.
        recipe: Tells whether activations are recomputed.
    """
    with torch.inference_mode():
        before = float(_loss(model, batch))
    if recipe.train.gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=_STEP_RATE, weight_decay=0.0)
    try:
        loss = _loss(model, batch)
        loss.backward()
    except (RuntimeError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else repr(error)
        yield Finding("step", "fault", text, "a forward and a backward pass", "see the message; upgrade transformers")
        return
    norm = float(torch.nn.utils.get_total_norm([weight.grad for weight in trained if weight.grad is not None]))
    reached = sum(weight.grad is not None for weight in trained)
    loss_value = float(loss.detach())
    del loss
    yield judge(
        "step",
        math.isfinite(loss_value) and math.isfinite(norm) and norm > 0 and reached == len(trained),
        f"loss {loss_value:.4f}, gradient norm {norm:.3g} over {reached} of {len(trained)} matrices",
        "a finite loss, and a finite gradient on every matrix of the adapter",
        "train in bfloat16 or float32; check lora.targets and lora.layers",
    )
    optimizer.step()
    optimizer.zero_grad()
    model.eval()
    if recipe.train.gradient_checkpointing:
        model.gradient_checkpointing_disable()
    yield judge(
        "training mode",
        abs(loss_value - before) <= _tolerance(model),
        f"loss {loss_value:.4f} in training mode, {before:.4f} in evaluation mode, the adapter still zero",
        "the same: nothing but the adapter's dropout differs",
        "upgrade transformers: this family is computed otherwise in training",
    )
    yield check_on_off(model, batch, before)


def check_on_off(model: Any, batch: Batch, before: float) -> Finding:
    """The adapter after a step: on, it differs from off; off, the base is what it was (transformers#38927).

    Args:
        model: The `PeftModel` after a step.
        batch: What is scored.
        before: The loss before the step, in nats a token.
    """
    with torch.inference_mode():
        on = float(_loss(model, batch))
        with model.disable_adapter():
            off = float(_loss(model, batch))
    return judge(
        "adapter",
        on != off and abs(off - before) <= _tolerance(model),
        f"{on:.4f} nats a token with it, {off:.4f} without, {before:.4f} before the step",
        "with it another loss than without, and without it the base's",
        "the adapter does nothing, or the base was trained too: check lora.targets and the PEFT version",
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
        trained = float(_loss(model, batch))
        result = model.load_adapter(str(folder), adapter_name=name)
        model.set_adapter(name)
        again = float(_loss(model, batch))
        model.set_adapter("default")
        model.delete_adapter(name)
    missing = [key for key in getattr(result, "missing_keys", []) if "lora_" in key]
    stray = list(getattr(result, "unexpected_keys", []))
    found = f"{again:.4f} nats a token loaded again, {trained:.4f} as trained"
    if missing or stray:
        found += f"; {len(missing)} keys missing, {len(stray)} unknown: {', '.join([*missing, *stray][:2])}"
    return judge(
        "reload",
        not missing and not stray and abs(again - trained) <= _tolerance(model),
        found,
        "the same loss, no key missing or left over",
        "the adapter's keys do not fit the model class: check the PEFT and transformers versions",
    )


def step_memory(
    model: Any,
    samples: Sequence[TokenizedPoem],
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    vocabulary_rows: int | None = None,
) -> MemoryEstimate:
    """The memory of the largest pass of a training: `train.batch_size` rows as long as the longest sample.

    A batch of more than `train.pass_tokens` goes through the model in parts, of which the largest counts.

    The formula of `model.memory`; its activations are raised to what autograd is seen to keep of one such row, where that
    is more (eager attention keeps the weights of all pairs of tokens).

    Args:
        model: The `PeftModel`.
        samples: Samples that training takes.
        tokenizer: Their tokenizer.
        recipe: Its `train` and `lora` sections are used.
        vocabulary_rows: Rows that training keeps of the vocabulary; `None`: all.
    """
    longest = max(samples, key=len)
    at_once = pass_tokens(recipe.train, on_gpu=model.device.type == "cuda")
    rows, checkpointing = min(recipe.train.batch_size, max(1, at_once // len(longest))), recipe.train.gradient_checkpointing
    estimate = estimate_memory(
        read_shape(model.config),
        batch=rows,
        tokens=len(longest),
        dtype="bfloat16" if model.dtype == torch.bfloat16 else "float32",
        lora_rank=recipe.lora.rank,
        targets=recipe.lora.targets,
        dropout=recipe.lora.dropout > 0,
        vocabulary_rows=vocabulary_rows,
        completion_tokens=rows * max(len(sample.completion_ids) for sample in samples),
        gradient_checkpointing=checkpointing,
    )
    if checkpointing:
        return estimate
    row = _batch([longest], tokenizer, model.device)
    row["labels"][:, :-1] = IGNORED  # one label: logits are a part of their own
    model.train()
    with activation_meter(model) as kept:
        loss = _loss(model, row)
        measured = kept[0]
    del loss
    model.eval()
    return replace(estimate, activations=max(estimate.activations, rows * measured))


def check_memory(estimate: MemoryEstimate, available: int) -> Finding:
    """What a step takes against what there is."""
    parts = ", ".join(f"{part.name} {getattr(estimate, part.name) / 2**30:.2f}" for part in fields(estimate))
    found = f"{gib(estimate.total)} wanted ({parts}), {gib(available)} free"
    expected = "a step that fits"
    action = (
        "lower train.batch_size (and raise train.gradient_accumulation), lower train.max_tokens, or set "
        "train.gradient_checkpointing=true"
    )
    if estimate.total > available:
        return Finding("memory", "fault", found, expected, action)
    return judge("memory", estimate.total <= _FULL_MEMORY_SHARE * available, found, expected, action, otherwise="warning")


def _batch(samples: Sequence[TokenizedPoem], tokenizer: PreTrainedTokenizerBase, device: torch.device) -> Batch:
    items = [{"sample": sample, "characters": 0, "group": 0} for sample in samples]
    batch = PaddedCollator(int(tokenizer.pad_token_id or 0))(items)
    return {name: batch[name].to(device) for name in ("input_ids", "attention_mask", "labels")}


def _loss(model: Any, batch: Batch, *, use_cache: bool = False) -> torch.Tensor:
    """Mean negative log-likelihood of the labelled tokens, in nats, by the model's own logits."""
    targets = batch["labels"][:, 1:]
    chosen = targets != IGNORED
    head = model.get_output_embeddings()

    def select(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0][:, :-1][chosen],)  # (B, T, hidden) -> (N, hidden): the others' logits are never needed

    hook = head.register_forward_pre_hook(select)
    try:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        logits = model(**inputs, use_cache=use_cache).logits
    finally:
        hook.remove()
    return functional.cross_entropy(logits.float(), targets[chosen])


def _tolerance(model: Any) -> float:
    return _SAME_LOSS.get(model.dtype, _SAME_LOSS_HALF)
