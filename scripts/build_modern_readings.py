"""Compiles src/gemma_poetry/assets/prosody/modern.txt.

    python scripts/build_modern_readings.py

In: `pypinyin` and `pypinyin-dict` (MIT), which carry the readings of dictionaries, each under its own name. Out: the packaged
table of modern readings; the same input gives the same bytes.

    readings    of a character by the first that has it of: 通用规范汉字字典 (2013) and Unihan together, for the 8,105 of
                通用规范汉字表; 现代汉语词典 (1983); pypinyin's own table. Of a traditional form those of its simplified one,
                by OpenCC; neutral tones (轻声) only where no source has another
    words       of a character with several readings that one which it has in a word of two to four characters, where the
                character reads the same in all the word and a shorter word inside does not say so already
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import opencc
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.contrib.tone_convert import to_tone3
from pypinyin_dict.pinyin_data import kmandarin_8105, ktghz2013, kxhc1983

from gemma_poetry.artifacts import write_text
from gemma_poetry.prosody.characters import is_han
from gemma_poetry.prosody.lexicon import lexicon
from gemma_poetry.prosody.modern_readings import TABLE, final_of

SOURCES = ((ktghz2013.pinyin_dict, kmandarin_8105.pinyin_dict), (kxhc1983.pinyin_dict,), (PINYIN_DICT,))
LONGEST_WORD = 4


def numbered(spelt: str) -> str:
    """A syllable as `chong2`, ü written v, its neutral tone 5."""
    return str(to_tone3(spelt, v_to_u=False, neutral_tone_with_five=True)).replace("ü", "v")


def syllables_of(char: str) -> tuple[str, ...]:
    """The syllables of a character by the first source that has one with a full tone, else a neutral one; none if unknown."""
    neutral: tuple[str, ...] = ()
    for tables in SOURCES:
        spelt = [own for table in tables for own in table.get(ord(char), "").split(",")]
        known = [syllable for own in dict.fromkeys(spelt) if final_of(syllable := numbered(own))]
        full = tuple(syllable for syllable in known if syllable[-1] != "5")
        if full:
            return full
        neutral = neutral or tuple(known)
    return neutral


def known_characters() -> Iterable[str]:
    """The simplified characters that verse may hold: those of the lexicon, and of the dictionaries."""
    table, simplify = lexicon(), opencc.OpenCC("t2s").convert
    known = {simplify(char) for char in (*table.rhymes, *table.simplified, *table.variants)}
    known |= {chr(code) for tables in SOURCES[:2] for table in tables for code in table}
    return sorted(char for char in known if len(char) == 1 and is_han(char))


def settled_words(readings: dict[str, tuple[str, ...]]) -> dict[tuple[str, str], list[str]]:
    """By character and syllable the words in which the character has that reading.

    Args:
        readings: The syllables of each character.
    """
    found: dict[str, dict[str, str]] = {}
    for word in sorted(PHRASES_DICT, key=lambda word: (len(word), word)):
        if not 2 <= len(word) <= LONGEST_WORD or not all(char in readings for char in word):
            continue
        spelt: dict[str, set[str]] = defaultdict(set)
        for char, (syllable, *_) in zip(word, PHRASES_DICT[word]):
            spelt[char].add(_full(numbered(syllable), readings[char]))
        inside = [word[begin:end] for begin in range(len(word)) for end in range(begin + 2, len(word) + 1)]
        for char, syllables in spelt.items():
            syllable = next(iter(syllables))
            said = any(found.get(part, {}).get(char) == syllable for part in inside)
            if len(syllables) == 1 and len(readings[char]) > 1 and syllable in readings[char] and not said:
                found.setdefault(word, {})[char] = syllable
    words: dict[tuple[str, str], list[str]] = defaultdict(list)
    for word, own in found.items():
        for char, syllable in own.items():
            words[char, syllable].append(word)
    return words


def _full(syllable: str, readings: tuple[str, ...]) -> str:
    """A syllable in the tone that a character has where it is not neutral."""
    full = [own for own in readings if own[:-1] == syllable[:-1]]
    return full[0] if syllable[-1] == "5" and len(full) == 1 else syllable


def main() -> int:
    readings = {char: own for char in known_characters() if (own := syllables_of(char))}
    by_syllables: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for char, own in readings.items():
        by_syllables[own].append(char)
    words = settled_words(readings)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pypinyin", "pypinyin-dict", "opencc"))
    lines = [f"# Made by scripts/build_modern_readings.py from {versions}; not to be edited.", "[readings]"]
    lines += [f"{' '.join(own)}\t{''.join(chars)}" for own, chars in sorted(by_syllables.items())]
    lines += ["[words]", *(f"{char}{syllable}\t{' '.join(own)}" for (char, syllable), own in sorted(words.items()))]
    path = Path(__file__).parent.parent / "src/gemma_poetry" / TABLE
    write_text(path, "\n".join(lines) + "\n")
    print(f"{len(readings)} characters, {sum(map(len, words.values()))} words -> {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
