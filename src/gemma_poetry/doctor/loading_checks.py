"""These checks look at a base model as it is loaded: arithmetic, attention, embeddings, weights.

In: a base model (for the embeddings also a `PeftModel`). Out: a finding a check, which names the public reports of the
fault that it looks for.
"""

from __future__ import annotations

from typing import Any

import torch

from gemma_poetry.config import Recipe
from gemma_poetry.doctor.findings import Finding, judge
from gemma_poetry.languages import _, listed
from gemma_poetry.model.families import cpu_has_bfloat16, expects_bfloat16, gpu_has_bfloat16, matrix_sizes

_FLASH_HEAD_SIZE = 256


def check_dtype(model: Any, recipe: Recipe) -> Finding:
    """The arithmetic, for this family and device: Gemma 3's activations reach 800,000, float16 ends at 65,504.

    Args:
        model: The base model, as training would load it.
        recipe: Its `train` section: where every weight is trained they are in float32 everywhere.
    """
    dtype, device, text = model.dtype, model.device, model.config.get_text_config()
    family, full = text.model_type, recipe.train.method == "full"
    found = _("{dtype} on {type}", dtype=str(dtype).removeprefix("torch."), type=device.type)
    expected = (
        _("weights in float32, whatever they are multiplied in, since every one is trained")
        if full
        else _("bfloat16 on GPUs that have it and on CPUs that are faster in it (timed), else float32")
    )
    if dtype == torch.float16:
        early = family in ("gemma", "gemma2")
        return judge(
            _("dtype"), False, found, expected, _("set train.dtype to auto"), otherwise="warning" if early else "fault"
        )
    if device.type == "cpu":
        if recipe.train.dtype == "float32" and not full and expects_bfloat16(*matrix_sizes(text)):
            found += _("; this processor has bfloat16 too, and train.dtype=auto takes it where it is faster")
        wasteful, action = (
            dtype == torch.bfloat16 and not cpu_has_bfloat16(),
            _("set train.dtype to auto; bfloat16 is slow on this processor"),
        )
    else:
        wasteful = (dtype == torch.float32) == gpu_has_bfloat16()
        action = (
            _("set train.dtype to auto; ") + (_("float32 doubles memory") if wasteful else _("bfloat16 is slow")) + _(" here")
        )
    return judge(_("dtype"), full or not wasteful, found, expected, action, otherwise="warning")


def check_attention(model: Any) -> Finding:
    """Whether the attention kernel keeps a family's soft-cap and has room for its heads (transformers#32865)."""
    text = model.config.get_text_config()
    kernel = text._attn_implementation
    cap = getattr(text, "attn_logit_softcapping", None)
    # Gemma 4's global layers have larger heads than its configuration's head_dim: the layers themselves know.
    heads = max(int(module.head_dim) for module in model.modules() if hasattr(module, "q_proj") and hasattr(module, "head_dim"))
    found = _("{kernel}, heads of {heads}", kernel=kernel, heads=heads) + (
        _(", soft-cap {cap:g}", cap=cap) if cap else _(", no soft-cap")
    )
    loses_cap = bool(cap) and kernel == "sdpa"
    too_large = heads > _FLASH_HEAD_SIZE and kernel.startswith("flash_attention")
    return judge(
        _("attention"),
        not loses_cap and not too_large,
        found,
        _("a kernel that keeps the soft-cap and takes heads of this size"),
        _("load the model with attn_implementation {detail}", detail="eager" if loses_cap else "sdpa"),
    )


def check_embeddings(model: Any, check: str = _("embeddings")) -> Finding:
    """Tied embeddings are one tensor, and none of its copies is trained apart (unsloth#9331)."""
    config = model.config
    tied = bool(getattr(config, "tie_word_embeddings", False) or config.get_text_config().tie_word_embeddings)
    inner, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    same = inner.data_ptr() == head.data_ptr()
    trained = [
        name
        for name, weight in model.named_parameters()
        if hasattr(model, "peft_config") and weight.requires_grad and any(part in name for part in ("embed_tokens", "lm_head"))
    ]
    found = (_("tied, one tensor") if same else _("tied by the configuration, but two tensors")) if tied else _("not tied")
    if trained:
        found += _("; trained in a copy of their own: {trained}", trained=listed(trained[:2]))
    good = not tied or (same and not trained)
    return judge(
        check,
        good,
        found,
        _("tied embeddings as one tensor that the adapter leaves alone"),
        _("take embed_tokens and lm_head out of modules_to_save (a merge would drop one of the copies)")
        if trained
        else _("download the checkpoint again: its head is not the one that its configuration tells of"),
    )


def check_weights(model: Any) -> Finding:
    """No weight is infinite or not a number."""
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight.sum(dtype=torch.float32)))]
    found = _("{parameters:,} parameters", parameters=sum(weight.numel() for weight in model.parameters()))
    if broken:
        found += _("; not finite: {broken}", broken=listed(broken[:3])) + (
            _(" and {count} more", count=len(broken) - 3) if len(broken) > 3 else ""
        )
    return judge(_("weights"), not broken, found, _("finite numbers"), _("download the checkpoint again"))
