"""Prose: passages, Markdown, scripts and directions."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.poem import RefusedError, SourcePoem
from gemma_poetry.domains.prose import PASSAGE_CHARACTERS, Prose, direction

DOMAIN = Prose()
ARABIC = "كان جدي يقول إن النهر لا ينسى أحدا."
FENCED = ["Run this:", "", "```sh", "make", "", "make test", "```", "", "Done."]


def texts(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(poem.title, poem.paragraphs) for poem in DOMAIN.divide(text, "a.md")]


def test_headings_begin_passages_and_name_them():
    assert texts("Before.\n\n# One\n\nText.\n\n## Two ##\nMore.\n") == [
        ("", ("Before.",)),
        ("One", ("# One", "", "Text.")),
        ("Two", ("## Two ##", "More.")),
    ]


def test_a_fence_is_never_cut():
    long = "x" * PASSAGE_CHARACTERS
    passages = [paragraphs for _, paragraphs in texts("\n".join([long, "", *FENCED]))]
    assert passages == [(long,), tuple(FENCED)]


def test_long_texts_become_several_passages():
    paragraphs = ["word " * 60] * 10
    passages = texts("\n\n".join(paragraphs))
    assert len(passages) > 2 and sum(len(own) - own.count("") for _, own in passages) == 10


@pytest.mark.parametrize(
    ("lines", "form"),
    [
        (["Plain text."], "prose"),
        (["# Title", "", "Text."], "markdown"),
        (["- one", "- two"], "markdown"),
        (["See [here](x.html)."], "markdown"),
        (["Call `f(x)`."], "technical"),
        (["| a | b |", "|---|---|"], "technical"),
        (FENCED, "technical"),
        ([ARABIC], "prose"),
    ],
)
def test_the_form_is_what_it_is_made_of(lines, form):
    poem = DOMAIN.clean(SourcePoem(tuple(lines), "x#1"))
    assert (poem.form, poem.lines) == (form, tuple(lines))


def test_right_to_left_text_stays_in_logical_order_and_loses_hidden_turns():
    poem = DOMAIN.clean(SourcePoem(("\u202bשלום\u202c עולם\u200f", "mi\u200dxed نمی\u200cشود"), "x#1"))
    assert poem.lines == ("שלום עולם", "mi\u200dxed نمی\u200cشود"), "joiners stay, marks of direction go"
    found = DOMAIN.check(poem.lines, "prose").to_record()
    assert (found["direction"], found["scripts"], found["verdict"]) == ("rtl", ["Arabic", "Hebrew", "Latin"], "not-judged")
    assert direction(["123 abc", ARABIC]) == "ltr"


def test_an_open_fence_is_a_fault():
    found = DOMAIN.check(["Text.", "```", "code"], "technical").to_record()
    assert [(one["line"], one["rule"]) for one in found["faults"]] == [(2, "code fence")]


@pytest.mark.parametrize(
    ("text", "reason"), [("123 — !", "no text"), ("a\x00b", "damaged characters"), ("a\ufffdb", "damaged")]
)
def test_what_is_left_out_has_a_reason(text, reason):
    with pytest.raises(RefusedError) as caught:
        DOMAIN.clean(SourcePoem((text,), "x#1"))
    assert reason in caught.value.reason
