"""Presets are the architectures that `pretrain` trains from scratch.

In: the name of a preset and a tokenizer. Out: a Gemma 3 configuration and a freshly initialised model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_poetry.errors import UsageError, nearest_names
from gemma_poetry.languages import _, listed

if TYPE_CHECKING:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Preset:
    """The shape of a Gemma 3 text model.

    Attributes:
        layers: Transformer layers.
        hidden: Hidden size.
        heads: Query heads.
        key_value_heads: Key-value heads.
        head_size: Dimensions of a head.
        feed_forward: Width of the feed-forward layer.
        positions: Longest sequence, in tokens.
    """

    layers: int
    hidden: int
    heads: int
    key_value_heads: int
    head_size: int
    feed_forward: int
    positions: int = 2048


PRESETS: dict[str, Preset] = {
    # About 12M parameters: 24 MB in bfloat16, and the first poem within seconds on a laptop.
    "mini": Preset(layers=8, hidden=320, heads=5, key_value_heads=1, head_size=64, feed_forward=896),
    # The architecture that the project was described with: 24 layers, hidden size 1024, 16 heads, about 350M.
    "350m": Preset(layers=24, hidden=1024, heads=16, key_value_heads=16, head_size=64, feed_forward=3264),
}


def preset_config(name: str, tokenizer: PreTrainedTokenizerBase) -> Gemma3TextConfig:
    """The Gemma 3 configuration of a preset for the pieces of a tokenizer.

    Raises:
        UsageError: No preset is called so.
    """
    from transformers import Gemma3TextConfig

    if name not in PRESETS:
        near = nearest_names(name, PRESETS)
        raise UsageError(
            _("no preset is called {name!r}", name=name),
            expected=_("one of {presets}", presets=listed(PRESETS)),
            action=_("did you mean {near}?", near=near[0]) if near else "",
        )
    preset = PRESETS[name]
    return Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=preset.hidden,
        num_hidden_layers=preset.layers,
        num_attention_heads=preset.heads,
        num_key_value_heads=preset.key_value_heads,
        head_dim=preset.head_size,
        query_pre_attn_scalar=preset.head_size,
        intermediate_size=preset.feed_forward,
        max_position_embeddings=preset.positions,
        sliding_window=512,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def build_preset(name: str, tokenizer: PreTrainedTokenizerBase, seed: int) -> Gemma3ForCausalLM:
    """A freshly initialised model of a preset, in float32.

    Raises:
        UsageError: No preset is called so.
    """
    import torch
    from transformers import Gemma3ForCausalLM

    torch.manual_seed(seed)
    return Gemma3ForCausalLM(preset_config(name, tokenizer)).to(torch.float32)


def load_preset(folder: Path) -> Gemma3ForCausalLM:
    """A model that `pretrain` wrote, in float32, for more training."""
    import torch
    from transformers import Gemma3ForCausalLM

    return Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
