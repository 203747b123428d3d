"""What a base model shows as it is loaded: arithmetic, attention, embeddings, weights.

In: a base model (for the embeddings also a `PeftModel`). Out: a finding a check, which names the public reports of the
fault that it looks for.
"""

from __future__ import annotations

from typing import Any

import torch

from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.model.families import cpu_has_bfloat16

_FLASH_HEAD_SIZE = 256


def check_dtype(model: Any) -> Finding:
    """The arithmetic, for this family and device: Gemma 3's activations reach 800,000, float16 ends at 65,504."""
    dtype, device, family = model.dtype, model.device, model.config.get_text_config().model_type
    found = f"{str(dtype).removeprefix('torch.')} on {device.type}"
    expected = "bfloat16 on GPUs that have it, else float32"
    if dtype == torch.float16:
        early = family in ("gemma", "gemma2")
        return judge("dtype", False, found, expected, "set train.dtype to auto", otherwise="warning" if early else "fault")
    if device.type == "cpu":
        able = cpu_has_bfloat16()
        if able and dtype == torch.float32:
            found += "; this processor has bfloat16 too: --set train.dtype=bfloat16 is about twice as fast for large models"
        wasteful, action = dtype == torch.bfloat16 and not able, "set train.dtype to auto; bfloat16 is slow on this processor"
    else:
        wasteful = (dtype == torch.float32) == torch.cuda.is_bf16_supported()
        action = "set train.dtype to auto; " + ("float32 doubles memory" if wasteful else "bfloat16 is slow") + " here"
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
