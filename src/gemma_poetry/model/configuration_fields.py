"""The settings of a model folder, looked at before any library acts on them.

In: the values of `config.json`, `generation_config.json`, `tokenizer_config.json` and `adapter_config.json`, which anybody may
have written, and the shapes of the weights. Out: nothing, or a refusal that names each field that no Gemma can have.

A setting becomes a size, a loop, a module to import or a regular expression in transformers, PEFT or torch. So fields that are
known must be of their kind and within bounds that leave room above every published Gemma; those that are not known must be
small; and what names code is refused wherever it stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemma_poetry.artifacts import read_json
from gemma_poetry.errors import DataError, IncompleteModelError, ModelError, NotAGemmaError, UnsafeModelError, unreadable
from gemma_poetry.languages import _, listed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DEEPEST, _LONGEST, _MOST, _LARGEST = 12, 10_000, 50_000, 2**31
_MOST_LABELS = 10_000
_CODE = ("auto_map", "custom_generate")

Width = Annotated[int, Field(ge=1, le=2**18)]
Count = Annotated[int, Field(ge=1, le=4096)]
Extent = Annotated[int, Field(ge=1, le=2**27)]
Identity = Annotated[int, Field(ge=0, le=2**24)]
Positive = Annotated[float, Field(gt=0, le=1e12)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[str, Field(max_length=200)]


class _Fields(BaseModel):
    """Fields of a settings file; those that are not named may stand beside them."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=())


class _Configuration(_Fields):
    """`config.json`, or the part of it for text, pictures or sound."""

    model_type: Word | None = None
    architectures: list[Word] | None = None
    vocab_size: Extent | None = None
    hidden_size: Width | None = None
    intermediate_size: Annotated[int, Field(ge=1, le=2**21)] | list[Annotated[int, Field(ge=1, le=2**21)]] | None = None
    num_hidden_layers: Count | None = None
    num_attention_heads: Count | None = None
    num_key_value_heads: Count | None = None
    num_global_key_value_heads: Count | None = None
    num_kv_shared_layers: Annotated[int, Field(ge=0, le=4096)] | None = None
    head_dim: Width | None = None
    global_head_dim: Width | None = None
    max_position_embeddings: Extent | None = None
    sliding_window: Extent | None = None
    layer_types: list[Word] | None = None
    query_pre_attn_scalar: Positive | None = None
    rms_norm_eps: Annotated[float, Field(gt=0, le=1)] | None = None
    initializer_range: Annotated[float, Field(ge=0, le=100)] | None = None
    attention_dropout: Fraction | None = None
    attention_bias: bool | None = None
    final_logit_softcapping: Positive | None = None
    attn_logit_softcapping: Positive | None = None
    rope_theta: Positive | None = None
    rope_local_base_freq: Positive | None = None
    rope_parameters: dict[str, Any] | None = None
    rope_scaling: dict[str, Any] | None = None
    vocab_size_per_layer_input: Annotated[int, Field(ge=0, le=2**24)] | None = None
    hidden_size_per_layer_input: Annotated[int, Field(ge=0, le=2**18)] | None = None
    altup_num_inputs: Annotated[int, Field(ge=1, le=64)] | None = None
    laurel_rank: Width | None = None
    num_experts: Count | None = None
    num_labels: Annotated[int, Field(ge=0, le=_MOST_LABELS)] | None = None
    tie_word_embeddings: bool | None = None
    use_cache: bool | None = None
    pad_token_id: Identity | None = None
    bos_token_id: Identity | list[Identity] | None = None
    eos_token_id: Identity | list[Identity] | None = None
    dtype: Word | dict[str, Any] | None = None
    torch_dtype: Word | dict[str, Any] | None = None
    quantization_config: dict[str, Any] | None = None
    text_config: _Configuration | None = None
    vision_config: _Configuration | None = None
    audio_config: _Configuration | None = None


class _Backbone(_Fields):
    """What a KerasHub preset's `config.json` says of its backbone."""

    vocabulary_size: Extent
    num_layers: Count
    num_query_heads: Count
    num_key_value_heads: Count
    hidden_dim: Width
    intermediate_dim: Annotated[int, Field(ge=1, le=2**21)]
    head_dim: Width
    layer_norm_epsilon: Positive
    sliding_window_size: Extent | None = None
    use_post_ffw_norm: bool = False
    query_head_dim_normalize: bool = True
    attention_logit_soft_cap: Positive | None = None
    final_logit_soft_cap: Positive | None = None
    global_rope_scaling_factor: Positive = 1.0
    dropout: Fraction = 0.0


class _Preset(_Fields):
    """`config.json` of a KerasHub preset."""

    registered_name: Word
    config: _Backbone


class _Generation(_Fields):
    """`generation_config.json`."""

    pad_token_id: Identity | None = None
    bos_token_id: Identity | list[Identity] | None = None
    eos_token_id: Identity | list[Identity] | None = None
    temperature: Annotated[float, Field(ge=0, le=1e6)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**24)] | None = None
    top_p: Fraction | None = None
    max_length: Extent | None = None
    max_new_tokens: Extent | None = None


class _Template(_Fields):
    name: Word
    template: str


class _Tokenizer(_Fields):
    """`tokenizer_config.json`."""

    tokenizer_class: Annotated[str, Field(pattern=r"^\w{1,100}$")] | None = None
    chat_template: str | list[_Template] | None = None
    model_max_length: float | None = None
    added_tokens_decoder: dict[Annotated[str, Field(pattern=r"^\d{1,8}$")], dict[str, Any]] | None = None
    bos_token: str | dict[str, Any] | None = None
    eos_token: str | dict[str, Any] | None = None
    pad_token: str | dict[str, Any] | None = None
    unk_token: str | dict[str, Any] | None = None


class _Adapter(_Fields):
    """`adapter_config.json`."""

    base_model_name_or_path: Annotated[str, Field(max_length=4096, min_length=1)] | None = None
    revision: Word | None = None
    peft_type: Word
    task_type: Word | None = None
    r: Annotated[int, Field(ge=1, le=2**16)]
    lora_alpha: Annotated[float, Field(ge=0, le=1e6)] = 8
    lora_dropout: Fraction = 0.0
    bias: Word = "none"
    target_modules: list[Word] | str | None = None
    use_dora: bool = False
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    lora_bias: bool = False
    rank_pattern: dict[str, Annotated[int, Field(ge=1, le=2**16)]] | None = None
    alpha_pattern: dict[str, Annotated[float, Field(ge=0, le=1e6)]] | None = None
    modules_to_save: list[Word] | None = None
    init_lora_weights: bool | Word | None = True


def check_configuration(config: Mapping[str, Any], family: str, folder: Path) -> None:
    """Refuses a model configuration with a field of the wrong kind or beyond all bounds.

    Raises:
        NotAGemmaError: Such fields; the first are named.
    """
    faults = _faults(_Configuration, config)
    if faults:
        raise NotAGemmaError(
            _("config.json cannot be read as a {family} configuration ({faults})", family=family, faults=faults),
            where=folder,
            expected=_("the configuration of a Gemma checkpoint, or one that transformers wrote"),
            action=_("download config.json again"),
        )


def check_extent(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], folder: Path) -> None:
    """Refuses weights of another vocabulary, width or number of layers than the configuration tells of.

    transformers would build the model that is told of, however large, before it misses its weights.

    Raises:
        IncompleteModelError: They differ.
    """
    text = config.get("text_config") or config
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        if name.endswith("embed_tokens.weight") and len(shape) == 2:
            found |= {"vocab_size": shape[0], "hidden_size": shape[1]}
    wrong = [
        _("{name} {text:,}, the weights have {size:,}", name=name, text=text[name], size=size)
        for name, size in found.items()
        if text.get(name, size) != size
    ]
    layers = {int(match[1]) for name in shapes if (match := _LAYER.match(name))}
    told = text.get("num_hidden_layers")
    if layers and told is not None and told > len(layers):
        wrong.append(_("num_hidden_layers {told:,}, the weights have {count:,}", told=told, count=len(layers)))
    types = text.get("layer_types")
    if types is not None and told is not None and len(types) != told:
        wrong.append(_("{count:,} layer_types for num_hidden_layers {told:,}", count=len(types), told=told))
    if wrong:
        raise IncompleteModelError(
            _("config.json tells of {wrong}", wrong=listed(wrong, "; ")),
            where=folder,
            expected=_("config.json and weights of one and the same checkpoint, complete"),
            action=_("download the whole checkpoint again"),
        )


_LAYER = re.compile(r"(?:model\.)?(?:language_model\.)?(?:model\.)?layers\.(\d{1,6})\.")


def check_preset(folder: Path) -> None:
    """Looks at the files of a KerasHub preset, before Keras builds what they describe.

    Raises:
        UnsafeModelError: A setting names code.
        ModelError: A file is none, or the backbone has a field of the wrong kind or beyond all bounds.
    """
    check_entries(folder)
    _check_file(_Preset, folder / "config.json")


def check_tokenizer_rows(tokenizer: PreTrainedTokenizerBase, rows: int, folder: Path) -> None:
    """Refuses a tokenizer with tokens beyond the last row of the model's embedding.

    Raises:
        IncompleteModelError: It has such tokens, others than those that stand for pictures and sound: of these the published
            tokenizers of Gemma 3 have one more than its models of text have rows, and no text holds it.
    """
    # Added tokens may leave ids out: the last is not always the number of tokens.
    beyond = {
        number: token.content
        for number, token in tokenizer.added_tokens_decoder.items()
        if number >= rows and not token.content.endswith(_SOFT_TOKEN)
    }
    if tokenizer.vocab_size > rows and not beyond:
        beyond = {tokenizer.vocab_size - 1: str(tokenizer.convert_ids_to_tokens(tokenizer.vocab_size - 1))}
    if beyond:
        last = max(beyond)
        raise IncompleteModelError(
            _(
                "the tokenizer has tokens up to id {last:,} ({beyond!r}), the model {rows:,} rows for them",
                last=last,
                beyond=beyond[last][:40],
                rows=rows,
            ),
            where=folder,
            expected=_(
                "a tokenizer whose ids end at {rows:,}, or a model that was resized for the tokens that were added",
                rows=rows - 1,
            ),
            action=_(
                "use the tokenizer that the weights were saved with, or save model and "
                "tokenizer again after model.resize_token_embeddings(len(tokenizer))"
            ),
        )


_SOFT_TOKEN = "_soft_token>"


def check_other_settings(folder: Path) -> None:
    """Looks at `generation_config.json`, where there is one.

    Raises:
        UnsafeModelError: It names code.
        ModelError: It cannot be read, or has a field of the wrong kind.
    """
    _check_file(_Generation, folder / "generation_config.json")


def check_tokenizer_files(folder: Path) -> None:
    """Looks at what a tokenizer is made of, before transformers makes it.

    Raises:
        UnsafeModelError: A setting names code, or a text is to be cut by a regular expression, which can take for ever.
        ModelError: A file cannot be read, or has a field of the wrong kind.
    """
    check_entries(folder)
    _check_file(_Tokenizer, folder / "tokenizer_config.json")
    for name in ("special_tokens_map.json", "added_tokens.json", "chat_template.json"):
        _check_file(_Fields, folder / name)
    if (folder / "tokenizer.json").is_file() and _PATTERN.search((folder / "tokenizer.json").read_bytes()):
        raise UnsafeModelError(
            _("the tokenizer cuts texts by a regular expression, which can take for ever"),
            where=folder / "tokenizer.json",
            expected=_("a tokenizer of Gemma, which has none"),
            action=_("download the tokenizer of the original checkpoint"),
        )


def check_entries(folder: Path) -> None:
    """Refuses a model folder with a pipe, a device or an endless file under a name that a library reads.

    Raises:
        ModelError: There is such an entry, or the folder cannot be read.
    """
    try:
        for path in folder.iterdir():
            read = path.suffix in _READ
            if read and not path.is_file():
                raise ModelError(_("no file, though it is called as one"), where=path, action=_("download it again"))
            if read and path.suffix != ".safetensors" and path.stat().st_size > _LARGEST_FILE:
                raise ModelError(
                    _("a file of more than {largest_file:,} bytes", largest_file=_LARGEST_FILE),
                    where=path,
                    action=_("download it again"),
                )
    except OSError as error:
        raise unreadable(error, folder, ModelError) from error


_READ = (".json", ".jinja", ".txt", ".model", ".safetensors", ".npz")
_LARGEST_FILE = 256 * 2**20
_PATTERN = re.compile(rb'"pattern"\s*:\s*\{\s*"Regex"')


def check_adapter_configuration(path: Path) -> dict[str, Any]:
    """The settings of an adapter, each of its kind.

    Raises:
        UnsafeModelError: They name code.
        ModelError: They cannot be read, or a field is of the wrong kind.
    """
    return _check_file(_Adapter, path)


def refuse_code(value: Any, where: Path) -> None:
    """Refuses settings that name code of the folder, wherever in them that stands, and those that are endless.

    Raises:
        UnsafeModelError: They name code.
        ModelError: They nest deeper, or have longer texts, lists or numbers, than the settings of any model.
    """
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        inner, depth = waiting.pop()
        fault = ""
        if isinstance(inner, (dict, list)) and (len(inner) > _MOST or depth > _DEEPEST):
            fault = _("too many entries") if len(inner) > _MOST else _("lists and objects that nest too deep")
        elif isinstance(inner, dict):
            for name in _CODE:
                if inner.get(name):
                    raise UnsafeModelError(
                        _("the configuration asks for code from its repository ({name})", name=name),
                        where=where,
                        expected=_("a model class that transformers itself has"),
                        action=_("use the original Gemma checkpoint"),
                    )
            waiting += [(key, depth + 1) for key in inner]
            waiting += [(item, depth + 1) for key, item in inner.items() if key != "chat_template"]
        elif isinstance(inner, list):
            waiting += [(item, depth + 1) for item in inner]
        elif isinstance(inner, str):
            fault = _("a text that is too long") if len(inner) > _LONGEST else ""
        elif isinstance(inner, float):
            fault = "" if math.isfinite(inner) else _("a number that is not finite")
        elif isinstance(inner, int) and abs(inner) > _LARGEST and inner != _NO_LENGTH:
            fault = _("a number that is too large")
        if fault:
            raise ModelError(_("the settings have {fault}", fault=fault), where=where, action=_("download the file again"))


_NO_LENGTH = int(1e30)
"""What transformers writes as `model_max_length` where there is none."""


def _check_file(kind: type[_Fields], path: Path) -> dict[str, Any]:
    """The settings of a file, checked; none where there is no such file."""
    if not path.exists() and not path.is_symlink():
        return {}
    try:
        settings = read_json(path)
    except DataError as error:
        raise ModelError(
            _("the file cannot be read: {found}", found=error.found),
            where=path,
            expected=_("a JSON file"),
            action=_("download it again"),
        ) from error
    refuse_code(settings, path)
    faults = _faults(kind, settings)
    if faults:
        raise ModelError(
            _("settings that no Gemma has: {faults}", faults=faults),
            where=path,
            expected=_("the file of a Gemma checkpoint, or one that PEFT or transformers wrote"),
            action=_("download it again"),
        )
    found: dict[str, Any] = settings
    return found


def _faults(kind: type[_Fields], settings: Any) -> str:
    """The fields that are not as they should be, the first of them; empty where all are."""
    try:
        kind.model_validate(settings)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"[:200] for fault in error.errors()]
        return listed(dict.fromkeys(faults[:6]), "; ") + (_("; and more") if len(faults) > 6 else "")
    return ""
