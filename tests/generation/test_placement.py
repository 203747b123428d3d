"""Words get places that their form admits, or are refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gemma_poetry.errors import ConstraintError
from gemma_poetry.generation.placement import place_words
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PlacedWord, PoemRequest, simplify
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import Form


def keeps(form: Form, placed: Sequence[PlacedWord], sounds: BookSounds) -> bool:
    """Whether each word stands in its place in a form, with the tones that are asked for there."""
    for word, line, position in placed:
        slots = form.lines[line - 1][position - 1 : position - 1 + len(word)]
        if "".join(slot.char for slot in slots) != word:
            return False
        for place, slot in enumerate(slots, position):
            if slot.tone and slot.tone not in sounds.tones(slot.char, place == len(form.lines[line - 1])):
                return False
    return True


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (PoemRequest("七绝", must=("轨", "窗", "千里")), "a modern word among others"),
        (PoemRequest("七绝", must=("轨", "窗", "千里"), acrostic="春江花月"), "beside an acrostic"),
        (PoemRequest("五律", must=("明月", "秋风", "关山", "孤舟")), "four words"),
        (PoemRequest("菩萨蛮", must=("千里", "明月")), "a tune with changing rhymes"),
        (PoemRequest("如梦令", must=("千里", "明月")), "a tune with a repeated line"),
        (PoemRequest("天净沙", must=("看花", "白云"), rhymes=("江阳",)), "a song, whose words have tones of their own"),
        (PoemRequest("沁园春", must=("千里", "明月", "风", "雪")), "a tune of several variants"),
        (PoemRequest("五绝", must=("风",), rhymes=("一东",)), "a word that can rhyme as asked"),
        (PoemRequest(template="空山□□□，□□□□秋。", must=("明月", "空山")), "one stands there already"),
        (PoemRequest("七绝", must=("清秋",), rhyme_words="秋流楼"), "a word that ends in a rhyme word that is given"),
        (PoemRequest(answer="春风得意马蹄疾", must=("明月",)), "in the answer to an upper line"),
        (PoemRequest("七绝", must=("千里",), metre="free"), "where no tone is asked for"),
        (PoemRequest("五言古诗", must=("行", "长")), "of several readings, where no tone is asked for"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_way_keeps_the_form(request_, why):
    ways = place_words(request_, count=6, seed=4)
    assert 1 <= len(ways) <= 6 and len(set(ways)) == len(ways)
    for way in ways:
        assert [one.word for one in way.placed] == list(request_.must)
        prescription = prescribe(simplify(way))
        assert any(keeps(form, way.placed, BookSounds(prescription.book, "every")) for form in prescription.forms), (
            why,
            way,
        )


def test_traditional_words_are_kept_as_they_were_written():
    (way,) = place_words(PoemRequest("七绝", must=("軌", "風")))
    assert [one.word for one in way.placed] == ["軌", "風"]
    assert {one.word for one in simplify(way).placed} == {"轨", "风"}


def test_a_word_may_end_in_a_rhyme_word_that_is_given():
    wish = PoemRequest("七绝", must=("清秋",), rhyme_words="秋流楼")
    ways = [way for seed in range(3) for way in place_words(wish, count=12, seed=seed)]
    assert PlacedWord("清秋", 1, 6) in {one for way in ways for one in way.placed}
    again = place_words(replace(wish, must=("清秋", "清流", "高楼")), count=12, seed=1)
    assert again, "none of these may stand at another's rhyme"


def test_other_seeds_place_otherwise():
    wish = PoemRequest("七律", must=("明月", "秋风"))
    assert len({place_words(wish, seed=seed)[0].placed for seed in range(8)}) > 3
    assert place_words(wish, count=3, seed=2) == place_words(wish, count=3, seed=2)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (PoemRequest("五绝", must=("GPU",)), "'GPU'"),
        (PoemRequest("五绝", must=("",)), "''"),
        (PoemRequest("五绝", must=("龘",)), "龘 has no known reading"),
        (PoemRequest("五绝", must=("千里明月光照",)), "longer than every line of 五绝"),
        (PoemRequest("五绝", must=("三三三三",)), "三三三三 fits no place of 五绝"),
        (
            PoemRequest("五绝", must=("东风",), template="千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江□。"),
            "taken or rhymes otherwise",
        ),
        (PoemRequest("五绝", must=("明月明月",), rhymes=("一东",)), "fits no place"),
        (PoemRequest("五绝", must=("春花秋月何", "春江花月夜", "一二三四五", "山高水长流", "日月星河海")), ""),
    ],
)
def test_what_has_no_place_is_refused_with_the_reason(request_, reason):
    with pytest.raises(ConstraintError) as refused:
        place_words(request_)
    assert reason in str(refused.value)
