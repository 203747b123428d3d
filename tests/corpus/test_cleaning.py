"""What becomes of the text of a source: lines and marks, or a reason to leave the poem out."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.cleaning import RejectedError, Rejection, clean_lines, layout_of
from gemma_poetry.corpus.poem import Poem

QUATRAIN = ("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")


@pytest.mark.parametrize(
    ("paragraphs", "why"),
    [
        (["床前明月光，疑是地上霜。", "举头望明月，低头思故乡。"], "as the collection has it"),
        (["床前明月光，疑是地上霜。举头望明月，低头思故乡"], "no final mark"),
        (["床前明月光,疑是地上霜.", "举头望明月,低头思故乡."], "half-width marks"),
        (["　　床前明月光， 疑是地上霜。\u200b", " 举头望明月，\u00a0低头思故乡。"], "white space at marks and ends"),
        (["床前明月光，疑是地上霜", "举头望明月，低头思故乡"], "paragraphs without a closing mark"),
        (["床前明月光 疑是地上霜", "举头望明月 低头思故乡"], "no marks at all"),
        (["床前明月光疑是地上霜举头望明月低头思故乡"], "nothing between the lines at all: their rhyme tells them"),
        (
            ["床前明月光（一作「看月光」），疑是地上霜。", "举头望明月（一本作「山月」。", "），低头思故乡。"],
            "notes, one across paragraphs",
        ),
        (["床前[明]月光[1]，疑是地上霜①。", "举头望明月，低头思〔故〕乡。"], "supplied characters stay, footnotes go"),
        (["〔黄鍾宮〕床前明月光，疑是地上霜。", "举头望明月，低头思故乡。"], "a long note in 〔〕"),
        (["“床前明月光，疑是地上霜。", "举头望《明月》，低头思「故乡」。”"], "quotation and title marks"),
        (["床前明月光，疑是地上霜。", "", "举头望明月，低头思故乡。（见《李集》卷六（上））"], "nested note, empty paragraph"),
    ],
)
def test_every_spelling_of_a_poem_gives_the_same_lines(paragraphs: list[str], why: str) -> None:
    assert clean_lines(paragraphs) == (QUATRAIN, "，。，。"), why


@pytest.mark.parametrize(
    ("text", "lines", "marks"),
    [
        ("对酒当歌，人生几何！譬如朝露；去日苦多？", ("对酒当歌", "人生几何", "譬如朝露", "去日苦多"), "，。。。"),
        ("问春桂：桃李正芬华，", ("问春桂", "桃李正芬华"), "，。"),
        ("会天正、星拱奏严更。", ("会天正星拱奏严更",), "。"),
        ("塺々浮云。昼昏。", ("塺塺浮云", "昼昏"), "。。"),
        ("𠀋尺𪚥龘，㐀山。", ("𠀋尺𪚥龘", "㐀山"), "，。"),
        ("郎\uf92c来，\ufa11岭。", ("郎郎来", "\ufa11岭"), "，。"),
        ("春来，。，花开。", ("春来", "花开"), "。。"),
        ("何如肆辙迹？万里赏瑶池。", ("何如肆辙迹", "万里赏瑶池"), "。。"),
        ("绿堤春草合，王孙自留玩/。", ("绿堤春草合", "王孙自留玩"), "，。"),
    ],
)
def test_marks_and_characters(text: str, lines: tuple[str, ...], marks: str) -> None:
    assert clean_lines([text]) == (lines, marks)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Rejection.EMPTY),
        ("。", Rejection.EMPTY),
        ("（存目）", Rejection.EMPTY),
        ("花在枝。□□□□□，彻晓纱窗下。", Rejection.LOST),
        ("花在枝，○○绿水，明月夜。", Rejection.LOST),
        ("……天地包羞日，山河匿怨中。", Rejection.LOST),
        ("春風？度玉門關，黃河遠上白雲間。一片孤城萬仞山。", Rejection.LOST),
        ("万里桥边客，（下缺）", Rejection.LOST),
        ("花？？开，月明。", Rejection.LOST),
        ("疲{艹/尔}竟何人，灑涕巴東峽。", Rejection.UNENCODED),
        ("林⿰木养生涯，一舟轻。", Rejection.UNENCODED),
        ("香爐\ue064下客，掩門。", Rejection.UNENCODED),
        ("千尺絲輪0直下，一波隨。", Rejection.LATIN),
        ("春天 hello，花开。", Rejection.LATIN),
        ("倚杖け然长啸，万里。", Rejection.DAMAGED),
        ("一\ufffd曲水，鳞鳞。", Rejection.DAMAGED),
        ("春眠不觉晓🌸，处处闻啼鸟。", Rejection.SYMBOLS),
        ("雪后月华明*胆瓶，无限清。", Rejection.SYMBOLS),
        ("居人笑老子，醉髮亂鬅鬙）。", Rejection.BRACKETS),
        ("詩題：九日集句首句：高秋寓目更徘徊。", Rejection.EDITORIAL),
        ("信脚到太古。《誠齋集》卷一一四。", Rejection.EDITORIAL),
        ("尽把师　归美，能几。", Rejection.GAP),
        ("尽" + " " * 64_000 + "把，能几。", Rejection.GAP),
        ("（" * 16_000 + "春眠不觉晓，处处闻啼鸟。", Rejection.EDITORIAL),
        ("（" * 16_000 + "）" * 16_000 + "春眠不觉晓，处处闻啼鸟。", Rejection.BRACKETS),
        ("床前明月光疑是地上霜举头望明月低头思故人", Rejection.PROSE),
        ("人人只知登樓賞翫向天邊覓殊不知自己衣單下有箇光明，信得及。", Rejection.PROSE),
    ],
)
def test_damaged_poems_are_refused_with_the_reason(text: str, reason: Rejection) -> None:
    with pytest.raises(RejectedError) as caught:
        clean_lines([text])
    assert caught.value.reason is reason


def test_a_question_mark_for_a_character_is_told_from_a_question() -> None:
    """Filled in, the lost character makes a line as long as its neighbours; a question does not."""
    with pytest.raises(RejectedError) as caught:
        clean_lines(["誰家玉笛暗飛聲，散入春？滿洛城。", "此夜曲中聞折柳，何人不起故園情。"])
    assert caught.value.reason is Rejection.LOST
    lines, marks = clean_lines(["長戟今何在？孤墳此路傍。", "不觀松柏茂，空餘荆棘場。"])
    assert list(map(len, lines)) == [5, 5, 5, 5]
    assert marks == "。。，。"


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("春眠不觉晓！处处闻啼鸟？\n\n　夜来风雨声；花落知多少……", "！？；。"),
        ("「春眠不觉晓,」处处闻啼鸟.", "，。"),
        ("春眠（一作春色）不觉晓，处々闻啼鸟（自注：春日）。", "，。"),
        ("春眠不觉晓 处处闻啼鸟", "，。"),
    ],
)
def test_a_text_is_set_again_as_it_was(text: str, marks: str) -> None:
    """Rows, marks and notes stay whatever its characters become."""
    lines, usual = clean_lines([text.replace("…", "")])
    poem = Poem(lines, usual, layout=layout_of(text, lines))
    assert poem.laid_out == text and poem.own_marks == marks
    other = Poem(("花" * 5, *lines[1:]), usual, layout=poem.layout)
    assert other.laid_out.replace("花" * 2, "春眠", 1).replace("花" * 3, "不觉晓", 1) == text
    assert Poem(lines[1:], usual[1:], layout=poem.layout).laid_out == "", "no layout of another poem"


def test_lines_that_are_not_all_of_a_text_have_no_layout() -> None:
    lines, _ = clean_lines(["春眠不觉晓，处处闻啼鸟。"])
    assert layout_of("一、春眠不觉晓，处处闻啼鸟。", lines) == layout_of("□春眠不觉晓，处处闻啼鸟。", lines) == ""
