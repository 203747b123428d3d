"""What the page asks for becomes a request, or a refusal in the language of the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemma_poetry.config import GenerateSettings
from gemma_poetry.errors import GemmaPoetryError, UsageError
from gemma_poetry.generation.prescription import prescribe
from gemma_poetry.generation.request import simplify
from gemma_poetry.studio.texts import say
from gemma_poetry.studio.wish import COUPLET, EXAMPLES, MOST_OF, Wish

TEMPLATE = say("template_hint", "zh")


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_example_can_be_written(key: str):
    assert prescribe(simplify(EXAMPLES[key].request("zh"))).forms


@pytest.mark.parametrize("form", ["七言绝句", "五言律诗", "菩萨蛮", "五言排律", ""])
def test_the_placeholder_of_the_blanks_works_whatever_form_is_chosen(form: str):
    request = Wish(form=form, template=TEMPLATE).request("zh")
    assert request.form == ""
    assert prescribe(simplify(request)).forms[0].line_lengths == (5, 5)


@pytest.mark.parametrize(
    "form, template, kept, written",
    [
        ("五言绝句", TEMPLATE * 2, "五言绝句", "五言绝句"),
        ("七言绝句", TEMPLATE * 2, "", "五言绝句"),
        ("五言古诗", TEMPLATE, "五言古诗", "五言古诗"),
        ("五律", TEMPLATE * 4, "五律", "五言律诗"),
        ("如梦令", "□□□□□□，□□□□□□。□□□□□，□□□□□□。□□，□□，□□□□□□。", "如梦令", "如梦令"),
    ],
)
def test_blanks_keep_the_form_whose_shape_they_have(form: str, template: str, kept: str, written: str):
    request = Wish(form=form, template=template).request("zh")
    assert request.form == kept
    assert prescribe(simplify(request)).form == written


def test_a_form_that_does_not_exist_is_named_beside_blanks_too():
    with pytest.raises(GemmaPoetryError, match="no form or tune"):
        Wish(form="九言绝句", template=TEMPLATE).request("en")


def test_a_couplet_answers_its_upper_line_and_nothing_else():
    request = Wish(form=COUPLET, upper="春风得意马蹄疾").request("zh")
    assert (request.answer, request.form) == ("春风得意马蹄疾", "")
    with pytest.raises(UsageError, match="还没有上联"):
        Wish(form=COUPLET).request("zh")
    with pytest.raises(GemmaPoetryError, match="and also acrostic"):
        Wish(form=COUPLET, upper="春风得意马蹄疾", acrostic="春").request("en")
    assert Wish(form="七言绝句", upper="春风得意马蹄疾").request("zh").answer == ""


def test_rhyme_words_may_be_written_as_a_list():
    assert Wish(form="七言绝句", rhyme_words="间、还 山").request("zh").rhyme_words == "间还山"


def test_quality_is_what_the_page_says_and_otherwise_what_the_studio_was_started_with():
    usual = GenerateSettings(effort=2, temperature=0.4, top_p=0.8)
    assert Wish().sampling(usual) == usual
    assert Wish(effort=5, temperature=0.0).sampling(usual) == GenerateSettings(effort=5, temperature=0, top_p=0.8)


@pytest.mark.parametrize("count", [0, MOST_OF + 1])
def test_the_best_of_too_many_is_refused(count: int):
    with pytest.raises(UsageError, match=f"best of {count}"):
        replace(Wish(), best_of=count).check_best_of("en")
    replace(Wish(), best_of=MOST_OF).check_best_of("en")


def test_what_a_browser_sends_is_made_to_fit():
    pytest.importorskip("gradio", reason="Gradio is not installed")
    from gemma_poetry.studio.compose_fields import wish_of

    sent = {"form": None, "title": 7, "must": "yes", "lines": "x", "drafts": None, "effort": 99, "best_of": 3.0}
    assert wish_of({**sent, "temperature": "hot"}) == Wish(title="7", must=True, effort=5, best_of=3)


def test_a_poem_is_answered_in_its_own_form_and_rhyme_whatever_form_is_chosen():
    request = Wish(form="七言绝句", answered=say("answered_hint", "zh")).request("zh")
    prescription = prescribe(simplify(request))
    assert prescription.form == "五言绝句"
    assert {form.line_lengths for form in prescription.forms} == {(5, 5, 5, 5)}
    assert {(form.lines[1][4].char, form.lines[3][4].char) for form in prescription.forms} == {("流", "楼")}


def test_more_words_than_are_named_are_refused():
    with pytest.raises(UsageError, match="意象写了 5 个"):
        Wish(form="五绝", words="轨、窗、千里、风、月").request("zh")
    assert len(Wish(form="五绝", words="轨、窗、千里、风").request("zh").words) == 4
    assert len(Wish(form="七律", words="江、山、千里、风、月", must=True).request("zh").must) == 5
