"""The words that a poem is about (意象), found in the poem itself.

In: the lines of a poem. Out: its content words: compounds of two characters that poets use again and again, where the
metre has a pair, and single characters that are no particles. Training prompts name some of them, so that a wish for
words steers a poem. And: a title in, out the classical words that go with the modern things in it (高铁: 千里, 飞轮), by a
list of the project's own (assets/words/modern.yaml), since no poem of the collection says how to write of them. Its titles
speak of other things by the same characters (大夫, 春晚), so a word that they have counts as modern by itself only.

The compounds (assets/words/compounds.txt), and the words of the list that the collection has (assets/words/not_modern.txt), are
counted by scripts/build_compounds.py over the training split alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from importlib import resources

MOST_WORDS = 4
"""Words that a training prompt names at most."""

PARTICLES = frozenset(
    "不人一无有来何如时中自生为知此相我上得未子今行事见是去与可已在里谁处更欲道多前成作出之看能从间亦尽意入然当"
    "同犹方似大还几须复应非莫难回将到分过闻后言安真余向吾故起外问两岂以所少正随却其只又若曾共久对足于且者便才休"
    "但亦乃兮矣哉也耳乎焉而则因或使令教被把似如须总都最甚太尚犹再每皆俱并及至由自此彼这那底怎甚么个些着了著与"
    "岂宁惟唯即既忽渐频屡常尝已曾将欲当应合可能敢肯堪宜得愿汝尔尔予余侬伊渠他您谁孰何奚胡安焉于以为所被遭见令"
    "上下中外内里前后左右间旁边际"
    "一二三四五六七八九十百千万数两双半几多少"
)
"""Characters that say little by themselves: particles, pronouns, auxiliaries, numbers, places (虚字)."""


@cache
def compounds() -> frozenset[str]:
    """Compounds of two characters that poets use again and again, in simplified characters."""
    text = (resources.files("gemma_poetry") / "assets" / "words" / "compounds.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def compound_ends() -> dict[str, tuple[str, ...]]:
    """By character: those that make a compound behind it, in simplified characters."""
    ends: dict[str, list[str]] = {}
    for compound in sorted(compounds()):
        ends.setdefault(compound[0], []).append(compound[1])
    return {first: tuple(found) for first, found in ends.items()}


def pair_places(length: int) -> tuple[int, ...]:
    """Where two characters of a line stand together in its metre, by the place of the first, from 0.

    A line of five reads 2 + 2 + 1 or 2 + 1 + 2, one of seven has two more in front; other lines fall into no fixed feet.
    """
    if length in (5, 7):
        return (*range(0, length - 3, 2), length - 3, length - 2)
    return tuple(range(length - 1))


@cache
def used_pairs() -> dict[str, frozenset[str]]:
    """By character: those that poets put behind it where the metre has a pair, in simplified characters."""
    text = (resources.files("gemma_poetry") / "assets" / "words" / "pairs.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {char: frozenset(seconds) for char, seconds in rows}


def strange_pairs(lines: Sequence[str]) -> int:
    """The pairs of characters that no poet uses: in the feet of some lines, and doubled ones wherever they stand.

    Of the last three characters of an odd line one pair of two must be used. A character doubled across two feet (庭树树阴)
    is no reduplication (叠字), so it counts however often poets have it within one.

    Args:
        lines: Lines, in simplified characters.
    """
    used = used_pairs()

    def strange(line: str, place: int) -> bool:
        return line[place + 1] not in used.get(line[place], ())

    count = 0
    for line in lines:
        odd = len(line) % 2 and len(line) > 1
        tail = len(line) - 3 if odd else len(line)
        count += sum(strange(line, place) for place in range(0, tail - 1, 2))
        doubled = [place for place in range(len(line) - 1) if line[place] == line[place + 1]]
        count += sum(place % 2 == 1 and place < tail for place in doubled)
        if odd:
            ends = [place for place in doubled if place >= tail] or [tail, tail + 1]
            count += all(strange(line, place) for place in ends)
    return count


def content_words(lines: Sequence[str]) -> list[str]:
    """The content words of a poem, each once: compounds, then single characters outside them, as they stand.

    Args:
        lines: The lines of a poem, in simplified characters.
    """
    pairs: dict[str, None] = {}
    singles: dict[str, None] = {}
    for line in lines:
        taken: set[int] = set()
        for place in pair_places(len(line)):
            if place not in taken and line[place : place + 2] in compounds():
                pairs[line[place : place + 2]] = None
                taken |= {place, place + 1}
        singles |= {char: None for place, char in enumerate(line) if place not in taken and char not in PARTICLES}
    return [*pairs, *(char for char in singles if not any(char in pair for pair in pairs))]


def draw_words(lines: Sequence[str], draw: random.Random) -> tuple[str, ...]:
    """One to `MOST_WORDS` content words of a poem, in no order; fewer where it has no more.

    Args:
        lines: The lines of a poem, in simplified characters.
        draw: Where chance comes from.
    """
    words = content_words(lines)
    wanted = min(draw.randint(1, MOST_WORDS), len(words))
    # A compound says more than a character, so it is named three times as often.
    ranked = sorted(words, key=lambda word: draw.random() ** (1 / (3 if len(word) == 2 else 1)), reverse=True)
    return tuple(ranked[:wanted])


OFFERED_WORDS = 3
"""Words that are offered for a title at most."""


@cache
def modern_company() -> dict[str, tuple[str, ...]]:
    """By modern word: the classical words that a poet may write of it with, in simplified characters."""
    import yaml

    text = (resources.files("gemma_poetry") / "assets" / "words" / "modern.yaml").read_text(encoding="utf-8")
    table: dict[str, str] = yaml.safe_load(text)
    return {name: tuple(company.split()) for names, company in table.items() for name in names.split()}


@cache
def _known_words() -> dict[str, frozenset[str]]:
    """The words of the list that the collection has: `within` its titles or lines, and as `whole` titles."""
    text = (resources.files("gemma_poetry") / "assets" / "words" / "not_modern.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {where: frozenset(words) for where, *words in rows}


def company_of(title: str) -> tuple[str, ...]:
    """The classical words that go with what is modern in a title; none where nothing is.

    Words of the list are looked for from left to right, the longest first; a word of one character must be the whole title.
    A word that titles or lines of the collection have too (大夫, 春晚, 时间) must be the whole title, or stand beside one that
    they lack (大学毕业); a title that the collection has is not modern.

    Args:
        title: The title, in simplified characters.
    """
    table, known = modern_company(), _known_words()
    if title in known["whole"]:
        return ()
    longest = max(map(len, table))
    words: list[str] = []
    place = 0
    while place < len(title):
        lengths = range(min(longest, len(title) - place), 0 if len(title) == 1 else 1, -1)
        length = next((length for length in lengths if title[place : place + length] in table), 0)
        words += [title[place : place + length]] if length else []
        place += length or 1
    if words != [title] and all(word in known["within"] for word in words):
        return ()
    return tuple(dict.fromkeys(offer for word in words for offer in table[word]))


def offer_words(title: str, draw: random.Random) -> tuple[str, ...]:
    """Up to `OFFERED_WORDS` of the words that go with a title, those that the list names first drawn more often.

    Args:
        title: The title, in simplified characters.
        draw: Where chance comes from.
    """
    company = company_of(title)
    ranked = sorted(range(len(company)), key=lambda number: draw.random() ** (1 + number / 2), reverse=True)
    return tuple(company[number] for number in sorted(ranked[:OFFERED_WORDS]))
