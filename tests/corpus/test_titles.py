"""Titles and authors without serial numbers, notes and outer marks."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.titles import MAX_TITLE_CHARACTERS, clean_author, clean_title, is_fragment


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("静夜思", "静夜思"),
        ("帝京篇十首 一", "帝京篇"),
        ("洛中寒食二首 二", "洛中寒食"),
        ("偈頌五十一首  其四○", "偈頌"),
        ("緣識  其七五", "緣識"),
        ("陸倅連和三篇見示敬酬其一", "陸倅連和三篇見示敬酬"),
        ("詩一首", "詩"),
        ("別蘇徯（赴湖南幕）", "別蘇徯"),
        ("題張氏隱居（《英華》作「壁」）二首", "題張氏隱居"),
        ("奉和麟德殿宴百僚應[制]", "奉和麟德殿宴百僚應制"),
        ("紹興二十八年祀圜丘 盥洗用《乾安》。", "紹興二十八年祀圜丘·盥洗用乾安"),
        ("新樂府 七德舞\t美撥亂，陳王業也", "新樂府·七德舞"),
        ("胡笳十八拍 第三拍", "胡笳十八拍·第三拍"),
        ("長相思・山一程", "長相思·山一程"),
        ("贈雷殿直。", "贈雷殿直"),
        ("思君吟寄□□生", ""),
        ("敦煌（此缺數字）錄", ""),
        ("南⿰木養遇大風雨", ""),
        ("Untitled", ""),
        ("其二", ""),
        ("十首", ""),
        ("又三首  其一", ""),
        ("失題", ""),
        ("無題", "無題"),
        ("", ""),
        ("　 ", ""),
        ("春" + " " * 64_000 + "望", "春·望"),
        ("春" * 64_000 + "一" * 64_000, ""),
        ("山" * MAX_TITLE_CHARACTERS, "山" * MAX_TITLE_CHARACTERS),
        ("山" * (MAX_TITLE_CHARACTERS + 1), ""),
    ],
)
def test_titles(title: str, expected: str) -> None:
    assert clean_title(title) == expected


@pytest.mark.parametrize(
    ("title", "fragment"), [("句  其一○", True), ("句", True), ("斷句", True), ("絕句", False), ("聯句", False), ("", False)]
)
def test_loose_lines_are_known_by_their_title(title: str, fragment: bool) -> None:
    assert is_fragment(clean_title(title)) is fragment


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("李白", "李白"),
        (" 李 白 ", "李白"),
        ("張說（一作李嶠）", "張說"),
        ("佚名", ""),
        ("無名氏", ""),
        ("阿倍·仲麻吕", "阿倍·仲麻吕"),
        ("Li Bai", ""),
        ("□□", ""),
        ("", ""),
    ],
)
def test_authors(author: str, expected: str) -> None:
    assert clean_author(author) == expected
