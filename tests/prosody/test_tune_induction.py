"""Induction on poems that are made from a known pattern: it must give the pattern back."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from gemma_poetry.prosody.forms import Form, Tone
from gemma_poetry.prosody.lexicon import readings
from gemma_poetry.prosody.tune_fit import fit_variants
from gemma_poetry.prosody.tune_induction import induce_tunes, learned_model, with_aliases, with_shapes
from gemma_poetry.prosody.tune_likeness import with_likenesses
from gemma_poetry.prosody.tune_patterns import parse_pattern, pattern_text
from gemma_poetry.prosody.tune_sounds import Sound, sounds_of
from gemma_poetry.prosody.tune_thin import with_doubts
from gemma_poetry.prosody.tune_variants import Tier, TuneVariant, tier_of
from tests.tune_writing import PLAIN, RHYMES, write_lines


@dataclass(frozen=True)
class Text:
    tune: str
    lines: tuple[str, ...]
    marks: str
    era: str = ""
    author: str = ""


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


def test_lengths_are_variants_and_rare_ones_are_thin() -> None:
    common, rarer, rare = "中仄平平a。中平平a。", "中仄平平a。仄中平平a。", "平a。仄平a。"
    texts = [*poems(common, 40), *poems(rarer, 12, seed=1), *poems(rare, 7, seed=2)]
    found = induce_tunes(texts)["试"].variants
    assert [(pattern_text(one.form), one.poems, one.tier) for one in found[:2]] == [
        (common, 40, Tier.SOLID),
        (rarer, 12, Tier.SOLID),
    ]
    assert [(one.form.line_lengths, one.poems, one.tier) for one in found[2:]] == [((1, 2), 7, Tier.THIN)]


def test_another_division_between_the_rhymes_is_the_same_variant() -> None:
    text = "中仄平平a。中平仄，中仄仄平平a。"
    rng = random.Random(1)
    form = parse_pattern(text, "试")
    divided = [poem(form, rng, (4, 5, 3)) for _ in range(15)]
    assert induced([*poems(text, 40), *divided]) == [(text, 55)]


SUNG = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，中仄中平中仄仄平平b。中仄仄平平b。平平仄，仄平平b。"
"""A pattern of usual lines, of which few poems tell much."""


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_few_poems_tell_most_of_a_pattern(count: int) -> None:
    (variant,) = induce_tunes(poems(SUNG, count))["试"].variants
    true = parse_pattern(SUNG, "试")
    assert variant.poems == count and variant.tier is tier_of(count)
    assert [slots[-1].rhyme for slots in variant.form.lines] == [slots[-1].rhyme for slots in true.lines]
    pairs = [(mine.tone, theirs.tone) for mine, theirs in zip(variant.slots, itertools.chain(*true.lines))]
    asked = [(mine, theirs) for mine, theirs in pairs if mine and theirs]
    assert all(mine is theirs for mine, theirs in asked)
    assert len(asked) >= 0.8 * sum(theirs is not None for _, theirs in pairs)
    assert sum(mine is not None and theirs is None for mine, theirs in pairs) <= 3


def test_a_place_that_a_poem_goes_against_is_never_fixed_by_few() -> None:
    texts = poems(SUNG, 3)
    for text in texts:
        (variant,) = induce_tunes(texts)["试"].variants
        for line, slots, shares in zip(text.lines, variant.form.lines, variant.level_shares):
            for char, slot, share in zip(line, slots, shares):
                tones = {reading.tone for reading in readings(char)}
                assert slot.tone is None or slot.tone in tones or not variant.is_fixed(slot, share)


def test_a_pair_that_rhymes_between_other_rhymes_is_found_by_its_full_stop() -> None:
    # 荷叶杯: the first of the pair closes with a comma, and no other line rhymes with the second.
    texts = poems("中中平平中仄a，中仄a。仄平平b。中平中仄中平仄c，平仄c。仄平平b。", 3)
    (variant,) = induce_tunes([*texts, *poems(SUNG, 40, name="多")])["试"].variants
    assert [slots[-1].rhyme for slots in variant.form.lines] == ["a", "a", "b", "c", "c", "b"]


def test_a_rhyme_that_a_poem_sings_in_the_other_tone_is_usual() -> None:
    texts = poems("中平中仄平平仄a。中仄平平仄a。中平中仄平平仄a。中仄平平中仄a。中仄中平中仄仄平仄a。", 3)
    word = texts[2].lines[1][-1]
    level = RHYMES[next(part for (part, _), words in RHYMES.items() if word in words), Tone.LEVEL][0]
    changed = replace(texts[2], lines=(texts[2].lines[0], texts[2].lines[1][:-1] + level, *texts[2].lines[2:]))
    many = poems(SUNG, 40, name="多")
    for own, usual in ((texts[2], ()), (changed, (2,))):
        (variant,) = induce_tunes([*texts[:2], own, *many])["试"].variants
        assert variant.usual_rhymes == usual
        fit = fit_variants(own.lines, [variant])
        assert not fit.faults and bool(fit.departures) is bool(usual)


def test_few_poems_that_agree_in_a_free_place_do_not_fix_it() -> None:
    form = parse_pattern("平平平仄仄平平a。仄仄平平仄仄平a。平平平仄平平仄，仄仄平平仄仄平a。", "试")
    shares = tuple(tuple(100 if slot.tone is Tone.LEVEL else 0 for slot in slots) for slots in form.lines)
    model = learned_model({})
    few, many = (with_doubts(TuneVariant(form, count, shares), model, count) for count in (8, 200))
    fixed = [
        [one.is_fixed(slot, share) for slot, share in zip(slots, row)]
        for one in (few, many)
        for slots, row in zip(form.lines, one.level_shares)
    ]
    assert not all(fixed[0]) and fixed[0][1] and fixed[0][-1]
    assert all(all(row) for row in fixed[4:])


def test_the_mark_of_a_line_is_a_witness_of_its_rhyme() -> None:
    # By its end alone the third line would rhyme too.
    (text,) = poems("中平中仄仄平平a。中仄平平中仄平a。中仄平平仄仄平a，中平中仄仄平平a。", 1)
    many = poems("中平中仄仄平平a。中仄平平中仄平a。中平中仄平平仄，中仄平平中仄平a。", 40, name="多")
    (variant,) = induce_tunes([text, *many])["试"].variants
    assert [bool(slots[-1].rhyme) for slots in variant.form.lines] == [True, True, False, True]


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
    tunes = with_shapes({name: replace(tune, variants=tune.solid) for name, tune in induce_tunes(texts).items()}, texts)
    assert tunes["试"].shapes == ((7, 7, 3, 4), (7, 7, 7, 7, 7, 3))
    assert tunes["试"].characters == (20, 21, 38)
    assert tunes["少"].characters == (5,)
    assert tunes["试"].attests((7, 7, 7)) and not tunes["试"].attests((7, 7, 4, 3))
    assert tunes["少"].attests((5,)) and not tunes["少"].attests((6,))


def test_a_change_in_both_stanzas_is_no_slip_of_an_editor() -> None:
    stanza = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，中仄中平中仄a。"
    shorter = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，仄中平中仄a。"
    many = poems(stanza * 2, 40)
    for text, lengths in ((shorter * 2, [50, 48]), (stanza + shorter, [50])):
        variants = induce_tunes([*many, *poems(text, 1, seed=1)])["试"].variants
        assert [variant.characters for variant in variants] == lengths


def test_stanzas_of_the_same_lines_are_no_slip_of_an_editor() -> None:
    stanza = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，中仄中平中仄a。"
    other = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，仄平仄，平平中仄a。"
    many = poems(stanza * 2, 40)
    for text, variants in ((other * 2, 2), (stanza + other, 1)):
        found = induce_tunes([*many, *poems(text, 1, seed=1)])["试"].variants
        assert len(found) == variants


def test_a_poem_of_another_era_than_most_is_no_slip_of_an_editor() -> None:
    stanza = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，中仄中平中仄a。"
    shorter = "中平中仄平平仄a。平平仄a。中平中仄仄平平，中仄中平中仄a。"
    many = [replace(one, era="宋") for one in poems(stanza * 2, 40)]
    for era, lengths in (("宋", [50]), ("五代", [50, 48])):
        (text,) = poems(shorter + stanza, 1, seed=1)
        found = induce_tunes([*many, replace(text, era=era)])["试"]
        assert [variant.characters for variant in found.variants] == lengths


def test_lines_divided_more_finely_attest_each_other() -> None:
    stanza = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，中仄中平中仄a。"
    many, other = poems(stanza * 2, 40), poems(stanza + stanza.replace("中仄中平中仄a", "仄中仄平平中中仄a"), 2, seed=1)
    first = other[0].lines
    divided = replace(other[0], lines=(*first[:-1], first[-1][:3], first[-1][3:]), marks=other[0].marks[:-1] + "，。")
    assert [len(induce_tunes([*many, *texts])["试"].variants) for texts in ([divided], [divided, other[1]])] == [1, 2]


def test_poems_of_one_poet_fix_less_than_those_of_many() -> None:
    texts = poems("平平平仄仄平平a。仄仄平平仄仄平a。平平平仄平平仄，仄仄平平仄仄平a。仄仄平a。", 16)
    series = [replace(text, author="甲") for text in texts]
    own, each = (
        sum(
            variant.is_fixed(slot, share)
            for variant in induce_tunes(found)["试"].variants
            for slots, shares in zip(variant.form.lines, variant.level_shares)
            for slot, share in zip(slots, shares)
        )
        for found in (series, texts)
    )
    assert own < each


def test_a_poem_that_lacks_a_character_tells_where_no_whole_poem_does() -> None:
    text = "中平中仄平平仄a。中仄平平仄a。中平中仄仄平平，中仄中平中仄a。"
    damaged = [replace(one, lines=("□" + one.lines[0][1:], *one.lines[1:])) for one in poems(text, 40)]
    ((pattern, count),) = induced(damaged[:1])
    assert (len(pattern), count) == (len(text), 1)
    assert induced([*poems(text, 40), *damaged]) == [(text, 40)]


def test_tunes_of_one_pattern_are_found_beyond_chance() -> None:
    same = "中仄平平中仄平a。中平中仄仄平平a。中平仄，仄平平a。中仄平平仄，中平仄仄平a。"
    other = "中平中仄仄平平a。中仄平平中仄平a。中仄仄，仄平平a。中平平仄仄，中仄仄平平a。"
    texts = [*poems(same, 40), *poems(same, 12, name="同", seed=1), *poems(other, 12, name="异", seed=2)]
    tunes = with_likenesses(induce_tunes(texts))
    assert {name: tune.like for name, tune in tunes.items()} == {"试": ("同",), "同": ("试",), "异": ()}
    equal = [
        *poems("仄仄平平仄仄平a。平平仄仄仄平平a。" * 2, 40),
        *poems("仄仄平平仄仄平a。平平仄仄仄平平a。" * 2, 40, name="同"),
    ]
    assert not any(tune.like for tune in with_likenesses(induce_tunes(equal)).values()), "equal lines tell no tune"
