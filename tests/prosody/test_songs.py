"""曲: their tunes are found, and they rhyme across tones by the groups of 中原音韵."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from gemma_poetry.errors import UsageError
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.rhyme_books import CILIN, PINGSHUI, XINYUN, YUAN
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.scansion import scan, scan_auto
from gemma_poetry.prosody.song_induction import induce_songs
from gemma_poetry.prosody.tune_patterns import parse_pattern, pattern_text
from gemma_poetry.prosody.tune_scan import scan_tune
from gemma_poetry.prosody.tunes import book_of, shipped_tunes, stanza_breaks
from gemma_poetry.prosody.yuan_rhyme import yuan_readings
from tests.tune_writing import write_lines

AUTUMN = "枯藤老树昏鸦，小桥流水人家，古道西风瘦马。夕阳西下，断肠人在天涯。"
PASS = "峰峦如聚，波涛如怒，山河表里潼关路。望西都，意踌躇。伤心秦汉经行处，宫阙万间都做了土。兴，百姓苦。亡，百姓苦。"


def lines_of(text: str) -> list[str]:
    return text.replace("。", "，").strip("，").split("，")


@pytest.mark.parametrize(
    ("char", "sung"),
    [("东", {"东钟平"}), ("思", {"支思平", "支思仄"}), ("知", {"齐微平"}), ("车", {"鱼模平", "车遮平"}), ("家", {"家麻平"}),
     ("山", {"寒山平"}), ("天", {"先天平"}), ("欢", {"桓欢平"}), ("白", {"皆来平"}), ("月", {"车遮仄"}), ("雪", {"车遮仄"}),
     ("外", {"皆来仄"}), ("学", {"萧豪平", "歌戈平"}), ("国", {"齐微仄"})],
)  # fmt: skip
def test_characters_are_sung_by_the_groups_of_the_yuan(char: str, sung: set[str]) -> None:
    assert {reading.group + reading.tone.value for reading in yuan_readings(readings(char))} == sung


def test_known_songs_are_judged_by_their_names() -> None:
    autumn = scan_tune(lines_of(AUTUMN), "天净沙")
    assert (autumn.verdict, autumn.rhyme_group, autumn.form) == (Verdict.STRICT, "家麻平仄", "天净沙")
    mountain = scan_tune(lines_of(PASS), "山坡羊")
    assert mountain.verdict.passes and mountain.rhyme_group == "鱼模平仄"
    assert scan_auto(lines_of(AUTUMN)).form == "天净沙"


def test_a_word_of_another_group_is_out_of_rhyme() -> None:
    lines = lines_of(AUTUMN)
    lines[1] = "小桥流水人烟"
    (fault,) = scan_tune(lines, "天净沙").faults
    assert (fault.rule, fault.line, fault.expected, fault.actual) == (Rule.RHYME, 2, "家麻", "先天")


def test_padding_characters_are_a_licence_as_far_as_they_are_few() -> None:
    lines = lines_of(AUTUMN)
    lines[2] = "我则见古道西风瘦马"
    padded = scan_tune(lines, "天净沙")
    assert padded.verdict is Verdict.MINOR and [(one.rule, one.line) for one in padded.licences] == [(Rule.PADDING, 3)]
    assert [place.expected for place in padded.places[2]] == list("中中中中仄平平仄中")
    lines[2] = "我则见古道西风瘦驴"
    assert [(fault.rule, fault.line) for fault in scan_tune(lines, "天净沙").faults] == [(Rule.RHYME, 3)]
    lines[2] = "我则见一匹古道西风瘦马"
    assert scan_tune(lines, "天净沙").verdict is Verdict.NOT_JUDGED


def test_a_song_has_one_stanza() -> None:
    lengths = tuple(map(len, lines_of(PASS)))
    assert stanza_breaks("山坡羊", lengths, "，，。，。，。，。，。") == ()


def test_rhyme_words_by_the_book_of_songs() -> None:
    sounds = BookSounds(YUAN, "every")
    assert sounds.rhymes("马", None) == sounds.rhymes("家", None) == {"家麻"}
    assert not sounds.rhymes("学", None) and YUAN.find("家麻") == "家麻"


def test_a_song_goes_by_its_book_unless_another_is_named() -> None:
    assert scan(AUTUMN, "天净沙").book is scan_auto(AUTUMN).book is YUAN
    assert (book_of("天净沙"), book_of("如梦令"), book_of("")) == (YUAN, CILIN, PINGSHUI)
    modern = scan(AUTUMN, "天净沙", book="xinyun")
    assert (modern.book, modern.rhyme_group) == (XINYUN, "一麻平仄") and "曲 (" not in "".join(modern.remarks)
    assert scan(AUTUMN, "天净沙", book=YUAN.name).book is YUAN, "a scansion is made anew by the name of its book"
    assert scan(AUTUMN, "天净沙", book="pingshui").book.title == "平水韵"


def test_words_tell_readings_as_songs_take_them() -> None:
    assert YUAN.tones_by_words("更闻□□□□")[1] is Tone.LEVEL
    assert YUAN.interpret(["一任山月"])[0][1].likely is PINGSHUI.interpret(["一任山月"])[0][1].likely is Tone.OBLIQUE
    word = "不着山月"
    assert PINGSHUI.interpret([word])[0][1].likely and YUAN.interpret([word])[0][1].likely is None, "入 is 平 and 仄 in songs"
    assert 1 in PINGSHUI.tones_by_words(word) and 1 not in YUAN.tones_by_words(word)


@dataclass(frozen=True)
class Text:
    tune: str
    lines: tuple[str, ...]
    marks: str
    mode: str = "越调"
    era: str = "元"


@pytest.mark.parametrize("count", [40, 4])
def test_induction_gives_the_pattern_back(count: int) -> None:
    text = "中平中仄平平a，中平中仄平平a，中仄平平仄仄a。中平中仄，中平中仄平平a。"
    form, draw = parse_pattern(text, "试"), random.Random(1)
    songs = [Text("试", tuple(write_lines(form, draw.choice)), form.marks) for _unused in range(count)]
    padded = Text("试", ("我则见山山山山", *songs[0].lines[1:]), form.marks)
    tune = induce_songs([*songs, padded])["试"]
    (variant,) = tune.variants
    assert (tune.mode, variant.poems, variant.form.line_lengths) == ("越调", count, form.line_lengths)
    assert [bool(slots[-1].rhyme) for slots in variant.form.lines] == [True, True, True, False, True]
    if count > 8:
        assert pattern_text(variant.form) == text


def test_rhymes_of_both_tones_ask_for_none() -> None:
    form, draw = parse_pattern("中平中仄平平a，中平中仄平中a，中仄平平仄仄a。", "试"), random.Random(2)
    songs = [Text("试", tuple(write_lines(form, draw.choice)), form.marks) for _unused in range(40)]
    (variant,) = induce_songs(songs)["试"].variants
    assert [slots[-1].tone for slots in variant.form.lines] == [Tone.LEVEL, None, Tone.OBLIQUE]


def test_the_table_holds_songs() -> None:
    songs = [tune for tune in shipped_tunes().judged.values() if tune.mode]
    assert len(songs) >= 30 and sum(tune.poems for tune in songs) >= 700


@pytest.mark.parametrize(
    ("form", "text"), [("五言绝句", "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"), ("如梦令", AUTUMN), ("词", AUTUMN)]
)
def test_the_book_of_songs_is_refused_for_other_verse(form: str, text: str) -> None:
    with pytest.raises(UsageError, match="of 曲, and of no other verse"):
        scan(text, form, book="yuan")


@pytest.mark.parametrize("form", ["七言绝句", "六言诗", "如梦令"])
def test_nothing_but_a_song_is_written_by_the_book_of_songs(form: str) -> None:
    with pytest.raises(UsageError, match="of 曲, and of no other verse"):
        prescribe(PoemRequest(form, book="yuan"))
    assert prescribe(PoemRequest("天净沙", book="中原音韵")).book is YUAN


def test_the_book_of_songs_finds_the_song_that_lines_suggest() -> None:
    assert scan_auto(AUTUMN, book="yuan").form == "天净沙" == scan(AUTUMN, "天净沙", book="yuan").form
    with pytest.raises(UsageError, match="中原音韵"):
        scan_auto("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", book="yuan")
