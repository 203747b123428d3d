"""English verse: pronunciations, syllables, metre and rhyme."""

from __future__ import annotations

import pytest

from gemma_poetry.corpus.poem import RefusedError, SourcePoem
from gemma_poetry.domains.english_sounds import pronunciations, words_of, wordstock
from gemma_poetry.domains.english_verse import EnglishVerse

DOMAIN = EnglishVerse()
QUATRAIN = [
    "The ferry takes the morning mail",
    "Across the silver bay,",
    "And carries letters, bread and salt",
    "To neighbours far away.",
]
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ' ,.;")


def rules(lines: list[str], form: str) -> list[tuple[int, str]]:
    return [(one["line"], one["rule"]) for one in DOMAIN.check(lines, form).to_record()["faults"]]


@pytest.mark.parametrize(
    ("word", "stresses"), [("day", {"1"}), ("summer", {"10"}), ("fire", {"1", "10"}), ("Delay", {"01"}), ("zyzzyvaq", set())]
)
def test_a_word_has_every_pronunciation_of_the_dictionary_and_no_other(word, stresses):
    assert {way.stresses for way in pronunciations(word)} == stresses


def test_words_of_a_line():
    assert words_of("‘Don’t wait,’ half-light—she'd say") == [
        (2, "Don't"), (8, "wait"), (15, "half"), (20, "light"), (26, "she'd"), (32, "say"),
    ]  # fmt: skip


def test_a_quatrain_that_keeps_all():
    found = DOMAIN.check(QUATRAIN, "common metre").to_record()
    assert (found["verdict"], found["faults"], found["unknown"]) == ("strict", [], [])
    assert found["rhyme_group"] == "xAxA"


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (3, "To neighbours", [(4, "syllables"), (4, "rhyme")]),
        (3, "To neighbours far at sea.", [(4, "rhyme")]),
        (3, "Beside the silver bay.", [(4, "rhyme word repeated")]),
        (0, "The delay takes the morning mail", [(1, "metre")]),
        (0, "Morning has broken on the bay", []),  # the first foot inverted: a licence
    ],
)
def test_faults_are_named_with_their_line(line, text, expected):
    assert rules([*QUATRAIN[:line], text, *QUATRAIN[line + 1 :]], "common metre") == expected


def test_licences_are_told_and_lower_the_verdict():
    found = DOMAIN.check(["Morning has broken on the bay", *QUATRAIN[1:]], "common metre").to_record()
    assert [(one["line"], one["rule"]) for one in found["licences"]] == [(1, "first foot inverted")]
    assert found["verdict"] == "minor"


def test_a_word_in_no_dictionary_is_reported_and_nothing_is_guessed():
    found = DOMAIN.check(
        ["first snow of the year", "an old blorptang and his glove", "a stranger's child now"], "haiku"
    ).to_record()
    assert found["unknown"] == [{"line": 2, "position": 8, "word": "blorptang"}]
    assert (found["verdict"], found["faults"]) == ("not-judged", [])
    rhyming = DOMAIN.check([*QUATRAIN[:3], "To neighbours far blorptay."], "common metre").to_record()
    assert (rhyming["verdict"], rhyming["faults"]) == ("not-judged", []), "its rhyme is not guessed either"


@pytest.mark.parametrize(
    ("lines", "form"),
    [
        (QUATRAIN, "common metre"),
        (["first snow of the year", "an old man offers his glove", "to a stranger's child"], "haiku"),
        (["first snow", "an old man offers his glove"], "free verse"),
    ],
)
def test_the_form_is_found(lines, form):
    assert DOMAIN.clean(SourcePoem(tuple(lines), "x#1")).form == form


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du", "not English"),
        ("the сat sat on the mat", "mixed scripts (Cyrillic)"),
        ("春眠不觉晓 the end of it", "mixed scripts (Han)"),
        ("...", "no text"),
        ("the end \ufffd of it all", "damaged"),
    ],
)
def test_what_is_left_out_has_a_reason(text, reason):
    with pytest.raises(RefusedError) as caught:
        DOMAIN.clean(SourcePoem((text,), "x#1"))
    assert reason in caught.value.reason


def test_the_wordstock_holds_what_is_beyond_doubt():
    stock = wordstock(LETTERS)

    def cost(word: str) -> int:
        state = stock.step(0, word[0])
        for char in word[1:]:
            state = state and stock.step(state[0], char)
        return int(stock.costs[state[0]]) if state else 0

    assert [cost(word) for word in ("day", "summer", "memory", "don't", "I")] == [1, 2, 3, 1, 1]
    assert [cost(word) for word in ("fire", "zyzzyvaq", "i", "mr")] == [0, 0, 0, 0]
    assert wordstock(LETTERS) is stock


def test_measures():
    sonnet = DOMAIN.measure("sonnet")
    assert sonnet is not None and [line.cost for line in sonnet.lines] == [10] * 14
    assert "".join(line.rhyme[0] for line in sonnet.lines) == "ABABCDCDEFEFGG"
    haiku = DOMAIN.measure("haiku")
    assert haiku is not None and [(line.cost, line.metre, line.rhyme) for line in haiku.lines] == [
        (5, "", ""),
        (7, "", ""),
        (5, "", ""),
    ]
    assert DOMAIN.measure("free verse") is None
    assert DOMAIN.count(["The summer's day,", "half-light"]) == 5
