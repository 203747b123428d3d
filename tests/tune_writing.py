"""Poems that keep the form of a 词, written with characters that have one sound each: for tests of induction and scansion.

In: a form, and a way to choose. Out: lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gemma_poetry.generation.form_layout import unite_echoes
from gemma_poetry.prosody.forms import Form, Tone

# Characters that do not rhyme, by tone.
PLAIN: dict[Tone, str] = {Tone.LEVEL: "山云花天人秋", Tone.OBLIQUE: "月雪草柳晚路"}
# Rhyme words by 词林正韵 part and tone; those of a part are of one group of 中原音韵 too.
RHYMES: dict[tuple[int, Tone], str] = {
    (1, Tone.LEVEL): "东红公洪",
    (1, Tone.OBLIQUE): "孔董送贡",
    (2, Tone.LEVEL): "阳香堂霜",
    (2, Tone.OBLIQUE): "响巷丈唱",
    (6, Tone.LEVEL): "春门尘村",
    (6, Tone.OBLIQUE): "问近尽运",
    (7, Tone.LEVEL): "山寒栏安",
    (7, Tone.OBLIQUE): "晚旦汉岸",
    (8, Tone.LEVEL): "高桃遥桥",
    (8, Tone.OBLIQUE): "草晓庙老",
    (10, Tone.LEVEL): "麻霞茶牙",
    (10, Tone.OBLIQUE): "马下化价",
    (11, Tone.LEVEL): "声情清城",
    (11, Tone.OBLIQUE): "影静径性",
    (12, Tone.LEVEL): "楼舟流头",
    (12, Tone.OBLIQUE): "酒手口久",
}
PARTS = tuple(dict.fromkeys(part for part, _tone in RHYMES))
# Ends of lines that rhyme with none.
ENDS = {tone: "".join(words for (_, own), words in RHYMES.items() if own is tone) for tone in Tone}


def write_lines(form: Form, choose: Callable[[Sequence[Any]], Any]) -> list[str]:
    """Lines that keep a form; free places, words and a part for each rhyme as chosen, no part twice."""
    left = list(PARTS)
    parts: dict[str, int] = {}
    echoed, turned = dict(form.echoes), dict(form.turns)
    rows, _unused = unite_echoes(form)
    lines: list[str] = []
    repeats = {(line, position) for line, position, _earlier in form.repeats}
    for number, slots in enumerate(rows, 1):
        if number in turned:
            lines.append(lines[turned[number] - 1][::-1][: len(slots)])
            continue
        if number in echoed:
            lines.append(lines[echoed[number] - 1][-len(slots) :])
            continue
        line = ""
        for position, slot in enumerate(slots, 1):
            tone = slot.tone or choose(list(Tone))
            # A character that comes again up to the end of its line is the rhyme word.
            at_end = all((number, place) in repeats for place in range(position + 1, len(slots) + 1))
            slot = slots[-1] if at_end else slot
            if (number, position) in repeats:
                line += line[-1]
            elif slot.rhyme:
                if slot.rhyme not in parts:
                    parts[slot.rhyme] = choose(left)
                    left.remove(parts[slot.rhyme])
                line += choose(RHYMES[parts[slot.rhyme], tone])
            else:
                line += choose(ENDS[tone] if position == len(slots) else PLAIN[tone])
        lines.append(line)
    return lines
