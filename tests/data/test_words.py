"""Words of a poem: compounds where the metre has a pair, characters that say something, none of them a particle."""

from __future__ import annotations

import json
import random
from importlib import resources

import pytest

from gemma_poetry.data.words import (
    MOST_WORDS,
    OFFERED_WORDS,
    PARTICLES,
    company_of,
    compounds,
    content_words,
    draw_words,
    modern_company,
    offer_words,
    pair_places,
    strange_pairs,
)
from gemma_poetry.prosody.lexicon import readings

POEM = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")


@pytest.mark.parametrize(
    ("length", "places"),
    [(5, (0, 2, 3)), (7, (0, 2, 4, 5)), (4, (0, 1, 2)), (1, ())],
)
def test_the_feet_of_a_line(length, places):
    assert pair_places(length) == places


@pytest.mark.parametrize(
    ("lines", "found", "missing"),
    [
        (POEM, ["白日", "黄河", "山", "海", "层楼"], ["一", "上", "更", "日", "楼"]),
        (("春风得意马蹄疾", "一日看尽长安花"), ["春风", "马蹄", "疾", "花"], ["春", "一"]),
        (("何不为之",), [], ["何", "不", "为", "之"]),
        ((), [], []),
    ],
)
def test_content_words(lines, found, missing):
    words = content_words(lines)
    assert set(found) <= set(words) and not set(missing) & set(words)
    assert len(words) == len(set(words))


def test_a_compound_counts_only_where_the_metre_has_a_pair():
    assert "明月" in compounds()
    assert "明月" in content_words(("明月照高楼",)) and "明月" not in content_words(("一明月照楼",))


def test_the_draw_is_seeded_and_takes_words_of_the_poem_alone():
    drawn = [draw_words(POEM, random.Random(seed)) for seed in range(200)]
    assert drawn == [draw_words(POEM, random.Random(seed)) for seed in range(200)]
    assert {len(words) for words in drawn} == set(range(1, MOST_WORDS + 1))
    assert all(set(words) <= set(content_words(POEM)) for words in drawn)
    assert draw_words(("何不为之",), random.Random(0)) == ()


def test_no_compound_holds_a_particle():
    assert len(compounds()) > 5_000
    assert not [pair for pair in compounds() if len(pair) != 2 or PARTICLES & set(pair)]


@pytest.mark.parametrize(
    ("title", "expected", "why"),
    [
        ("高铁", ("千里", "飞轮"), "a word of the list"),
        ("乘高铁过江", ("千里", "飞轮"), "a word of the list within a title"),
        ("狗", ("柴门",), "a single character that is the whole title"),
        ("小狗眠", (), "a single character within a title is no word of its own"),
        ("母亲节", ("寸草",), "a holiday"),
        ("坐火车", ("远山",), "one of 280,680 titles has 火车, and that is chance"),
        ("老师", ("桃李",), "a word of the collection that is a whole title, and none of its titles"),
        ("大学毕业", ("青衫", "龙门"), "a word of the collection beside one that it lacks"),
        ("考试失利", ("寒窗",), "a word of the collection in a longer one that it lacks"),
        ("护士节", ("白衣",), "another"),
        ("送李大夫归朝", (), "an office of the Tang"),
        ("春晚即事", (), "late spring"),
        ("春晚", (), "a title of the collection"),
        ("太学生赋", (), "across the border of 太学 and 生"),
        ("四时间居", (), "across the border of 四时 and 间居"),
        ("和朋友韵", (), "a word of Song titles"),
        ("九日登山", (), "another"),
        ("大熊猫", ("竹",), "the longest word counts"),
        ("加班归来", ("残灯", "夜阑"), "another"),
        ("秋夜", (), "a title that poets know"),
        ("", (), "no title"),
    ],
)
def test_modern_titles_have_classical_company(title, expected, why):
    company = company_of(title)
    assert set(expected) <= set(company) and bool(expected) == bool(company), why


def test_titles_of_the_collection_are_offered_nothing_and_those_of_the_sample_much():
    titles = "赴举出山留寄山居郑参军 广州朱长史座观妓 荅畅参军 酬裴十二秀才孩子咏 长安春晚 天宫小阁纳凉 韩魏公生日"
    titles += " 景德寺考试秋日即事 登山望海 谢人惠生日诗二绝 雨闷示儿子 暴雨 青春 咏史诗·阳台 送安律师 五老师子"
    titles += " 政府生日 与弋阳徐觉民主簿 寄题洋川与可学士公园·过溪亭"
    assert [title for title in titles.split() if company_of(title)] == []
    sample = resources.files("gemma_poetry") / "assets" / "sample"
    modern = [json.loads(line)["title"] for path in sample.iterdir() for line in path.read_text("utf-8").splitlines()]
    assert sum(bool(company_of(title)) for title in modern) > 0.4 * len(modern) > 100


def test_offered_words_are_of_the_company_and_few():
    offers = {offer_words("高铁", random.Random(seed)) for seed in range(20)}
    assert len(offers) > 3
    assert all(1 <= len(offer) <= OFFERED_WORDS and set(offer) <= set(company_of("高铁")) for offer in offers)
    assert offer_words("秋夜", random.Random(1)) == ()


def test_every_word_of_the_list_can_stand_in_a_poem():
    words = {word for company in modern_company().values() for word in company}
    assert 150 <= len(set(modern_company().values())) <= 300
    assert all(1 <= len(word) <= 4 and all(map(readings, word)) for word in words)


@pytest.mark.parametrize(
    ("line", "expected", "why"),
    [
        ("空山新雨后", 0, "two feet and a pair that crosses"),
        ("空龘新雨后", 1, "a foot that no poet has"),
        ("空山新龘后", 1, "neither pair of the last three is used"),
        ("明月", 0, "one foot"),
        ("龘", 0, "no foot"),
        ("夜深庭树树阴阴", 1, "树树 stands across two feet, 阴阴 is a reduplication"),
        ("无边落木萧萧下", 0, "萧萧 is one foot"),
        ("漠漠水田飞白鹭", 0, "漠漠 is one foot"),
    ],
)
def test_strange_pairs(line, expected, why):
    assert strange_pairs([line]) == expected, why
