"""Multimodal checkpoints are loaded for text alone: their towers for pictures and sound are left on disk.

In: the configuration of a checkpoint, or the folder of an export. Out: a configuration whose model has nothing where a
tower stands, every other module under its own name; and exports that hold the towers again, copied as they lie in the base.

Poems never call a tower, and it is hundreds of millions of parameters: 400 in Gemma 3 from 4B on, a billion in 3n, whose
vision tower also wants the packages timm and torchvision. The class of the model stays the multimodal one, so that the
names of an adapter are those of the stock checkpoint, towers and all.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import read_json, write_json
from gemma_poetry.model.checkpoint import INDEX, read_header, weight_files
from gemma_poetry.model.memory import NF4_BITS

_TOWER_CONFIGS = ("vision_config", "audio_config")
_TOWERS = ("vision_tower", "audio_tower")
# What a configuration says of itself and not of the tower.
_OF_ITSELF = ("model_type", "transformers_version", "architectures")


def is_tower(name: str) -> bool:
    """Whether a weight belongs to a tower, by its name in a file or in a model."""
    return any(part in _TOWERS for part in name.split("."))


def weight_bytes(weights: Path, element: int, *, four_bit: bool = False) -> int:
    """What the weights of a safetensors file take in memory, towers left out, which are never loaded.

    Args:
        weights: The file.
        element: Bytes of a number.
        four_bit: The matrices of the layers in 4 bits.
    """
    header, _ = read_header(weights)
    sizes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__" and not is_tower(name)}
    quantized = [math.prod(shape) for name, shape in sizes.items() if four_bit and ".layers." in name and len(shape) == 2]
    return int(sum(quantized) * NF4_BITS / 8) + (sum(map(math.prod, sizes.values())) - sum(quantized)) * element


def without_towers(config: Any) -> Any:
    """The same configuration, whose model is built without towers; itself where it has none."""
    present = [name for name in _TOWER_CONFIGS if getattr(config, name, None) is not None]
    if not present:
        return config
    bare = copy.deepcopy(config)
    for name in present:
        tower = getattr(config, name)
        settings = {key: value for key, value in tower.to_dict().items() if key not in _OF_ITSELF}
        # Modules beside a tower ask its configuration for sizes, so these stay.
        kind: Any = type(tower)
        setattr(bare, name, _absent_kind(kind)(**settings))
    return bare


@cache
def _absent_kind(kind: type) -> Any:
    """The class of configurations that are as those of a tower, but of which transformers builds nothing.

    Args:
        kind: The class of the tower's configurations: a checkpoint's configuration takes no other in its place.
    """
    from transformers import AutoModel, PreTrainedModel

    absent: Any = type(f"Absent{kind.__name__}", (kind,), {"model_type": f"absent_{kind.__name__}"})

    class AbsentTower(PreTrainedModel):
        config_class = absent
        # Nothing attends here: whatever kernel the layers take, a tower that is not there does not stand in the way.
        _supports_sdpa = True
        _keys_to_ignore_on_load_unexpected = (rf"(^|\.)({'|'.join(_TOWERS)})\.",)

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.post_init()

        def _init_weights(self, module: Any) -> None:
            """There are none."""

    AutoModel.register(absent, AbsentTower)
    return absent


def restore_towers(base: Path, folder: Path) -> None:
    """Gives an exported model folder the towers of its base: their weights, unchanged, and their configuration.

    Args:
        base: The folder of the base checkpoint.
        folder: A model folder that was written without towers; nothing happens where the base has none.
    """
    towers = {name: path for path in weight_files(base) for name in read_header(path)[0] if is_tower(name)}
    if not towers:
        return
    config, original = read_json(folder / "config.json"), read_json(base / "config.json")
    config |= {name: original[name] for name in _TOWER_CONFIGS if name in original}
    write_json(folder / "config.json", config)
    _add_shards(folder, towers)


def _add_shards(folder: Path, towers: Mapping[str, Path]) -> None:
    """Puts tensors of other files into shards of their own, behind those of a folder, and writes the index anew."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    written = weight_files(folder)
    sources = sorted(set(towers.values()))
    total = len(written) + len(sources)
    weight_map: dict[str, str] = {}
    sizes = 0
    for number, path in enumerate([*written, *sources], 1):
        shard = f"model-{number:05}-of-{total:05}.safetensors"
        if path in sources:
            with safe_open(path, framework="pt") as tensors:
                mine = {name: tensors.get_tensor(name) for name, source in towers.items() if source == path}
            save_file(mine, folder / shard, metadata={"format": "pt"})
        else:
            path.rename(folder / shard)
        header, _ = read_header(folder / shard)
        weight_map |= dict.fromkeys(header, shard)
        sizes += sum(end - start for start, end in (entry["data_offsets"] for entry in header.values()))
    write_json(folder / INDEX, {"metadata": {"total_size": sizes}, "weight_map": weight_map})
