"""A small pretrained model, made larger without forgetting.

In: a finished Gemma 3 text model with its tokenizer, and a fresh, larger one with another tokenizer. Out: the larger one,
which computes what the small one did: its training goes on where the other ended.

New width, heads, feed-forward units and layers begin silent: they are written to, and nothing reads them yet. After Chen et
al., "Net2Net" (arXiv 1511.05641), with these rules for Gemma's norms, which divide by the mean over the whole width H:

- A residual stream of width h, filled up to H, comes out of a norm sqrt(H / h) larger; the norm's scale (1 + w) takes it back.
- Embeddings are multiplied by the root of the width, so theirs shrink by sqrt(h / H). The head is the same matrix: behind the
  last norm the two cancel.
- A new layer ends in norms of scale 0, which let the stream pass; their own gradient wakes the layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gemma_poetry.errors import ModelError
from gemma_poetry.languages import _, listed

if TYPE_CHECKING:
    from transformers import Gemma3ForCausalLM, PreTrainedTokenizerBase

NEW_SHARE = 0.3
"""Size of new rows that write to the stream, against the rows that were there."""

_EQUAL = ("head_dim", "num_key_value_heads", "model_type", "sliding_window", "query_pre_attn_scalar", "rope_parameters")
_GROWN = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


@torch.no_grad()
def grow(
    small: Gemma3ForCausalLM,
    known: PreTrainedTokenizerBase,
    large: Gemma3ForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    *,
    new_share: float = NEW_SHARE,
) -> None:
    """Puts the weights of a model into a larger one, piece by piece of the vocabulary, layer by layer.

    Args:
        small: The model that was trained.
        known: Its tokenizer.
        large: The model that shall go on, freshly initialised; changed in place.
        tokenizer: The tokenizer of that model; pieces that `known` lacks begin as the mean of all.
        new_share: Size of new rows that write to the stream, against those that were there; 0 leaves the function exact.

    Raises:
        ModelError: The larger model is smaller somewhere, or of another kind.
    """
    _check_shapes(small, large)
    old, new = small.get_parameter("model.embed_tokens.weight"), large.get_parameter("model.embed_tokens.weight")
    narrow, wide = old.shape[1], new.shape[1]
    shrink = (narrow / wide) ** 0.5
    rows = known.get_vocab()
    mean = old.mean(0)
    new.normal_(0, float(old.std()) * shrink * new_share)
    for piece, index in tokenizer.get_vocab().items():
        new[index, :narrow] = (old[rows[piece]] if piece in rows else mean) * shrink
    parameters = dict(large.named_parameters())
    for name, weight in small.named_parameters():
        if weight is old:
            continue
        target = parameters[name]
        if weight.ndim == 1:
            _grow_norm(weight, target, 1.0 if name == "model.norm.weight" else shrink)
        else:
            _grow_matrix(weight, target, new_share, reads_stream=not name.endswith(("o_proj.weight", "down_proj.weight")))
    for layer in large.get_submodule("model.layers")[small.config.num_hidden_layers :]:
        layer.post_attention_layernorm.weight.fill_(-1)
        layer.post_feedforward_layernorm.weight.fill_(-1)


def _grow_norm(old: torch.Tensor, new: torch.Tensor, scale: float) -> None:
    """A norm of one head stays as it is; one over the stream is scaled, with the mean scale for new places."""
    if old.shape == new.shape:
        scale = 1.0
    new.fill_(float((1 + old).mean()) * scale - 1)
    new[: len(old)] = (1 + old) * scale - 1


def _grow_matrix(old: torch.Tensor, new: torch.Tensor, new_share: float, *, reads_stream: bool) -> None:
    """What reads the stream takes nothing from its new places; what writes to it takes nothing from new heads and units.

    Its own new rows: those of new heads and units stay as they were initialised, those that write to the stream get
    small ones, which give the new places something to hold.
    """
    rows, columns = old.shape
    if not reads_stream:
        new[rows:].normal_(0, float(old.std()) * new_share)
    new[:rows, columns:] = 0
    new[:rows, :columns] = old


def _check_shapes(small: Gemma3ForCausalLM, large: Gemma3ForCausalLM) -> None:
    before, after = small.config, large.config
    unequal = [name for name in _EQUAL if getattr(before, name, None) != getattr(after, name, None)]
    shrunk = [name for name in _GROWN if getattr(before, name) > getattr(after, name)]
    if before.layer_types != after.layer_types[: before.num_hidden_layers]:
        unequal.append("layer_types")
    if unequal or shrunk:
        named = listed(
            _("{name} {before} and {after}", name=name, before=getattr(before, name, None), after=getattr(after, name, None))
            for name in unequal + shrunk
        )
        raise ModelError(
            _("the model to begin with cannot grow into this preset: {named}", named=named),
            expected=_("the same {equal}, and no fewer {grown}", equal=listed(_EQUAL), grown=listed(_GROWN)),
            action=_("choose a preset that is larger throughout, or leave --from out"),
        )
