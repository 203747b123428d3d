"""Japanese haiku: morae from kana, readings in brackets and the analyser; season words."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest

from gemma_poetry.corpus.poem import Poem, RefusedError, SourcePoem
from gemma_poetry.data.prompts import conditions_of, dropped_conditions
from gemma_poetry.domains import japanese_haiku, japanese_sounds
from gemma_poetry.domains.japanese_haiku import JapaneseHaiku, SeasonWord, season_words
from gemma_poetry.domains.japanese_sounds import count_morae, read_line
from gemma_poetry.errors import ConstraintError, UsageError

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
    assert read_line("ふるいけや、").by_morae == {5: "ふるいけや"}
    read = read_line("古池（ふるいけ）や")
    assert (read.kana, read.by_morae, read.unknown) == ("ふるいけや", {5: "ふるいけや"}, ())
    assert read_line("古池や").unknown == ((1, "古池"),), "nothing is guessed"


class Morpheme:
    def __init__(self, surface: str, reading: str, unknown: bool = False, kind: str = "普通名詞") -> None:
        self._surface, self._reading, self._unknown, self._kind = surface, reading, unknown, kind

    def surface(self):
        return self._surface

    def reading_form(self):
        return self._reading

    def is_oov(self):
        return self._unknown

    def part_of_speech(self):
        return ("名詞", "固有名詞", self._kind)


class Analyser:
    """An analyser of a few words, in the interface of SudachiPy."""

    WORDS: ClassVar = {
        "音": ["オト", "オン", "ネ"],
        "明日": ["アス", "アシタ", "ミョウニチ"],
        "夢": ["ユメ", "ム"],
        "一": ["イチ", "ヒト"],
    }

    @property
    def dictionary(self):
        return self

    @property
    def tokenizer(self):
        return self

    def tokenize(self, text):
        return [
            Morpheme(part, self.WORDS.get(part, [part])[0], part not in self.WORDS or part == "一")
            for part in re.findall("明日|[ぁ-ん]+|.", text)
        ]

    def lookup(self, surface):
        people = [Morpheme(surface, "ユメノ", kind="人名")] if surface == "夢" else []
        return [*(Morpheme(surface, reading) for reading in self.WORDS.get(surface, ())), *people]


@pytest.mark.parametrize(
    ("line", "kana", "by_morae", "unknown"),
    [
        ("音のする", "オトのする", {4: "ネのする", 5: "オトのする"}, ()),
        ("明日の音", "アスのオト", {4: "アスのネ", 5: "アスのオト", 6: "アシタのオト", 7: "ミョウニチのオト"}, ()),
        ("夢", "ユメ", {1: "ム", 2: "ユメ"}, ()),
        ("一", "イチ", {2: "イチ"}, ()),
        ("鬱の音", "のオト", {2: "のネ", 3: "のオト"}, ((1, "鬱"),)),
    ],
)
def test_readings_are_sets(monkeypatch, line, kana, by_morae, unknown):
    monkeypatch.setattr(japanese_sounds, "_analyser", Analyser)
    read = read_line(line)
    assert (read.kana, read.by_morae, read.unknown) == (kana, by_morae, unknown)


@pytest.mark.parametrize(
    ("first", "verdict", "every", "licences"),
    [
        ("はつゆきや", "strict", True, []),
        ("夢（ゆめ）をみる", "strict", True, []),
        ("一（ひと）つめの", "strict", True, []),
        ("音をきく", "minor", False, []),
        ("明日もゆく", "minor", False, []),
        ("明日ゆく", "rescued", False, [("アスゆく", "アシタゆく")]),
        ("夢をみるよ", "rescued", False, [("ユメをみるよ", "ムをみるよ")]),
        ("明日へ", "rescued", False, [("アスへ", "ミョウニチへ")]),
        ("音", "fail", False, []),
        ("鬱をきく", "not-judged", False, []),
    ],
)
def test_the_tiers(monkeypatch, first, verdict, every, licences):
    monkeypatch.setattr(japanese_sounds, "_analyser", Analyser)
    found = DOMAIN.check([first, "ちいさきくつの", "みぎひだり"], "俳句").to_record()
    told = [(one["expected"], one["actual"]) for one in found["licences"]]
    assert (found["verdict"], found["every_reading"], told) == (verdict, every, licences)


def test_the_analyser_reads_kanji():
    pytest.importorskip("sudachidict_small")
    found = DOMAIN.check(POND, "俳句").to_record()
    assert (found["verdict"], found["every_reading"]) == ("minor", False), "音 may be read ね as well"
    assert [count_morae(reading) for reading in found["readings"]] == [5, 7, 5]
    assert found["season_words"] == [{"word": "蛙", "season": "春"}]
    unknown = DOMAIN.check(["𠮷野山や", *POND[1:]], "俳句").to_record()
    assert unknown["unknown"] == [{"line": 1, "position": 1, "word": "𠮷"}] and unknown["verdict"] == "not-judged"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ("夏草や|兵どもが|夢の跡", "rescued"),
        ("菜の花や|月は東に|日は西に", "minor"),
        ("荒海や|佐渡に横たふ|天の川", "minor"),
        ("目には青葉|山時鳥|初鰹", "fail"),
        ("旅に病んで|夢は枯野を|かけ廻る", "fail"),
    ],
)
def test_haiku_that_everybody_knows(lines, verdict):
    pytest.importorskip("sudachidict_small")
    assert DOMAIN.check(lines.split("|"), "俳句").to_record()["verdict"] == verdict, (
        "the last two have six morae in the first line"
    )


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("春", "春"),
        ("さくら", "春・桜"),
        ("桜", "春・桜"),
        ("春・桜", "春・桜"),
        (" あかとんぼ ", "秋・赤蜻蛉"),
        ("新年", "新年"),
    ],
)
def test_a_season_word_is_found_by_any_spelling(wish, name):
    assert DOMAIN.feature_name(wish) == name


def test_an_unknown_season_word_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="あかとんぼ"):
        DOMAIN.feature_name("あかとん")


def test_prompts_name_the_season_word_that_the_poem_has():
    haiku = DOMAIN.clean(SourcePoem(("はつゆきや", "ちいさきくつの", "みぎひだり"), "x#1", title="ゆき"))
    assert conditions_of(haiku, DOMAIN.template).prompt() == "形式：有季俳句\n題：ゆき\n季語：冬・初雪\n句：\n"
    plain = DOMAIN.clean(SourcePoem(("えきまえの", "くつみがきだけ", "そらをみる"), "x#2"))
    assert conditions_of(plain, DOMAIN.template).prompt() == "形式：俳句\n句：\n"
    dropped = dropped_conditions(haiku, title_dropout=1.0, author_dropout=0.0, seed=1, template=DOMAIN.template)
    assert dropped.prompt() == "形式：有季俳句\n句：\n"


@pytest.mark.parametrize(
    ("lines", "feature", "faults"),
    [
        (["さくらちる", "だれもいわずに", "ふねがでる"], "春・桜", []),
        (["桜散る", "だれもいわずに", "ふねがでる"], "春", []),
        (["さくらちる", "だれもいわずに", "ふねがでる"], "冬", [("season word", "冬", "さくら")]),
        (["えきまえの", "くつみがきだけ", "そらをみる"], "春・桜", [("season word", "春・桜", "none")]),
    ],
)
def test_the_season_word_that_was_asked_for_is_checked(monkeypatch, lines, feature, faults):
    monkeypatch.setattr(japanese_sounds, "_analyser", lambda: None)
    found = DOMAIN.check_poem(Poem(tuple(lines), "\n" * len(lines)), "俳句", feature).to_record()
    assert [(one["rule"], one["expected"], one["actual"]) for one in found["faults"]] == faults
    assert (found["verdict"] == "fail") is bool(faults)


@pytest.mark.parametrize(("word", "line"), [("桜", 2), ("海水浴", 1), ("春", 2)])
def test_the_line_that_a_season_word_ends(word, line):
    feature = DOMAIN.feature_name(word)
    narrowed = DOMAIN.narrowed(DOMAIN.measure("俳句"), feature)
    assert [bool(one.groups) for one in narrowed.lines] == [number == line for number in range(3)]
    assert all(group.startswith(feature) for group in narrowed.lines[line].groups)
    assert [one.cost for one in narrowed.lines] == [5, 7, 5]


def test_a_season_word_that_cannot_end_a_line_is_refused(monkeypatch):
    monkeypatch.setattr(japanese_haiku, "season_list", lambda: (SeasonWord(("飛蝗", "ばった"), "秋"),))
    with pytest.raises(ConstraintError, match="秋・飛蝗"):
        DOMAIN.narrowed(DOMAIN.measure("俳句"), "秋・飛蝗")


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
    found = DOMAIN.check(lines, form).to_record()
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
