"""Forms (体裁) as slots.

In: the name of a form, or the lines of a poem.
Out: a `Form`, lines of `Slot`s, that constrained generation obeys and scansion reads back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from gemma_poetry.errors import UnknownFormError, nearest_names
from gemma_poetry.languages import _

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
        read: The tone that the given character has in its word, where that is told; `None`: every reading counts.
    """

    tone: Tone | None = None
    rhyme: str | None = None
    char: str | None = None
    read: Tone | None = None


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
        repeats: Triples (line, position, earlier position), counted from 1: the character comes again in its line (重字).
        turns: Pairs (line, earlier line), counted from 1: the line says the end of the earlier one backwards (路迷，迷路).
    """

    name: str
    lines: tuple[tuple[Slot, ...], ...]
    marks: str
    pattern: str = ""
    echoes: tuple[tuple[int, int], ...] = ()
    repeats: tuple[tuple[int, int, int], ...] = ()
    turns: tuple[tuple[int, int], ...] = ()

    @property
    def returns(self) -> tuple[tuple[int, int, int], ...]:
        """Echoes and turns as triples (line, earlier line, step): the step is 1 forwards, -1 backwards."""
        return (*((line, earlier, 1) for line, earlier in self.echoes), *((line, earlier, -1) for line, earlier in self.turns))

    @property
    def repeating(self) -> frozenset[int]:
        """The lines, from 1, of which all is said before, forwards or backwards."""
        return frozenset(line for line, _earlier, _step in self.returns)

    def returned_places(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Each place (line, position), from 1, of a line that is said before, with the place that it says again."""
        lengths = self.line_lengths
        for line, earlier, step in self.returns:
            length, width = lengths[line - 1], lengths[earlier - 1]
            for position in range(1, length + 1):
                yield (line, position), (earlier, width - length + position if step > 0 else width + 1 - position)

    def returned_lines(self, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Each line, from 1, that is said before, with what a poem of these lines must say there."""
        for line, earlier, step in self.returns:
            yield line, lines[earlier - 1][-len(lines[line - 1]) :][::step]

    @property
    def line_lengths(self) -> tuple[int, ...]:
        """Characters in each line."""
        return tuple(map(len, self.lines))


FORM_NAMES: tuple[str, ...] = (
    "五言绝句", "七言绝句", "五言律诗", "七言律诗", "五言排律", "七言排律",
    "六言绝句", "六言律诗", "四言诗", "五言古诗", "六言诗", "七言古诗", "杂言诗", "词", "曲",
)  # fmt: skip

# The usual short names, accepted wherever a form is named.
SHORT_NAMES: dict[str, str] = {
    "五绝": "五言绝句", "七绝": "七言绝句", "五律": "五言律诗", "七律": "七言律诗",
    "六绝": "六言绝句", "六律": "六言律诗", "五排": "五言排律", "七排": "七言排律", "五古": "五言古诗", "七古": "七言古诗",
}  # fmt: skip


# Line counts and lengths of the forms whose shape is fixed: (lines, characters a line).
FIXED_SHAPES: dict[str, tuple[int, int]] = {
    "五言绝句": (4, 5), "七言绝句": (4, 7), "五言律诗": (8, 5), "七言律诗": (8, 7),
    "六言绝句": (4, 6), "六言律诗": (8, 6),
}  # fmt: skip

OBLIQUE_FORMS = ("五言绝句", "七言绝句")
"""The regulated forms that may also rhyme oblique (仄韵)."""


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
        _("no form is called {name!r}", name=name),
        expected=_("one of {form_names}", form_names=" ".join(FORM_NAMES)),
        action=_("did you mean {near}?", near=" / ".join(near)) if near else _("choose a name of the list"),
    )


def alternating_marks(lines: int) -> str:
    """The closing marks of a 诗 of so many lines: comma within a couplet, full stop behind it."""
    return "".join(FULL_STOP if index % 2 or index == lines - 1 else COMMA for index in range(lines))


def shape(name: str, lines: int, characters: int) -> Form:
    """A form of free slots with so many lines and so many characters in each."""
    return Form(name, ((FREE,) * characters,) * lines, alternating_marks(lines))
