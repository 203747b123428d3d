"""This module tells which writing systems a text mixes, and what a text must not hold whatever it is.

In: a text. Out: the scripts of its letters, and the text in one normal form without invisible control characters.

Marks that turn the direction of text around (U+202A-202E, U+2066-2069) are taken out: what a person reads must be what a
model learns. Joiners that Persian, Hindi or emoji need (U+200C, U+200D) stay. Right-to-left text stays in logical order.
"""

from __future__ import annotations

import re
import unicodedata

from gemma_poetry.corpus.poem import RefusedError
from gemma_poetry.languages import _, listed

_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_DAMAGED = re.compile("[\ufffd\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ud800-\udfff]")
_SPACES = re.compile("[ \t\u00a0\u2000-\u200a\u202f\u3000]+")

# The first word of a character's name in the Unicode character database says its script.
_NAMED = {"CJK": "Han", "IDEOGRAPHIC": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana", "KATAKANA-HIRAGANA": "Kana"}


def normal_text(text: str) -> str:
    """The text in NFC, without invisible marks.

    Raises:
        RefusedError: It holds control characters, or characters that an earlier conversion lost.
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    if _DAMAGED.search(text):
        raise RefusedError(_("damaged characters"))
    return text


def single_spaces(line: str) -> str:
    """A line whose runs of white space are one space each, none at its ends."""
    return _SPACES.sub(" ", line).strip()


def script_of(char: str) -> str:
    """The script of a letter (`Latin`, `Han`, `Kana`, `Arabic`, ...); empty for what is no letter."""
    if not unicodedata.category(char).startswith("L"):
        return ""
    word = unicodedata.name(char, "UNKNOWN").split()[0]
    return _NAMED.get(word, word.capitalize())


def scripts_of(text: str) -> set[str]:
    """The scripts of a text's letters."""
    return {script for char in set(text) if (script := script_of(char))}


def refuse_other_scripts(text: str, allowed: set[str]) -> None:
    """Refuses a text with letters of scripts that do not belong in it.

    Raises:
        RefusedError: The foreign scripts are named.
    """
    foreign = sorted(scripts_of(text) - allowed)
    if foreign:
        raise RefusedError(_("mixed scripts ({foreign})", foreign=listed(foreign)))
