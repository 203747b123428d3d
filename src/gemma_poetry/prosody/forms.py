"""Forms (体裁) as slots.

In: the name of a form, or the lines of a poem.
Out: a `Form`, lines of `Slot`s, that constrained generation obeys and scansion reads back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gemma_poetry.errors import UnknownFormError, nearest_names

COMMA = "，"
FULL_STOP = "。"


class Tone(str, Enum):
    """A tone class: 平 (level) or 仄 (oblique: 上 去 入)."""

    LEVEL = "平"
    OBLIQUE = "仄"


@dataclass(frozen=True, slots=True)
class Slot:
    """What one place of a line asks for.

    Attributes:
        tone: The required tone class, or `None` where both are free.
        rhyme: The name of a rhyme variable; slots that share it must rhyme. `None`: no rhyme here.
        char: The character that must stand here, or `None`.
    """

    tone: Tone | None = None
    rhyme: str | None = None
    char: str | None = None


FREE = Slot()


@dataclass(frozen=True, slots=True)
class Form:
    """A form: lines of slots and one closing mark a line.

    Attributes:
        name: 体裁 or 词牌, as prompts name it.
        lines: The slots, line by line.
        marks: One closing mark (`，` or `。`) a line.
        pattern: Which of the form's patterns (平起/仄起 ..., 又一体), empty where there is one only.
        echoes: Pairs (line, earlier line), counted from 1: the line repeats the end of the earlier one (叠句).
    """

    name: str
    lines: tuple[tuple[Slot, ...], ...]
    marks: str
    pattern: str = ""
    echoes: tuple[tuple[int, int], ...] = ()

    @property
    def line_lengths(self) -> tuple[int, ...]:
        """Characters in each line."""
        return tuple(map(len, self.lines))


FORM_NAMES: tuple[str, ...] = (
    "五言绝句", "七言绝句", "五言律诗", "七言律诗", "五言排律", "七言排律",
    "四言诗", "五言古诗", "六言诗", "七言古诗", "杂言诗", "词", "曲",
)  # fmt: skip

# The usual short names, accepted wherever a form is named.
SHORT_NAMES: dict[str, str] = {
    "五绝": "五言绝句", "七绝": "七言绝句", "五律": "五言律诗", "七律": "七言律诗",
    "五排": "五言排律", "七排": "七言排律", "五古": "五言古诗", "七古": "七言古诗",
}  # fmt: skip

_VERSE_NAMES = {5: "五言", 7: "七言"}

# Line counts and lengths of the forms whose shape is fixed: (lines, characters a line).
FIXED_SHAPES: dict[str, tuple[int, int]] = {
    "五言绝句": (4, 5), "七言绝句": (4, 7), "五言律诗": (8, 5), "七言律诗": (8, 7),
}  # fmt: skip


def form_name(name: str) -> str:
    """The full name of a form given by its full or short name.

    Raises:
        UnknownFormError: No form is called so; the nearest names are offered.
    """
    full = SHORT_NAMES.get(name, name)
    if full in FORM_NAMES:
        return full
    near = nearest_names(name, [*FORM_NAMES, *SHORT_NAMES])
    raise UnknownFormError(
        f"no form is called {name!r}",
        expected=f"one of {' '.join(FORM_NAMES)}",
        action=f"did you mean {' / '.join(near)}?" if near else "choose a name of the list",
    )


def alternating_marks(lines: int) -> str:
    """The closing marks of a 诗 of so many lines: comma within a couplet, full stop behind it."""
    return "".join(FULL_STOP if index % 2 or index == lines - 1 else COMMA for index in range(lines))


def shape(name: str, lines: int, characters: int) -> Form:
    """A form of free slots with so many lines and so many characters in each."""
    return Form(name, ((FREE,) * characters,) * lines, alternating_marks(lines))


# Broken couplets and joints per couplet: level-rhymed poems of ten lines and more are either below this or, most of them,
# far above (of 4,200 such poems in 全唐诗 the fewest lie between 0.3 and 0.4).
_REGULATED_BROKEN_SHARE = 1 / 3


def classify(lines: str | Sequence[str]) -> str:
    """The form (体裁) of a 诗 by its shape, rhyme and tones: a name in `FORM_NAMES`.

    Lines of five or seven characters are a 绝句 if they are four; a 律诗 if they are eight and rhyme level; a 排律 if they
    are ten or more, an even number, rhyme level and are regulated but for a third of the couplets at most; else a 古诗.
    To rhyme level, every even line must end in a character that can be level, and all of them but one at most must share
    a 平水韵 group. Faults of metre alone thus never make a 古诗 of eight lines; `scan` tells of them.

    Args:
        lines: The lines, Han characters only; or the poem as one text.
    """
    if isinstance(lines, str):
        from gemma_poetry.prosody.lines import split_lines

        lines, _ = split_lines(lines)
    lengths = {len(line) for line in lines}
    if len(lengths) != 1:
        return "杂言诗"
    (length,) = lengths
    count = len(lines)
    if length in _VERSE_NAMES and count >= 4 and count % 2 == 0:
        if count == 4:
            return f"{_VERSE_NAMES[length]}绝句"
        if count >= 8:
            # These know characters, and so forms; forms know neither.
            from gemma_poetry.prosody.verdicts import broken_share, is_level_rhymed

            if is_level_rhymed(lines):
                if count == 8:
                    return f"{_VERSE_NAMES[length]}律诗"
                if broken_share(lines) <= _REGULATED_BROKEN_SHARE:
                    return f"{_VERSE_NAMES[length]}排律"
    return {4: "四言诗", 5: "五言古诗", 6: "六言诗", 7: "七言古诗"}.get(length, "杂言诗")
