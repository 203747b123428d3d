"""Checkpoints on disk: complete, safe, of a Gemma family, or refused with what to do next.

    folder ──config.json──> family? remote code? ──index, *.safetensors──> all there? cut short? ──> model_type

In: a model folder in the published layout. Out: its `model_type` and a fingerprint of its weights; nothing is unpickled
and no code of the folder is run.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import parse_json, read_json
from gemma_poetry.errors import DataError, IncompleteModelError, ModelError, NotAGemmaError, UnsafeModelError
from gemma_poetry.languages import _, listed, reason_of
from gemma_poetry.model.configuration_fields import (
    check_configuration,
    check_entries,
    check_extent,
    check_other_settings,
    refuse_code,
)
from gemma_poetry.model.families import FAMILIES

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
_SAMPLES, _SAMPLE_BYTES = 16, 65536
_FILE_NAME = re.compile(r"[\w.-]{1,200}\.safetensors")
LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header at most: the format's own bound."""
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of a number of each type of the format."""


def check_model_folder(folder: Path) -> str:
    """Refuses a folder that is no complete, safe Gemma checkpoint.

    Returns:
        Its `model_type`.

    Raises:
        NotAGemmaError: The configuration is missing or of no known Gemma family.
        UnsafeModelError: Weights are pickled, or the configuration asks for remote code.
        IncompleteModelError: Weights are missing, cut short, or not those that the configuration tells of.
        ModelError: A setting is of the wrong kind, or beyond all bounds.
    """
    check_entries(folder)
    model_type = check_config(folder)
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            _("an adapter lies in the model's folder, which transformers would load with it"),
            where=folder / "adapter_config.json",
            expected=_("the model and the adapter in folders of their own"),
            action=_("move adapter_config.json and adapter_model.safetensors into a folder of their own, and name that"),
        )
    weights = weight_files(folder)
    if not weights:
        refuse_pickled((path.name for path in folder.iterdir()), folder)
        raise IncompleteModelError(
            _("the folder has no weights"),
            where=folder,
            expected=_("model.safetensors, or its shards with their index"),
            action=_("download the checkpoint again"),
        )
    shards = _check_shards(folder, {path.name for path in weights})
    shapes: dict[str, Sequence[int]] = {}
    for path in weights:
        tensors = _check_safetensors(path)
        shapes |= tensors
        missing = sorted(shards.get(path.name, set()) - tensors.keys())
        if missing:
            raise IncompleteModelError(
                _(
                    "{count} tensors that {index} promises are not in it: {missing}",
                    count=len(missing),
                    index=INDEX,
                    missing=listed(missing[:3]),
                ),
                where=path,
                action=_("download the checkpoint again"),
            )
    check_extent(_read_config(folder), shapes, folder)
    check_other_settings(folder)
    return model_type


def check_config(folder: Path) -> str:
    """Refuses a configuration that is of no Gemma, or wants code of its own; returns its `model_type`.

    Raises:
        NotAGemmaError: The configuration is missing or of no known Gemma family.
        UnsafeModelError: The configuration asks for remote code.
    """
    config = _read_config(folder)
    model_type = str(config.get("model_type", ""))
    if "registered_name" in config:
        raise NotAGemmaError(
            _("the folder is a KerasHub preset, in the format of Keras"),
            where=folder,
            expected=_("a checkpoint in the format of transformers"),
            action=_("train on it with --backend keras: RUN/merged is then such a checkpoint"),
        )
    if model_type not in FAMILIES:
        raise NotAGemmaError(
            _("the model is of type {model_type!r}", model_type=model_type[:80]),
            where=folder,
            expected=_("one of {families}", families=listed(FAMILIES)),
            action=_("name a Gemma checkpoint"),
        )
    check_configuration(config, FAMILIES[model_type], folder)
    return model_type


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / "config.json")
        refuse_code(config, folder)
    except DataError as error:
        raise NotAGemmaError(
            _("the folder has no readable config.json ({found})", found=error.found),
            where=folder,
            expected=_("a Gemma checkpoint folder"),
            action=_("name the folder that config.json lies in, or download the checkpoint again"),
        ) from error
    return config if isinstance(config, dict) else {}


def refuse_pickled(names: Iterable[str], where: Path | str) -> None:
    """Names pickled weights as the reason why there are no others.

    Raises:
        UnsafeModelError: Some of the files hold pickled weights.
    """
    pickled = sorted(name for name in names if name.endswith(_PICKLED) and name != "training_args.bin")
    if pickled:
        raise UnsafeModelError(
            _("the weights are pickled ({pickled})", pickled=listed(pickled[:3])),
            where=where,
            expected=_("*.safetensors; unpickling can run any code"),
            action=_("convert them with safetensors in a sandbox, or get a safetensors copy"),
        )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's weights, an adapter's left aside."""
    return sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("adapter_"))


def _check_shards(folder: Path, present: set[str]) -> dict[str, set[str]]:
    """The tensors that each shard should have, by the index; empty without an index."""
    expected: dict[str, set[str]] = {}
    if (folder / INDEX).exists():
        for tensor, name in _weight_map(folder / INDEX).items():
            expected.setdefault(name, set()).add(tensor)
    named = set(expected)
    for name in present:
        if found := _SHARD.fullmatch(name):
            named |= {f"{found[1]}-{number:05}-of-{found[3]}.safetensors" for number in range(1, int(found[3]) + 1)}
    missing = sorted(named - present)
    if missing:
        raise IncompleteModelError(
            _(
                "{count} of {named_count} shards are missing: {missing}",
                count=len(missing),
                named_count=len(named),
                missing=listed(missing[:3]),
            ),
            where=folder,
            expected=_("all shards of the checkpoint"),
            action=_("download the checkpoint again"),
        )
    return expected


def _weight_map(index: Path) -> dict[str, str]:
    """Tensor -> file beside the index.

    Raises:
        IncompleteModelError: The index cannot be read, or names something that is no file beside it.
    """
    try:
        found = read_json(index)["weight_map"]
        if not all(isinstance(name, str) and _FILE_NAME.fullmatch(name) for name in found.values()):
            raise ValueError(_("a place that is no name of a safetensors file"))
        mapping: dict[str, str] = dict(found)
    except (DataError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise IncompleteModelError(
            _("the index of the shards cannot be read ({error})", error=reason_of(error)),
            where=index,
            expected=_("a weight_map from tensors to the files beside it"),
            action=_("download it again"),
        ) from error
    return mapping


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and how many bytes the file should have.

    Raises:
        IncompleteModelError: The header cannot be read, or its tensors do not lie one behind the other.
    """
    try:
        if not path.is_file():
            raise ValueError(_("no file"))
        with open(path, "rb") as stream:
            begin = stream.read(8)
            if len(begin) < 8:
                raise ValueError(_("it ends before the length of its header"))
            (header_bytes,) = struct.unpack("<Q", begin)
            if header_bytes > min(path.stat().st_size - 8, LARGEST_HEADER):
                raise ValueError(
                    _(
                        "a header of {header_bytes:,} bytes, longer than the file or than {largest_header:,}",
                        header_bytes=header_bytes,
                        largest_header=LARGEST_HEADER,
                    )
                )
            header = parse_json(stream.read(header_bytes))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if not all(isinstance(value, str) for value in header.get("__metadata__", {}).values()):
            raise ValueError(_("what it says of itself is no text"))
        end = _end_of(tensors)
    except (OSError, struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise IncompleteModelError(
            _("the file has no readable safetensors header ({error})", error=reason_of(error)),
            where=path,
            action=_("download it again"),
        ) from error
    return tensors, 8 + header_bytes + end


def _end_of(tensors: Mapping[str, Any]) -> int:
    """Where the last tensor ends, in bytes behind the header.

    Raises:
        ValueError: One of them is of no known kind, or does not begin where the one before it ends.
    """
    place = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1]["data_offsets"][0], item[1]["data_offsets"][1])):
        begin, end = entry["data_offsets"]
        shape = entry["shape"]
        if not all(type(number) is int and number >= 0 for number in (begin, end, *shape)):
            raise ValueError(_("tensor {name!r} has a size that is no number", name=name[:80]))
        if entry["dtype"] not in _BITS:
            raise ValueError(
                _("tensor {name!r} is of the unknown type {dtype!r}", name=name[:80], dtype=str(entry["dtype"])[:20])
            )
        if begin != place or (end - begin) * 8 != math.prod(shape) * _BITS[entry["dtype"]]:
            raise ValueError(_("tensor {name!r} does not lie where its size and the others say", name=name[:80]))
        place = end
    return place


def _check_safetensors(path: Path) -> dict[str, Sequence[int]]:
    """Compares a file's size with what its header promises; returns the shapes of its tensors by name."""
    header, expected = read_header(path)
    size = path.stat().st_size
    if size != expected:
        raise IncompleteModelError(
            _("the file has {size} bytes", size=size),
            where=path,
            expected=_("{expected} bytes", expected=expected),
            action=_("download it again"),
        )
    return {name: entry["shape"] for name, entry in header.items()}


def check_adapter_weights(path: Path) -> dict[str, Sequence[int]]:
    """The shapes of an adapter's tensors by name, its file complete.

    Raises:
        IncompleteModelError: The file is cut short.
    """
    return _check_safetensors(path)


def weights_fingerprint(folder: Path) -> str:
    """A sha256 that tells one set of weights from another in a moment, whatever their size.

    It covers names, sizes and headers of the files, and 16 samples of 64 KiB from each: two checkpoints that differ in
    training differ in nearly every value.
    """
    digest = hashlib.sha256()
    for path in weight_files(folder) or sorted(folder.glob("*.weights.h5")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with open(path, "rb") as stream:
            for place in range(_SAMPLES):
                stream.seek(max(0, size - _SAMPLE_BYTES) * place // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def refuse_not_finite(model: torch.nn.Module, where: str) -> None:
    """Refuses weights that hold NaN or an infinity: every later figure would be NaN.

    Raises:
        ModelError: A weight is not finite; the tensor is named.
    """
    import torch

    names, finite = [], []
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Under FSDP only one process holds the weights; the others get theirs from it later.
            if weight.is_meta or not weight.is_floating_point() or weight.numel() == 0:
                continue
            lowest, highest = weight.aminmax()  # both are NaN where any value is
            names.append(name)
            finite.append(torch.isfinite(lowest) & torch.isfinite(highest))
    broken = [name for name, whole in zip(names, torch.stack(finite).tolist()) if not whole] if finite else []
    if broken:
        raise ModelError(
            _(
                "{count} of {names_count} weights hold NaN or an infinity, the first of them {broken}",
                count=len(broken),
                names_count=len(names),
                broken=broken[0],
            ),
            where=where,
            expected=_("finite weights"),
            action=_("download the checkpoint again, or go back to the checkpoint that it was trained from"),
        )
