"""What differs between the Gemma families: arithmetic, attention, and where the language model sits.

In: a configuration of transformers, a device, what a person asked for. Out: the dtype, the attention implementation, and
the device that a model is loaded with.

| family | why it is not like the others |
|---|---|
| Gemma 1 | 256 dimensions a head, no windows |
| Gemma 2 | attention logits are soft-capped: fused kernels leave the cap out, so attention is eager |
| Gemma 3 | activations reach 800,000, float16 ends at 65,504: bfloat16 or float32 only; from 4B on with a vision tower |
| Gemma 3n | per-layer embeddings, key-value sharing, vision tower from timm, audio tower |
| Gemma 4 | as 3n, global layers with 512 dimensions a head: beyond flash-attention, so attention is sdpa |
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.errors import UsageError
from gemma_poetry.extras import require
from gemma_poetry.languages import _, listed
from gemma_poetry.progress import say

if TYPE_CHECKING:
    import torch

# `model_type` of a configuration -> the family's name. Multimodal types are used for their text part only.
FAMILIES: dict[str, str] = {
    "gemma": _("Gemma 1"),
    "gemma2": _("Gemma 2"),
    "gemma3": _("Gemma 3"),
    "gemma3_text": _("Gemma 3"),
    "gemma3n": _("Gemma 3n"),
    "gemma3n_text": _("Gemma 3n"),
    "gemma4": _("Gemma 4"),
    "gemma4_text": _("Gemma 4"),
}
_FLOAT16_FAMILIES = ("gemma", "gemma2")
FASTEST = "fastest"
"""The dtype that trainings ask for where a recipe says `auto`."""
WRITING = "writing"
"""The dtype that writing asks for where a recipe says `auto`."""
_TIMED_SECONDS, _TIMED_ROWS = 0.05, 256
_SMALL = {FASTEST: 2**18, WRITING: 2**20}
"""Values of a matrix up to which a model stays in float32: little is gained. `mini` writes the same poems everywhere."""
_WORTHWHILE = 0.8  # of the time in float32
_MULTIPLY_BFLOAT16 = ("avx512_bf16", "amx_bf16")
_PROCESSORS = Path("/proc/cpuinfo")
PLAIN_TOKENS = 1024
"""Tokens of a row up to which a CPU trains with plain attention in place of the fused kernel: it is faster at all lengths
that were timed (docs/results.md), but what it keeps grows with the square (`model.memory`)."""


def choose_device(wanted: str | None = None) -> str:
    """Where a model is loaded to.

    Args:
        wanted: `cpu`, `cuda`, `cuda:1`, ...; `None`: the GPU that a launcher gave this process, else the first GPU, else
            the CPU.
    """
    import torch

    if wanted is not None:
        return wanted
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def choose_dtype(
    model_type: str, wanted: str = "auto", device: str | None = None, widths: tuple[int, int] | None = None
) -> torch.dtype:
    """The arithmetic of a model: bfloat16 on GPUs that have it, else float32.

    CPUs score in float32 unless they are told otherwise, also those that have bfloat16: figures compare between machines.
    Trainings ask for the fastest, and so does writing with large models.

    Args:
        model_type: The configuration's `model_type`.
        wanted: `auto`, `bfloat16`, `float32`, `fastest` and `writing` (as auto, and bfloat16 on CPUs that are faster
            in it), or, for Gemma 1 and 2 on a GPU, `float16`.
        device: Where the model will be; `None`: see `choose_device`.
        widths: Hidden size and width of the feed-forward layer, for `fastest` and `writing`.

    Raises:
        UsageError: float16 for a family or a device that it fails on, or an unknown name.
    """
    import torch

    on_gpu = choose_device(device).startswith("cuda")
    known = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}
    if wanted in _SMALL and not on_gpu:
        return torch.bfloat16 if widths is not None and is_faster_in_bfloat16(*widths, wanted) else torch.float32
    if wanted in ("auto", *_SMALL):
        return torch.bfloat16 if on_gpu and gpu_has_bfloat16() else torch.float32
    if wanted not in known:
        raise UsageError(_("no dtype is called {wanted!r}", wanted=wanted), expected=_("auto, {known}", known=listed(known)))
    if wanted == "float16" and model_type not in _FLOAT16_FAMILIES:
        raise UsageError(
            _("float16 was asked for, in which {families} overflows to NaN", families=FAMILIES.get(model_type, model_type)),
            expected=_("bfloat16, or float32 where the GPU has no bfloat16 (float16 ends at 65,504; activations go beyond)"),
            action=_("leave the dtype at auto"),
        )
    if wanted == "float16" and not on_gpu:
        raise UsageError(
            _("float16 was asked for on a CPU"), expected=_("bfloat16 or float32"), action=_("leave the dtype at auto")
        )
    return known[wanted]


def is_faster_in_bfloat16(hidden: int, feed_forward: int, purpose: str = FASTEST) -> bool:
    """Whether this processor multiplies a model's matrices faster in bfloat16: found by timing them, for 50 ms in all.

    Small models stay in float32 unmeasured: little is gained, and their figures compare between machines.

    Args:
        hidden: Hidden size.
        feed_forward: Width of the feed-forward layer.
        purpose: `fastest` for trainings, or `writing`: from which size on it is worth while.
    """
    if not expects_bfloat16(hidden, feed_forward, purpose):
        return False
    import torch

    fastest = {}
    for dtype in (torch.float32, torch.bfloat16):
        rows, matrix = torch.ones(_TIMED_ROWS, hidden, dtype=dtype), torch.ones(feed_forward, hidden, dtype=dtype)
        torch.nn.functional.linear(rows, matrix)  # the first call sets the kernel up
        times: list[float] = []
        end = time.perf_counter() + _TIMED_SECONDS / 2
        while not times or time.perf_counter() < end:
            began = time.perf_counter()
            torch.nn.functional.linear(rows, matrix)
            times.append(time.perf_counter() - began)
        fastest[dtype] = min(times)
    share = fastest[torch.bfloat16] / fastest[torch.float32]
    chosen = share < _WORTHWHILE
    if purpose == WRITING:
        if chosen:
            say(_("writing in bfloat16, in which this processor multiplies faster (generate.dtype decides otherwise)"))
        return chosen
    say(
        _(
            "training in {detail}: a product of the model's size takes {share:.2f} of the "
            "time in bfloat16 on this processor (train.dtype decides otherwise)",
            detail="bfloat16" if chosen else "float32",
            share=share,
        )
    )
    return chosen


def matrix_sizes(text: Any) -> tuple[int, int]:
    """Hidden size and width of the feed-forward layer (of the first one, where they differ) of a text configuration."""
    width = text.intermediate_size
    return text.hidden_size, width[0] if isinstance(width, list) else width


def expects_bfloat16(hidden: int, feed_forward: int, purpose: str = FASTEST) -> bool:
    """Whether this processor will probably be faster in bfloat16: what can be told without timing a product, or torch.

    Args:
        hidden: Hidden size.
        feed_forward: Width of the feed-forward layer.
        purpose: `fastest` for trainings, or `writing`.
    """
    return not is_small(hidden, feed_forward, purpose) and cpu_has_bfloat16()


def is_small(hidden: int, feed_forward: int, purpose: str = FASTEST) -> bool:
    """Whether a model stays in float32 on every CPU, unless it is told otherwise; arguments of `expects_bfloat16`."""
    return hidden * feed_forward < _SMALL[purpose]


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies matrices in bfloat16; on others such products take hundreds of times as long."""
    if sys.platform == "linux":  # its own list of the processor's abilities: torch, a second to import, is not needed
        able = _processor_flags()
    else:
        import torch

        able = {name for name, there in torch.cpu.get_capabilities().items() if there}
    return not able.isdisjoint(_MULTIPLY_BFLOAT16)


def _processor_flags() -> set[str]:
    try:
        with _PROCESSORS.open(encoding="utf-8") as lines:
            return set(next((line for line in lines if line.startswith("flags")), "").split())
    except OSError:
        return set()


def gpu_has_bfloat16() -> bool:
    """Whether the GPU multiplies in bfloat16 itself; older ones (T4, V100) only emulate it, slowly."""
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


def four_bit_settings(device: str | None = None) -> dict[str, Any]:
    """What transformers is to load base weights in 4 bits with: NF4, double quantization, in bfloat16 where the GPU has it.

    Raises:
        UsageError: There is no CUDA device, or no bitsandbytes (a `MissingExtraError`).
    """
    chosen = choose_device(device)
    if not chosen.startswith("cuda"):
        raise UsageError(
            _("4-bit weights (lora.four_bit) were asked for on {chosen}", chosen=chosen),
            expected=_("a CUDA device"),
            action=_("leave lora.four_bit out; a pruned vocabulary and train.gradient_checkpointing save memory everywhere"),
        )
    require("bitsandbytes", extra="qlora", purpose=_("the setting lora.four_bit"))
    import torch
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if gpu_has_bfloat16() else torch.float32,
    )
    return {"quantization_config": quantization, "device_map": {"": chosen}}


def choose_attention(config: Any) -> str:
    """The attention implementation that computes what the checkpoint was trained with.

    Flash-attention is never chosen: it ends at 256 dimensions a head, and batches of poems are short.

    Returns:
        `eager` where attention logits are soft-capped (sdpa has no such cap), else `sdpa`.
    """
    return "eager" if getattr(config.get_text_config(), "attn_logit_softcapping", None) else "sdpa"


def language_model_prefix(model: Any) -> str:
    """The name that the decoder's modules begin with, a dot at its end: `model.` or `model.language_model.`.

    Args:
        model: A causal language model of transformers, not wrapped by PEFT.
    """
    decoder = model.get_decoder()
    return next(name + "." for name, module in model.named_modules() if module is decoder)
