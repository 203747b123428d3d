"""This module tells which characters are Han characters.

In: a character. Out: whether it is one, and the same as a part of regular expressions.

Unicode codes a character once as a *unified* ideograph, and some a second time as a *compatibility* ideograph (U+F900 to
U+FAFF, U+2F800 to U+2FA1F), which stands for the first and becomes it under every normalisation. Only the first are Han
characters here; twelve of the block at U+F900 are unified in spite of their place. The zero 〇 is written among them
(二〇〇〇年) but marks lost characters in old editions, so cleaning takes `UNIFIED` and everything else `HAN`.

Source: The Unicode Standard 16.0, section 18.1, tables 18-1 and 18-8.
"""

from __future__ import annotations

import re

LOST_CHARACTER = "□"
"""What editors write for each character that is lost."""

UNIFIED = (
    "\u3400-\u4dbf\u4e00-\u9fff\ufa0e\ufa0f\ufa11\ufa13\ufa14\ufa1f\ufa21\ufa23\ufa24\ufa27-\ufa29"
    "\U00020000-\U0002f7ff\U00030000-\U000323af"
)
"""The unified ideographs, for a regular expression."""

HAN = "\u3007" + UNIFIED
"""The unified ideographs and 〇, for a regular expression."""

_HAN = re.compile(f"[{HAN}]")


def is_han(char: str) -> bool:
    """Whether a character is a Han character: a unified ideograph or 〇.

    Of a compatibility ideograph it is false; ask for its normal form (`unicodedata.normalize("NFC", char)`) to take it too.
    """
    return bool(_HAN.fullmatch(char))
