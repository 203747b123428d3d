"""The doctor watches one training step on a few poems: what would cost hours later is seen in seconds.

In: a base model as training would load it, its tokenizer, training samples, and the `train` and `lora` sections of a
recipe. Out: findings, in the order of the checks:

    loading_checks, sample_checks    dtype, attention, embeddings, stops, weights
    loss_checks                      step-0 loss, cache, head
    step_checks                      LoRA modules, step, training mode, adapter (on against off) or weights, reload
    memory_checks                    memory
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gemma_poetry.config import Recipe
from gemma_poetry.data.tokenization import TokenizedPoem
from gemma_poetry.doctor.findings import Finding, fault_of
from gemma_poetry.doctor.loading_checks import check_attention, check_dtype, check_embeddings, check_weights
from gemma_poetry.doctor.loss_checks import check_cache, check_head, check_step_0, probe_batch
from gemma_poetry.doctor.memory_checks import check_memory, training_memory
from gemma_poetry.doctor.sample_checks import check_stops, usable
from gemma_poetry.doctor.step_checks import check_modules, check_reload, check_step
from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _
from gemma_poetry.model.families import language_model_prefix
from gemma_poetry.model.free_memory import available_memory
from gemma_poetry.model.lora import add_adapter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROBE_POEMS = 16
"""Poems that the step-0 loss is computed on."""
_STEP_POEMS = 4


def diagnose(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[TokenizedPoem],
    recipe: Recipe,
    *,
    available: int | None = None,
    vocabulary_rows: int | None = None,
    bfloat16: bool = False,
) -> Iterator[Finding]:
    """Runs every check; a check that makes the rest pointless ends them.

    Args:
        model: The base model in evaluation mode; it is changed.
        tokenizer: Its tokenizer.
        samples: Samples of train.txt.
        recipe: The recipe; its `train` and `lora` sections are used.
        available: Bytes that were free before the model was loaded; `None`: what is free now and what it takes.
        vocabulary_rows: Rows that training keeps of the vocabulary; `None`: all.
        bfloat16: Whether products are in bfloat16 though every weight is trained, and so is in float32.
    """
    if available is None:
        taken = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        available = available_memory(model.device) + taken
    yield check_dtype(model, recipe)
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
    batch = probe_batch(probe[:_STEP_POEMS], tokenizer, model.device)
    yield check_cache(model, batch)
    yield check_head(model, probe[:_STEP_POEMS], batch)
    if recipe.train.method == "full":
        stages = training_memory(model, fitting, recipe, vocabulary_rows, bfloat16=bfloat16)
        room = check_memory(stages, available)
        yield room
        if room.verdict != "fault":  # the step itself holds every weight twice
            # What brings images into the model is trained too, but no text gives it a gradient.
            model.requires_grad_(False)
            model.get_submodule(language_model_prefix(model).rstrip(".")).requires_grad_(True)
            yield from check_step(model, batch, recipe)
        return
    try:
        adapted, names = add_adapter(model, recipe.lora, recipe.train.seed)
    except UsageError as error:
        yield fault_of(_("LoRA modules"), error)
        return
    yield check_modules(adapted, names)
    yield check_embeddings(adapted, check=_("trained embeddings"))
    yield from check_step(adapted, batch, recipe)
    yield check_reload(adapted, batch)
    yield check_memory(training_memory(adapted, fitting, recipe, vocabulary_rows), available)
