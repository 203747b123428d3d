"""Composing without a browser: wishes, locks, alternatives, turns."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gemma_poetry.errors import ConstraintError, GemmaPoetryError, UsageError
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.studio.compose import Sheaf, compose, more, offer, rewrite, take, toggle_lock, unlock_all
from gemma_poetry.studio.draft_page import options_html, progress_html, sheaf_html
from gemma_poetry.studio.verse import Layout
from gemma_poetry.studio.wish import COUPLET, EXAMPLES, Wish, seed_of
from gemma_poetry.studio.workshop import Progress, Workshop

EXAMPLES_OF_BASE = {key: replace(wish, model="base") for key, wish in EXAMPLES.items()}
UPPER = "明月松间照"
WISH = Wish(form="五言绝句", title="春夜", seed="5", model="base")


def last(steps: Iterator[Progress | Sheaf]) -> Sheaf:
    *_, sheaf = steps
    assert isinstance(sheaf, Sheaf)
    return sheaf


@pytest.fixture(scope="module")
def first(generators) -> Sheaf:
    workshop = Workshop({"base": lambda: generators[0]}, lambda text, form: [], settings=generators[0].settings)
    return last(compose(workshop, WISH, "anne", "en"))


def test_a_poem_appears_character_by_character(workshop: Workshop):
    steps = list(compose(workshop, WISH, "anne", "en"))
    texts = [step.text for step in steps if isinstance(step, Progress) and step.text]
    sheaf = steps[-1]
    assert isinstance(sheaf, Sheaf) and sheaf.draft is not None
    assert len(texts) > 8
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert sheaf.draft.poem.text.startswith(texts[-1])
    assert sheaf.draft.scansion is not None and sheaf.draft.scansion.verdict.passes
    assert sheaf.draft.seed == 5 and sheaf.draft.ppl_char is not None


def test_a_seed_gives_the_same_poem_again(workshop: Workshop, first: Sheaf):
    again = last(compose(workshop, WISH, "anne", "en"))
    assert again.draft and first.draft and again.draft.poem == first.draft.poem


def test_several_poems_at_a_time_are_turned_over(workshop: Workshop):
    sheaf = last(compose(workshop, replace(WISH, drafts=3), "anne", "en"))
    assert len({draft.poem.text for draft in sheaf.drafts}) == 3
    assert [sheaf.current, *(sheaf.showing(number).current for number in ("1", "2", "3", "-1", None))] == [0, 1, 2, 0, 0, 0]


def test_a_few_more_are_written_of_the_same_wish_and_the_first_stay(workshop: Workshop, first: Sheaf):
    sheaf = last(more(workshop, first, "anne", "en"))
    assert len(sheaf.drafts) == 4 and sheaf.current == 1 and sheaf.drafts[0] == first.draft
    assert len({draft.poem.text for draft in sheaf.drafts}) == 4
    assert {draft.poem.title for draft in sheaf.drafts} == {"春夜"}
    shown = sheaf_html(sheaf, Layout(), "zh")
    assert shown.count("data-draft=") == 4 and shown.count('aria-current="true"') == 1


def test_poems_of_one_sitting_stay_beside_each_other(workshop: Workshop, first: Sheaf):
    sheaf = last(compose(workshop, EXAMPLES_OF_BASE["example_acrostic"], "anne", "en", first))
    assert [draft.poem.title for draft in sheaf.drafts] == ["春夜", "四时"] and sheaf.current == 1


def test_effort_and_best_of_reach_the_model(workshop: Workshop, generators):
    asked: list[tuple[int, object]] = []
    write = type(generators[0]).write

    def noted(self, requests, **settings):
        asked.append((self.settings.effort, settings["best_of"]))
        return write(self, requests, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(generators[0]), "write", noted)
        last(compose(workshop, replace(WISH, effort=2, best_of=3), "anne", "en"))
        last(compose(workshop, WISH, "anne", "en"))
    assert asked == [(2, 3), (1, None)] and generators[0].settings.effort == 1


def test_a_couplet_is_answered_and_its_lower_line_rewritten(workshop: Workshop):
    sheaf = last(compose(workshop, replace(WISH, form=COUPLET, upper=UPPER, title=""), "anne", "en"))
    draft = sheaf.draft
    assert draft and draft.poem.lines[0] == UPPER and len(draft.poem.lines[1]) == len(UPPER)
    locked = toggle_lock(sheaf, "2.3", "en")
    new = last(rewrite(workshop, locked, "anne", "en")).draft
    assert new and new.poem.lines[1][2] == draft.poem.lines[1][2] and new.poem.lines[0] == draft.poem.lines[0]
    options = last(offer(workshop, sheaf, "2.5", "anne", "en")).draft.options  # type: ignore[union-attr]
    assert len(options) > 1 and all(one.poem.lines[0] == UPPER for one in options)


def test_an_answer_to_a_poem_can_be_rewritten_and_mended_too(workshop: Workshop, first: Sheaf):
    assert first.draft is not None
    answered = first.draft.poem
    sheaf = last(compose(workshop, replace(WISH, form="", answered=answered.text, distinct=False), "anne", "en"))
    draft = sheaf.draft
    assert draft and draft.poem.lines[3][-1] == answered.lines[3][-1] and draft.poem.form == "五言绝句"
    new = last(rewrite(workshop, toggle_lock(sheaf, "3.2", "en"), "anne", "en")).draft
    assert new and new.poem.lines[2][1] == draft.poem.lines[2][1] and new.poem.lines[3][-1] == answered.lines[3][-1]
    options = last(offer(workshop, sheaf, "3.3", "anne", "en")).draft.options  # type: ignore[union-attr]
    assert len(options) > 1


def test_locked_characters_stay_and_the_rest_is_new(workshop: Workshop, first: Sheaf):
    sheaf = toggle_lock(toggle_lock(first, "1.2", "en"), "4.5", "en")
    assert sheaf.draft is not None and sheaf.draft.locked == {(1, 2), (4, 5)}
    rewritten = last(rewrite(workshop, sheaf, "anne", "en"))
    old, new = sheaf.draft.poem.lines, rewritten.draft.poem.lines  # type: ignore[union-attr]
    assert (new[0][1], new[3][4]) == (old[0][1], old[3][4])
    assert new != old
    assert scan(new, "五言绝句").verdict.passes
    assert len(rewritten.drafts) == 2 and rewritten.draft and rewritten.draft.locked == {(1, 2), (4, 5)}
    assert rewritten.showing(0).draft == sheaf.draft


def test_a_closing_mark_locks_its_line_and_unlocks_it(first: Sheaf):
    sheaf = toggle_lock(toggle_lock(first, "2.3", "en"), "2.0", "en")
    assert sheaf.draft and sheaf.draft.locked == {(2, place) for place in range(1, 6)}
    assert toggle_lock(sheaf, "2.0", "en").draft.locked == frozenset()  # type: ignore[union-attr]
    assert unlock_all(sheaf).draft.locked == frozenset()  # type: ignore[union-attr]


def test_what_was_asked_for_cannot_be_unlocked_and_is_kept(workshop: Workshop):
    sheaf = last(compose(workshop, replace(WISH, acrostic="春江"), "anne", "en"))
    assert sheaf.draft and sheaf.draft.given == {(1, 1), (2, 1)}
    with pytest.raises(UsageError, match="was asked for"):
        toggle_lock(sheaf, "1.1", "en")
    rewritten = last(rewrite(workshop, sheaf, "anne", "en"))
    assert [line[0] for line in rewritten.draft.poem.lines[:2]] == ["春", "江"]  # type: ignore[union-attr]
    locked = toggle_lock(sheaf, "1.0", "en")
    assert locked.draft and locked.draft.locked == {(1, place) for place in range(2, 6)}


def test_alternatives_are_ranked_keep_the_form_and_are_locked_when_taken(workshop: Workshop, first: Sheaf):
    sheaf = last(offer(workshop, first, "2.5", "anne", "en"))
    draft = sheaf.draft
    assert draft is not None and draft.chosen == (2, 5) and len(draft.options) > 2
    shares = [option.share for option in draft.options]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-9
    assert [option.char for option in draft.options if option.current] == [draft.poem.lines[1][4]]
    for option in draft.options:
        assert scan(option.poem.lines, "五言绝句").verdict.passes, option.poem.text
    number = next(number for number, option in enumerate(draft.options) if not option.current)
    taken = take(sheaf, str(number), "en").draft
    assert taken is not None
    assert taken.poem.lines[1][4] == draft.options[number].char
    assert taken.locked == {(2, 5)} and taken.chosen is None and taken.ppl_char is None
    assert f'data-option="{number}"' in options_html(sheaf, "en")


@pytest.mark.parametrize("place", ["9.1", "1.9", "1", "x.y", "1.-1", "", "1.1.1", "٣.١", "99999999.1", None])
def test_places_that_the_poem_has_not_got_are_refused(first: Sheaf, place: object):
    with pytest.raises(UsageError, match="no such place"):
        toggle_lock(first, place, "en")


@pytest.mark.parametrize("number", ["-1", "99", "x", "", None])
def test_alternatives_that_were_not_offered_are_refused(workshop: Workshop, first: Sheaf, number: object):
    with pytest.raises(UsageError):
        take(first, number, "en")


def test_nothing_to_write_is_said():
    with pytest.raises(UsageError, match="there is no poem yet"):
        toggle_lock(Sheaf(), "1.1", "en")
    with pytest.raises(UsageError, match="还没有诗"):
        next(rewrite(Workshop({}, lambda text, form: []), Sheaf(), "anne", "zh"))


def test_a_poem_that_is_locked_whole_is_not_rewritten(workshop: Workshop, first: Sheaf):
    sheaf = first
    for line in range(1, 5):
        sheaf = toggle_lock(sheaf, f"{line}.0", "en")
    with pytest.raises(UsageError, match="every character is locked"):
        next(rewrite(workshop, sheaf, "anne", "en"))


REFUSED = [
    (replace(WISH, model="/etc/passwd"), UsageError, "no model is called '/etc/passwd'"),
    (replace(WISH, model="mini"), UsageError, "base, tuned"),
    (replace(WISH, drafts=4), UsageError, "1 to 3 poems"),
    (replace(WISH, title="春" * 121), UsageError, "at most 120 characters"),
    (replace(WISH, form=""), UsageError, "no form is chosen yet"),
    (replace(WISH, seed="3.5"), UsageError, "no whole number"),
    (replace(WISH, seed="9" * 40), UsageError, "no whole number"),
    (replace(WISH, acrostic="春夏秋冬梅"), ConstraintError, "the acrostic has 5 characters"),
]


@pytest.mark.parametrize("wish, kind, message", REFUSED, ids=[message for _, _, message in REFUSED])
def test_wishes_that_cannot_be_are_refused_before_a_model_is_asked(
    workshop: Workshop, wish: Wish, kind: type[GemmaPoetryError], message: str
):
    with pytest.raises(kind, match=message):
        next(compose(workshop, wish, "anne", "en"))
    assert not workshop._loaded and not workshop.line._tickets


def test_a_visitor_who_leaves_frees_the_model(workshop: Workshop):
    steps = compose(workshop, WISH, "anne", "en")
    for step in steps:
        if isinstance(step, Progress) and step.text:
            break
    steps.close()  # type: ignore[attr-defined]
    assert not workshop.line._tickets
    assert not [thread for thread in threading.enumerate() if thread.name == "studio-writer"]
    assert last(compose(workshop, WISH, "anne", "en")).draft is not None


def test_whoever_comes_second_waits_and_is_told(workshop: Workshop):
    ticket = workshop.line.enter("boris", "en")
    steps = compose(workshop, WISH, "anne", "en")
    assert next(steps) == Progress("1 before you, please wait ...")
    ticket.leave()
    assert last(steps).draft is not None


def test_a_failing_model_is_said_and_frees_the_line(workshop: Workshop):
    def broken():
        raise ConstraintError("no such weights")

    own = replace(workshop, loaders={"base": broken})
    with pytest.raises(ConstraintError, match="no such weights"):
        list(compose(own, WISH, "anne", "en"))
    assert not own.line._tickets


def test_poems_are_shown_as_they_grow_and_when_they_are_done(first: Sheaf):
    growing = progress_html(Progress("Writing ...", "天地玄黄宇，宙洪"), Layout(), "en")
    assert growing.count('class="zi"') == 7 and "Writing ..." in growing
    done = sheaf_html(first, Layout(), "zh")
    assert "春夜" in done and "种子 5" in done and done.count("data-spot") == 24
    assert "落笔" in sheaf_html(Sheaf(), Layout(), "zh")


@pytest.mark.parametrize("text, seed", [("0", 0), (" 7 ", 7), ("4294967295", 4294967295)])
def test_seeds(text: str, seed: int):
    assert seed_of(text, "en") == seed


def test_no_seed_is_a_new_one_each_time():
    assert len({seed_of("", "en") for _ in range(20)}) > 15
