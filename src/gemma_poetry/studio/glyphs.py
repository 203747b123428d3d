"""Outlines of characters from a font of this machine, for pictures that look the same on every other one.

In: a character, a script, whether it stands in a column. Out: its outline as the data of an SVG path.

The font is looked for where Debian, other systems and fontconfig keep fonts with Chinese characters.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemma_poetry.errors import InputError
from gemma_poetry.languages import _

FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-serif-cjk-fonts/NotoSerifCJK-Regular.ttc",
    "/System/Library/Fonts/Supplemental/Songti.ttc",
    "C:/Windows/Fonts/simsun.ttc",
)
"""Serif fonts with Chinese characters, where Debian, Arch, Fedora, macOS and Windows keep them."""

_SAMPLE = "诗詩。"
_REGIONS = {"simplified": "SC", "traditional": "TC"}
# What stands for a character that the font has not got (下駄).
_UNKNOWN = "〓"


@dataclass(frozen=True, slots=True)
class Outline:
    """A character as it is drawn, in parts of its size, y downwards from the baseline.

    Attributes:
        path: The data of an SVG path, in units of the font, y upwards.
        advance: Its width.
    """

    path: str
    advance: float


@dataclass(frozen=True)
class Face:
    """One face of a font file.

    Attributes:
        font: The font, as fontTools reads it.
        cmap: Glyph names by code point.
        upright: Glyph names of columns, by those of rows (marks turn when they stand in a column).
    """

    font: Any
    cmap: dict[int, str]
    upright: dict[str, str]
    _known: dict[tuple[str, bool], Outline] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def units(self) -> int:
        """Units of an em."""
        return int(self.font["head"].unitsPerEm)

    def outline(self, char: str, *, column: bool = False) -> Outline:
        """The outline of a character; of one that the font has not got, that of 〓."""
        with self._guard:
            if (char, column) not in self._known:
                self._known[char, column] = self._drawn(char, column)
            return self._known[char, column]

    def _drawn(self, char: str, column: bool) -> Outline:
        from fontTools.pens.svgPathPen import SVGPathPen

        name = self.cmap.get(ord(char)) or self.cmap.get(ord(_UNKNOWN), ".notdef")
        name = self.upright.get(name, name) if column else name
        glyphs = self.font.getGlyphSet()
        pen = SVGPathPen(glyphs, ntos=lambda number: f"{number:g}")
        glyphs[name].draw(pen)
        return Outline(pen.getCommands(), glyphs[name].width / self.units)


@functools.cache
def face(script: str) -> Face:
    """The face that poems of a script are drawn with.

    Raises:
        InputError: This machine has no font with Chinese characters.
    """
    for path in _files():
        found = _opened(path, _REGIONS[script])
        if found is not None:
            return found
    raise InputError(
        _("no font with Chinese characters is found"),
        expected=_("Noto Serif CJK, or another serif font with them"),
        action=_("apt-get install fonts-noto-cjk"),
    )


def _files() -> Iterator[Path]:
    yield from (path for path in map(Path, FONTS) if path.is_file())
    matcher = shutil.which("fc-match")
    if matcher:
        asked = [matcher, "--format=%{file}", "serif:lang=zh"]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
        if found:
            yield Path(found)


def _opened(path: Path, region: str) -> Face | None:
    """The face of a file for a region; `None` where it has no Chinese characters."""
    from fontTools.ttLib import TTCollection, TTFont

    if path.suffix.lower() == ".ttc":
        with TTCollection(str(path), lazy=True) as collection:
            names = [str(font["name"].getDebugName(4)) for font in collection.fonts]
        wanted = [number for number, name in enumerate(names) if f" {region}" in name and "Mono" not in name]
        font = TTFont(str(path), fontNumber=(wanted or [0])[0], lazy=True)
    else:
        font = TTFont(str(path), lazy=True)
    cmap = font.getBestCmap() or {}
    if any(ord(char) not in cmap for char in _SAMPLE):
        return None
    return Face(font, cmap, _upright(font))


def _upright(font: Any) -> dict[str, str]:
    """What the feature `vert` of a font exchanges."""
    if "GSUB" not in font:
        return {}
    table = font["GSUB"].table
    numbers = {
        number
        for record in table.FeatureList.FeatureRecord
        if record.FeatureTag == "vert"
        for number in record.Feature.LookupListIndex
    }
    found: dict[str, str] = {}
    for number in sorted(numbers):
        for part in table.LookupList.Lookup[number].SubTable:
            # Large fonts wrap their tables in extensions.
            found |= getattr(getattr(part, "ExtSubTable", part), "mapping", {})
    return found
