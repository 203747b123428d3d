"""An adapter on another conversion of its base than the one it was trained on: what the fixed poems make of the difference.

In: a model with its adapter on, and what the fixed poems scored at the end of the training. Out: one sentence.

The same published weights come as bfloat16 and quantized; an adapter of one of them is used with another wherever the one is
not at hand. How much is lost differs from file to file, so it is measured: a second on two cores, for Gemma 3 270M.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, read_json
from gemma_poetry.errors import DataError
from gemma_poetry.languages import _
from gemma_poetry.model.fixed_poems import FIXED_POEMS, score_fixed_poems
from gemma_poetry.model.gguf_input import CONVERTED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def gguf_source(folder: Path) -> str | None:
    """The name of the GGUF file that a model folder was converted from, `None` for all others."""
    try:
        manifest = read_json(folder / MANIFEST)
        return str(manifest["source"]["name"]) if manifest["kind"] == CONVERTED else None
    except (DataError, KeyError, TypeError):
        return None


def perplexity(nats: Sequence[float]) -> float:
    """The perplexity a token of poems of which each counts the same."""
    return math.exp(sum(nats) / len(nats))


def loss_by_other_base(
    model: Any, tokenizer: PreTrainedTokenizerBase, trained: Sequence[float], trained_on: str, found: str
) -> str:
    """What changes by the other base, as a sentence.

    Args:
        model: The base at hand with the adapter on.
        tokenizer: Its tokenizer.
        trained: Nats a token of the fixed poems at the end of the training.
        trained_on: What the adapter was trained on.
        found: What it is on now.
    """
    before, now = perplexity(trained), perplexity(score_fixed_poems(model, tokenizer))
    return _(
        "the adapter was trained on {trained_on}, and is on {found}: perplexity of {count} fixed poems {now:.1f} in place "
        "of {before:.1f} ({change:+.1%})",
        trained_on=trained_on,
        found=found,
        count=len(FIXED_POEMS),
        now=now,
        before=before,
        change=now / before - 1,
    )
