"""Loading a model, and refusing what cannot be trusted.

    spec ──> `locating` ──> fetch (Hub) ──> check (Gemma? complete? safe?) ──> LoadedModel(model, tokenizer)
             adapter: its base first, then the adapter, each tensor of it in its place

In: what a person writes after `--model`. Out: a causal language model of transformers with its tokenizer; a RUN gives
the base model with its adapter on top. Multimodal checkpoints keep their own class, so that an adapter's names fit the
stock checkpoint; their towers stay on disk (`model.towers`).
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import read_json
from gemma_poetry.data.chat_frame import chat_frame
from gemma_poetry.errors import (
    IncompleteModelError,
    ModelError,
    NoRoomError,
    NotAGemmaError,
    RunError,
    ran_out_of_memory,
)
from gemma_poetry.languages import _, listed
from gemma_poetry.model.adapter_settings import adapter_settings
from gemma_poetry.model.checkpoint import (
    check_adapter_weights,
    check_config,
    check_model_folder,
    refuse_not_finite,
    weight_files,
    weights_fingerprint,
)
from gemma_poetry.model.configuration_fields import check_adapter_configuration, check_tokenizer_files, check_tokenizer_rows
from gemma_poetry.model.families import FAMILIES, choose_attention, choose_device, choose_dtype, four_bit_settings
from gemma_poetry.model.free_memory import available_memory, gib
from gemma_poetry.model.gguf_input import converted_tokenizer
from gemma_poetry.model.keras_preset import is_keras_preset, preset_tokenizer
from gemma_poetry.model.locating import ADAPTER_CONFIG, Adapter, find_adapter, folder_of, lasting_spec, locate, packaged_model
from gemma_poetry.model.named_models import find_named, named_repository
from gemma_poetry.model.other_base import gguf_source, loss_by_other_base
from gemma_poetry.model.towers import weight_bytes, without_towers
from gemma_poetry.progress import say

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to score or generate.

    Attributes:
        model: The causal language model, in evaluation mode; a `PeftModel` where an adapter was loaded.
        tokenizer: Its tokenizer.
        name: What people call it: the preset, the Hub id, or the folder's name.
        base: The spec of the base model (equal to the spec where there is no adapter).
        adapted: Whether an adapter is on top.
        folder: Where the base model's files lie; in the Hub's cache for a Hub id.
        revision: The commit of a Hub id; `None` for folders.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    name: str
    base: str
    adapted: bool
    folder: Path
    revision: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next(self.model.parameters()).device

    def stored_dtype(self) -> str:
        """The dtype of the base checkpoint's files: `bfloat16` or `float32`."""
        config = read_json(self.folder / "config.json")
        named = config.get("dtype") or config.get("torch_dtype") or config.get("text_config", {}).get("dtype") or "float32"
        return "bfloat16" if named == "bfloat16" else "float32"

    def identity(self) -> dict[str, Any]:
        """What tells the base model from others, for manifests: spec, name, revision, fingerprint of the weights."""
        gguf = gguf_source(self.folder)
        return {
            "spec": lasting_spec(self.base),
            "name": self.name,
            "revision": self.revision,
            "weights_fingerprint": weights_fingerprint(self.folder),
            **({"gguf": gguf} if gguf else {}),
        }


def load_tokenizer(spec: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, without its weights.

    Raises:
        ModelError: There is none, or it cannot be reached.
    """
    adapter = find_adapter(Path(spec))
    if adapter is not None:
        return _read_tokenizer(folder_of(locate(adapter.base, weights=False), adapter.revision, weights=False))
    return _read_tokenizer(folder_of(locate(spec, weights=False), weights=False))


def _read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    if is_keras_preset(folder):
        return preset_tokenizer(folder)
    converted = converted_tokenizer(folder)
    if converted is not None:
        chat_frame(converted)
        return converted
    check_tokenizer_files(folder)
    # AutoTokenizer reads the model's configuration too.
    if (folder / "config.json").exists():
        check_config(folder)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the tokenizers library raises bare exceptions, and panics that are none
        raise ModelError(
            _("the tokenizer cannot be read ({first_line})", first_line=_first_line(error)),
            where=folder,
            expected=_("tokenizer.json or tokenizer.model of a Gemma checkpoint"),
            action=_("download the checkpoint's tokenizer files again"),
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ModelError(
            _("the folder's tokenizer is none of texts"), where=folder, action=_("download the tokenizer files again")
        )
    # A template that can loop or fails is told now, not in the middle of the work.
    chat_frame(tokenizer)
    return tokenizer


def load_model(spec: str, *, device: str | None = None, dtype: str = "auto", four_bit: bool = False) -> LoadedModel:
    """Loads a model by preset, RUN folder, adapter folder, model folder, GGUF file, name of a real model or Hub id.

    Args:
        spec: What `--model` names.
        device: `cpu`, `cuda`, ...; `None` takes the GPU that the launcher gave this process, else the first, else the CPU.
        dtype: `auto`, `bfloat16`, `float32`, `fastest` for trainings, `writing`; `float16` for Gemma 1 and 2 on a GPU.
        four_bit: Hold the weights of the layers in 4 bits, for QLoRA; a base model on a CUDA device only.

    Raises:
        ModelError: And its kinds: see `check_model_folder`, `hub.fetch`; `NoRoomError` where the weights find no room.
        RunError: A RUN folder that is incomplete, or whose adapter fits another base model.
        UsageError: A dtype that the family or device fails on.
    """
    adapter = find_adapter(Path(spec))
    if adapter is not None:
        return _load_adapted(Path(spec), adapter, device=device, dtype=dtype)
    return _load_base(spec, None, device=device, dtype=dtype, four_bit=four_bit)


def _load_base(spec: str, revision: str | None, *, device: str | None, dtype: str, four_bit: bool = False) -> LoadedModel:
    quantization = four_bit_settings(device) if four_bit else None
    location = locate(spec)
    folder = folder_of(location, revision, weights=True)
    model = _load_weights(folder, device, dtype, quantization)
    path = Path(spec)
    name = path.resolve().name if path.is_dir() else path.stem if path.is_file() else spec
    commit = None if Path(location).is_dir() else folder.name
    packaged = packaged_model(spec) is not None
    lasting = os.path.abspath(location) if path.is_dir() and not packaged else lasting_spec(spec)
    if not packaged and not path.exists() and named_repository(spec) is not None:
        found = find_named(spec)
        commit, lasting = found.revision, found.repository
    model.name_or_path = lasting  # never a place in a cache: PEFT writes it into the adapter
    tokenizer = _read_tokenizer(folder)
    check_tokenizer_rows(tokenizer, model.get_input_embeddings().num_embeddings, folder)
    return LoadedModel(model.eval(), tokenizer, name, spec, False, folder, commit)


def _load_weights(folder: Path, device: str | None, dtype: str, quantization: dict[str, Any] | None = None) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    from gemma_poetry.model.shards import shards_weights

    model_type = check_model_folder(folder)
    arithmetic = choose_dtype(model_type, dtype, device, widths_in(folder))
    # Under FSDP, accelerate shards the model on its way to the GPUs; one of them may be too small for all of it.
    sharded = device is None and shards_weights()
    if not sharded:
        _require_room(folder, arithmetic.itemsize, choose_device(device), four_bit=quantization is not None)
    # Its bar counts tensors of a file that is read in a moment.
    disable_progress_bar()
    try:
        config = without_towers(AutoConfig.from_pretrained(str(folder), trust_remote_code=False))
        attention = choose_attention(config)
    except Exception as error:  # strict configurations raise classes of their own
        raise NotAGemmaError(
            _(
                "config.json cannot be read as a {model_type} configuration ({first_line})",
                model_type=FAMILIES[model_type],
                first_line=_first_line(error),
            ),
            where=folder,
            action=_("download config.json again"),
        ) from error
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            dtype=arithmetic,
            attn_implementation={"text_config": attention} if "text_config" in config.sub_configs else attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **(quantization or {}),
        )
    except Exception as error:  # whatever a library meets in settings and weights that pass singly, but not together
        if ran_out_of_memory(error):
            raise
        raise _unfitting(folder, model_type, _first_line(error)) from error
    missing, unexpected = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if missing or unexpected:
        faults = (
            [_("{count} weights are missing (first: {missing})", count=len(missing), missing=missing[0])] if missing else []
        )
        faults += (
            [_("{count} have no place (first: {unexpected})", count=len(unexpected), unexpected=unexpected[0])]
            if unexpected
            else []
        )
        raise _unfitting(folder, model_type, listed(faults))
    if not sharded and quantization is None:
        model = model.to(choose_device(device))
    refuse_not_finite(model, str(folder))
    if not sharded:
        _try_out(model, folder, model_type)
    return model


_CACHE_NAMES = ("cache", "past_key_values")


def _try_out(model: Any, folder: Path, model_type: str) -> None:
    """Runs the model on two tokens, one after the other, as writing does: settings can fit weights and still not compute."""
    import torch

    token = torch.zeros((1, 1), dtype=torch.long, device=model.device)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            # Versions differ in what they call the cache, and complain of the other name.
            cache = {name: value for name, value in model(input_ids=token, use_cache=True).items() if name in _CACHE_NAMES}
            logits = model(input_ids=token, **cache, use_cache=True).logits
            finite = bool(torch.isfinite(logits).all())
    except Exception as error:
        if ran_out_of_memory(error):
            raise
        raise _unfitting(folder, model_type, _first_line(error)) from error
    if not finite:
        raise _unfitting(folder, model_type, _("what it computes of a token is no finite number"))


def widths_in(folder: Path) -> tuple[int, int] | None:
    """Hidden size and width of the feed-forward layer, where the configuration in a folder says them."""
    config = read_json(folder / "config.json")
    text = config.get("text_config", config)
    hidden, width = text.get("hidden_size"), text.get("intermediate_size")
    width = width[0] if isinstance(width, list) and width else width
    return (hidden, width) if isinstance(hidden, int) and isinstance(width, int) else None


def _require_room(folder: Path, element: int, device: str, *, four_bit: bool) -> None:
    """Refuses weights that alone are more than the memory that is free: the system would end the process without a word."""
    wanted = sum(weight_bytes(path, element, four_bit=four_bit) for path in weight_files(folder))
    free = available_memory(device)
    if wanted > free:
        raise NoRoomError(
            _("the weights want {wanted}, and {free} are free on {device}", wanted=gib(wanted), free=gib(free), device=device),
            where=folder,
            expected=_("room for the weights, and for what is done with them (gemma-poetry doctor estimates a training)"),
            action=_("choose a smaller model (gemma-poetry models lists what fits), or a machine with more memory"),
        )


def _unfitting(folder: Path, model_type: str, reason: str) -> IncompleteModelError:
    return IncompleteModelError(
        _(
            "the weights are not those of the {model_type} model that config.json describes: {reason}",
            model_type=FAMILIES[model_type],
            reason=reason,
        ),
        where=folder,
        expected=_("config.json and weights of one and the same checkpoint, complete"),
        action=_("download the whole checkpoint again"),
    )


def _load_adapted(path: Path, adapter: Adapter, *, device: str | None, dtype: str) -> LoadedModel:
    from peft import PeftModel, get_peft_model_state_dict

    if not (adapter.folder / _ADAPTER_WEIGHTS).is_file():
        raise RunError(
            _("the adapter has no weights"), where=adapter.folder, expected=_ADAPTER_WEIGHTS, action=_("resume the training")
        )
    settings = check_adapter_configuration(adapter.folder / ADAPTER_CONFIG)
    shapes = check_adapter_weights(adapter.folder / _ADAPTER_WEIGHTS)
    there = set(shapes)
    config = adapter_settings(settings, shapes, adapter.folder)
    base = _load_base(adapter.base, adapter.revision, device=device, dtype=dtype)
    config.base_model_name_or_path = str(base.folder)  # PEFT would ask the Hub for what lies here
    other = adapter.fingerprint is not None and adapter.fingerprint != weights_fingerprint(base.folder)
    gguf = gguf_source(base.folder)
    if other and not (adapter.fixed_poems and (gguf or adapter.gguf)):
        raise _misfit(adapter, base, _("the base model's weights are others than those that it was trained on"))
    try:
        model = PeftModel.from_pretrained(base.model, str(adapter.folder), config=config)
    except Exception as error:  # as above
        raise _misfit(adapter, base, _first_line(error)) from error
    # PEFT only warns of these; the adapter would then do nothing, or half of what was trained.
    wanted = set(get_peft_model_state_dict(model))
    if wanted != there:
        amiss = sorted(wanted ^ there)
        raise _misfit(
            adapter,
            base,
            _(
                "{count} tensors are missing and {found_count} have no place, the first of them {amiss}",
                count=len(wanted - there),
                found_count=len(there - wanted),
                amiss=amiss[0],
            ),
        )
    if other:
        trained_on, found = adapter.gguf or adapter.base, gguf or str(base.folder)
        say(loss_by_other_base(model.eval(), base.tokenizer, adapter.fixed_poems, trained_on, found))
    return LoadedModel(model.eval(), base.tokenizer, path.resolve().name, base.base, True, base.folder, base.revision)


def _misfit(adapter: Adapter, base: LoadedModel, reason: str) -> RunError:
    return RunError(
        _("the adapter does not fit the base model {base!r}: {reason}", base=base.base, reason=reason),
        where=adapter.folder,
        expected=_("{base!r} as it was when the adapter was trained on it", base=adapter.base),
        action=_("put that base model back in its place, or train again on the one that is there"),
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else repr(error))[:300]
