"""Induction on poems that are made from a known pattern: it must give the pattern back."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from gemma_poetry.prosody.forms import Form
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.tune_induction import induce_tunes, with_aliases, with_likenesses, with_shapes
from gemma_poetry.prosody.tune_patterns import parse_pattern, pattern_text
from gemma_poetry.prosody.tune_sounds import Sound, sounds_of
from tests.tune_writing import PLAIN, RHYMES, write_lines


@dataclass(frozen=True)
class Text:
    tune: str
    lines: tuple[str, ...]
    marks: str


def poem(form: Form, rng: random.Random, division: Sequence[int] = ()) -> Text:
    """A poem that keeps a form, its characters divided into lines otherwise where a division is given."""
    lines = write_lines(form, rng.choice)
    if not division:
        return Text(form.name, tuple(lines), form.marks)
    running = "".join(lines)
    ends = list(itertools.accumulate(division))
    return Text(form.name, tuple(running[end - length : end] for end, length in zip(ends, division)), "。" * len(division))


def poems(text: str, count: int, *, name: str = "试", seed: int = 0) -> list[Text]:
    rng = random.Random(seed)
    form = parse_pattern(text, name)
    return [poem(form, rng) for _ in range(count)]


def induced(texts: Sequence[Text], name: str = "试") -> list[tuple[str, int]]:
    return [(pattern_text(variant.form), variant.poems) for variant in induce_tunes(texts)[name].variants]


def test_the_words_that_poems_are_written_with_have_one_sound() -> None:
    for tone, characters in PLAIN.items():
        assert all({sound.tone for sound in sounds_of(readings(char))} == {tone} for char in characters)
    for sound, characters in RHYMES.items():
        assert all(sounds_of(readings(char)) == {Sound(*sound)} for char in characters)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("中仄平平a。仄仄平平a。中平中仄仄，中仄仄平平a。", "one level rhyme"),
        ("中平中仄a。中仄平平仄a。中仄平平b。平仄仄平b。", "a change of rhyme, 仄 to 平"),
        ("中平平a。仄平平a。中仄平b。平中仄平b。", "a change of rhyme within 平"),
        ("中仄平平a。平平平a。仄仄平仄a。", "one part in both tones, as 西江月"),
        ("中仄中平中仄a。平仄a。=2平仄a。中仄平平仄a。", "a line repeated whole"),
        ("平平平仄a。=1平仄a。中仄平平，仄平平仄a。", "the end of a line repeated"),
    ],
)
def test_pattern_is_found_again(text: str, why: str) -> None:
    assert induced(poems(text, 80)) == [(text, 80)], why


def test_shares_are_percent_of_level_tones() -> None:
    (variant,) = induce_tunes(poems("平仄a。中仄a。", 40))["试"].variants
    assert variant.level_shares[0] == (100, 0)
    assert 20 < variant.level_shares[1][0] < 80


def test_two_patterns_of_one_length_are_told_apart() -> None:
    level, oblique = "中平平仄，中仄平平a。仄中平平a。", "中仄仄平，中平仄仄a。平中仄仄a。"
    assert induced([*poems(level, 60), *poems(oblique, 25, seed=1)]) == [(level, 60), (oblique, 25)]


def test_lengths_are_variants_and_rare_ones_are_left_out() -> None:
    common, rarer, rare = "中仄平平a。中平平a。", "中仄平平a。仄中平平a。", "平a。仄平a。"
    texts = [*poems(common, 40), *poems(rarer, 12, seed=1), *poems(rare, 7, seed=2)]
    assert induced(texts) == [(common, 40), (rarer, 12)]


def test_another_division_between_the_rhymes_is_the_same_variant() -> None:
    text = "中仄平平a。中平仄，中仄仄平平a。"
    rng = random.Random(1)
    form = parse_pattern(text, "试")
    divided = [poem(form, rng, (4, 5, 3)) for _ in range(15)]
    assert induced([*poems(text, 40), *divided]) == [(text, 55)]


def test_too_few_poems_are_not_judged() -> None:
    text = "中仄平平a。中平平a。"
    assert induced(poems(text, 29)) == []
    assert induced(poems(text, 30)) == [(text, 30)]


def test_poems_without_a_common_rhyme_are_not_judged() -> None:
    assert induced(poems("中中中仄，中中中平。", 100)) == []


def test_characters_of_two_tones_do_not_blur_a_place() -> None:
    texts = poems("平仄a。仄仄a。", 40)
    # 看 is 平 or 仄: were it counted as half of each, three in ten would make the first place free.
    blurred = [Text(one.tune, ("看" + one.lines[0][1:], one.lines[1]), one.marks) for one in texts[:12]]
    assert induced([*blurred, *texts[12:]])[0][0].startswith("平仄a。")


def test_aliases_are_kept_only_if_their_poems_fit() -> None:
    texts = poems("中仄平平a。中平平a。", 40)
    tunes = induce_tunes([*texts, Text("少", ("山",), "。")])
    other = Text("试", ("山风花天人", "秋月雪草柳"), "，。")
    named = [("别名", texts[0]), ("别名", texts[1]), ("非名", other), ("试", texts[2]), ("无此调", Text("无", ("山",), "。"))]
    found = with_aliases(tunes, named)
    assert found["试"].aliases == ("别名",)
    assert found["少"].aliases == ()


def test_shapes_without_a_template_are_kept_if_no_slip_of_an_editor() -> None:
    text = "中仄平平中仄平a。中平中仄仄平平a。中平仄，仄平平a。"
    others = {
        (7, 7, 3, 4): 2,  # several poems
        (7, 7, 4, 3): 1,  # one poem, near to the variant
        (7, 7, 7, 7, 7, 3): 1,  # one poem, far from it
        (7,): 3,  # fragments
    }
    rng = random.Random(3)
    strange = [
        Text("试", tuple("".join(rng.choice("山月云雪") for _ in range(length)) for length in shape), "。" * len(shape))
        for shape, count in others.items()
        for _ in range(count)
    ]
    texts = [*poems(text, 40), *strange, Text("少", ("山月", "云雪草"), "，。")]
    tunes = with_shapes(induce_tunes(texts), texts)
    assert tunes["试"].shapes == ((7, 7, 3, 4), (7, 7, 7, 7, 7, 3))
    assert tunes["少"].characters == (5,)
    assert tunes["试"].attests((7, 7, 7)) and not tunes["试"].attests((7, 7, 4, 3))
    assert tunes["少"].attests((5,)) and not tunes["少"].attests((6,))


def test_a_tune_is_like_that_whose_template_most_of_its_poems_keep() -> None:
    text = "中仄平平中仄平a。中平中仄仄平平a。中平仄，仄平平a。"
    other = [Text("别", ("山月云", "雪草柳"), "，。") for _ in range(2)]
    texts = [*poems(text, 40), *poems(text, 3, name="少", seed=1), *poems(text, 2, name="别", seed=2), *other]
    tunes = with_likenesses(induce_tunes(texts), texts)
    assert {name: tune.like for name, tune in tunes.items()} == {"试": "", "少": "试", "别": ""}
