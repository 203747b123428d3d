"""Japanese haiku: morae from kana, readings in brackets and the analyser; season words."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.poem import RefusedError, SourcePoem
from gemma_poetry.domains import japanese_sounds
from gemma_poetry.domains.japanese_haiku import JapaneseHaiku, season_words
from gemma_poetry.domains.japanese_sounds import count_morae, read_line

DOMAIN = JapaneseHaiku()
POND = ["古池や", "蛙飛びこむ", "水の音"]


@pytest.mark.parametrize(
    ("kana", "morae"),
    [("ふるいけや", 5), ("きゃく", 2), ("がっこう", 4), ("きょうと", 3), ("ラーメン", 4), ("ティー", 2), ("ん", 1), ("", 0)],
)
def test_morae(kana, morae):
    assert count_morae(kana) == morae


def test_kana_and_readings_in_brackets_need_no_analyser(monkeypatch):
    monkeypatch.setattr(japanese_sounds, "_analyser", lambda: None)
    assert read_line("ふるいけや、").morae == 5
    read = read_line("古池（ふるいけ）や")
    assert (read.kana, read.morae, read.given, read.unknown) == ("ふるいけや", 5, True, ())
    read = read_line("古池や")
    assert (read.unknown, read.given) == (((1, "古池"),), False), "nothing is guessed"


def test_the_analyser_reads_kanji():
    pytest.importorskip("sudachidict_small")
    found = DOMAIN.check(POND, "俳句")
    assert (found["verdict"], found["every_reading"]) == ("minor", False), "the reading taken keeps it; others may not"
    assert [count_morae(reading) for reading in found["readings"]] == [5, 7, 5]
    assert found["season_words"] == [{"word": "蛙", "season": "春"}]
    unknown = DOMAIN.check(["𠮷野山や", *POND[1:]], "俳句")
    assert unknown["unknown"] == [{"line": 1, "position": 1, "word": "𠮷"}] and unknown["verdict"] == "not-judged"


@pytest.mark.parametrize(
    ("lines", "form", "verdict", "faults"),
    [
        (["はつゆきや", "ちいさきくつの", "みぎひだり"], "俳句", "strict", []),
        (["はつゆきや", "ちいさきくつの", "みぎひだり"], "有季俳句", "strict", []),
        (["えきまえの", "くつみがきだけ", "そらをみる"], "有季俳句", "fail", [(0, "season word")]),
        (["はつゆき", "ちいさきくつの", "みぎひだり"], "俳句", "fail", [(1, "morae")]),
        (["はつゆきや", "みぎひだり"], "俳句", "fail", [(0, "lines")]),
        (["はつゆきや", "ちいさきshoes", "みぎひだり"], "俳句", "fail", [(2, "script")]),
        (["どうしようもない", "わたしがあるいている"], "自由律俳句", "not-judged", []),
    ],
)
def test_verdicts(lines, form, verdict, faults):
    found = DOMAIN.check(lines, form)
    assert (found["verdict"], [(one["line"], one["rule"]) for one in found["faults"]]) == (verdict, faults)


def test_of_season_words_the_longest_counts():
    assert season_words("あかとんぼ") == [("あかとんぼ", "秋")]
    assert season_words("えきまえの") == []


@pytest.mark.parametrize(
    ("paragraphs", "lines", "form"),
    [
        (("はつゆきや ちいさきくつの みぎひだり",), ("はつゆきや", "ちいさきくつの", "みぎひだり"), "有季俳句"),
        (("えきまえの、", "くつみがきだけ", "そらをみる。"), ("えきまえの", "くつみがきだけ", "そらをみる"), "俳句"),
        (("古池（ふるいけ）や", "蛙（かわず）飛（と）びこむ", "水（みず）の音（おと）"), tuple(POND), "有季俳句"),
        (("どうしようもない", "わたしがあるいている"), ("どうしようもない", "わたしがあるいている"), "自由律俳句"),
    ],
)
def test_cleaning(paragraphs, lines, form):
    poem = DOMAIN.clean(SourcePoem(paragraphs, "x#1"))
    assert (poem.lines, poem.form, poem.text) == (lines, form, "".join(line + "\n" for line in lines))


@pytest.mark.parametrize(
    ("text", "reason"), [("Furuike ya", "mixed scripts (Latin)"), ("한글 시", "mixed scripts (Hangul)"), ("、。", "no text")]
)
def test_what_is_left_out_has_a_reason(text, reason):
    with pytest.raises(RefusedError) as caught:
        DOMAIN.clean(SourcePoem((text,), "x#1"))
    assert caught.value.reason == reason


def test_kanji_without_an_analyser_are_left_out_not_guessed(monkeypatch):
    monkeypatch.setattr(japanese_sounds, "_analyser", lambda: None)
    with pytest.raises(RefusedError, match="reading is not known"):
        DOMAIN.clean(SourcePoem(tuple(POND), "x#1"))


def test_a_file_of_one_haiku_a_line():
    text = "# 春\nはるのあさ ねこがさきゆく さかのみち\nさくらちる だれもいわずに ふねがでる\n"
    assert [poem.paragraphs for poem in DOMAIN.divide(text, "a.txt")] == [
        ("はるのあさ", "ねこがさきゆく", "さかのみち"),
        ("さくらちる", "だれもいわずに", "ふねがでる"),
    ]
