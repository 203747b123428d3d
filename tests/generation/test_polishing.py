"""Polishing rewrites under the form, leaves alone what it may not touch, and keeps only what is better."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gemma_poetry.api import Poet
from gemma_poetry.config import GenerateSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.domains.registry import load_domain
from gemma_poetry.errors import ConstraintError, TextError
from gemma_poetry.generation import poem_generator, polishing
from gemma_poetry.generation.couplets import repeated_places
from gemma_poetry.generation.drafts import Draft, draft_of
from gemma_poetry.generation.poem_generator import PoemGenerator
from gemma_poetry.generation.polishing import worth
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.writer import PoemWriter
from gemma_poetry.generation.written import Change, WrittenPoem
from gemma_poetry.prosody.lines import split_lines
from gemma_poetry.prosody.rules import Verdict
from gemma_poetry.prosody.scansion import scan, scan_auto
from tests.generation.conftest import NOTHING_KNOWN

AUTUMN = "空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。"
TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
REN = "昨夜雨疏风骤，浓睡不消残酒。试问卷帘人，却道海棠依旧。知否，知否，应是绿肥红瘦。"


QIN = "箫声咽，秦娥梦断秦楼月。秦楼月，年年柳色，灞陵伤别。乐游原上清秋节，咸阳古道音尘绝。音尘绝，西风残照，汉家陵阙。"
WEI = "河汉，河汉，晓挂秋城漫漫。愁人起望相思，江南塞北别离。离别，离别，河汉虽同路绝。"
SNOW = "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。"


class Loaded:
    def __init__(self, model, tokenizer):  # type: ignore[no-untyped-def]
        self.model, self.tokenizer = model, tokenizer


@pytest.fixture(scope="module")
def writer(tiny, tokenizer) -> PoemWriter:
    settings = GenerateSettings(temperature=1.0, top_p=1.0)
    return PoemWriter(load_domain("classical-chinese"), Loaded(tiny, tokenizer), settings, guards=NOTHING_KNOWN)


def poem_of(text: str, title: str = "") -> Poem:
    lines, marks = split_lines(text)
    return Poem(tuple(lines), marks, title=title, script="")


def differing(one: tuple[str, ...], other: tuple[str, ...]) -> set[int]:
    return {number for number, (a, b) in enumerate(zip(one, other), 1) if a != b}


@pytest.fixture
def lenient(monkeypatch):
    """Whatever is written is kept, as if it were better: random weights do not always find it so."""
    monkeypatch.setattr(polishing, "_LEAST_GAIN", -1e6)


@pytest.mark.parametrize("lines", [(2,), (1, 4), (3, 4), (8,)])
def test_only_the_lines_that_were_asked_for_change(writer, lenient, lines):
    poem = poem_of(AUTUMN, "山居秋暝")
    found = writer.polish(poem, lines=lines, rounds=6, seed=1)
    assert found.before.poem.lines == poem.lines
    changed = differing(poem.lines, found.after.poem.lines)
    assert changed == set(lines)
    assert [one.line for one in found.changes] == sorted(changed)
    for one in found.changes:
        assert (one.old, one.new) == (poem.lines[one.line - 1], found.after.poem.lines[one.line - 1])
        assert one.reason.count("; ") == 1
    assert found.after.check.verdict in (Verdict.STRICT, Verdict.MINOR) and not found.after.check.faults
    kept = {char for number, line in enumerate(poem.lines, 1) if number not in lines for char in line}
    assert all(kept.isdisjoint(one.new) for one in found.changes), "no character comes twice but doubled (萧萧)"


def test_what_is_kept_is_better_and_a_seed_gives_one_poem(writer):
    found = writer.polish(poem_of(AUTUMN, "山居秋暝"), rounds=4, seed=3)
    again = writer.polish(poem_of(AUTUMN, "山居秋暝"), rounds=4, seed=3)
    assert found.after.poem == again.after.poem and found.changes == again.changes
    old, new = found.measures["ppl_char"]
    assert found.before.perplexity == old and found.after.perplexity == new
    draft = draft_of(poem_of(AUTUMN, "山居秋暝"), scan_auto(list(poem_of(AUTUMN).lines)), novel=True)
    one = writer.generator.polisher.polish(draft, rounds=4, seed=3)
    assert one.changes and worth(one.after) > worth(one.before)


def test_nothing_better_leaves_the_poem_whole(writer, monkeypatch):
    monkeypatch.setattr(polishing, "_LEAST_GAIN", 1e6)
    found = writer.polish(poem_of(AUTUMN), rounds=12, seed=1)
    assert found.after.poem == found.before.poem and found.changes == ()
    assert "nothing was found that is better" in str(found)


@pytest.mark.parametrize(
    ("text", "faulty", "why"),
    [
        (TOWER.replace("流", "水"), 2, "a rhyme word that does not rhyme"),
        (TOWER.replace("欲穷", "欲到"), 3, "a wrong tone on a beat"),
    ],
)
def test_a_faulty_line_is_found_and_mended(writer, text, faulty, why):
    poem = poem_of(text)
    before = scan(poem.lines, "五言绝句")
    assert {fault.line for fault in before.faults} == {faulty}, why
    found = writer.polish(poem, rounds=1, seed=2)
    assert differing(poem.lines, found.after.poem.lines) == {faulty}
    assert found.after.check.passes and found.changes[0].reason == "it breaks the form; the new one keeps it"


def test_faults_of_lines_that_stay_are_left(writer):
    """静夜思 is no regulated verse; what is rewritten keeps the form that it is held to all the same."""
    poem = poem_of("床前明月光，疑是地上霜。举头望明月，低头思故乡。")
    old = scan(poem.lines, "五言绝句")
    found = writer.polish(poem, form="五绝", lines=(2,), rounds=4, seed=2)
    assert differing(poem.lines, found.after.poem.lines) <= {2}
    assert len(found.after.check.faults) <= len(old.faults)
    if found.changes:
        assert all(fault.line != 2 for fault in found.after.check.faults)


@pytest.mark.parametrize("lines", [(5, 6), ()])
def test_a_repeated_line_follows(writer, lenient, lines):
    found = writer.polish(poem_of(REN), form="如梦令", lines=lines, rounds=8, seed=1)
    assert found.after.poem.lines[4] == found.after.poem.lines[5]
    changed = differing(found.before.poem.lines, found.after.poem.lines)
    assert changed == {5, 6} if lines else changed
    assert found.after.check.passes
    told = {one.line: one.reason for one in found.changes}
    assert lines == () or told[6] == "line 6 repeats line 5" != told[5]


@pytest.mark.parametrize("lines", [(2, 3), (2, 3, 7, 8)])
def test_a_line_whose_end_is_repeated_is_rewritten_whole(writer, lenient, lines):
    poem = poem_of(QIN)
    found = writer.polish(poem, form="忆秦娥", lines=lines, rounds=8, seed=1)
    new = found.after.poem.lines
    assert {2, 3} <= differing(poem.lines, new) <= set(lines)
    assert new[2] == new[1][-3:] and new[7] == new[6][-3:] and found.after.check.passes


@pytest.mark.parametrize(
    ("text", "form", "lines", "why", "together"),
    [
        (QIN, "忆秦娥", (3,), "line 3 repeats the end of line 2", "2,3"),
        (QIN, "忆秦娥", (2,), "line 3 repeats the end of line 2", "2,3"),
        (QIN, "忆秦娥", (8, 1), "line 8 repeats the end of line 7", "1,7,8"),
        (REN, "如梦令", (6,), "line 6 repeats line 5", "5,6"),
        (REN, "如梦令", (4, 5), "line 6 repeats line 5", "4,5,6"),
        (WEI, "调笑令", (7,), "line 7 repeats line 6", "5,6,7"),
    ],
)
def test_a_line_that_shares_words_with_one_that_is_not_named_is_left(writer, text, form, lines, why, together):
    with pytest.raises(ConstraintError, match=why) as raised:
        writer.polish(poem_of(text), form=form, lines=lines, seed=1)
    assert raised.value.action == f"name them all: --lines {together}"


def test_a_persons_poem_keeps_its_marks_rows_and_author(writer, lenient):
    text = "题目：春思\n作者：张三\n春色满园关不住！一枝红杏、出墙来？\n\n　　应怜屐齿印苍苔；小扣柴扉久不开……\n"
    found = Poet("tiny", writer.domain, writer, ()).polish(text.replace("……", "!"), lines=[3], rounds=2, seed=1)
    new = found.after.poem.lines[2]
    assert new != "应怜屐齿印苍苔"
    shown = f"春色满园关不住！一枝红杏、出墙来？\n\n　　{new}；小扣柴扉久不开!"
    assert str(found).startswith(f"《春思》　张三\n{shown}\n\n")
    record = found.to_record()
    assert record["text"] == shown and record["author"] == "张三"
    assert record["before"]["text"] == shown.replace(new, "应怜屐齿印苍苔")


def test_what_a_model_wrote_in_a_poets_style_stays_marked_so(writer):
    poem = replace(poem_of(TOWER, "登楼"), author="王之涣", form="五言绝句")
    written = WrittenPoem(poem, 1, None, None)
    poet = Poet("tiny", writer.domain, writer, ())
    assert str(poet.polish(written, rounds=1, seed=1)).startswith("《登楼》　拟王之涣\n")
    assert str(poet.polish(poem, rounds=1, seed=1)).startswith("《登楼》　王之涣\n")


def test_changes_are_told_in_chinese(writer, monkeypatch):
    found = writer.polish(poem_of(TOWER.replace("流", "水"), "登楼"), rounds=1, seed=2)
    monkeypatch.setattr("gemma_poetry.languages._chosen", "zh")
    assert "\n第 2 句：黄河入海水 → " in str(found) and "（不合格律；新句合格律）" in str(found)
    assert "每字困惑度" in str(found) and str(found).endswith("判定：不合律 → 合律")
    assert found.to_record()["changes"][0]["reason"] == "it breaks the form; the new one keeps it"
    ancient = writer.polish(poem_of(SNOW, "江雪"), lines=(3,), rounds=1, seed=1)
    assert str(ancient).endswith("判定：合韵（只看押韵）")
    assert not re.search("[a-z]{3,}", str(ancient) + str(found)), "no English is left"


def test_the_script_and_what_stays_are_the_persons(writer):
    text = "獨坐幽篁裏，彈琴復長嘯。深林人不知，明月來相照。"
    found = writer.polish(poem_of(text, "竹里館"), lines=(3,), rounds=3, seed=1)
    assert found.after.poem.script == "traditional"
    assert [found.after.poem.lines[place] for place in (0, 1, 3)] == ["獨坐幽篁裏", "彈琴復長嘯", "明月來相照"]
    assert found.before.poem.lines[2] == "深林人不知"


def test_a_form_without_rules_is_polished_by_its_shape(writer):
    found = writer.polish(poem_of("空山，新雨后天气。晚来秋，明月松间。"), rounds=3, seed=1)
    assert [len(line) for line in found.after.poem.lines] == [2, 5, 3, 4] and found.after.check.verdict is Verdict.NOT_JUDGED


def test_no_known_line_is_put_in(tiny, tokenizer, writer, lenient):
    poem = poem_of(AUTUMN)
    found = writer.polish(poem, lines=(2,), rounds=2, seed=5)
    new = found.after.poem.lines[1]
    assert new != poem.lines[1]
    guarded = PoemWriter(writer.domain, Loaded(tiny, tokenizer), writer.generator.settings, guards=[KnownLines.build([new])])
    assert guarded.polish(poem, lines=(2,), rounds=2, seed=5).after.poem.lines[1] != new


@pytest.mark.parametrize("lines", [(0,), (9,), (1, 12)])
def test_lines_that_are_not_there(writer, lines):
    with pytest.raises(ConstraintError, match="the poem has no line"):
        writer.polish(poem_of(AUTUMN), lines=lines, seed=1)


def test_another_shape_than_that_of_the_form(writer):
    with pytest.raises(TextError):
        writer.polish(poem_of(AUTUMN), form="七律", seed=1)


def test_what_was_asked_for_stays(tiny, tokenizer, monkeypatch):
    monkeypatch.setitem(poem_generator.ROUNDS, 4, 6)
    monkeypatch.setitem(poem_generator.PARTICLES, 4, 4)
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(effort=4, temperature=1.0), guards=NOTHING_KNOWN)
    wishes = [
        PoemRequest("五绝", "秋月", acrostic="空山新雨"),
        PoemRequest("五绝", must=("明月", "清泉")),
        PoemRequest("五绝", first_line="空山新雨后"),
        PoemRequest("五律", rhymes=("十一尤",)),
        PoemRequest("如梦令", script="traditional"),
    ]
    for wish, one in zip(wishes, generator.write(wishes, seed=2)):
        scansion = scan(one.poem.lines, one.poem.kind)
        assert scansion.verdict == "strict" and scansion.every_reading, one.poem.text
        assert "".join(line[0] for line in one.poem.lines).startswith(wish.acrostic)
        assert all(word in one.poem.text for word in wish.must)
        assert one.poem.lines[0] == wish.first_line or not wish.first_line
        assert not wish.rhymes or scansion.rhyme_group == wish.rhymes[0]
        assert one.poem.script == wish.script
        assert one.merits is not None


def test_characters_that_mean_another_by_themselves_are_polished(tiny, tokenizer, monkeypatch):
    """An acrostic spells 乾坤 down the lines; 乾 alone in its line would become 干."""
    monkeypatch.setitem(poem_generator.ROUNDS, 4, 2)
    monkeypatch.setitem(poem_generator.PARTICLES, 4, 4)
    settings = GenerateSettings(effort=4, temperature=1.0)
    generator = PoemGenerator(tiny, tokenizer, settings, byte_characters=True, guards=NOTHING_KNOWN)
    wish = PoemRequest("七绝", acrostic="乾坤日月")
    for script in ("simplified", "traditional"):
        (one,) = generator.write([replace(wish, script=script)], seed=1)
        assert "".join(line[0] for line in one.poem.lines) == "乾坤日月"


@pytest.mark.parametrize("upper", ["风声雨声读书声", "海内存知己"])
def test_an_answer_stays_one(tiny, tokenizer, lenient, monkeypatch, upper):
    monkeypatch.setitem(poem_generator.PARTICLES, 4, 4)
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(effort=4, temperature=1.0), guards=NOTHING_KNOWN)
    for seed in (1, 2, 3):
        (one,) = generator.write([PoemRequest(answer=upper)], seed=seed)
        assert one.poem.lines[0] == upper and repeated_places(one.poem.lines[1]) == repeated_places(upper)
        assert one.form in one.prescription.forms


def test_effort_four_polishes_what_it_wrote(tiny, tokenizer, monkeypatch):
    generator = PoemGenerator(tiny, tokenizer, GenerateSettings(effort=4, temperature=1.0), guards=NOTHING_KNOWN)
    monkeypatch.setitem(poem_generator.PARTICLES, 4, 4)
    poems = {}
    for rounds in (0, 6):
        monkeypatch.setitem(poem_generator.ROUNDS, 4, rounds)
        (poems[rounds],) = generator.write([PoemRequest("五绝", "秋月")], seed=4)
    assert poems[6].poem != poems[0].poem
    assert worth(poems[6].merits) > worth(poems[0].merits)
    (one,) = generator.write([PoemRequest("五绝", "秋月")], seed=4, best_of=4)
    assert one.poem == poems[0].poem, "a number of drafts that was asked for is all that is done"


def test_an_effort_that_is_asked_for_does_all_that_one_of_the_settings_does(tiny, tokenizer, monkeypatch):
    """Drafts, words that answer in couplets, and polishing: a server's request names the effort that `generate` sets."""
    monkeypatch.setitem(poem_generator.PARTICLES, 4, 4)
    wishes = [PoemRequest("五律", "秋月"), PoemRequest("五绝", "空山")]
    low, high = (
        PoemGenerator(tiny, tokenizer, GenerateSettings(effort=effort, temperature=1.0), guards=NOTHING_KNOWN)
        for effort in (1, 4)
    )
    decode, polish, done = low.particles.decode, low.polisher.polish, []

    def decoding(prompts, plans, each, *more):
        done.append((each, {bool(plan.answering) for plan in plans}))
        return decode(prompts, plans, each, *more)

    def polishing_of(draft, *, rounds, seed):
        done.append(rounds)
        return polish(draft, rounds=rounds, seed=seed)

    monkeypatch.setattr(low.particles, "decode", decoding)
    monkeypatch.setattr(low.polisher, "polish", polishing_of)
    asked = [one.poem for one in low.write(wishes, seed=4, effort=4)]
    assert done == [(4, {True, False}), poem_generator.ROUNDS[4], poem_generator.ROUNDS[4]]
    assert asked == [one.poem for one in high.write(wishes, seed=4)]
    done.clear()
    list(low.write(wishes[:1], seed=4, best_of=4))
    assert done == [(4, {False})], "a number of drafts is no effort"


def test_a_line_that_was_asked_for_whole_cannot_be_rewritten(writer):
    generator = writer.generator
    (one,) = generator.write([PoemRequest("五绝", first_line="空山新雨后")], seed=1, best_of=2)
    draft = Draft(one.poem.lines, one.form, one.request, one.prescription)
    with pytest.raises(ConstraintError, match="every character of line 1 was asked for"):
        generator.polisher.polish(draft, rounds=1, seed=1, lines=(1,))
    found = generator.polisher.polish(draft, rounds=4, seed=1)
    assert found.lines[0] == "空山新雨后"


def test_ancient_verse_is_not_judged_as_regulated(writer, lenient):
    found = writer.polish(poem_of(SNOW, "江雪"), lines=(3,), rounds=2, seed=1)
    for one in (found.before, found.after):
        assert one.check.scansion.pattern == "古绝" and one.check.verdict.passes
    assert not any(change.reason.startswith("it breaks the form") for change in found.changes)


# 东 and 冬 are one rhyme of 词林正韵 and two of 平水韵.
TWO_RHYMES = "白日依山尽，黄河入海东。欲穷千里目，更上一层冬。"


def test_a_poem_is_polished_by_its_rhyme_book(writer):
    poem = poem_of(TWO_RHYMES)
    assert writer.polish(poem, rounds=1, seed=1).before.check.verdict == Verdict.FAIL
    found = writer.polish(poem, book="cilin", rounds=1, seed=1)
    assert found.before.check.verdict.passes and found.after.check.scansion.book.name == "cilin"
    draft = draft_of(poem, found.before.check.scansion, novel=True)
    assert draft.prescription.book.name == draft.request.book == "cilin"
    written = WrittenPoem(replace(poem, form="五言绝句"), 1, found.before.check, None)
    again = Poet("tiny", writer.domain, writer, tuple(NOTHING_KNOWN)).polish(written, rounds=1, seed=1)
    assert again.before.check.verdict.passes and again.before.check.scansion.book.name == "cilin"


def test_changes_are_marked():
    change = Change(2, "黄河入海水", "青河入海流", "it breaks the form; the new one keeps it")
    assert change.changed == (1, 5)
    assert str(change) == "line 2: 黄河入海水 -> [青]河入海[流] (it breaks the form; the new one keeps it)"
    assert "[青天]" in str(replace(change, new="青天入海水"))


def test_the_record_says_what_became_of_the_poem(writer):
    found = writer.polish(poem_of(TOWER.replace("流", "水"), "登楼"), rounds=1, seed=2)
    record = found.to_record()
    assert record["title"] == "登楼" and record["form"] == "五言绝句" and record["seed"] == 2
    assert record["before"]["scansion"]["verdict"] == "fail" and record["scansion"]["verdict"] != "fail"
    (change,) = record["changes"]
    assert change["line"] == 2 and change["new"] == record["lines"][1] and change["old"] == record["before"]["lines"][1]
    assert change["changed"] == list(found.changes[0].changed)
    assert set(record["measures"]) == {"ppl_char", "closeness", "coherence", "usage", "parallelism"}
    assert record["measures"]["parallelism"] == {"before": None, "after": None}
