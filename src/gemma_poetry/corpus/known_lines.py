"""The lines that a model has read, small enough to ship: a set of hashes that decoding can ask at every line end.

In: the lines of a training corpus. Out: a `KnownLines` that knows every one of them, and its file, which goes from DATA to
whatever is trained on it, and on to what that is exported as:

    prepare ──> DATA/known_lines.npz ──train, pretrain──> RUN/known_lines.npz ──export──> the same files
                              the base model's own ─────> RUN/known_lines.base.npz

It is a Bloom filter: 10 bits a line (2.7 million lines: 3.2 MB) in place of the text. It never forgets a line; about one
line in a hundred that the corpus does not have is taken for known, which costs a poem one choice out of a hundred at a
line end and nothing else. Hashes run from the first character on, so all characters that could close a line are asked
at once. Characters are folded as where poems are compared (`variants`): a line is known in either script, and with 唯 for 惟.
"""

from __future__ import annotations

import math
import sys
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gemma_poetry.artifacts import MANIFEST, atomic_writer, copy_file, read_json, sha256_file
from gemma_poetry.corpus import variants
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.errors import DataError
from gemma_poetry.folders import run_around
from gemma_poetry.languages import _
from gemma_poetry.manifests import check_manifest

SHORTEST_LINE = 2
"""Lines of fewer characters are words, not lines: they are never taken for known."""

KNOWN_LINES = "known_lines.npz"
"""The file that DATA, RUN and model folders hold a guard in: the lines that they were made of, or trained on."""

_LISTS = "known_lines*.npz"

_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(0xFFFFFFFF)
_VERSION = 2
"""1 folded the script alone, and took 唯 and 惟 for two characters."""
_MOST_PROBES = 64

Hashes = npt.NDArray[np.uint64]


def fold(characters: Iterable[str]) -> npt.NDArray[np.uint32]:
    """Code points of characters, each folded by itself (see `variants.fold`), whatever stands beside it."""
    return np.fromiter(map(ord, variants.fold("".join(characters))), dtype=np.uint32)


def extend_hash(hashes: Hashes | np.uint64, codes: npt.NDArray[np.uint32]) -> Hashes:
    """The hashes (FNV-1a over code points) of texts with one more character each.

    Args:
        hashes: Hashes of the texts so far, or one hash for all.
        codes: Folded code points to add, one for each result.
    """
    with np.errstate(over="ignore"):
        extended: Hashes = (hashes ^ codes.astype(np.uint64)) * _PRIME
    return extended


def hash_text(text: str) -> np.uint64:
    """The hash of a text, to be extended by candidates."""
    hashed = int(_OFFSET)
    for code in fold(text).tolist():
        hashed = ((hashed ^ code) * int(_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(hashed)


def _hash_lines(lines: Iterable[str]) -> Hashes:
    """The hashes of lines that are long enough, as often as they come."""
    codes = np.frombuffer(("\n".join(lines) + "\n").encode("utf-32-le"), dtype=np.uint32)
    ends = np.flatnonzero(codes == ord("\n"))
    begins = np.concatenate([[0], ends[:-1] + 1])
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    present = np.flatnonzero(np.bincount(codes))
    table[present] = fold(map(chr, present.tolist()))
    folded = table[codes]
    lengths = ends - begins
    found = [np.empty(0, dtype=np.uint64)]
    for length in np.unique(lengths[lengths >= SHORTEST_LINE]).tolist():
        chosen = begins[lengths == length]
        hashes = np.full(len(chosen), _OFFSET, dtype=np.uint64)
        for column in range(length):
            hashes = extend_hash(hashes, folded[chosen + column])
        found.append(hashes)
    return np.concatenate(found)


class KnownLines:
    """Known lines.

    Args:
        bits: The filter, packed to bytes.
        probes: Bits that each line sets.
        lines: Lines that were put in.
        provenance: What the lines are from.
    """

    def __init__(self, bits: npt.NDArray[np.uint8], probes: int, lines: int, provenance: str = "") -> None:
        self._bits = bits
        self._size = np.uint64(len(bits) * 8)
        self.probes = probes
        self.lines = lines
        self.provenance = provenance

    @classmethod
    def build(cls, lines: Iterable[str], *, error_rate: float = 0.01, provenance: str = "") -> KnownLines:
        """A guard that knows these lines.

        Args:
            lines: Lines without marks, in either script; those shorter than `SHORTEST_LINE` are passed over.
            error_rate: Share of unknown lines that are taken for known.
            provenance: What the lines are from, for reports.
        """
        hashes = np.unique(_hash_lines(lines))
        per_line = -math.log(error_rate) / math.log(2) ** 2
        size = max(64, math.ceil(per_line * len(hashes) / 8))
        guard = cls(np.zeros(size, dtype=np.uint8), max(1, round(per_line * math.log(2))), len(hashes), provenance)
        flags = np.zeros(size * 8, dtype=np.bool_)
        start, stride = guard._spread(hashes)
        for probe in range(guard.probes):
            flags[guard._place(start, stride, probe)] = True
        guard._bits = np.packbits(flags, bitorder="little")
        return guard

    @staticmethod
    def _spread(hashes: Hashes) -> tuple[Hashes, Hashes]:
        """Where the probes of each hash begin, and how far apart they are (double hashing modulo 2**32)."""
        with np.errstate(over="ignore"):
            mixed = (hashes ^ (hashes >> np.uint64(32))) * _MIX
        return mixed >> np.uint64(32), (mixed & _LOW) | np.uint64(1)

    def _place(self, start: Hashes, stride: Hashes, probe: int) -> Hashes:
        # The upper half of a product spreads 32 bits evenly over any size; a remainder would cost five times as much.
        place: Hashes = (((start + np.uint64(probe) * stride) & _LOW) * self._size) >> np.uint64(32)
        return place

    def knows(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which hashes are those of known lines.

        Args:
            hashes: Hashes of whole lines, (lines,).
        """
        known = np.zeros(len(hashes), dtype=np.bool_)
        # Half of the unknown ones fall out at each probe, so that a candidate costs about two.
        candidates = np.arange(len(hashes))
        start, stride = self._spread(hashes)
        for probe in range(self.probes):
            place = self._place(start, stride, probe)
            hit = (self._bits[place >> np.uint64(3)] >> (place & np.uint64(7)).astype(np.uint8)) & 1
            kept = np.flatnonzero(hit)
            candidates, start, stride = candidates[kept], start[kept], stride[kept]
        known[candidates] = True
        return known

    def __contains__(self, line: str) -> bool:
        if len(line) < SHORTEST_LINE:
            return False
        return bool(self.knows(np.array([hash_text(line)]))[0])

    def save(self, path: Path) -> None:
        """Writes the guard.

        Raises:
            OutputError: The file cannot be written.
        """
        with atomic_writer(path, binary=True) as stream:
            np.savez(
                stream,
                version=np.array(_VERSION),
                bits=self._bits,
                probes=np.array(self.probes),
                lines=np.array(self.lines),
                provenance=np.array(self.provenance),
            )

    @classmethod
    def load(cls, path: Path) -> KnownLines:
        """Reads a guard.

        Raises:
            DataError: The file is missing, or is no guard.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                if int(stored["version"]) != _VERSION:
                    raise ValueError(_("version {version}", version=int(stored["version"])))
                bits, probes = stored["bits"], int(stored["probes"])
                if bits.dtype != np.uint8 or bits.ndim != 1 or not len(bits) or not 1 <= probes <= _MOST_PROBES:
                    raise ValueError(_("{probes} probes of {dtype} {shape}", probes=probes, dtype=bits.dtype, shape=bits.shape))
                return cls(bits, probes, int(stored["lines"]), str(stored["provenance"]))
        except FileNotFoundError as error:
            raise DataError(_("no such file"), where=path, action=_("run prepare again")) from error
        except (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                _("not a file of known lines ({error})", error=error),
                where=path,
                expected=_("what prepare wrote"),
                action=_("run prepare again"),
            ) from error


def build_list(data: Path) -> KnownLines:
    """The lines that a model reads in training on a DATA folder: those of its training split.

    Args:
        data: A DATA folder; where `prepare` left no list, one is made from the records.

    Raises:
        DataError: The list was altered, or the records cannot be read.
    """
    if _is_named(data):
        check_manifest(data, [KNOWN_LINES])
        return KnownLines.load(data / KNOWN_LINES)
    return KnownLines.build((line for poem in load_poems(data, "train") for line in poem.lines), provenance=data.resolve().name)


def _is_named(data: Path) -> bool:
    manifest = read_json(data / MANIFEST) if (data / MANIFEST).is_file() else None
    files = manifest.get("files") if isinstance(manifest, dict) else None
    return isinstance(files, dict) and KNOWN_LINES in files


def carried_lists(folder: Path) -> list[Path]:
    """The lists that a model carries: of what it was trained on, and of what its base had been trained on.

    Args:
        folder: A RUN, model or DATA folder; of `RUN/adapter` and `RUN/merged` the RUN is asked too.

    Returns:
        The files, that of the last training first; none where that is not there, since the others would not be all.
    """
    if not (folder / KNOWN_LINES).is_file():
        run = run_around(folder)
        return [] if run is None else carried_lists(run)
    return sorted(folder.glob(_LISTS), key=lambda path: len(path.name))


def hand_on_lists(out: Path, known: KnownLines, base: Path | None) -> list[str]:
    """Puts the list of DATA into the folder of a training, and those of the base model beside it.

    Args:
        out: The RUN or MODEL folder.
        known: The list of the DATA folder that is trained on, from `build_list`: taken before the training, since the folder
            may be prepared anew in the meantime.
        base: The folder of the model that the training begins with; `None`: with nothing.

    Returns:
        The names of the files, for the manifest.

    Raises:
        OutputError: A file cannot be written.
    """
    known.save(out / KNOWN_LINES)
    digests = {sha256_file(out / KNOWN_LINES): KNOWN_LINES}
    for path in carried_lists(base) if base is not None else ():
        # The base of a base has its list behind that of the base: known_lines.base.base.npz.
        name = path.name.replace("known_lines", "known_lines.base", 1)
        if digests.setdefault(sha256_file(path), name) == name:
            copy_file(path, out / name)
    return list(digests.values())
