"""Words that lines are made of: what may follow, what it costs, which sums can still be met."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gemma_poetry.errors import ConstraintError
from gemma_poetry.prosody.measures import Measure, MeasuredLine, Unit, split_measured
from gemma_poetry.prosody.wordstock import NOTHING, Closers, Wordstock

WORDS = {
    "day": Unit(1, "ay"),
    "way": Unit(1, "ay"),
    "night": Unit(1, "ite"),
    "summer": Unit(2, "ummer", (0,)),
    "delay": Unit(2, "ay", (1,)),
    "I": Unit(1, "eye"),
    "in": Unit(1, "in"),
    "is": Unit(1, "is"),
}
ENGLISH = Wordstock(WORDS, joiner=" ", marks=",", capitalise=True)


def walk(stock: Wordstock, text: str) -> tuple[int, int] | None:
    """State and sum paid after a text, by `step` alone."""
    state, paid = stock.start, 0
    for char in text:
        moved = stock.step(state, char)
        if moved is None:
            return None
        state, unit = moved
        paid += 0 if unit == NOTHING else int(stock.costs[unit])
    return state, paid


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        ("Day", 0),
        ("Day ", 1),
        ("Summer day, ", 3),
        ("Summer day,", 3),
        ("day", None),  # a line begins with a large letter
        ("Day Night", None),  # and only a line
        ("Summerday", None),
        ("Day  ", None),
        ("Day,, ", None),
        ("I ", 1),
        ("In ", 1),  # I and In begin alike
        ("Is I ", 2),
        ("Is i", 1),  # is, in
        ("Is i ", None),  # but no small i
        ("Days", None),
    ],
)
def test_words_are_paid_when_they_are_over(text, paid):
    found = walk(ENGLISH, text)
    assert (found and found[1]) == paid


def test_following_is_what_step_takes():
    for text in ("", "D", "Day", "Day,", "Day ", "I", "Summ"):
        state, _ = walk(ENGLISH, text) or (NOTHING, 0)
        taken = {chr(code) for code in range(32, 127) if ENGLISH.step(state, chr(code)) is not None}
        assert set(ENGLISH.following(state)) == taken, text


def brute_force(line: MeasuredLine, closers: set[str] | None) -> set[str]:
    """Every line of words that costs what it must, keeps the metre, and ends in a word that may end it."""
    lines = set()
    for count in range(1, line.cost + 1):
        for chosen in itertools.product(WORDS, repeat=count):
            spent = 0
            for word in chosen:
                unit = WORDS[word]
                if any(line.metre and line.metre[spent + place : spent + place + 1] != "/" for place in unit.accents):
                    break
                spent += unit.cost
            else:
                if spent == line.cost and (closers is None or chosen[-1] in closers):
                    text = " ".join(chosen)
                    lines.add(text[0].upper() + text[1:])
    return lines


@pytest.mark.parametrize("metre", ["", "x/x", "/x/"])
@pytest.mark.parametrize("rhyming", [None, "ay", "ummer"])
def test_no_line_that_can_be_finished_is_cut_off(metre, rhyming):
    """The look-ahead against all lines of three syllables, at every beginning of every one of them."""
    line = MeasuredLine(3, rhyme="A" if rhyming else "", metre=metre)
    group = ENGLISH.group_names.index(rhyming) if rhyming else None
    closers = None if group is None else Closers(frozenset({group}), frozenset())
    ends = None if rhyming is None else {word for word, unit in WORDS.items() if unit.rhyme == rhyming}
    beginnings = {text[:end] for text in brute_force(line, ends) for end in range(len(text) + 1)}
    places = [found for text in beginnings if (found := walk(ENGLISH, text)) is not None]
    assert len(places) == len(beginnings)
    if beginnings:
        states, paid = (np.array(column) for column in zip(*places))
        assert ENGLISH.viable(states, line.cost - paid, line, closers).all()
    else:
        # Summer begins on a strong place and so cannot end this line.
        assert (metre, rhyming) == ("/x/", "ummer")
        assert not ENGLISH.viable(np.array([ENGLISH.start]), np.array([line.cost]), line, closers)[0]


def test_kana_follow_each_other_without_a_joiner():
    stock = Wordstock({"き": Unit(1), "きゃ": Unit(1), "く": Unit(1), "っく": Unit(2)})
    assert walk(stock, "きゃくき") == (stock.step(stock.start, "き")[0], 2)  # type: ignore[index]
    assert walk(stock, "ゃ") is None
    state, paid = walk(stock, "くっく") or (0, 0)
    assert (paid, stock.costs[state]) == (1, 2)
    assert stock.unit_at_end(walk(stock, "くっ")[0]) is None, "っ ends nothing"  # type: ignore[index]


def test_rhyme_groups_have_words_for_all_their_lines():
    lines = (MeasuredLine(3, rhyme="A"),) * 3
    assert {ENGLISH.group_names[number] for number in ENGLISH.groups_for(lines)} == {"ay"}
    assert ENGLISH.groups_for(lines * 2) == frozenset()
    iambic = (MeasuredLine(4, rhyme="A", metre="x/x/"),) * 3
    assert {ENGLISH.group_names[number] for number in ENGLISH.groups_for(iambic)} == {"ay"}


def test_a_stock_that_cannot_fill_lines_is_refused():
    with pytest.raises(ConstraintError, match="no unit of cost 1"):
        Wordstock({"summer": Unit(2)})


@pytest.mark.parametrize(
    ("text", "marks", "lines", "closed"),
    [
        ("ab\ncd\n", "\n\n", ("ab", "cd"), "\n\n"),
        ("ab cd\nef", " \n\n", ("ab", "cd", "ef"), " \n\n"),
        ("ab", "\n\n", ("ab",), "\n"),
        ("ab\ncd\nrest\n", "\n\n", ("ab", "cd", "rest"), "\n\n\n"),
        ("", "\n", (), ""),
    ],
)
def test_running_text_is_cut_at_its_marks(text, marks, lines, closed):
    assert split_measured(text, marks) == (lines, closed)


def test_a_measure_tells_its_marks_and_rhymes():
    first, second = MeasuredLine(5, " ", "A"), MeasuredLine(7, "\n", "A")
    assert Measure("x", (first, second)).marks == " \n"
    assert Measure("x", (first, second, MeasuredLine(5))).rhyming("A") == (first, second)
