"""A study as it is built: blind, balanced, checked, private."""

from __future__ import annotations

import json
import stat
from collections import Counter
from dataclasses import replace

import pytest

from gemma_poetry.corpus.poem import Poem
from gemma_poetry.errors import DataError, UsageError
from gemma_poetry.evaluation.human.building import plan_study, summary, write_study
from gemma_poetry.evaluation.human.study import COMPARE, RATE, hash_token, new_token, read_key, read_study
from tests.rating import SETTINGS, SYSTEMS, make_plan, make_study, make_writings
from tests.tiny import make_poems


@pytest.fixture(scope="module")
def plan():
    return make_plan()


def sources(plan, task):
    return [plan.key.sources[item] for item in task.items]


def test_every_system_is_rated_equally_often_and_people_are_one_of_them(plan):
    assert plan.key.systems == (*SYSTEMS, "human")
    shown = Counter()
    for tasks in plan.tasks.values():
        for task in tasks:
            (first, *_) = sources(plan, task)
            if task.kind == RATE and first.system and not first.repeats:
                shown[first.system] += 1
    assert set(shown.values()) == {SETTINGS.raters * SETTINGS.ratings // 3} and set(shown) == set(plan.key.systems)
    assert dict(summary(plan))["ratings of each system"] == "18, 18, 18"


def test_every_rater_meets_checks_and_repeats_and_pairs(plan):
    items = {item.item: item for item in plan.items}
    for tasks in plan.tasks.values():
        rated = [sources(plan, task)[0] for task in tasks if task.kind == RATE]
        assert sum(bool(one.shuffled_from) for one in rated) == SETTINGS.checks
        assert sum(bool(one.repeats) for one in rated) == SETTINGS.repeats
        assert len(rated) == SETTINGS.ratings + SETTINGS.checks + SETTINGS.repeats
        order = [task.items[0] for task in tasks if task.kind == RATE]
        for item in order:
            if plan.key.sources[item].repeats:
                original = plan.key.sources[item].repeats
                assert order.index(original) < order.index(item) - 1, "a repeat comes later, not next"
                assert items[original].lines == items[item].lines
        pairs = [sources(plan, task) for task in tasks if task.kind == COMPARE]
        assert len(pairs) == SETTINGS.pairs + 1
        assert sum(any(one.shuffled_from for one in pair) for pair in pairs) == 1
        for left, right in pairs:
            if not (left.shuffled_from or right.shuffled_from):
                assert left.title == right.title and left.system != right.system


def test_a_shuffled_poem_keeps_its_characters_and_its_shape(plan):
    held_out = {poem.source_id: poem for poem in make_poems(16, 300)}
    items = {item.item: item for item in plan.items}
    shuffled = [(items[name], source) for name, source in plan.key.sources.items() if source.shuffled_from]
    assert shuffled
    for item, source in shuffled:
        poem = held_out[source.shuffled_from]
        assert Counter("".join(item.lines)) == Counter("".join(poem.lines)) and item.lines != poem.lines
        assert list(map(len, item.lines)) == list(map(len, poem.lines))


def test_what_raters_are_served_names_nobody(tmp_path):
    make_study(tmp_path / "study")
    served = [tmp_path / "study" / name for name in ("items.jsonl", "tokens.json", "study.json")]
    for path in [*served, *(tmp_path / "study" / "raters").iterdir()]:
        text = path.read_text(encoding="utf-8")
        for name in (*SYSTEMS, "human", "李白", "tiny#", "shuffled", "repeat_of", "checked"):
            assert name not in text, (path.name, name)


def test_links_are_private_and_stored_hashed(tmp_path):
    tokens = make_study(tmp_path / "study")
    assert len(set(tokens.values())) == SETTINGS.raters and all(len(token) == 32 for token in tokens.values())
    for path in (tmp_path / "study").rglob("*"):
        if path.is_file() and path.name != "links.csv":
            assert not any(token in path.read_text(encoding="utf-8") for token in tokens.values()), path
    for name in ("links.csv", "key.json"):
        assert stat.S_IMODE((tmp_path / "study" / name).stat().st_mode) == 0o600
    study = read_study(tmp_path / "study")
    assert {study.rater_of(token) for token in tokens.values()} == set(study.tasks)


@pytest.mark.parametrize(
    "token", ["", "x", "R01", "a" * 32, "a" * 10**6, "../../key.json", "' OR 1=1 --", "\x00" * 32, "秘" * 32]
)
def test_no_other_token_opens_anything(tmp_path_factory, token):
    folder = tmp_path_factory.getbasetemp() / "study-for-tokens"
    if not folder.exists():
        make_study(folder)
    study = read_study(folder)
    assert study.rater_of(token) is None
    assert study.rater_of(next(iter(study.token_hashes))) is None, "the stored hash is no token"


def test_tokens_are_not_of_the_seed():
    assert new_token() != new_token() and hash_token("a") != hash_token("b")


def test_the_same_seed_deals_the_same_poems():
    assert make_plan() == make_plan() != make_plan(replace(SETTINGS, seed=6))


def test_copied_lines_are_flagged_to_the_organiser_alone(tmp_path):
    plan = make_plan(copied=True)
    items = {item.item: item for item in plan.items}
    firsts = {items[name].lines[0] for name, source in plan.key.sources.items() if source.system == SYSTEMS[0]}
    for name, source in plan.key.sources.items():
        if source.system and not source.repeats:
            expected = [line for line in items[name].lines if line in firsts]
            assert {record["line"] for record in source.copied} >= set(expected)
            assert all(record["source_id"].startswith("tiny#") for record in source.copied)
    assert dict(summary(plan))[f"{SYSTEMS[0]}: poems with lines of the corpus"] == "9 of 9"
    write_study(tmp_path / "s", plan, {}, "http://x")
    assert "copied" not in (tmp_path / "s" / "items.jsonl").read_text(encoding="utf-8")
    assert any(source.copied for source in read_key(tmp_path / "s").sources.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poems": 17}, "16 poems that can be shown"),
        ({"poems": 0}, "--poems cannot be 0"),
        ({"raters": 1001}, "--raters cannot be 1001"),
        ({"checks": -1}, "--checks cannot be -1"),
    ],
)
def test_a_size_that_cannot_be_had_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        make_plan(replace(SETTINGS, **changes))


def test_systems_that_wrote_to_other_titles_are_rated_too():
    held_out = make_poems(10, 300)
    strangers = [replace(one, source_id=f"stranger#{n}", title="他题") for n, one in enumerate(make_writings(held_out, "z", 2))]
    plan = plan_study(strangers, held_out, None, replace(SETTINGS, poems=5))
    assert plan.key.systems == ("z", "human") and "5 of 5 titles are not shared" in plan.key.notes[0]


def test_poems_that_cannot_be_shown_are_counted_and_left_out():
    held_out = make_poems(12, 300)
    generations = make_writings(held_out, "z", 2)
    generations[0] = replace(generations[0], lines=("春" * 100_000,), marks="。")
    generations[1] = replace(generations[1], lines=(), marks="")
    plan = plan_study(generations, held_out, None, replace(SETTINGS, poems=10))
    assert "2 of 12 poems are empty or too long" in plan.key.notes[0]
    assert max(sum(map(len, item.lines)) for item in plan.items) == 20


def test_a_poem_cannot_turn_the_page_around_it():
    held_out = [Poem(("春\u202e江\x00花\x1b月夜",) * 4, "，。，。", title="题\u2066\n" * 60, form="五言绝句", source_id="odd")]
    plan = plan_study(make_writings(make_poems(1), "z", 1), held_out, None, replace(SETTINGS, poems=1))
    texts = ["".join((item.title, *item.lines)) for item in plan.items]
    assert all(text.isprintable() for text in texts) and all(len(item.title) <= 60 for item in plan.items)


def test_a_study_is_never_written_over_and_never_read_altered(tmp_path):
    make_study(tmp_path / "study")
    with pytest.raises(UsageError, match="the folder exists"):
        make_study(tmp_path / "study")
    path = tmp_path / "study" / "raters" / "R01.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["tasks"].pop()
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(DataError, match="not the one that its manifest describes"):
        read_study(tmp_path / "study")
    with pytest.raises(DataError, match="is no study"):
        read_study(tmp_path)
