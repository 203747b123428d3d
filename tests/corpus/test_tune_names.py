"""Tunes from a tune field or a title."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.tune_names import TuneNames, split_tune, standard_tunes, told_apart


@pytest.mark.parametrize(
    ("field", "pair"),
    [
        ("菩萨蛮", ("菩萨蛮", "")),
        ("醉落魄・一斛珠", ("醉落魄", "一斛珠")),
        ("菩萨蛮·春思", ("菩萨蛮", "春思")),
        ("菩萨蛮（其二）", ("菩萨蛮", "")),
        ("□□□", ("", "")),
        ("失调名", ("", "")),
        ("大", ("", "")),
        ("", ("", "")),
    ],
)
def test_names_in_a_tune_field(field: str, pair: tuple[str, str]) -> None:
    assert split_tune(field) == pair


def test_the_second_name_is_the_standard_one_only_if_the_collection_uses_it_so() -> None:
    pairs = [
        ("一斛珠", ""),
        ("醉落魄", "一斛珠"),
        ("望江南", "忆江南"),
        ("江南好", "忆江南"),
        ("菩萨蛮", "春思"),
        ("琵琶仙", ""),
    ]
    standard = standard_tunes(pairs)
    assert [standard[pair] for pair in pairs] == ["一斛珠", "一斛珠", "忆江南", "忆江南", "菩萨蛮", "琵琶仙"]


WASHED = ["山下兰芽短浸溪", "松间沙路净无泥", "萧萧暮雨子规啼", "谁道人生无再少", "门前流水尚能西", "休将白发唱黄鸡"]


@pytest.fixture
def names() -> TuneNames:
    known = TuneNames()
    for _ in range(2):
        known.add("长相思", ["汴水流", "泗水流", "流到瓜洲古渡头", "吴山点点愁"])
        known.add("浣溪沙", ["一曲新词酒一杯"] * 6, alias="小庭花")
    return known


@pytest.mark.parametrize(
    ("title", "lines", "tune", "why"),
    [
        ("长相思", ["山一程", "水一程", "身向榆关那畔行", "夜深千帐灯"], "长相思", "title and shape fit"),
        ("长相思", ["长相思", "在长安", "络纬秋啼金井阑"], "", "a 诗 of that title has another shape"),
        ("浣溪沙", ["海色残阳影断霓"] * 6, "", "equal lines under a bare name, and other tones than the tune has"),
        ("浣溪沙", WASHED, "浣溪沙", "equal lines under a bare name, and its tones"),
        ("长相思·春思", ["床前明月光", "疑是地上霜", "举头望明月", "低头思故乡"], "", "a 绝句 stays one whatever its title"),
        ("浣溪沙·姜女庙", ["海色残阳影断霓"] * 6, "浣溪沙", "equal lines, but the title parts tune and subject"),
        ("小庭花·姜女庙", ["海色残阳影断霓"] * 6, "浣溪沙", "an alias gives the standard name"),
        ("蜀道难", ["噫吁嚱", "危乎高哉"], "", "no tune"),
    ],
)
def test_a_title_counts_as_a_tune_only_with_its_shape(
    names: TuneNames, title: str, lines: list[str], tune: str, why: str
) -> None:
    assert names.tune_of(title, lines) == tune, why


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("浣溪沙·姜女庙", "姜女庙"),
        ("小庭花·姜女庙", "姜女庙"),
        ("浣溪沙", ""),
        ("长相思·海色", ""),
        ("姜女庙·其地", "姜女庙·其地"),
        ("", ""),
    ],
)
def test_the_subject_beside_the_tune(names: TuneNames, title: str, subject: str) -> None:
    assert names.subject(title, "海色残阳影断霓") == subject


def test_poems_of_a_long_tune_under_the_plain_name_are_told_by_their_lines() -> None:
    short, long, near = (3, 3, 7, 5) * 2, (4, 4, 6, 4, 4, 6, 5, 4), (4, 4, 6, 4, 4, 6, 4, 4)
    named = [*[("相思", "", short)] * 8, ("相思慢", "", long), ("相思", "", near), ("夜行", "相思", near), ("夜行", "", near)]
    assert told_apart(named)[8:] == ["相思慢", "相思慢", "相思慢", "夜行"]
    assert told_apart(named)[:8] == ["相思"] * 8
    # Lines that the plain name usually has are its own, though they are near to the other's.
    assert told_apart([*[("相思", "", near)] * 8, ("相思慢", "", long)]) == ["相思"] * 8 + ["相思慢"]
