"""Finding and loading a model, and refusing what cannot be trusted.

    spec: `mini` │ RUN folder │ model folder │ Hub id
            └──> locate ──> check (Gemma? complete? safetensors?) ──> LoadedModel(model, tokenizer)

In: what a person writes after `--model`. Out: a causal language model of transformers with its tokenizer; a RUN gives
the base model with its adapter on top.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, read_json
from gemma_poetry.errors import (
    DataError,
    IncompleteModelError,
    ModelAccessError,
    ModelError,
    NotAGemmaError,
    RunError,
    UnsafeModelError,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

DEFAULT_MODEL = "mini"
ADAPTER = "adapter"

# `model_type` of a configuration -> the family's name. Multimodal types are used for their text part only.
FAMILIES: dict[str, str] = {
    "gemma": "Gemma 1",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3",
    "gemma3_text": "Gemma 3",
    "gemma3n": "Gemma 3n",
    "gemma3n_text": "Gemma 3n",
    "gemma4": "Gemma 4",
    "gemma4_text": "Gemma 4",
}
# Gemma 2 caps its attention logits, which the fused attention kernels leave out.
_EAGER_FAMILIES = {"gemma2"}
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to score or generate.

    Attributes:
        model: The causal language model, in evaluation mode; a `PeftModel` where an adapter was loaded.
        tokenizer: Its tokenizer.
        name: What people call it: the preset, the Hub id, or the folder's name.
        base: The spec of the base model (equal to the spec where there is no adapter).
        adapted: Whether an adapter is on top.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    name: str
    base: str
    adapted: bool

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next(self.model.parameters()).device


def packaged_model(name: str) -> Path | None:
    """The folder of a model that ships with the package, or `None`."""
    folder = resources.files("gemma_poetry") / "assets" / "models" / name
    return Path(str(folder)) if (folder / "config.json").is_file() else None


def is_run(path: Path) -> bool:
    """Whether a folder is a RUN (an adapter with its manifest)."""
    return (path / ADAPTER / "adapter_config.json").is_file()


def locate(spec: str) -> str:
    """What transformers is to load: a folder for presets and paths, else a Hub id.

    Raises:
        ModelError: The folder that was named does not exist.
    """
    packaged = packaged_model(spec)
    if packaged is not None:
        return str(packaged)
    path = Path(spec)
    if path.is_dir():
        return str(path)
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")):
        return spec
    raise ModelError(
        f"no model is called {spec!r}",
        expected="`mini`, a RUN folder, a model folder, or a Hub id such as google/gemma-3-270m",
        action="check the name; a folder must exist",
    )


def check_model_folder(folder: Path) -> str:
    """Refuses a folder that is no complete, safe Gemma checkpoint.

    Args:
        folder: A model folder in the published layout.

    Returns:
        Its `model_type`.

    Raises:
        NotAGemmaError: The configuration is missing or of no known Gemma family.
        UnsafeModelError: Weights are pickled, or the configuration asks for remote code.
        IncompleteModelError: Weights are missing or cut short.
    """
    try:
        config = read_json(folder / "config.json")
    except DataError as error:
        raise NotAGemmaError(
            "the folder has no readable config.json", where=folder, expected="a Gemma checkpoint folder"
        ) from error
    model_type = _check_config(config, folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = [path.name for pattern in _PICKLED for path in folder.glob(pattern)]
        if pickled:
            raise UnsafeModelError(
                f"the weights are pickled ({', '.join(sorted(pickled)[:3])})",
                where=folder,
                expected="*.safetensors; unpickling can run any code",
                action="convert them with safetensors in a sandbox, or get a safetensors copy",
            )
        raise IncompleteModelError("the folder has no weights", where=folder, expected="*.safetensors")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = set(read_json(index).get("weight_map", {}).values())
        missing = sorted(name for name in named if not (folder / name).is_file())
        if missing:
            raise IncompleteModelError(
                f"{len(missing)} of {len(named)} shards are missing: {', '.join(missing[:3])}",
                where=folder,
                action="download the checkpoint again",
            )
    for path in weights:
        _check_safetensors(path)
    return model_type


def _check_config(config: dict[str, Any], where: Path | str) -> str:
    model_type = str(config.get("model_type", ""))
    if config.get("auto_map"):
        raise UnsafeModelError(
            "the configuration asks for code from its repository (auto_map)",
            where=where,
            expected="a model class that transformers itself has",
            action="use the original Gemma checkpoint",
        )
    if model_type not in FAMILIES:
        raise NotAGemmaError(
            f"the model is of type {model_type!r}",
            where=where,
            expected=f"one of {', '.join(FAMILIES)}",
            action="name a Gemma checkpoint",
        )
    return model_type


def _check_safetensors(path: Path) -> None:
    """Compares a file's size with what its header promises: a download that broke off is named as such."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as stream:
            (header_bytes,) = struct.unpack("<Q", stream.read(8))
            if header_bytes > size:
                raise ValueError("header longer than the file")
            header = json.loads(stream.read(header_bytes))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise IncompleteModelError(
            "the file has no readable safetensors header", where=path, action="download it again"
        ) from error
    if 8 + header_bytes + end != size:
        raise IncompleteModelError(
            f"the file has {size} bytes", where=path, expected=f"{8 + header_bytes + end} bytes", action="download it again"
        )


def choose_dtype(model_type: str, wanted: str = "auto") -> torch.dtype:
    """The arithmetic of a model: bfloat16 on GPUs that have it, else float32 (float16 overflows in Gemma 3).

    Args:
        model_type: The configuration's `model_type`.
        wanted: `auto`, `bfloat16` or `float32`.
    """
    import torch

    if wanted == "auto":
        wanted = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def load_tokenizer(spec: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, without its weights.

    Raises:
        ModelError: There is none, or it cannot be reached.
    """
    from transformers import AutoTokenizer

    if is_run(Path(spec)):
        return load_tokenizer(run_base(Path(spec)))
    location = locate(spec)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
    except OSError as error:
        raise _access_error(location, error) from error
    except ValueError as error:
        raise ModelError(f"the tokenizer cannot be read ({error})", where=location) from error
    return tokenizer


def run_base(run: Path) -> str:
    """The spec of the base model that a RUN was trained on.

    Raises:
        RunError: The RUN has no manifest or it names no base.
    """
    try:
        base = read_json(run / MANIFEST)["base"]["spec"]
    except (DataError, KeyError, TypeError) as error:
        raise RunError(
            "the run has no manifest that names its base model", where=run, action="train again, or name a complete run"
        ) from error
    return str(base)


def load_model(spec: str, *, device: str | None = None, dtype: str = "auto") -> LoadedModel:
    """Loads a model by preset, RUN folder, model folder or Hub id.

    Args:
        spec: What `--model` names.
        device: `cpu`, `cuda`, ...; `None` takes the first GPU where there is one.
        dtype: `auto`, `bfloat16` or `float32`.

    Raises:
        ModelError: And its kinds: see `check_model_folder`.
        RunError: A RUN folder that is incomplete.
    """
    path = Path(spec)
    if is_run(path):
        return _load_run(path, device=device, dtype=dtype)
    import torch

    location = locate(spec)
    model = _load_weights(location, dtype)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = spec if not path.is_dir() else path.resolve().name
    return LoadedModel(model.to(device).eval(), load_tokenizer(spec), name, spec, adapted=False)


def _load_weights(location: str, dtype: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    if Path(location).is_dir():
        model_type = check_model_folder(Path(location))
    else:
        try:
            config = AutoConfig.from_pretrained(location, trust_remote_code=False)
        except OSError as error:
            raise _access_error(location, error) from error
        model_type = _check_config(config.to_dict(), location)
    # Its bar counts tensors of a file that is read in a moment.
    disable_progress_bar()
    attention = "eager" if model_type in _EAGER_FAMILIES else "sdpa"
    try:
        return AutoModelForCausalLM.from_pretrained(
            location,
            dtype=choose_dtype(model_type, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except OSError as error:
        raise _access_error(location, error) from error


def _load_run(run: Path, *, device: str | None, dtype: str) -> LoadedModel:
    from peft import PeftModel

    if not (run / ADAPTER / "adapter_model.safetensors").is_file():
        raise RunError("the adapter has no weights", where=run / ADAPTER, expected="adapter_model.safetensors")
    _check_safetensors(run / ADAPTER / "adapter_model.safetensors")
    base = load_model(run_base(run), device=device, dtype=dtype)
    try:
        model = PeftModel.from_pretrained(base.model, str(run / ADAPTER))
    except RuntimeError as error:
        raise RunError(
            f"the adapter does not fit the base model {base.name!r} ({str(error).splitlines()[0]})",
            where=run / ADAPTER,
            expected="the base model that the adapter was trained on",
        ) from error
    return LoadedModel(model.eval(), base.tokenizer, run.resolve().name, base.base, adapted=True)


def _access_error(location: str, error: OSError) -> ModelAccessError:
    text = str(error)
    if "gated" in text or "401" in text or "403" in text:
        return ModelAccessError(
            f"{location} is gated",
            expected="an account that accepted Google's Gemma terms",
            action=f"accept them at https://huggingface.co/{location} and set HF_TOKEN to a read token of that account",
        )
    return ModelAccessError(
        f"{location} cannot be loaded ({text.splitlines()[0] if text else error!r})",
        expected="a reachable Hub repository or a complete folder",
        action="check the name and the network, or name a folder",
    )
