"""What characters may stand for, by rhyme book and by view of polyphones."""

from __future__ import annotations

import pytest

from gemma_poetry.prosody.character_sounds import BookSounds
from gemma_poetry.prosody.forms import Tone
from gemma_poetry.prosody.rhyme_books import CILIN, PINGSHUI, rhyme_book

EVERY, ANY = BookSounds(PINGSHUI, "every"), BookSounds(PINGSHUI, "any")


@pytest.mark.parametrize(
    ("char", "at_end", "every", "any_", "why"),
    [
        ("山", False, "平", "平", "one reading"),
        ("月", True, "仄", "仄", "one reading"),
        ("看", False, "", "平仄", "two tones: certain of neither"),
        ("不", False, "仄", "仄", "inside a line usage leaves 仄 alone"),
    ],
)
def test_tones(char, at_end, every, any_, why):
    assert {tone.value for tone in EVERY.tones(char, at_end)} == set(every), why
    assert {tone.value for tone in ANY.tones(char, at_end)} == set(any_), why


@pytest.mark.parametrize(
    ("char", "tone", "every", "any_"),
    [
        ("山", Tone.LEVEL, {"十五删"}, {"十五删"}),
        ("山", Tone.OBLIQUE, set(), set()),
        ("看", Tone.LEVEL, set(), {"十四寒"}),
        ("严", Tone.LEVEL, set(), {"十四盐", "十五咸"}),
    ],
)
def test_rhymes(char, tone, every, any_):
    assert EVERY.rhymes(char, tone) == every
    assert ANY.rhymes(char, tone) == any_


def test_the_parts_of_a_tune():
    assert BookSounds(CILIN, "every").rhymes("山", Tone.LEVEL) == {"第七部"}


@pytest.mark.parametrize(
    ("name", "book", "expected"),
    [
        ("一东", "pingshui", "一东"), ("东", "pingshui", "一东"), ("董", "pingshui", "一董"),
        ("第十四部", "cilin", "第十四部"), ("十四", "cilin", "第十四部"), ("14", "cilin", "第十四部"),
    ],
)  # fmt: skip
def test_rhyme_groups_by_name(name, book, expected):
    assert rhyme_book(book).find(name) == expected
