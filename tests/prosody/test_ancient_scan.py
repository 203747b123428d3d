"""Ancient verse (古体): rhyme alone, in any tone, with changes of rhyme."""

from __future__ import annotations

import pytest

from gemma_poetry.prosody.scansion import scan, scan_auto


def poem(*words: str) -> list[str]:
    """Five-character lines that end in these characters."""
    return [f"山月山月{word}" for word in words]


# ends of the lines, verdict, rhyme group, faults and licences as line.rule, why
CASES = [
    ("月楼月流", "strict", "十一尤", "", "one level group"),
    ("月雪月绝", "strict", "九屑", "", "one entering group"),
    ("楼流月秋月鸥", "strict", "十一尤", "", "the first line may rhyme"),
    ("月红月松", "minor", "第一部", "4.通韵", "东 and 冬 of one part, taken together"),
    ("月月月雪月绝", "minor", "第十八部", "4.通韵", "月 and 屑 of one part"),
    ("月楼月流月山月还", "strict", "十一尤、十五删", "", "the rhyme changes, two words each"),
    ("月楼月流还山", "strict", "十一尤、十五删", "", "both lines of the last couplet hold the new rhyme"),
    ("月楼月流月山", "fail", "十一尤", "6.出韵", "one word alone is no rhyme"),
    ("月楼月白月流月秋", "fail", "十一尤", "2.出韵 4.出韵", "two words alone, with another between"),
    ("月楼月流秋", "strict", "十一尤", "", "the last of an odd number of lines rhymes"),
    ("月楼月𰻝月流", "strict", "十一尤", "", "an unknown word breaks no rhyme"),
]


@pytest.mark.parametrize(("ends", "verdict", "rhyme", "found", "why"), CASES, ids=[case[-1] for case in CASES])
def test_rhyme(ends, verdict, rhyme, found, why):
    scansion = scan(poem(*ends), "五言古诗")
    assert scansion.verdict.value == verdict
    assert scansion.rhyme_group == rhyme
    told = [f"{fault.line}.{fault.rule.chinese}" for fault in (*scansion.faults, *scansion.licences)]
    assert " ".join(told) == found


def test_tones_inside_the_lines_are_free():
    scansion = scan(poem(*"月楼月流"), "五言古诗")
    assert {place.expected for line in scansion.places for place in line} == {"中"}


def test_words_that_rhyme_share_a_letter_and_a_reading():
    scansion = scan(poem(*"月楼月流月山月还"), "五言古诗")
    assert [line[-1].rhyme for line in scansion.places] == ["", "a", "", "a", "", "b", "", "b"]
    assert scansion.places[7][-1].taken.group == "十五删"


def test_every_reading_must_rhyme_for_the_poem_to_be_certain():
    assert scan(poem(*"月楼月流"), "五言古诗").every_reading
    assert not scan(poem(*"月寒月看"), "五言古诗").every_reading


def test_a_quatrain_that_rhymes_oblique_is_read_for_its_rhyme():
    scansion = scan_auto(poem(*"月雪月绝"))
    assert (scansion.form, scansion.pattern, scansion.verdict.value) == ("五言绝句", "古绝", "strict")


def test_a_long_poem_is_read_in_one_pass():
    assert scan(poem(*"月楼月流" * 3000), "五言古诗").verdict.value == "strict"
