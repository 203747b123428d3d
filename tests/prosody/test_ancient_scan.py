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
    assert marked(scansion) == "-a-a-b-b"
    assert scansion.places[7][-1].taken.group == "十五删"


def marked(scansion) -> str:
    return "".join(line[-1].rhyme or "-" for line in scansion.places)


@pytest.mark.parametrize(
    ("ends", "marks", "verdict", "rhymes", "why"),
    [
        ("楼流秋鸥游愁", "，。，。，。", "strict", "aaaaaa", "every line rhymes (燕歌行)"),
        (
            "楼流秋鸥游愁洲",
            "，。，，。，。",
            "strict",
            "aaaaaaa",
            "every line rhymes, in sentences of two and three (饮中八仙歌)",
        ),
        ("楼流秋鸥游愁洲舟头山", "，。，，。，，，，。", "fail", "aaaaaaaaab", "… and one that does not is out of rhyme"),
        ("楼月流山月秋月鸥", "，，。，，。，。", "strict", "a-a--a-a", "sentences of three lines rhyme at their ends"),
        ("楼月流山月秋月鸥", "", "fail", "-a-b-c-c", "… and without marks every second line is asked"),
        ("月楼月流月秋", "。。。。。。", "strict", "-a-a-a", "a full stop behind each line says nothing"),
        ("月楼月流月秋", "。。，。，。", "strict", "-a-a-a", "nor does a question in the first line (问君何能尔？)"),
        ("雪绝月灭", "", "strict", "aa-a", "the first line of an oblique quatrain rhymes too"),
        ("流楼月秋还山月闲", "", "strict", "aa-abb-b", "the first line of a new rhyme rhymes with it"),
        ("月楼月𰻝月流", "", "strict", "-a-a-a", "an unknown word is asked to rhyme like the others"),
    ],
)
def test_where_rhymes_stand(ends, marks, verdict, rhymes, why):
    scansion = scan(poem(*ends), "五言古诗", marks)
    assert (scansion.verdict.value, marked(scansion)) == (verdict, rhymes), why


def test_a_quatrain_marks_its_first_line_too():
    scansion = scan_auto("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。")
    assert (scansion.pattern, marked(scansion)) == ("古绝", "aa-a")


def test_every_reading_must_rhyme_for_the_poem_to_be_certain():
    assert scan(poem(*"月楼月流"), "五言古诗").every_reading
    assert not scan(poem(*"月寒月看"), "五言古诗").every_reading


def test_a_quatrain_that_rhymes_oblique_is_read_for_its_rhyme():
    scansion = scan_auto(poem(*"月雪月绝"))
    assert (scansion.form, scansion.pattern, scansion.verdict.value) == ("五言绝句", "古绝", "strict")


def test_a_long_poem_is_read_in_one_pass():
    assert scan(poem(*"月楼月流" * 3000), "五言古诗").verdict.value == "strict"
