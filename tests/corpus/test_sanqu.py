"""Records of running songs are divided where the lines of their tune end, and subjects are taken off."""

from __future__ import annotations

from collections.abc import Sequence

from gemma_poetry.corpus.poem import SourcePoem
from gemma_poetry.corpus.sanqu import sanqu_songs

SAND = (
    "枯藤老树昏鸦，小桥流水人家，古道西风瘦马。夕阳西下，断肠人在天涯。",
    "长江万里归帆，西风几度阳关，依旧红尘满眼。夕阳新雁，此情时拍阑干。",
    "江亭远树残霞，淡烟芳草平沙，绿柳阴中系马。夕阳西下，水村山郭人家。",
    "数声短笛沧州，半江远水孤舟，愁更浓如病酒。夕阳时候，断肠人倚西楼。",
)


def records(*told: tuple[str, str, str]) -> list[SourcePoem]:
    return [SourcePoem((text,), str(number), title=title, author=author) for number, (title, author, text) in enumerate(told)]


def told(poems: Sequence[SourcePoem]) -> list[tuple[str, str, str]]:
    return [(song.mode, song.tune, "".join(map(str.__add__, song.lines, song.marks))) for song in sanqu_songs(poems)]


def sand(*texts: str) -> list[tuple[str, str, str]]:
    return [("越调", "天净沙", text) for text in texts]


def test_songs_that_run_together_are_divided_and_lose_their_subjects() -> None:
    poems = records(
        ("越调・天净沙秋思", "甲", SAND[0]),
        ("越调・天净沙", "乙", SAND[1] + "晚步" + SAND[2] + "重游感旧" + SAND[3]),
        ("越调・天净沙", "丙", SAND[3]),
    )
    assert told(poems) == sand(SAND[0], SAND[1], SAND[2], SAND[3], SAND[3])


def test_what_is_no_short_song_is_left_out() -> None:
    poems = records(
        ("越调・天净沙", "甲", SAND[0]),
        ("越调・天净沙", "乙", SAND[1] + "套数。"),
        ("越调・天净沙过清江引", "丙", SAND[2]),
        ("诈妮子调风月・天净沙", "丁", SAND[2]),
        ("越调・天净沙", "戊", SAND[3]),
        ("尾", "戊", SAND[2]),
    )
    assert told(poems) == sand(SAND[0], SAND[1])


def test_damaged_and_padded_songs_are_passed_over() -> None:
    padded = "我则见这枯藤老树昏鸦，小桥流水人家，古道西风瘦马。夕阳西下，俺断肠人正在天涯。"
    poems = records(
        ("越调・天净沙", "甲", SAND[0] + padded + SAND[1]),
        ("越调・天净沙", "乙", SAND[1]),
        ("越调・天净沙", "戊", SAND[2].replace("芳", "□")),
        ("越调・天净沙", "丙", SAND[2]),
    )
    assert told(poems) == sand(SAND[0], SAND[1], SAND[1], SAND[2])


def test_songs_of_one_tune_under_two_names_are_read_together() -> None:
    poems = records(("双调・寿阳曲", "甲", "云笼月，风弄铁，两般儿助人凄切。剔银灯欲将心事写，长吁气一声吹灭。"),
                    ("双调・落梅风", "乙", "鱼吹浪，雁落沙，倚吴山翠屏高挂。看江潮鼓声千万家，卷朱帘玉人如画。"))  # fmt: skip
    assert {tune for _mode, tune, _text in told(poems)} == {"落梅风"}
