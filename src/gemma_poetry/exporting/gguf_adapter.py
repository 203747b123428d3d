"""A run's adapter is written as a GGUF file, which llama.cpp and Ollama put on a GGUF file of the base model.

In: a PEFT model of any Gemma family. Out: one GGUF file of some megabytes, read back before it is believed.

llama.cpp adds `alpha / rank * (B @ A) x` to what a matrix makes of `x`, with one alpha for the whole file and the rank read
off `B`. PEFT may scale each module otherwise (rsLoRA, patterns of ranks): what differs from the file's alpha goes into `B`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemma_poetry.errors import ExportError, UsageError
from gemma_poetry.exporting.gguf_file import require_gguf
from gemma_poetry.languages import _
from gemma_poetry.model.families import language_model_prefix
from gemma_poetry.model.gguf_header import ARCHITECTURES

_INSTEAD = _("export --to merged or --to gguf: there the adapter is part of the weights")


def check_gguf_adapter(model: Any) -> str:
    """The architecture in llama.cpp of the base of an adapter that can be written.

    Raises:
        MissingExtraError: The package gguf is not installed.
        UsageError: llama.cpp has no place for what the adapter holds.
    """
    require_gguf(None)
    family = str(model.config.model_type)
    names = {text: name for name, text in ARCHITECTURES.items()} | {name: name for name in ARCHITECTURES}
    settings = model.peft_config["default"]
    beside = [
        name
        for name, there in (
            ("DoRA", settings.use_dora),
            (_("biases"), settings.bias != "none" or getattr(settings, "lora_bias", False)),
            (_("whole modules"), bool(settings.modules_to_save)),
        )
        if there
    ]
    if beside or family not in names:
        found = (
            _("llama.cpp's adapters have no {what}", what=beside[0])
            if beside
            else _("llama.cpp knows no {family}", family=family)
        )
        raise UsageError(found, expected=_("LoRA on a Gemma"), action=_INSTEAD)
    return names[family]


def write_gguf_adapter(model: Any, path: Path) -> None:
    """Writes the file, in float32.

    Args:
        model: A `PeftModel` with one adapter.
        path: The file.

    Raises:
        UsageError: See `check_gguf_adapter`; or a module has no name in llama.cpp.
    """
    import gguf

    architecture = check_gguf_adapter(model)
    updates = {name: module for name, module in model.get_base_model().named_modules() if hasattr(module, "lora_A")}
    alpha = max(module.scaling["default"] * module.r["default"] for module in updates.values())
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for name, target in _targets(model, architecture, list(updates)).items():
        module = updates[name]
        first, second = module.lora_A["default"].weight, module.lora_B["default"].weight
        share = module.scaling["default"] * module.r["default"] / alpha
        writer.add_tensor(f"{target}.lora_a", first.detach().float().numpy())
        writer.add_tensor(f"{target}.lora_b", (second.detach().float() * share).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_gguf_adapter(model: Any, path: Path) -> Any:
    """A base model with the adapter of a file added to its weights, as llama.cpp adds it.

    Args:
        model: The base model in float32; its weights change.
        path: The file.

    Raises:
        ExportError: A matrix of the model has no update of its shape in the file, or the file has updates left over.
    """
    import gguf
    import torch

    reader = gguf.GGUFReader(path)
    architecture, alpha = (
        reader.get_field(key).contents()  # type: ignore[union-attr]
        for key in (gguf.Keys.General.ARCHITECTURE, gguf.Keys.Adapter.LORA_ALPHA)
    )
    tensors = {tensor.name: torch.tensor(tensor.data) for tensor in reader.tensors}
    matrices = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    table = _table(model, str(architecture))
    for name, module in matrices.items():
        target = f"{table(name)}.weight"
        first, second = tensors.pop(f"{target}.lora_a", None), tensors.pop(f"{target}.lora_b", None)
        if first is not None and second is not None:
            module.weight.data += alpha / second.shape[1] * (second @ first)
    if tensors:
        raise ExportError(_("updates have no place in the model: {names}", names=sorted(tensors)[:3]), where=path)
    return model


def _targets(model: Any, architecture: str, names: list[str]) -> dict[str, str]:
    table = _table(model.get_base_model(), architecture)
    found = {name: f"{known}.weight" for name in names if (known := table(name)) is not None}
    nameless = [name for name in names if name not in found]
    if nameless:
        raise UsageError(
            _("llama.cpp has no name for {name}", name=nameless[0]), expected=_("LoRA on the projections"), action=_INSTEAD
        )
    return found


def _table(model: Any, architecture: str) -> Any:
    """From names of modules in the model to llama.cpp's, whatever the model calls its decoder."""
    import gguf

    prefix = language_model_prefix(model)
    number = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    known = gguf.get_tensor_name_map(number, model.config.get_text_config().num_hidden_layers)
    return lambda name: known.get_name(f"model.{name.removeprefix(prefix)}") if name.startswith(prefix) else None
