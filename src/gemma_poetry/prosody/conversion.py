"""OpenCC converts between scripts and variants; each of its conversions is set up once.

In: the name of a configuration of OpenCC (`t2s`, `s2t`). Out: a function from text to text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable


@functools.cache
def converter(configuration: str) -> Callable[[str], str]:
    """The conversion of this name; a text may change its length where OpenCC reads phrases."""
    import opencc

    convert = opencc.OpenCC(configuration).convert
    return lambda text: str(convert(text))
