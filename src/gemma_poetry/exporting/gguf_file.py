"""A merged Gemma 3 text model is written as a GGUF file, for llama.cpp, Ollama and LM Studio.

In: a merged model in memory and its tokenizer. Out: one GGUF file, read back before it is believed.

The container is written by the `gguf` package of the llama.cpp project. What llama.cpp computes for the architecture
`gemma3` is fixed in its code, so a model is written only if it is that: five sliding layers to each global one, heads
scaled by their own size, no rope scaling. All other families are left to llama.cpp's own converter, from a merged export.

Two things differ from the safetensors layout. The norms of GGUF include the 1 that Gemma adds to them. And there are
scores in place of merges: llama.cpp joins whichever neighbours form the piece of the highest score, which gives the
pieces that merges in order of rank give. `PieceCutter` repeats that here on the fixed poems, from the written file, and
their tokens must be those of the tokenizer; the tensors are read back by the reader of `--model FILE.gguf`, which gives what
transformers' own reader gives in a tenth of its time (a test compares every value).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.data.tokenization import encode_poems, stop_ids
from gemma_poetry.errors import ExportError, ModelError, UsageError
from gemma_poetry.exporting.gguf_quantization import (
    EMBEDDING,
    QUANTIZATIONS,
    file_type,
    matrix_kind,
    pack,
    require_quantization,
    share_kept,
)
from gemma_poetry.extras import require
from gemma_poetry.languages import _, listed
from gemma_poetry.model.fixed_poems import FIXED_POEMS
from gemma_poetry.model.gguf_header import read_gguf_header
from gemma_poetry.model.gguf_input import gguf_weights
from gemma_poetry.model.gguf_settings import model_settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ARCHITECTURE = "gemma3"
_PATTERN = 6  # every sixth layer is global in llama.cpp's gemma3
_SWALLOWED = 0.5
_LOCAL_ROPE = 10_000.0
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
# llama.cpp's token types.
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE_TYPE = 1, 2, 3, 4, 5, 6
_BLANK = "▁"
_CONVERTER = _("llama.cpp's convert_hf_to_gguf.py on a folder of `gemma-poetry export --to merged`")


def gguf_installed() -> bool:
    """Whether the `gguf` package is there."""
    from importlib.util import find_spec

    return find_spec("gguf") is not None


def require_gguf(config: Any) -> None:
    """Refuses what this module cannot write.

    Args:
        config: The model's configuration; `None` looks for the package alone.

    Raises:
        MissingExtraError: `gguf` is not installed.
        UsageError: The model is not what llama.cpp computes as gemma3.
    """
    require("gguf", extra="gguf", otherwise=_("run {converter}", converter=_CONVERTER))
    if config is None:
        return
    if config.model_type != "gemma3_text":
        raise UsageError(
            _("a model of type {model_type!r} is not written as GGUF here", model_type=config.model_type),
            expected=_("a Gemma 3 text model (270M, 1B, or one of pretrain)"),
            action=_("run {converter}", converter=_CONVERTER),
        )
    other = _differences(config)
    if other:
        raise UsageError(
            _("llama.cpp would compute this model otherwise: {other}", other=listed(other, "; ")),
            expected=_("the layout of the published Gemma 3 text models"),
            action=_("serve it with transformers or vLLM"),
        )


def _differences(config: Any) -> list[str]:
    """What of a configuration is not in llama.cpp's gemma3."""
    pattern = ["full_attention" if layer % _PATTERN == _PATTERN - 1 else "sliding_attention" for layer in range(100)]
    ropes = config.rope_parameters or {}
    local, whole = ropes.get("sliding_attention", {}), ropes.get("full_attention", {})
    found = {
        "layer_types": list(config.layer_types) != pattern[: config.num_hidden_layers],
        "query_pre_attn_scalar": config.query_pre_attn_scalar != config.head_dim,
        _("rope of sliding layers"): local.get("rope_theta") != _LOCAL_ROPE or local.get("rope_type") != "default",
        _("rope of global layers"): whole.get("rope_type") != "default",
        "soft-caps": bool(config.attn_logit_softcapping or config.final_logit_softcapping),
        _("attention biases"): bool(config.attention_bias),
        _("an untied head"): not config.tie_word_embeddings,
    }
    return [name for name, differs in found.items() if differs]


def swallows(model: Any, dtype: str) -> bool:
    """Whether rounding would take most of an adapter away, because the base model lies on the steps of `dtype` already.

    Looked at is one layer in the middle, whose matrices have the fewest bits.

    Args:
        model: A `PeftModel` on a Gemma 3 text model, in float32.
        dtype: What the merged model is to be written in.
    """
    if dtype not in QUANTIZATIONS:
        return False
    import gguf

    layers = model.config.num_hidden_layers
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, layers)
    middle = f"layers.{layers // 2}."
    kept = []
    for name, module in model.get_base_model().named_modules():
        if middle in name and hasattr(module, "get_delta_weight"):
            before = module.get_base_layer().weight.detach()
            after = before + module.get_delta_weight("default").detach()
            kind = matrix_kind(f"{names.get_name(name)}.weight", before.shape[1], dtype, layers)
            if kind != "F16":
                kept.append(share_kept(before.numpy(), after.numpy(), kind))
    return bool(kept) and sum(kept) / len(kept) < _SWALLOWED


def write_gguf(model: Any, tokenizer: PreTrainedTokenizerBase, path: Path, dtype: str, *, dithered: bool = False) -> None:
    """Writes the file.

    Args:
        model: A Gemma 3 text model in float32.
        tokenizer: Its tokenizer.
        path: The file.
        dtype: `float32`, `bfloat16`, or one of `QUANTIZATIONS`, of the matrices; vectors are float32 always.
        dithered: Whether values are rounded by chance (see `swallows`), always the same.

    Raises:
        MissingExtraError: What packs the matrices is not installed.
        UsageError: See `require_gguf`.
    """
    require_gguf(model.config)
    require_quantization(dtype)
    import gguf
    import numpy

    writer, chance = gguf.GGUFWriter(path, ARCHITECTURE), numpy.random.default_rng(0) if dithered else None
    _add_shape(writer, model.config)
    writer.add_file_type(file_type(dtype))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokenizer(writer, tokenizer, model.config.vocab_size)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, model.config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue  # tied
        target = names.get_name(name, try_suffixes=(".weight",))
        assert target is not None, name
        values = (tensor + 1 if name.endswith("norm.weight") else tensor).numpy()
        kind = matrix_kind(target, values.shape[-1], dtype, model.config.num_hidden_layers) if values.ndim == 2 else "F32"
        if kind == "F32":
            writer.add_tensor(target, values)
        else:
            # No adapter moves the embedding: it goes back to its own steps.
            packed = pack(values, kind, None if target == EMBEDDING else chance)
            writer.add_tensor(target, packed, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: Any, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
    writer.add_sliding_window(config.sliding_window)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: Any, tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    pieces, scores, types = token_table(tokenizer, rows)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_eot_token_id(stop_ids(tokenizer)[0])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def token_table(tokenizer: PreTrainedTokenizerBase, rows: int) -> tuple[list[str], list[float], list[int]]:
    """Pieces, scores and types of each id, as many as the embedding has rows.

    A piece that merges make gets minus the rank of the first merge that makes it; one that nothing makes is found whole
    (a single character, a byte, an added token) and needs no score.

    Args:
        tokenizer: A fast tokenizer of the BPE kind.
        rows: Rows of the embedding.
    """
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]  # type: ignore[attr-defined]
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(model["merges"]):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        ranks.setdefault("".join(parts), rank)
    added = tokenizer.added_tokens_decoder
    by_id = {index: piece for piece, index in tokenizer.get_vocab().items()}
    pieces, scores, types = [], [], []
    for index in range(rows):
        piece = by_id.get(index)
        pieces.append(piece if piece is not None else f"[PAD{index}]")
        scores.append(-float(ranks[piece]) if piece in ranks else 0.0)
        if piece is None:
            types.append(_UNUSED)
        elif index == tokenizer.unk_token_id:
            types.append(_UNKNOWN)
        elif index in added:
            types.append(_CONTROL if added[index].special else _USER_DEFINED)
        elif _BYTE.fullmatch(piece):
            types.append(_BYTE_TYPE)
        else:
            types.append(_NORMAL)
    return pieces, scores, types


def read_gguf(path: Path, config: Any) -> Any:
    """The model in a GGUF file, in float32, by the reader of `--model FILE.gguf`, which has its own tables.

    Args:
        path: The file.
        config: The configuration that it should be of.

    Raises:
        ExportError: Its shape is another, or tensors are missing or left over.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        header = read_gguf_header(path)
        told = model_settings(header)
        other = [name for name, value in told.items() if name in _SHAPE and getattr(config, name) != value]
        if other:
            raise ExportError(
                _("the file tells of another shape ({other})", other=listed(other)), where=path, expected=_("that of the run")
            )
        weights = gguf_weights(header, config)
    except ModelError as error:
        raise ExportError(_("the file cannot be read back ({error})", error=error.found), where=path) from error
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(weights, strict=False)  # the head is the embedding
    model.tie_weights()
    return model.eval()


_SHAPE = frozenset(
    ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim",
     "sliding_window", "max_position_embeddings", "vocab_size")
)  # fmt: skip


def check_tokens(path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Cuts the fixed poems into tokens as llama.cpp will, from what the file holds.

    Raises:
        ExportError: The tokens are not those of the tokenizer.
    """
    metadata = read_gguf_header(path).metadata
    pieces, scores, types = (metadata[f"tokenizer.ggml.{name}"] for name in ("tokens", "scores", "token_type"))
    cutter = PieceCutter(pieces, scores, types)
    for poem, sample in zip(FIXED_POEMS, encode_poems(tokenizer, FIXED_POEMS)):
        for ids in (sample.prompt_ids[1:], sample.completion_ids[:-1]):
            text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            cut = cutter.cut(str(text))
            if cut != list(ids):
                raise ExportError(
                    _("llama.cpp would cut {title} into other tokens", title=poem.title),
                    where=path,
                    expected=_("{ids}…, found {cut}…", ids=list(ids)[:8], cut=cut[:8]),
                    action=_("serve this model with transformers or vLLM: its tokenizer is not of the SentencePiece kind"),
                )


class PieceCutter:
    """Cuts text by llama.cpp's rules for `tokenizer.ggml.model = llama` without a space prefix.

    Special and user-defined tokens are cut out first, longest first; then the neighbours whose union has the highest score
    are joined, the leftmost first among equals, until none are left; what is no piece becomes bytes.

    Args:
        pieces: The pieces by id.
        scores: Their scores.
        types: Their types.
    """

    def __init__(self, pieces: Sequence[str], scores: Sequence[float], types: Sequence[int]) -> None:
        self._ids = {piece: index for index, piece in enumerate(pieces)}
        self._scores = scores
        whole = [piece for piece, kind in zip(pieces, types) if kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)]
        self._whole = frozenset(whole)
        self._splitter = re.compile("(" + "|".join(map(re.escape, sorted(whole, key=len, reverse=True))) + ")")

    def cut(self, text: str) -> list[int]:
        """The token ids of a text; special tokens in it are taken as such."""
        found: list[int] = []
        for part in self._splitter.split(text):
            if part in self._whole:
                found.append(self._ids[part])
                continue
            for symbol in self._joined(list(part.replace(" ", _BLANK))):
                known = self._ids.get(symbol)
                found += [known] if known is not None else [self._ids[f"<0x{byte:02X}>"] for byte in symbol.encode()]
        return found

    def _joined(self, symbols: list[str]) -> list[str]:
        while True:
            joins = [
                (-self._scores[self._ids[first + second]], place)
                for place, (first, second) in enumerate(itertools.pairwise(symbols))
                if first + second in self._ids
            ]
            if not joins:
                return symbols
            place = min(joins)[1]
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
