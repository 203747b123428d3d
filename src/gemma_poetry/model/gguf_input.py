"""A GGUF file as a model: turned once into a folder in the published layout, kept in the cache, and loaded from there.

    FILE.gguf ──header, sha256──> in the cache? ──no──> settings, tokenizer, tensors ──> CACHE/gguf/NAME-sha256/

In: the path of a file. Out: a model folder with safetensors in bfloat16, the tokenizer, and a manifest with the file's
sha256. Tensors are unpacked by the package `gguf` a few rows at a time, so that a file needs no more memory than a shard.
A file is hashed once, and what was made of it too: both again only where size, time or inode are others than they were.

transformers has a reader of its own. It takes 110 seconds for the smallest Gemma (most of it for the vocabulary, read
twice), knows no Gemma 1, reads Gemma 4's layers by default values, and passes over tensors that it has no place for;
where it can read a file, a test compares every value.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import MANIFEST, cache_folder, read_json, write_json
from gemma_poetry.errors import DataError, IncompleteModelError, ModelError, OutputError, UsageError
from gemma_poetry.languages import _
from gemma_poetry.manifests import atomic_folder, write_manifest
from gemma_poetry.model.checkpoint import INDEX
from gemma_poetry.model.gguf_header import GgufHeader, GgufTensor, read_gguf_header
from gemma_poetry.model.gguf_settings import gguf_names, is_shifted, model_settings
from gemma_poetry.model.gguf_tokenizer import gguf_tokenizer
from gemma_poetry.progress import say, steps

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

CONVERTED = "gguf"
"""The folder of the cache, and the kind in the manifests of what lies in it."""
_SHARD_BYTES = 2**31
_CHUNK_VALUES = 2**22
_READ_BYTES = 2**22
_ENDS = ("<eos>", "<end_of_turn>", "<turn|>")
_CHECKED = "checked.json"
"""In a converted folder: size, time and inode of its files, and of the files that it was made of, when they were hashed."""


def converted_gguf(path: Path) -> Path:
    """The model folder that a GGUF file amounts to, made where the cache does not have it.

    Raises:
        ModelError: The file cannot be used; see `gguf_header.read_gguf_header`.
        UsageError: The package gguf is not installed.
        OutputError: The cache cannot be written.
    """
    status = path.stat()
    return _converted(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _converted(path: Path, size: int, changed: int) -> Path:
    from importlib.util import find_spec

    stamp = _stamp(path)
    digest = _known_digest(path, stamp)
    found = find_converted(digest) if digest else None
    if found is not None:
        return found
    header = read_gguf_header(path)  # before gigabytes are hashed that nobody can use
    if find_spec("gguf") is None:
        raise UsageError(_("the package gguf is not installed"), action=_("pip install 'gemma-poetry[gguf]'"))
    if not digest:
        digest = file_digest([path])
        found = find_converted(digest)
    folder = found or convert_gguf(header, digest, path.stem)
    _note(folder, sources={str(path): stamp})
    return folder


def _stamp(path: Path) -> list[int]:
    """What tells that a file is as it was without reading it."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _checked(folder: Path) -> dict[str, dict[str, list[int]]]:
    """The stamps of a converted folder: `files` of its own, and `sources`; none where nobody noted any."""
    try:
        noted = read_json(folder / _CHECKED)
        return {part: dict(noted.get(part, {})) for part in ("files", "sources")}
    except (DataError, AttributeError, TypeError, ValueError):
        return {"files": {}, "sources": {}}


def _note(folder: Path, **stamps: dict[str, list[int]]) -> None:
    noted = _checked(folder)
    with contextlib.suppress(OutputError):  # a cache that others write: files are hashed again next time
        write_json(folder / _CHECKED, {part: known | stamps.get(part, {}) for part, known in noted.items()})


def _known_digest(path: Path, stamp: list[int]) -> str:
    """The sha256 of a file that was hashed before and is as it was then; empty for any other."""
    for folder in sorted((cache_folder() / CONVERTED).glob("*")):
        if _checked(folder)["sources"].get(str(path)) == stamp:
            with contextlib.suppress(DataError, KeyError, TypeError):
                return str(read_json(folder / MANIFEST)["source"]["sha256"])
    return ""


def file_digest(paths: list[Path]) -> str:
    """The sha256 of files as if they were one, with a bar."""
    digest = hashlib.sha256()
    with steps(_("Checking the file"), sum(path.stat().st_size for path in paths), bytes_=True) as advance:
        for path in paths:
            with open(path, "rb") as stream:
                while block := stream.read(_READ_BYTES):
                    digest.update(block)
                    advance(len(block))
    return digest.hexdigest()


def find_converted(digest: str) -> Path | None:
    """The converted folder of the file with a sha256, complete and as it was written, or `None`."""
    for folder in sorted((cache_folder() / CONVERTED).glob(f"*-{digest[:16]}")):
        try:
            manifest = read_json(folder / MANIFEST)
            if manifest["source"]["sha256"] == digest and _is_whole(folder, manifest["files"]):
                return folder
        except (DataError, KeyError, TypeError, OSError):
            continue  # something half removed: it is made anew
    return None


def _is_whole(folder: Path, files: dict[str, Any]) -> bool:
    """Whether the files of a converted folder are those that were written; one is hashed where its stamp is another."""
    stamps, noted = {name: _stamp(folder / name) for name in files}, _checked(folder)["files"]
    unsure = [name for name in files if noted.get(name) != stamps[name]]
    for name in unsure:
        if stamps[name][0] != files[name]["bytes"] or file_digest([folder / name]) != files[name]["sha256"]:
            say(_("{path} was changed since it was written: it is made anew", path=folder / name))
            return False
    if unsure:
        _note(folder, files=stamps)
    return True


def convert_gguf(header: GgufHeader, digest: str, name: str) -> Path:
    """Turns a GGUF file into a model folder of the cache.

    Args:
        header: What the file says of itself.
        digest: Its sha256.
        name: What the folder is called, before the sha256.

    Raises:
        ModelError: The file cannot be used.
        OutputError: The cache cannot be written.
    """
    path = header.path
    config = _configuration(header)
    tokenizer = gguf_tokenizer(header)
    _check_rows(header, len(tokenizer))
    names = _plan(header, config)
    folder = cache_folder() / CONVERTED / f"{name}-{digest[:16]}"
    say(_("turning {name} into safetensors, once: {folder}", name=path.name, folder=folder))
    with atomic_folder(folder) as partial:
        config.save_pretrained(partial)
        ends = [tokenizer.convert_tokens_to_ids(end) for end in _ENDS if end in tokenizer.get_vocab()]
        write_json(
            partial / "generation_config.json",
            {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": ends, "pad_token_id": tokenizer.pad_token_id},
        )
        tokenizer.save_pretrained(partial)
        _write_weights(partial, header, names)
        contents = {
            "kind": CONVERTED,
            "source": {"name": path.name, "bytes": path.stat().st_size, "sha256": digest},
            "model": header.metadata.get("general.name"),
            "licence": header.metadata.get("general.license"),
        }
        files = [found.name for found in partial.iterdir()]
        write_manifest(partial, contents, files)
        _note(partial, files={file: _stamp(partial / file) for file in files})
    return folder


def converted_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer of a folder that was converted here, `None` for any other: transformers reads the file four times."""
    from transformers import PreTrainedTokenizerFast

    try:
        if read_json(folder / MANIFEST)["kind"] != CONVERTED:
            return None
        settings = read_json(folder / "tokenizer_config.json")
    except (DataError, KeyError, TypeError):
        return None
    template = folder / "chat_template.jinja"
    chosen = {name: settings[name] for name in settings if name.endswith("_token") or name == "padding_side"}
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        clean_up_tokenization_spaces=False,
        chat_template=template.read_text(encoding="utf-8") if template.is_file() else None,
        **chosen,
    )
    tokenizer.name_or_path = str(folder)
    return tokenizer


def gguf_weights(header: GgufHeader, config: Any) -> dict[str, torch.Tensor]:
    """The weights of a file in float32, by their names in transformers.

    Raises:
        IncompleteModelError: Tensors are missing, left over or of another shape.
    """
    import torch

    planned = _plan(header, config)
    return {name: _unpack(header, name, *place, lambda _bytes: None, torch.float32) for name, place in planned.items()}


def _configuration(header: GgufHeader) -> Any:
    from transformers import AutoConfig

    settings = model_settings(header)
    try:
        config = AutoConfig.for_model(**settings)
    except Exception as error:  # strict configurations raise classes of their own
        raise ModelError(
            _("the file's values make no configuration of transformers ({error})", error=str(error).splitlines()[0]),
            where=header.path,
            action=_("download it again, or another conversion of the same model"),
        ) from error
    config.dtype = "bfloat16"
    return config


def _check_rows(header: GgufHeader, pieces: int) -> None:
    rows = header.tensors["token_embd.weight"].shape[0]
    if pieces > rows:
        raise IncompleteModelError(
            _("the tokenizer has {pieces:,} pieces, and the embedding {rows:,} rows", pieces=pieces, rows=rows),
            where=header.path,
            expected=_("a row for each piece"),
            action=_("download the file again"),
        )


def _plan(header: GgufHeader, config: Any) -> dict[str, tuple[GgufTensor, int | None]]:
    """The tensors of the model by their names in transformers, each with the place of its values, shapes compared."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = {name: tuple(value.shape) for name, value in AutoModelForCausalLM.from_config(config).state_dict().items()}
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    places = gguf_names(header, shapes)
    planned = {}
    for name, (known, row) in places.items():
        tensor = header.tensors[known]
        found = tensor.shape if row is None else tensor.shape[1:]
        if found != shapes[name] or (row is not None and row >= tensor.shape[0]):
            raise IncompleteModelError(
                _("the tensor {known} has the shape {found}", known=known, found=found),
                where=header.path,
                expected=_("{shapes}, by the file's own values", shapes=shapes[name]),
                action=_("download it again, or another conversion of the same model"),
            )
        planned[name] = tensor, row
    return planned


def _write_weights(folder: Path, header: GgufHeader, planned: dict[str, tuple[GgufTensor, int | None]]) -> None:
    """Unpacks tensors shard by shard; one shard has no index."""
    from safetensors.torch import save_file

    shards: list[list[str]] = [[]]
    filled = 0
    for name, (tensor, row) in planned.items():
        size = 2 * _count(tensor, row)
        if filled and filled + size > _SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    files = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    if len(shards) == 1:
        files = ["model.safetensors"]
    total = sum(_count(tensor, row) for tensor, row in planned.values())
    with steps(_("Turning {name} into safetensors", name=header.path.name), 2 * total, bytes_=True) as advance:
        for file, shard in zip(files, shards):
            weights = {name: _unpack(header, name, *planned[name], advance) for name in shard}
            save_file(weights, folder / file, metadata={"format": "pt"})
            (folder / file).chmod(0o644)  # safetensors writes files that their owner alone may read
    if len(shards) > 1:
        places = {name: file for file, shard in zip(files, shards) for name in shard}
        write_json(folder / INDEX, {"metadata": {"total_size": 2 * total}, "weight_map": places})


def _count(tensor: GgufTensor, row: int | None) -> int:
    values = 1
    for length in tensor.shape if row is None else tensor.shape[1:]:
        values *= length
    return values


def _unpack(
    header: GgufHeader,
    name: str,
    tensor: GgufTensor,
    row: int | None,
    advance: Callable[[float], None],
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """The values of a tensor, in bfloat16 where nothing else is said, without the 1 that some norms are stored with."""
    import torch

    shape = tensor.shape if row is None else tensor.shape[1:]
    unpacked = torch.empty(_count(tensor, row), dtype=dtype or torch.bfloat16)
    shift = 1.0 if is_shifted(header, name) else 0.0
    done = 0
    for values in _values(header.path, tensor, row):
        piece = torch.from_numpy(values)
        unpacked[done : done + len(piece)] = piece - shift if shift else piece
        done += len(piece)
        advance(2 * len(piece))
    return unpacked.reshape(shape)


def _values(path: Path, tensor: GgufTensor, row: int | None) -> Iterator[Any]:
    """Values of a tensor in float32, flat, some rows at a time."""
    import numpy as np
    from gguf import GGMLQuantizationType, dequantize

    count, width = _count(tensor, row), tensor.shape[-1]
    rows = count // width
    row_bytes = tensor.size // (_count(tensor, None) // width)
    start = tensor.start + (row or 0) * rows * row_bytes
    stored = np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=(rows, row_bytes))
    kind = GGMLQuantizationType(tensor.kind)
    plain = {GGMLQuantizationType.F32: np.float32, GGMLQuantizationType.F16: np.float16}
    step = max(1, _CHUNK_VALUES // width)
    for begin in range(0, rows, step):
        chunk = np.array(stored[begin : begin + step])
        values = chunk.view(plain[kind]) if kind in plain else dequantize(chunk, kind)
        yield np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
