"""Compiles src/gemma_poetry/assets/prosody/lexicon.txt, and other_glyphs.txt beside it.

    python scripts/build_lexicon.py

In: the 廣韻 as `tshet-uinh` has it, OpenCC's conversions, scripts/glyph_variants.txt (pairs by hand) and
scripts/usage_readings.txt (made by scripts/derive_later_readings.py). Out: the packaged table; the same input gives the
same bytes.

    heads       each head's rhyme from 韻目, or from 韻 and 聲 where the two contradict each other (14 entries)
    variants    a character that is no head, by the first of: pairs by hand; OpenCC's regional variants (tw, hk, jp);
                notes in the 廣韻 (俗作, 或作, 亦作, 說文作 …); a head with the same simplified form. A head that verse writes
                for another word, by hand. Heads that are glyphs of one word stand for all of them (為 for 為 and 爲):
                those that OpenCC's regional standards (tw, hk) exchange, those that comparing folds (corpus.variants) and
                those by hand, but for the words that are told apart by hand
    simplified  OpenCC's traditional-to-simplified map, inverted over heads and variants
    other_glyphs.txt    plain glyphs (GB 2312), each with those of the same word that simplified text does not write: variants
                but for those by hand that have its sound alone, and the pairs of [another glyph]; no character of
                通用规范汉字表 (as `pypinyin-dict` has it)
    later, settled, words, likely    as usage_readings.txt has them
    parts       of the rhymes that 词林正韵 divides (佳 蟹 卦 夬: 5 or 10, 泰: 3 or 5): as usage_readings.txt has them, else by
                the mouth of the syllable, 合口 10 and 3, 開口 5
"""

from __future__ import annotations

import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from importlib import metadata
from pathlib import Path

import opencc
from pypinyin_dict.pinyin_data import kmandarin_8105
from tshet_uinh import 資料

from gemma_poetry.artifacts import write_text
from gemma_poetry.corpus.variants import folded_groups
from gemma_poetry.prosody.rhyme import CONTOURS, FAMILIES, RHYMES

HERE = Path(__file__).parent
TABLE = HERE.parent / "src/gemma_poetry/assets/prosody/lexicon.txt"
UNIHAN = (
    "# Some pairs are of Unihan, Copyright © 2021-2026 Unicode, Inc., Unicode License V3: https://www.unicode.org/license.txt"
)
OTHER_GLYPHS = TABLE.with_name("other_glyphs.txt")
HAN = [chr(code) for first, last in ((0x3400, 0x9FFF), (0x20000, 0x2A6DF)) for code in range(first, last + 1)] + ["〇"]
_ITEMS = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]{2,}( [\u3400-\u9fff\U00020000-\U0003ffff]{2,})*")
_NOTE = re.compile(r"(?:說文作|俗作|亦作|或作|今作|古作|又作|本作|通作|俗從)([\u3400-\u9fff\U00020000-\U0003ffff])")


def head_rhymes(parts: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The rhymes of every head, in the order of the 廣韻; with the part behind it where 词林正韵 divides the rhyme.

    Args:
        parts: The parts that are known from usage, blanks between them.
    """
    rhymes: dict[str, list[str]] = defaultdict(list)
    for head in 資料.m字頭檢索:
        for entry in 資料.query字頭(head):
            rhyme = rhyme_of(entry)
            codes = [rhyme]
            if len(RHYMES[rhyme].parts) > 1:
                rounded = entry.音韻地位.呼 == "合"
                by_mouth = {"泰": "3" if rounded else "5"}.get(rhyme, "10" if rounded else "5")
                codes = [rhyme + part for part in parts.get(head, by_mouth).split(" ")]
            rhymes[head] += [code for code in codes if code not in rhymes[head]]
    return {head: tuple(found) for head, found in rhymes.items()}


def rhyme_of(entry: 資料.檢索結果) -> str:
    """The 廣韻 rhyme of an entry."""
    assert entry.來源 is not None
    name, contour = entry.來源.韻目, entry.音韻地位.聲
    if RHYMES[name].contour == contour:
        return str(name)
    family = next(family for family in FAMILIES if entry.音韻地位.韻 in family)
    return family[CONTOURS.index(contour)]


def hand_items() -> dict[str, list[str]]:
    """The items of glyph_variants.txt by the name of their section.

    A section is its name in brackets with a remark, which an empty line or a line of items ends: a line in which each word
    is of two Han characters at least and nothing else.
    """
    sections: dict[str, list[str]] = defaultdict(list)
    name = ""
    for line in (HERE / "glyph_variants.txt").read_text(encoding="utf-8").splitlines():
        if line[:1] == "[":
            name = line[1 : line.index("]")]
        elif _ITEMS.fullmatch(line):
            sections[name] += line.split()
    return sections


def by_hand(heads: Collection[str]) -> dict[str, str]:
    """The glyphs of glyph_variants.txt that stand for heads.

    Raises:
        ValueError: An item of the first two sections leads from a head, one of the third from none, or one to none.
    """
    pairs: dict[str, str] = {}
    sections = hand_items()
    for name in ("same word", "same sound", "stands for"):
        for item in sections[name]:
            if (item[0] in heads) != (name == "stands for") or item[0] in pairs or not set(item[1:]) <= set(heads):
                raise ValueError(f"glyph_variants.txt: {item} in [{name}] leads from or to the wrong kind of character")
            pairs[item[0]] = item[1:]
    return pairs


def one_word_pairs(heads: Collection[str]) -> set[frozenset[str]]:
    """The pairs of heads that are glyphs of one word."""
    pairs = set()
    for name in ("tw2t", "hk2t", "t2tw", "t2hk"):
        convert = converter(name)
        pairs |= {frozenset((char, convert(char))) for char in HAN}
    for group in folded_groups():
        pairs |= {frozenset(pair) for pair in itertools.combinations(group, 2)}
    for item in hand_items()["one word"]:
        pairs |= {frozenset(pair) for pair in itertools.combinations(item, 2)}
    apart = {frozenset(pair) for item in hand_items()["two words"] for pair in itertools.combinations(item, 2)}
    stands_for = {item[0] for item in hand_items()["stands for"]}
    return {pair for pair in pairs - apart if len(pair) == 2 and pair <= set(heads) and pair.isdisjoint(stands_for)}


def join_glyphs(heads: Collection[str], variants: dict[str, str]) -> dict[str, str]:
    """The variants, with all the glyphs of its word for every head and for what stands for it."""
    words = {head: head for head in heads}
    for pair in sorted(map(sorted, one_word_pairs(heads))):
        joined = "".join(dict.fromkeys(words[pair[0]] + words[pair[1]]))
        words.update(dict.fromkeys(joined, joined))
    glyphs = {head: word for head, word in words.items() if len(word) > 1 and head not in variants}
    wider = {char: "".join(dict.fromkeys("".join(words[head] for head in stood))) for char, stood in variants.items()}
    return wider | glyphs


def converter(name: str) -> Callable[[str], str]:
    """One of OpenCC's conversions, for single characters; what is no single character stays as it was."""
    convert = opencc.OpenCC(name).convert

    def convert_character(char: str) -> str:
        converted = str(convert(char))
        return converted if len(converted) == 1 else char

    return convert_character


def find_variants(heads: Iterable[str], simplify: dict[str, str]) -> dict[str, str]:
    """The heads that each character stands for that is no head itself."""
    heads = dict.fromkeys(heads)
    regional: dict[str, dict[str, None]] = defaultdict(dict)
    for name in ("tw2t", "hk2t", "jp2t", "t2tw", "t2hk", "t2jp"):
        convert = converter(name)
        for char in HAN:
            other = convert(char)
            if other != char:
                regional[char][other] = None
                regional[other][char] = None
    noted: dict[str, dict[str, None]] = defaultdict(dict)
    for head in heads:
        for entry in 資料.query字頭(head):
            for char in _NOTE.findall(entry.釋義):
                noted[char][head] = None
    same_simplified: dict[str, dict[str, None]] = defaultdict(dict)
    for head in heads:
        same_simplified[simplify[head]][head] = None
    hand = by_hand(heads)
    variants = {}
    for char in HAN:
        if char in hand:
            variants[char] = hand[char]
        elif char not in heads:
            found = (
                [other for other in regional[char] if other in heads]
                or list(noted[char])
                or [other for other in same_simplified[simplify[char]] if simplify[char] != char]
            )
            if found:
                variants[char] = "".join(found)
    return join_glyphs(heads, variants)


def find_simplified(heads: Iterable[str], variants: Iterable[str], simplify: dict[str, str]) -> dict[str, str]:
    """The traditional characters that each simplified one may stand for, itself among them where it is one.

    A character that no head or variant is simplified to is asked for its traditional form (馀 锺, of texts that keep
    餘 and 鍾 apart from 余 and 钟).
    """
    known = dict.fromkeys([*heads, *variants])
    inverse: dict[str, list[str]] = defaultdict(list)
    for char in known:
        if simplify[char] != char:
            inverse[simplify[char]].append(char)
    to_traditional = converter("s2t")
    for char in HAN:
        if char not in known and char not in inverse and to_traditional(char) in known:
            inverse[char].append(to_traditional(char))
    return {char: (char if char in known else "") + "".join(others) for char, others in sorted(inverse.items())}


def words_of_glyphs(words: list[list[str]], variants: dict[str, str], simplified: dict[str, str]) -> list[list[str]]:
    """The words in other glyphs (為家 as 爲家), where usage does not know them itself.

    The neighbour that settles a character may also be another form of its simplified one: 云從 is read as 雲從.
    """
    alike = defaultdict(set)
    for forms in simplified.values():
        for form in forms:
            alike[form] |= {*forms}
    glyphs = defaultdict(list)
    for char, heads in variants.items():
        for head in heads:
            if head != char:
                glyphs[head].append(char)
    known = {word for word, *_ in words}
    found: dict[str, list[str]] = {}
    for word, *settled in words:
        for place in (0, 1):
            settles = int(word[2]) - 1 != place
            for glyph in sorted({*glyphs[word[place]], *(alike[word[place]] if settles else ())}):
                other = word[:place] + glyph + word[place + 1 :]
                if other not in known:
                    found.setdefault(other, [other, *settled])
    return list(found.values())


def find_other_glyphs(variants: dict[str, str], simplify: dict[str, str]) -> dict[str, str]:
    """The plain glyph of each that simplified text does not write."""
    hand = hand_items()
    other_words = {item[0] for name in ("same sound", "stands for") for item in hand[name]}
    pairs = {char: heads for char, heads in variants.items() if char not in other_words}
    pairs |= {item[0]: item[1:] for item in hand["another glyph"]}
    found = {}
    for char, words in pairs.items():
        plain = [simplify[word] for word in words if is_plain(simplify[word])]
        if plain and not is_plain(simplify[char]) and ord(char) not in kmandarin_8105.pinyin_dict:
            found[char] = plain[0]
    return found


def is_plain(char: str) -> bool:
    """Whether GB 2312 has a character."""
    try:
        return bool(char.encode("gb2312"))
    except UnicodeEncodeError:
        return False


def usage_readings() -> dict[str, list[list[str]]]:
    """The rows of usage_readings.txt by section; none where it is not made yet."""
    path = HERE / "usage_readings.txt"
    sections: dict[str, list[list[str]]] = defaultdict(list)
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if line[0] == "[":
            name = line
        elif line[0] != "#":
            sections[name].append(line.split("\t"))
    return sections


def main() -> int:
    usage = usage_readings()
    rhymes = head_rhymes({head: parts for head, parts, _ in usage["[parts]"]})
    to_simplified = converter("t2s")
    simplify = {char: to_simplified(char) for char in [*HAN, *rhymes]}
    variants = find_variants(rhymes, simplify)
    simplified = find_simplified(rhymes, variants, simplify)
    by_rhymes: dict[str, list[str]] = defaultdict(list)
    for head, found in rhymes.items():
        by_rhymes[" ".join(found)].append(head)
    by_heads: dict[str, list[str]] = defaultdict(list)
    for char, heads in variants.items():
        by_heads[heads].append(char)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("tshet-uinh", "opencc"))
    lines = [f"# Made by scripts/build_lexicon.py from {versions} and the usage of Song verse; not to be edited.", "[heads]"]
    lines += [f"{key}\t{''.join(chars)}" for key, chars in by_rhymes.items()]
    lines += ["[variants]", *(f"{key}\t{''.join(chars)}" for key, chars in by_heads.items())]
    usage["[words]"] += [[f"{word}1", "平", "all dictionaries"] for word in hand_items()["first level"]]
    for section in ("[words]", "[likely]"):
        usage[section] += words_of_glyphs(usage[section], variants, simplified)
    certain = {word for word, *_ in usage["[words]"]}
    usage["[likely]"] = [row for row in usage["[likely]"] if row[0] not in certain]
    lines += ["[simplified]", *(f"{key}\t{value}" for key, value in simplified.items())]
    for section in ("[later]", "[settled]", "[words]", "[likely]"):
        lines += [section, *("\t".join(row) for row in usage[section])]
    write_text(TABLE, "\n".join(lines) + "\n")
    by_plain: dict[str, list[str]] = defaultdict(list)
    for char, plain in find_other_glyphs(variants, simplify).items():
        by_plain[plain].append(char)
    head = f"# Made by scripts/build_lexicon.py from {versions} and glyph_variants.txt; not to be edited."
    rows = [head, UNIHAN, *(f"{plain}\t{''.join(sorted(chars))}" for plain, chars in sorted(by_plain.items()))]
    write_text(OTHER_GLYPHS, "\n".join(rows) + "\n")
    print(f"{len(rhymes)} heads, {len(variants)} variants, {len(simplified)} simplified -> {TABLE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
