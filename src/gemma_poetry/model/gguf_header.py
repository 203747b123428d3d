"""The header of a GGUF file: what it says of its model, and where its tensors lie, all of it checked before any is read.

In: the path of a file. Out: a `GgufHeader` with the metadata and one `GgufTensor` each; or a refusal that names the
reason: no GGUF, cut short, a part of a split file, an adapter, a tower for pictures, another architecture, a
quantization that nobody here unpacks.

The reader of the package `gguf` makes an array of each piece of a vocabulary and takes ten seconds for Gemma's; strings
are walked here as bytes, and arrays of numbers are read at once. Layout: github.com/ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from gemma_poetry.errors import IncompleteModelError, ModelError, NotAGemmaError
from gemma_poetry.languages import _, listed

MAGIC = b"GGUF"
ARCHITECTURES: dict[str, str] = {
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
}
"""Architectures of llama.cpp that are a Gemma, and what transformers calls their text models."""

_VERSIONS = (2, 3)
# Type of a value -> its layout in `struct`'s notation; 8 is a string and 9 an array.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT, _DIMENSIONS = 32, 4
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_QUANTIZED_ANEW = _("download a file in F32, F16, BF16, Q8_0 or a K-quant (Q4_K_M, Q6_K, ...)")


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor of a file.

    Attributes:
        name: Its name in GGUF.
        shape: Its shape in the order of torch, the fastest dimension last.
        kind: Its `GGMLQuantizationType`, as a number.
        start: Where its bytes begin in the file.
        size: How many they are.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a file says of itself.

    Attributes:
        path: The file.
        metadata: Its keys and values; arrays as lists.
        tensors: Its tensors by name.
    """

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]

    @property
    def architecture(self) -> str:
        """The architecture, one of `ARCHITECTURES`."""
        return str(self.metadata["general.architecture"])

    def value(self, name: str, default: Any = None) -> Any:
        """A value of the architecture's own: `embedding_length` for `gemma3.embedding_length`."""
        return self.metadata.get(f"{self.architecture}.{name}", default)


def is_gguf(path: Path) -> bool:
    """Whether a file is named or begins like a GGUF file."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".gguf":
        return True
    with open(path, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read_gguf_header(path: Path) -> GgufHeader:
    """Reads and checks the header of a GGUF file.

    Raises:
        NotAGemmaError: Its architecture is no Gemma, or it is an adapter or a tower.
        IncompleteModelError: It is cut short, damaged, or a part of a split file.
        ModelError: It is of a version or holds a quantization that is not read here.
    """
    import mmap

    size = path.stat().st_size
    if size < 24:
        raise _damaged(path, _("it has {size} bytes", size=size))
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:4] != MAGIC:
            raise ModelError(
                _("the file does not begin as GGUF files do"),
                where=path,
                expected=_("a GGUF file"),
                action=_("name a .gguf file"),
            )
        version, tensor_count, value_count = struct.unpack_from("<IQQ", content, 4)
        if version not in _VERSIONS:
            raise ModelError(
                _("the file is of GGUF version {version}", version=version if version < 2**16 else _("in big-endian order")),
                where=path,
                expected=_("version {versions}, little-endian", versions=listed(map(str, _VERSIONS), " or ")),
                action=_("download a newer file"),
            )
        reader = _Reader(content, 24)
        try:
            metadata = {reader.string(): reader.value() for _ in range(value_count)}
            _refuse_others(path, metadata)
            table = [reader.tensor() for _ in range(tensor_count)]
        except (struct.error, IndexError, ValueError, UnicodeDecodeError, OverflowError) as error:
            if isinstance(error, ModelError):
                raise
            raise _damaged(
                path, _("its header ends or breaks off at byte {place:,} of {size:,}", place=reader.place, size=size)
            ) from error
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise _damaged(path, _("its alignment is {alignment!r}", alignment=alignment))
    begin = -(-reader.place // alignment) * alignment
    tensors: dict[str, GgufTensor] = {}
    for name, shape, kind, offset in table:
        tensor = GgufTensor(name, shape, kind, begin + offset, _bytes(path, name, shape, kind))
        if tensor.start + tensor.size > size:
            raise IncompleteModelError(
                _(
                    "the file has {size:,} bytes, and its tensor {name} ends at byte {start:,}",
                    size=size,
                    name=name,
                    start=tensor.start + tensor.size,
                ),
                where=path,
                expected=_("the whole file"),
                action=_("download it again"),
            )
        if name in tensors:
            raise _damaged(path, _("it has two tensors called {name}", name=name))
        tensors[name] = tensor
    return GgufHeader(path, metadata, tensors)


class _Reader:
    """Goes through the bytes of a header, each read checked against their end."""

    def __init__(self, content: Any, place: int) -> None:
        self._content = content
        self.place = place

    def _number(self, layout: str) -> Any:
        (value,) = struct.unpack_from("<" + layout, self._content, self.place)
        self.place += struct.calcsize("<" + layout)
        return value

    def string(self) -> str:
        length = self._number("Q")
        end = self.place + length
        if end > len(self._content):
            raise ValueError(_("a string beyond the end"))
        text = self._content[self.place : end].decode("utf-8")
        self.place = end
        return str(text)

    def value(self) -> Any:
        kind = self._number("I")
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self._number(self._layout(kind))
        element, count = self._number("I"), self._number("Q")
        if element == _STRING:
            if count * 8 > len(self._content) - self.place:
                raise ValueError(_("an array beyond the end"))
            return [self.string() for _ in range(count)]
        layout = self._layout(element)
        if count * struct.calcsize("<" + layout) > len(self._content) - self.place:
            raise ValueError(_("an array beyond the end"))
        values = list(struct.unpack_from(f"<{count}{layout}", self._content, self.place))
        self.place += count * struct.calcsize("<" + layout)
        return values

    @staticmethod
    def _layout(kind: int) -> str:
        if kind not in _NUMBERS:
            raise ValueError(_("an unknown type of value"))
        return _NUMBERS[kind]

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string()
        dimensions = self._number("I")
        if not 0 < dimensions <= _DIMENSIONS:
            raise ValueError(_("a tensor of so many dimensions"))
        sizes = [self._number("Q") for _ in range(dimensions)]
        return name, tuple(reversed(sizes)), self._number("I"), self._number("Q")


def _bytes(path: Path, name: str, shape: tuple[int, ...], kind: int) -> int:
    """How many bytes a tensor has; refuses what the package gguf does not unpack."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import _type_traits

    try:
        known = GGMLQuantizationType(kind)
    except ValueError:
        known = None
    plain = {GGMLQuantizationType.F32, GGMLQuantizationType.F16}
    if known is None or (known not in plain and known not in _type_traits):
        raise ModelError(
            _(
                "the tensor {name} is in the quantization {name_2}, which is not known here",
                name=name,
                name_2=known.name if known is not None else _("of number {kind}", kind=kind),
            ),
            where=path,
            expected=_("F32, F16, BF16, Q8_0, a K-quant, or another that the package gguf unpacks"),
            action=_QUANTIZED_ANEW,
        )
    elements, size = GGML_QUANT_SIZES[known]
    if shape[-1] % elements:
        raise _damaged(
            path,
            _(
                "its tensor {name} has rows of {shape} values in blocks of {elements}",
                name=name,
                shape=shape[-1],
                elements=elements,
            ),
        )
    return prod(shape) // elements * size


def _refuse_others(path: Path, metadata: dict[str, Any]) -> None:
    """Refuses files that are whole and yet no model that could be loaded."""
    kind, architecture = metadata.get("general.type"), metadata.get("general.architecture")
    if kind == "adapter" or "adapter.type" in metadata:
        raise NotAGemmaError(
            _("the file is an adapter in GGUF, for llama.cpp"),
            where=path,
            expected=_("a model, or an adapter in PEFT's format"),
            action=_("name the RUN folder, or the PEFT folder, that the adapter was made from"),
        )
    part = _PART.search(path.name)
    parts = metadata.get("split.count") or (int(part[2]) if part else 0)
    if isinstance(parts, int) and parts > 1:
        number = int(metadata.get("split.no", int(part[1]) - 1 if part else 0)) + 1
        raise IncompleteModelError(
            _("the file is part {number} of {parts} of a split model", number=number, parts=parts),
            where=path,
            expected=_("one file"),
            action=_("join the parts with llama.cpp's llama-gguf-split --merge, then name the joined file"),
        )
    if kind == "mmproj" or architecture == "clip":
        raise NotAGemmaError(
            _("the file is the tower for pictures or sound of a model"),
            where=path,
            expected=_("the language model"),
            action=_("name the file without mmproj in its name"),
        )
    if architecture not in ARCHITECTURES:
        raise NotAGemmaError(
            _("the model is of the architecture {architecture!r}", architecture=architecture),
            where=path,
            expected=_("one of {architectures}", architectures=listed(ARCHITECTURES)),
            action=_("name a Gemma"),
        )


def _damaged(path: Path, reason: str) -> IncompleteModelError:
    return IncompleteModelError(
        _("the GGUF file is cut short or damaged: {reason}", reason=reason),
        where=path,
        expected=_("the whole file"),
        action=_("download it again"),
    )
