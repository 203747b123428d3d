"""Simplified and traditional: wishes on their way in, finished poems on their way out.

Models are prompted and write in simplified characters. A poem that is wanted in traditional ones is converted when it is
finished, by phrases (頭髮 but 發現), each line keeping its length; what a person gave keeps the person's own characters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence


def to_simplified(text: str) -> str:
    """A text in simplified characters, as many as before."""
    return _convert("t2s", text)


def to_traditional(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines in traditional characters, as many in each as before; phrases do not reach across lines."""
    return tuple(_convert("s2t", line) for line in lines)


@functools.cache
def _converter(name: str) -> Callable[[str], str]:
    import opencc

    converter = opencc.OpenCC(name)
    return lambda text: str(converter.convert(text))


def _convert(name: str, text: str) -> str:
    if not text:
        return text
    convert = _converter(name)
    converted = convert(text)
    if len(converted) == len(text):
        return converted
    single = [convert(char) for char in text]
    return "".join(new if len(new) == 1 else old for new, old in zip(single, text))
