"""Which human poem stands beside a judged one."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.evaluation.records import Protocol
from gemma_poetry.evaluation.references import HumanReferences, can_be_rewritten, human_generations, select_poems
from tests.tiny import make_poems


def poem(title: str, author: str, *, form: str = "五言绝句", tune: str = "", name: str = "") -> Poem:
    lines = tuple(f"{title or tune}{author}空山不见人"[:5] for _ in range(4))
    return Poem(lines, "，。，。", title=title, author=author, form=form, tune=tune, source_id=name or f"{title}-{author}")


JUDGED = poem("秋夜", "李白")

CHOICES = [
    ("the same title", ["秋夜-杜甫", "秋夜思-王维", "春日-杜甫"], "秋夜-杜甫", 1.0),
    ("not the poet's own", ["秋夜-李白", "秋日-杜甫"], "秋日-杜甫", 2 * 1 / (3 + 3)),
    ("the nearest title", ["秋夜思-王维", "秋日-杜甫", "长夜-杜甫"], "秋夜思-王维", 2 * 3 / (3 + 5)),
    ("no title shared", ["春日-杜甫"], "春日-杜甫", 0.0),
    ("the poet's own where nobody else has the form", ["秋日-李白"], "秋日-李白", 2 * 1 / 6),
    ("unknown poets are not counted as others", ["秋夜-", "秋日-杜甫"], "秋日-杜甫", 2 * 1 / 6),
]


@pytest.mark.parametrize(("why", "known", "expected", "overlap"), CHOICES, ids=[case[0] for case in CHOICES])
def test_the_rule(why, known, expected, overlap):
    found = HumanReferences([poem(*name.split("-")) for name in known], seed=1).choose(JUDGED)
    assert found is not None
    assert (found.poem.source_id, found.title_overlap) == (expected, pytest.approx(overlap))
    assert found.other_poet is not found.poem.source_id.endswith("李白")


def test_only_the_same_form_will_do():
    references = HumanReferences([poem("秋夜", "杜甫", form="七言绝句")], seed=1)
    assert references.choose(JUDGED) is None
    assert human_generations([JUDGED], references) == []


def test_tunes_are_forms_and_a_missing_title_equals_another():
    judged = poem("", "李煜", form="词", tune="虞美人")
    known = [
        poem("", "苏轼", form="词", tune="浣溪沙"),
        poem("", "秦观", form="词", tune="虞美人"),
        poem("秋", "晏殊", form="词", tune="虞美人"),
    ]
    found = HumanReferences(known, seed=1).choose(judged)
    assert found is not None and (found.poem.author, found.title_overlap) == ("秦观", 1.0)


def test_equals_are_drawn_by_seed_and_by_judged_poem():
    known = [poem("春日", f"甲{number}", name=str(number)) for number in range(40)]
    judged = [poem("秋夜", "李白", name=f"judged{number}") for number in range(20)]
    drawn = [HumanReferences(known, seed=seed).choose(one).poem.source_id for seed in (1, 2) for one in judged]
    assert drawn == [HumanReferences(known, seed=seed).choose(one).poem.source_id for seed in (1, 2) for one in judged]
    assert len(set(drawn[:20])) > 10
    assert drawn[:20] != drawn[20:]


def test_both_protocols_hold_the_same_lines_against_each_other():
    other = Poem(
        ("一一一一一", "二二二二二", "三三三三三", "四四四四四"), "，。，。", "秋夜", "杜甫", form="五言绝句", source_id="x"
    )
    whole, rest = human_generations([JUDGED], HumanReferences([other], seed=1))
    assert (whole.protocol, whole.opening, whole.lines, whole.reference) == (Protocol.TITLE, (), other.lines, JUDGED.lines)
    assert (rest.protocol, rest.opening) == (Protocol.COUPLET, JUDGED.lines[:2])
    assert (rest.lines, rest.marks, rest.reference) == (other.lines[2:], "，。", JUDGED.lines[2:])
    assert rest.system == "human" and rest.origin["author"] == "杜甫"


def test_a_smaller_selection_is_part_of_a_larger_one_whatever_the_order():
    poems = make_poems(30)
    small, large = select_poems(poems, 5, seed=3), select_poems(reversed(poems), 12, seed=3)
    assert large[:5] == small
    assert select_poems(poems, 5, seed=4) != small
    assert len(select_poems(poems, 99, seed=3)) == 30


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"title": ""}, False),
        ({"title": "", "tune": "如梦令"}, True),
        ({"lines": ("空山不见人", "但闻人语响"), "marks": "，。"}, False),
        ({"lines": ("空山不见人",) * 26, "marks": "，。" * 13}, False),
    ],
    ids=["whole", "no title", "tune for a title", "one couplet", "130 characters"],
)
def test_which_poems_are_written_again(changed, expected):
    fields = {"lines": JUDGED.lines, "marks": JUDGED.marks, "title": "秋夜", **changed}
    assert can_be_rewritten(Poem(**fields)) is expected
