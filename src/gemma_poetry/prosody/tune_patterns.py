"""The pattern of a 词 is written as a text that a reader of 词谱 can read, and read back.

In: a `Form`. Out: its text, as of 如梦令:

    中仄中平中仄a。中仄中平中仄a。中仄仄平平，中仄中平平仄a。平仄a。=5平仄a。中仄中平中仄a。

平 and 仄 are required, 中 is free; a letter behind the last character names the line's rhyme: lines of one letter rhyme
in one part (部) of 词林正韵, 平 with 平 and 仄 with 仄. One letter at both 平 and 仄 places means one part in both tones
(西江月); another letter is another rhyme (菩萨蛮). `=5` says that the line repeats the end of line 5 (叠句), `~5` that it says
it backwards (调笑令), 々 that the character before comes again (叠字): 仄々々a.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gemma_poetry.errors import DataError
from gemma_poetry.languages import _
from gemma_poetry.prosody.forms import Form, Slot, Tone

_SYMBOLS: dict[Tone | None, str] = {Tone.LEVEL: "平", Tone.OBLIQUE: "仄", None: "中"}
_AGAIN = "々"
_TONES = {symbol: tone for tone, symbol in _SYMBOLS.items()}
_LINE = re.compile(r"(?:([=~])(\d+))?([平仄中][平仄中々]*)([a-z]?)([，。])")


def pattern_text(form: Form) -> str:
    """The form as the text that the module's docstring describes."""
    return "".join(pattern_lines(form))


def pattern_lines(form: Form) -> list[str]:
    """The same, line by line."""
    said = {line: f"={earlier}" for line, earlier in form.echoes} | {line: f"~{earlier}" for line, earlier in form.turns}
    again = {(line, position) for line, position, _earlier in form.repeats}
    parts = []
    for number, (slots, mark) in enumerate(zip(form.lines, form.marks), 1):
        tones = "".join(_AGAIN if (number, place) in again else _SYMBOLS[slot.tone] for place, slot in enumerate(slots, 1))
        parts.append(f"{said.get(number, '')}{tones}{slots[-1].rhyme or ''}{mark}")
    return parts


def parse_pattern(text: str, name: str, pattern: str = "") -> Form:
    """The form that a text describes; the inverse of `pattern_text`.

    Raises:
        DataError: The text is no pattern.
    """
    lines: list[tuple[Slot, ...]] = []
    marks: list[str] = []
    echoes: list[tuple[int, int]] = []
    turns: list[tuple[int, int]] = []
    repeats: list[tuple[int, int, int]] = []
    end = 0
    for match in _LINE.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        manner, earlier, tones, rhyme, mark = match.groups()
        slots: list[Slot] = []
        for symbol in tones:
            slots.append(slots[-1] if symbol == _AGAIN else Slot(_TONES[symbol]))
        repeats += [(len(lines) + 1, place, place - 1) for place, symbol in enumerate(tones, 1) if symbol == _AGAIN]
        slots[-1] = Slot(slots[-1].tone, rhyme or None)
        lines.append(tuple(slots))
        marks.append(mark)
        if manner:
            (echoes if manner == "=" else turns).append((len(lines), int(earlier)))
    if end != len(text) or not lines:
        raise DataError(
            _("no pattern of a tune: {text!r} at character {end}", text=text[end : end + 12], end=end + 1),
            expected=_("平, 仄, 中, one letter for a rhyme and a closing mark a line, as 中仄仄平平a。"),
            where=name,
        )
    return Form(name, tuple(lines), "".join(marks), pattern, tuple(echoes), tuple(repeats), tuple(turns))


def rhyme_kind(form: Form) -> str:
    """How the tune rhymes: 平韵, 仄韵, 平仄通叶 (one part in both tones) or 换韵 (several rhymes)."""
    tones_of: dict[str, set[Tone | None]] = {}
    for slots in form.lines:
        if slots[-1].rhyme:
            tones_of.setdefault(slots[-1].rhyme, set()).add(slots[-1].tone)
    if len(tones_of) > 1:
        return "换韵"
    (tones,) = tones_of.values()
    if len(tones) > 1:
        return "平仄通叶"
    return "平韵" if tones == {Tone.LEVEL} else "仄韵"


def labelled(forms: Iterable[Form]) -> list[str]:
    """A short label for each form of one tune: characters and rhyme, numbered where two would be equal."""
    labels: list[str] = []
    for form in forms:
        label = f"{sum(form.line_lengths)}字{rhyme_kind(form)}"
        same = sum(other.split("之")[0] == label for other in labels)
        labels.append(f"{label}之{same + 1}" if same else label)
    return labels
