"""Famous 词 and their verdicts; one changed character is reported at its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_poetry.errors import TextError, UnknownFormError
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rules import Rule, Verdict
from gemma_poetry.prosody.tune_fit import fit_variants
from gemma_poetry.prosody.tune_scan import guess_tune, scan_tune
from gemma_poetry.prosody.tunes import shipped_tunes
from tests.tune_writing import PLAIN, write_lines

POEMS = {
    "温庭筠": "小山重叠金明灭，鬓云欲度香腮雪。懒起画蛾眉，弄妆梳洗迟。照花前后镜，花面交相映。新帖绣罗襦，双双金鹧鸪。",
    "李煜": "春花秋月何时了，往事知多少。小楼昨夜又东风，故国不堪回首月明中。雕栏玉砌应犹在，只是朱颜改。问君能有几多愁，"
    "恰似一江春水向东流。",
    "苏轼中秋": "明月几时有，把酒问青天。不知天上宫阙，今夕是何年。我欲乘风归去，又恐琼楼玉宇，高处不胜寒。起舞弄清影，"
    "何似在人间。转朱阁，低绮户，照无眠。不应有恨，何事长向别时圆。人有悲欢离合，月有阴晴圆缺，此事古难全。但愿人长久，"
    "千里共婵娟。",
    "苏轼赤壁": "大江东去，浪淘尽，千古风流人物。故垒西边，人道是，三国周郎赤壁。乱石穿空，惊涛拍岸，卷起千堆雪。江山如画，"
    "一时多少豪杰。遥想公瑾当年，小乔初嫁了，雄姿英发。羽扇纶巾，谈笑间，樯橹灰飞烟灭。故国神游，多情应笑我，早生华发。"
    "人生如梦，一尊还酹江月。",
    "李清照溪亭": "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。",
    "李清照雨疏": "昨夜雨疏风骤，浓睡不消残酒。试问卷帘人，却道海棠依旧。知否，知否，应是绿肥红瘦。",
    "岳飞": "怒发冲冠，凭栏处潇潇雨歇。抬望眼，仰天长啸，壮怀激烈。三十功名尘与土，八千里路云和月。莫等闲，白了少年头，空悲切。"
    "靖康耻，犹未雪。臣子恨，何时灭。驾长车，踏破贺兰山缺。壮志饥餐胡虏肉，笑谈渴饮匈奴血。待从头收拾旧山河，朝天阙。",
    "晏殊": "一曲新词酒一杯，去年天气旧亭台。夕阳西下几时回。无可奈何花落去，似曾相识燕归来。小园香径独徘徊。",
    "辛弃疾西江": "明月别枝惊鹊，清风半夜鸣蝉。稻花香里说丰年，听取蛙声一片。七八个星天外，两三点雨山前。"
    "旧时茅店社林边，路转溪桥忽见。",
    "柳永": "伫倚危楼风细细，望极春愁，黯黯生天际。草色烟光残照里，无言谁会凭阑意。拟把疏狂图一醉，对酒当歌，强乐还无味。"
    "衣带渐宽终不悔，为伊消得人憔悴。",
    "苏轼十年": "十年生死两茫茫。不思量，自难忘。千里孤坟，无处话凄凉。纵使相逢应不识，尘满面，鬓如霜。夜来幽梦忽还乡。小轩窗，"
    "正梳妆。相顾无言，惟有泪千行。料得年年肠断处，明月夜，短松冈。",
    "秦观": "纤云弄巧，飞星传恨，银汉迢迢暗度。金风玉露一相逢，便胜却人间无数。柔情似水，佳期如梦，忍顾鹊桥归路。"
    "两情若是久长时，又岂在朝朝暮暮。",
    "辛弃疾元夕": "东风夜放花千树。更吹落星如雨。宝马雕车香满路。凤箫声动，玉壶光转，一夜鱼龙舞。蛾儿雪柳黄金缕。"
    "笑语盈盈暗香去。众里寻他千百度。蓦然回首，那人却在，灯火阑珊处。",
    "李清照秋": "寻寻觅觅，冷冷清清，凄凄惨惨戚戚。乍暖还寒时候，最难将息。三杯两盏淡酒，怎敌他晚来风急。雁过也，正伤心，"
    "却是旧时相识。满地黄花堆积。憔悴损，如今有谁堪摘。守着窗儿，独自怎生得黑。梧桐更兼细雨，到黄昏点点滴滴。这次第，"
    "怎一个愁字了得。",
    "传李白": "箫声咽。秦娥梦断秦楼月。秦楼月。年年柳色，灞陵伤别。乐游原上清秋节。咸阳古道音尘绝。音尘绝。"
    "西风残照，汉家陵阙。",
    "陆游": "驿外断桥边，寂寞开无主。已是黄昏独自愁，更著风和雨。无意苦争春，一任群芳妒。零落成泥碾作尘，只有香如故。",
    "苏轼定风波": "莫听穿林打叶声，何妨吟啸且徐行。竹杖芒鞋轻胜马，谁怕，一蓑烟雨任平生。料峭春风吹酒醒，微冷，山头斜照却相迎。"
    "回首向来萧瑟处，归去，也无风雨也无晴。",
    "辛弃疾破阵": "醉里挑灯看剑，梦回吹角连营。八百里分麾下炙，五十弦翻塞外声，沙场秋点兵。马作的卢飞快，弓如霹雳弦惊。"
    "了却君王天下事，赢得生前身后名，可怜白发生。",
}  # fmt: skip


def lines_of(text: str) -> list[str]:
    return [line for line in re.split("[，。]", text) if line]


# tune, poem, verdict, rhyme, faults as rule line.position expected/actual, why
CASES = [
    ("菩萨蛮", "温庭筠", Verdict.STRICT, "第十八部、第三部平、第十一部仄、第四部平", [], "four rhymes"),
    ("虞美人", "李煜", Verdict.STRICT, "第八部仄、第一部平、第五部仄、第十二部平", [], "four rhymes"),
    ("水调歌头", "苏轼中秋", Verdict.MINOR, "第七部平", [], "4+7 where most have 6+5"),
    (
        "念奴娇",
        "苏轼赤壁",
        Verdict.FAIL,
        "第十八部",
        ["RHYME 6.6 第十八部/第十七部"],
        "壁 is 第十七部: the poem is known to mix",
    ),
    ("如梦令", "李清照溪亭", Verdict.STRICT, "第四部仄", [], ""),
    ("如梦令", "李清照雨疏", Verdict.STRICT, "第十二部仄", [], ""),
    ("满江红", "岳飞", Verdict.FAIL, "第十八部", ["TONE 12.2 平/仄"], "94% have 平 in the second place of 犹未雪"),
    (
        "浣溪沙",
        "晏殊",
        Verdict.FAIL,
        "第三部平",
        ["RHYME 2.7 第三部/第五部", "RHYME 5.7 第三部/第五部"],
        "台 is 臺, 来 is 咍, the others 灰",
    ),
    ("西江月", "辛弃疾西江", Verdict.STRICT, "第七部平仄", [], "one part in both tones"),
    ("蝶恋花", "柳永", Verdict.STRICT, "第三部仄", [], ""),
    ("江城子", "苏轼十年", Verdict.STRICT, "第二部平", [], ""),
    ("鹊桥仙", "秦观", Verdict.STRICT, "第四部仄", [], ""),
    ("青玉案", "辛弃疾元夕", Verdict.STRICT, "第四部仄", [], ""),
    ("声声慢", "李清照秋", Verdict.MINOR, "第十七部", [], "the variant in 仄; divided otherwise"),
    ("忆秦娥", "传李白", Verdict.STRICT, "第十八部", [], "two lines repeated"),
    ("卜算子", "陆游", Verdict.STRICT, "第四部仄", [], ""),
    ("定风波", "苏轼定风波", Verdict.STRICT, "第十一部平、第十部仄、第十一部仄、第四部仄", [], "仄 rhymes within a 平 rhyme"),
]


@pytest.mark.parametrize(("tune", "poem", "verdict", "rhyme", "faults", "why"), CASES)
def test_famous_poems(tune: str, poem: str, verdict: Verdict, rhyme: str, faults: list[str], why: str) -> None:
    scansion = scan_tune(lines_of(POEMS[poem]), tune)
    found = [f"{fault.rule.name} {fault.line}.{fault.position} {fault.expected}/{fault.actual}" for fault in scansion.faults]
    assert (scansion.verdict, scansion.rhyme_group, found) == (verdict, rhyme, faults), why


@pytest.mark.parametrize(("tune", "poem"), [case[:2] for case in CASES])
def test_tune_is_guessed_from_the_lines(tune: str, poem: str) -> None:
    found = guess_tune(lines_of(POEMS[poem]))
    assert found is not None and found.name == tune


def test_verse_is_no_tune() -> None:
    assert guess_tune(lines_of("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")) is None


def test_division_is_a_licence_with_both_divisions() -> None:
    scansion = scan_tune(lines_of(POEMS["苏轼中秋"]), "水调歌头")
    assert [(found.rule, found.line, found.expected, found.actual) for found in scansion.licences] == [
        (Rule.DIVISION, 13, "6+5", "4+7")
    ]


@pytest.mark.parametrize(
    ("poem", "tune", "line", "position", "tones", "expected", "taken", "reason"),
    [
        ("李清照雨疏", "如梦令", 1, 4, "平仄", "平", "魚", "metre"),
        ("李清照雨疏", "如梦令", 5, 2, "仄", "仄", "有", "rhyme"),
        ("李清照雨疏", "如梦令", 7, 1, "平仄", "中", "", ""),
        ("李煜", "虞美人", 1, 1, "平", "中", "諄", "only reading"),
        ("李煜", "虞美人", 1, 5, "平", "平", "歌", "word 何時"),
        ("李煜", "虞美人", 3, 7, "平", "平", "東", "usage"),
    ],
)
def test_readings_taken(
    poem: str, tune: str, line: int, position: int, tones: str, expected: str, taken: str, reason: str
) -> None:
    place = scan_tune(lines_of(POEMS[poem]), tune).places[line - 1][position - 1]
    assert (place.tones, place.expected, place.taken.rhyme if place.taken else "") == (tones, expected, taken)
    assert place.reason.startswith(reason) and bool(place.reason) is bool(reason)


def test_rhymes_are_marked_in_their_places() -> None:
    places = scan_tune(lines_of(POEMS["李煜"]), "虞美人").places
    assert "".join(line[-1].rhyme for line in places) == "aabbccdd"
    assert not any(place.rhyme for line in places for place in line[:-1])


def test_a_reading_that_usage_rules_out_still_saves_a_poem() -> None:
    # 不 is 仄 inside the lines of regulated verse; 平 it is only by a reading that the poem needs.
    lines = lines_of(POEMS["陆游"].replace("已是黄昏", "已是不昏"))
    assert scan_tune(lines, "卜算子").verdict is Verdict.STRICT


@pytest.mark.parametrize(
    ("poem", "tune", "old", "new", "fault", "why"),
    [
        ("温庭筠", "菩萨蛮", "懒起", "懒山", ("TONE", 3, 2, "仄", "平"), "second place of line 3"),
        ("温庭筠", "菩萨蛮", "弄妆梳洗迟", "弄妆梳洗年", ("RHYME", 4, 5, "第三部", "第七部"), "眉 and 年"),
        ("李清照溪亭", "如梦令", "争渡，争渡", "争渡，争路", ("ECHO", 6, 0, "争渡", "争路"), "叠句"),
        ("传李白", "忆秦娥", "音尘绝。西风", "西风绝。西风", ("ECHO", 8, 0, "音尘绝", "西风绝"), "叠句"),
        ("陆游", "卜算子", "寂寞开无主", "寂寞开无人主", ("SHAPE", 2, 0, "5", "6"), "a character too many"),
        ("陆游", "卜算子", "更著风和雨。", "更著风和雨。风和雨。", ("SHAPE", 5, 0, "0", "3"), "a line too many"),
        ("陆游", "卜算子", "驿外断桥边，", "", ("SHAPE", 1, 0, "5", "0"), "a line too few"),
    ],
)
def test_one_change_is_one_fault(
    poem: str, tune: str, old: str, new: str, fault: tuple[str, int, int, str, str], why: str
) -> None:
    text = POEMS[poem].replace(old, new, 1)
    assert text != POEMS[poem]
    scansion = scan_tune(lines_of(text), tune)
    (found,) = scansion.faults
    assert (found.rule.name, found.line, found.position, found.expected, found.actual) == fault, why
    assert scansion.verdict is Verdict.FAIL and not scansion.every_reading


def test_wrong_tone_is_remarked_with_how_usual_the_right_one_is() -> None:
    (remark,) = scan_tune(lines_of(POEMS["岳飞"]), "满江红").remarks
    assert re.fullmatch(r"line 12, position 2: 9\d% of 4\d\d poems have 平 here", remark)


def test_tune_without_a_template_is_not_judged() -> None:
    scansion = scan_tune(lines_of(POEMS["辛弃疾破阵"]), "破阵子")
    assert scansion.verdict is Verdict.NOT_JUDGED
    assert not scansion.faults
    assert "fewer than the 30" in scansion.remarks[0]


def test_unknown_characters_are_named_and_break_no_rule() -> None:
    lines = lines_of(POEMS["陆游"].replace("寂寞", "寂䶮"))
    scansion = scan_tune(lines, "卜算子")
    assert scansion.unknown == ((2, 2, "䶮"),)
    assert scansion.verdict is Verdict.STRICT


def test_traditional_text_and_name() -> None:
    lines = lines_of("驛外斷橋邊，寂寞開無主。已是黃昏獨自愁，更著風和雨。無意苦爭春，一任羣芳妒。零落成泥碾作塵，只有香如故。")
    scansion = scan_tune(lines, "卜算子")
    assert (scansion.form, scansion.verdict) == ("卜算子", Verdict.STRICT)


def test_a_named_variant_is_the_only_one_that_counts() -> None:
    lines = lines_of(POEMS["李清照秋"])
    assert scan_tune(lines, "声声慢", "97字仄韵").verdict is Verdict.MINOR
    assert scan_tune(lines, "声声慢", "97字平韵").verdict is Verdict.FAIL
    with pytest.raises(UnknownFormError, match="97字仄韵"):
        scan_tune(lines, "声声慢", "98字")


def test_bad_input() -> None:
    with pytest.raises(TextError):
        scan_tune([], "卜算子")
    with pytest.raises(TextError):
        scan_tune([""], "卜算子")
    with pytest.raises(UnknownFormError, match="卜算子"):
        scan_tune(["山"], "卜算字")


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """A tune, the label of a variant, and lines that keep it."""
    tune = draw(st.sampled_from(sorted(shipped_tunes().judged)))
    variant = draw(st.sampled_from(shipped_tunes().judged[tune].variants))
    return tune, variant.form.pattern, write_lines(variant.form, lambda options: draw(st.sampled_from(options)))


@settings(max_examples=150, deadline=None)
@given(written())
def test_what_is_written_to_a_variant_keeps_it(poem: tuple[str, str, list[str]]) -> None:
    tune, pattern, lines = poem
    scansion = scan_tune(lines, tune, pattern)
    assert (scansion.verdict, scansion.pattern, scansion.every_reading) == (Verdict.STRICT, pattern, True)
    assert scan_tune(lines, tune).verdict.passes


@settings(max_examples=150, deadline=None)
@given(written(), st.data())
def test_one_wrong_tone_is_reported_at_its_place(poem: tuple[str, str, list[str]], data: st.DataObject) -> None:
    tune, pattern, lines = poem
    (variant,) = [one for one in shipped_tunes().judged[tune].variants if one.form.pattern == pattern]
    echoing = {line for pair in variant.form.echoes for line in pair}
    decisive = [
        (number, position, slot.tone)
        for number, slots in enumerate(variant.form.lines, 1)
        for position, slot in enumerate(slots, 1)
        if slot.tone and not slot.rhyme and number not in echoing
    ]
    number, position, tone = data.draw(st.sampled_from(decisive))
    other = Tone.OBLIQUE if tone is Tone.LEVEL else Tone.LEVEL
    line = lines[number - 1]
    lines[number - 1] = line[: position - 1] + PLAIN[other][0] + line[position:]
    (fault,) = fit_variants(lines, [variant]).faults
    assert (fault.rule, fault.line, fault.position, fault.expected, fault.actual) == (
        Rule.TONE, number, position, tone.value, other.value,
    )  # fmt: skip
