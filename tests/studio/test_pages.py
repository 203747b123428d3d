"""Checking, comparing and runs, without a browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import DataError, TextError, UnknownFormError, UsageError
from gemma_poetry.prosody.rules import Rule
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.studio.check_page import (
    Checked,
    _sentence,
    check_text,
    checked_card,
    checked_html,
    mends_html,
    offer_mends,
    revise,
    take_mend,
)
from gemma_poetry.studio.compare_page import Pair, compare, pair_html
from gemma_poetry.studio.page_parts import rhyme_choices
from gemma_poetry.studio.rule_texts import explanation
from gemma_poetry.studio.runs_page import curves, facts_html, palette
from gemma_poetry.studio.verse import Layout
from gemma_poetry.studio.wish import Wish
from gemma_poetry.studio.workshop import Progress, Workshop

STOREYS = "登鹳雀楼 王之涣\n白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"
NIGHT = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"


def text_of(markup: str) -> str:
    return re.sub("<[^>]*>", "", markup)


def test_a_poem_that_passes(workshop: Workshop):
    (poem,) = check_text(workshop, STOREYS, "auto", "anne", "zh")
    assert (poem.title, poem.author, poem.scansion.verdict.value) == ("登鹳雀楼", "王之涣", "strict")
    shown = text_of(checked_html(Checked((poem,)), Layout(), "zh"))
    assert "合律" in shown and "韵 十一尤" in shown and "无出律处。" in shown


def test_faults_are_named_with_line_and_position(workshop: Workshop):
    (poem,) = check_text(workshop, NIGHT, "五绝", "anne", "en")
    shown = text_of(checked_html(Checked((poem,)), Layout(), "en"))
    assert "line 2, character 4 (上) — expected 平, found 仄" in shown
    assert "mend: line 2, character 4" in shown
    chinese = text_of(checked_html(Checked((poem,)), Layout(), "zh"))
    assert "第 2 句第 4 字「上」 — 应为 平，今为 仄" in chinese


def test_several_poems_at_once(workshop: Workshop):
    poems = check_text(replace(workshop), f"{STOREYS}\n\n静夜思\n{NIGHT}", "auto", "anne", "zh")
    assert [poem.title for poem in poems] == ["登鹳雀楼", "静夜思"]
    assert checked_html(Checked(poems), Layout(), "zh").count('class="checked"') == 2


def test_a_tune_gets_its_own_marks(workshop: Workshop):
    text = "昨夜雨疏风骤，浓睡不消残酒。试问卷帘人，却道海棠依旧。知否，知否，应是绿肥红瘦。"
    (poem,) = check_text(workshop, text, "如梦令", "anne", "zh")
    assert poem.scansion.form == "如梦令"
    assert re.findall(r'class="stop">(.)<', checked_html(Checked((poem,)), Layout(), "zh"))[-1] == "。"


@pytest.mark.parametrize(
    "text, form, kind, message",
    [
        ("  \n ", "auto", UsageError, "nothing is pasted"),
        ("春" * 121, "auto", UsageError, "at most 120"),
        (NIGHT, "九言", UnknownFormError, "is called '九言'"),
        ("白日依山尽，黄河入海流。欲穷千里，更上一层楼。", "五绝", TextError, "has 4 characters"),
        ("hello world, this is no poem", "auto", TextError, "cannot be read"),
    ],
)
def test_what_cannot_be_checked_is_said(workshop: Workshop, text: str, form: str, kind: type, message: str):
    with pytest.raises(kind, match=message):
        check_text(workshop, text, form, "anne", "en")


def test_checking_is_counted(workshop: Workshop):
    for _ in range(workshop.limits.requests):
        check_text(workshop, NIGHT, "auto", "anne", "en")
    with pytest.raises(UsageError, match="8 requests within a minute"):
        check_text(workshop, NIGHT, "auto", "anne", "en")
    check_text(workshop, NIGHT, "auto", "boris", "en")


def test_markup_in_a_pasted_title_is_text(workshop: Workshop):
    (poem,) = check_text(workshop, f"《<img/src=x>》 甲\n{NIGHT}", "auto", "anne", "zh")
    shown = checked_html(Checked((poem,)), Layout(), "zh")
    assert "<img" not in shown and "&lt;img/src=x&gt;" in shown


def test_two_models_write_on_one_title_and_seed(workshop: Workshop):
    wish = Wish(form="五言绝句", title="江<b>夜", seed="9")
    steps = list(compare(workshop, wish, ("base", "tuned"), "anne", "en"))
    pair = steps[-1]
    assert isinstance(pair, Pair) and pair.right is not None
    assert (pair.left.model, pair.right.model, pair.left.seed, pair.right.seed) == ("base", "tuned", 9, 9)
    assert pair.left.poem.text != pair.right.poem.text
    assert any(isinstance(step, Progress) and step.notice.startswith("tuned · ") for step in steps)
    shown = pair_html(pair, Layout(), "en")
    assert shown.count('class="side"') == 2 and "<b>" not in shown.replace("<b class", "")
    assert text_of(shown).count("a character, under the model that wrote it") == 2


def test_only_models_named_at_the_start_are_compared(workshop: Workshop):
    with pytest.raises(UsageError, match=r"no model is called '\.\./other'"):
        next(compare(workshop, Wish(form="五绝", model=""), ("base", "../other"), "anne", "en"))


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    folders = {}
    for name, loss in (("one", 3.0), ("two", 2.0)):
        folder = tmp_path / name
        folder.mkdir()
        points = [
            {"step": 10, "loss": loss},
            {"step": 10, "validation_loss": loss + 0.5, "ppl_char": 99.0},
            {"step": 20, "loss": loss / 2},
        ]
        (folder / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
        manifest = {"base": {"name": "mini"}, "steps": 1200, "validation": {"ppl_char": 98.765}, "wall_seconds": 90}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        folders[name] = folder
    return folders


def test_curves_of_several_runs_in_one_table(runs: dict[str, Path]):
    losses, perplexities = curves(runs, ["one", "two"], "en")
    assert losses[losses["curve"] == "two · training"][["steps", "value"]].values.tolist() == [[10, 2.0], [20, 1.0]]
    assert sorted(set(losses["curve"])) == ["one · training", "one · validation", "two · training", "two · validation"]
    assert perplexities["value"].tolist() == [99.0, 99.0]
    assert len(set(palette(losses).values())) == 4


def test_facts_of_the_manifests_side_by_side(runs: dict[str, Path], workshop: Workshop):
    own = replace(workshop, runs=runs)
    shown = text_of(facts_html(own, ["one", "two"], "en").replace("</td>", "|").replace("</th>", "|"))
    assert "steps|1,200|1,200|" in shown and "wall time|1.5 min|1.5 min|" in shown
    assert "validation perplexity a character|98.77|98.77|" in shown


def test_runs_that_were_not_named_or_have_no_curve(runs: dict[str, Path], workshop: Workshop):
    with pytest.raises(UsageError, match="no model is called"):
        curves(runs, ["/etc"], "en")
    (runs["one"] / "curve.jsonl").unlink()
    with pytest.raises(DataError, match="no such file"):
        curves(runs, ["one"], "en")
    assert "--run RUN" in facts_html(workshop, [], "en")


def settled(steps) -> Checked:
    *_, checked = steps
    assert isinstance(checked, Checked)
    return checked


def test_each_fault_is_explained_once(workshop: Workshop):
    checked = Checked(check_text(workshop, NIGHT, "五绝", "anne", "zh"))
    shown = text_of(checked_html(checked, Layout(), "zh"))
    assert shown.count("节奏点平仄不合") == 2 and shown.count("第二、四、六字是节奏点") == 1


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.key)
def test_every_rule_is_explained_in_two_sentences(rule: Rule):
    chinese, english = explanation(rule, "zh"), explanation(rule, "en")
    assert len(re.findall("[。]", chinese)) == 2 and chinese.endswith("。")
    assert len(re.findall(r"[.](?=\s|$)", english)) == 2 and english.endswith(".")


def test_mends_are_ranked_take_the_fault_away_and_bring_no_other(workshop: Workshop):
    checked = Checked(check_text(workshop, f"静夜思 李白\n{NIGHT}", "五绝", "anne", "zh"), "五绝")
    assert [(fault.line, fault.position) for fault in checked.poems[0].faults] == [(2, 4), (3, 2)]
    offered = settled(offer_mends(workshop, checked, "0:2.4", "base", "anne", "zh"))
    others = [option for option in offered.options if not option.current]
    assert len(others) > 2
    for option in others:
        faults = scan(option.poem.lines, "五言绝句").faults
        assert [(fault.line, fault.position) for fault in faults] == [(3, 2)], option.char
    shares = [option.share for option in offered.options]
    assert shares == sorted(shares, reverse=True)
    number = offered.options.index(others[0])
    assert f'data-option="{number}"' in mends_html(offered, "zh")
    mended = take_mend(workshop, offered, str(number), "zh")
    (poem,) = mended.poems
    assert (poem.title, poem.author) == ("静夜思", "李白") and poem.lines[1][3] == others[0].char
    assert [(fault.line, fault.position) for fault in poem.faults] == [(3, 2)]
    assert f"疑是地{others[0].char}霜。" in mended.text and mended.text.startswith("静夜思　李白\n")
    assert check_text(workshop, mended.text, "五绝", "boris", "zh")[0].lines == poem.lines


def test_a_right_character_of_a_tune_can_be_exchanged_too(workshop: Workshop):
    text = "昨夜雨疏风骤，浓睡不消残酒。试问卷帘人，却道海棠依旧。知否，知否，应是绿肥红瘦。"
    checked = Checked(check_text(workshop, text, "如梦令", "anne", "zh"))
    offered = settled(offer_mends(workshop, checked, "0:3.5", "base", "anne", "zh"))
    for option in offered.options:
        if not option.current:
            assert not scan(option.poem.lines, "如梦令").faults


@pytest.mark.parametrize("place", ["1:1.1", "0:9.1", "0:1.0", "0:1.9", "1.1", "x", "", None, "0:1.1.1"])
def test_places_that_no_checked_poem_has(workshop: Workshop, place: object):
    checked = Checked(check_text(workshop, NIGHT, "五绝", "anne", "en"))
    with pytest.raises(UsageError, match="no such place"):
        next(offer_mends(workshop, checked, place, "base", "anne", "en"))
    with pytest.raises(UsageError, match="no such place"):
        take_mend(workshop, checked, "0", "en")


@pytest.mark.parametrize("span, free", [("line", {2}), ("couplet", {1, 2}), ("all", {1, 2, 3, 4})])
def test_a_line_or_couplet_is_rewritten_and_the_rest_stays(workshop: Workshop, span: str, free: set[int]):
    checked = Checked(check_text(workshop, f"静夜思 李白\n{NIGHT}", "五绝", "anne", "zh"), "五绝")
    revised = settled(revise(workshop, checked, "0:2.4", span, "base", "anne", "zh"))
    assert revised.revision is not None and revised.revision.poem == 0
    old, (poem,) = checked.poems[0].lines, revised.poems
    different = {line for line, (a, b) in enumerate(zip(old, poem.lines), 1) if a != b}
    # The second line has a fault, for which any line without one is better.
    assert 2 in different and different <= free
    assert different == {change.line for change in revised.revision.changes}
    assert not any(fault.line == 2 for fault in poem.faults) and (poem.title, poem.author) == ("静夜思", "李白")
    shown = checked_html(revised, Layout(), "zh")
    change = next(change for change in revised.revision.changes if change.line == 2)
    assert shown.count("<ins>") == shown.count("<del>") == sum(len(one.changed) for one in revised.revision.changes)
    assert f"<ins>{change.new[change.changed[0] - 1]}</ins>" in shown and "每字困惑度" in shown
    why = change.reason.in_language("zh")
    assert why != str(change.reason) and f"<span class='why'>{why}</span>" in shown
    assert f"<span class='why'>{change.reason}</span>" in checked_html(revised, Layout(), "en")


def test_ones_own_poem_keeps_marks_and_rows_when_it_is_changed(workshop: Workshop):
    text = "静夜思　李白\n床前明月光！疑是地上霜？\n\n举头望明月；\n　低头思故乡。"
    checked = Checked(check_text(workshop, text, "五绝", "anne", "zh"), "五绝")
    assert checked.text == text
    revised = settled(revise(workshop, checked, "0:2.4", "line", "base", "anne", "zh"))
    new = revised.poems[0].lines[1]
    assert new != "疑是地上霜" and revised.text == text.replace("疑是地上霜", new)
    assert re.findall('class="stop">(.)<', checked_html(revised, Layout(), "zh")) == ["！", "？", "；", "。"]
    assert checked_card(revised, pinyin=False).marks == "！？；。"


def test_a_line_that_shares_words_with_another_is_not_rewritten_alone(workshop: Workshop):
    text = "昨夜雨疏风骤，浓睡不消残酒。试问卷帘人，却道海棠依旧。知否，知否，应是绿肥红瘦。"
    checked = Checked(check_text(workshop, text, "如梦令", "anne", "zh"), "如梦令")
    with pytest.raises(UsageError, match="第 6 句与别句相叠") as raised:
        settled(revise(workshop, checked, "0:6.1", "line", "base", "anne", "zh"))
    assert raised.value.expected == "第 5、6 句一同改"
    assert settled(revise(workshop, checked, "0:6.1", "all", "base", "anne", "zh")).revision is not None


def test_ancient_verse_stays_so_when_it_is_changed(workshop: Workshop):
    """古绝 has no name of its own; under that of 绝句 it would be read as regulated verse, and fail."""
    text = "江雪\n千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。"
    checked = Checked(check_text(workshop, text, "auto", "anne", "zh"))
    assert checked.poems[0].scansion.pattern == "古绝" and checked.poems[0].verdict.passes
    offered = settled(offer_mends(workshop, checked, "0:3.1", "base", "anne", "zh"))
    number = next(number for number, option in enumerate(offered.options) if not option.current)
    changed = [
        take_mend(workshop, offered, str(number), "zh"),
        settled(revise(workshop, checked, "0:3.1", "line", "base", "anne", "zh")),
    ]
    for (poem,) in (one.poems for one in changed):
        assert poem.verdict.passes and poem.title == "江雪"


def test_the_lines_of_a_sentence_of_a_tune_are_rewritten_together():
    poem = Poem(tuple("一二三四五"), "，，。，。")
    assert [_sentence(poem, line) for line in (1, 2, 3, 4, 5)] == [(1, 2, 3)] * 3 + [(4, 5)] * 2


def test_the_picture_of_ones_own_poem_bears_its_author_and_verdict(workshop: Workshop):
    card = checked_card(Checked(check_text(workshop, STOREYS, "auto", "anne", "zh")), pinyin=False)
    assert (card.title, card.byline, card.lines[0]) == ("登鹳雀楼", "王之涣", "白日依山尽")
    assert "合律" in card.notes and not any("种子" in note for note in card.notes)


@pytest.mark.parametrize(
    ("form", "book", "first", "count"),
    [("七言绝句", "", "一东", 30), ("如梦令", "", "第一部", 19), ("天净沙", "", "东钟", 19), ("天净沙", "xinyun", "一麻", 14)],
)
def test_the_rhymes_that_are_offered_are_those_of_the_book_of_the_form(form: str, book: str, first: str, count: int):
    names = [value for _label, value in rhyme_choices(form, "zh", book)]
    assert (names[0], names[1], len(names) - 1) == ("", first, count)
