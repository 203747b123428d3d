"""Choosing by form and era, and the seeded draw with a wanted mean length."""

from __future__ import annotations

import random

import pytest

from gemma_poetry.config import PrepareSettings, load_recipe
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.selection import MEAN_TOLERANCE, choose
from gemma_poetry.errors import UnknownFormError, UsageError


def poem(index: int, lines: int, length: int, **known: str) -> Poem:
    rng = random.Random(index)
    text = tuple("".join(chr(0x4E00 + rng.randrange(3000)) for _ in range(length)) for _ in range(lines))
    return Poem(text, "。" * lines, source_id=str(index), **known)


@pytest.fixture(scope="module")
def collection() -> list[Poem]:
    """Lengths spread as in the real collection: 绝句 and 律诗 and a tail of long 古诗; mean about 58."""
    rng = random.Random(5)
    shapes = [(4, 7)] * 26 + [(8, 7)] * 21 + [(8, 5)] * 19 + [(4, 5)] * 6 + [(20, 5)] * 20 + [(40, 7)] * 4 + [(90, 7)]
    return [poem(index, *rng.choice(shapes)) for index in range(6000)]


def test_forms_by_full_and_short_name_and_by_tune() -> None:
    poems = [poem(0, 4, 5, form="五言绝句"), poem(1, 8, 7, form="七言律诗"), poem(2, 4, 3, form="词", tune="长相思")]
    for wanted, kept in ((("五绝",), [0]), (("五言绝句", "词"), [0, 2]), (("长相思",), [2])):
        chosen = choose(poems, PrepareSettings(forms=wanted), "s")
        assert [int(one.source_id) for one in chosen] == kept


def test_eras() -> None:
    poems = [poem(0, 4, 5, era="唐"), poem(1, 4, 5, era="宋")]
    assert choose(poems, PrepareSettings(eras=("宋",)), "s") == poems[1:]


def test_authors_and_title_words() -> None:
    poems = [
        poem(0, 4, 5, author="王维", title="山居"),
        poem(1, 4, 5, author="王维", title="塞上"),
        poem(2, 4, 5, title="出塞"),
    ]
    assert choose(poems, PrepareSettings(authors=("王维",)), "s") == poems[:2]
    assert choose(poems, PrepareSettings(title_words=("从军", "塞")), "s") == poems[1:]
    assert choose(poems, PrepareSettings(authors=("王维",), title_words=("塞",)), "s") == [poems[1]]


@pytest.mark.parametrize(
    ("settings", "error", "found"),
    [
        ({"forms": ("五行诗",)}, UnknownFormError, "五行诗"),
        ({"forms": ("六言诗",)}, UsageError, "no poems of the form '六言诗'"),
        ({"eras": ("清",)}, UsageError, "no poems of the era '清'"),
        ({"forms": ("五言绝句",), "eras": ("宋",)}, UsageError, "meets all of the forms, eras"),
        ({"authors": ("李百",)}, UsageError, "no poems of the author '李百'.*\n.*\n.*李白"),
        ({"title_words": ("塞",)}, UsageError, "meets all of the forms, eras"),
        ({"mean_characters": 30.0}, UsageError, "without prepare.max_poems"),
        ({"mean_characters": 900.0, "max_poems": 2}, UsageError, "cannot be drawn"),
    ],
)
def test_wishes_that_cannot_be_met(settings: dict[str, object], error: type[UsageError], found: str) -> None:
    poems = [poem(0, 4, 5, form="五言绝句", era="唐", author="李白"), poem(1, 8, 5, form="五言律诗", era="宋")]
    with pytest.raises(error, match=found):
        choose(poems, PrepareSettings.model_validate(settings), "s")


def test_the_draw_is_uniform_without_a_wanted_mean(collection: list[Poem]) -> None:
    drawn = choose(collection, PrepareSettings(max_poems=2000), "s")
    assert len(drawn) == len(set(drawn)) == 2000
    whole = sum(one.characters for one in collection) / len(collection)
    assert sum(one.characters for one in drawn) / 2000 == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("mean", [40.0, 58.0, 100.0, 150.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_draw_reaches_a_wanted_mean(collection: list[Poem], mean: float, seed: int) -> None:
    drawn = choose(collection, PrepareSettings(max_poems=1000, mean_characters=mean, seed=seed), "s")
    assert len(set(drawn)) == 1000
    assert sum(one.characters for one in drawn) / 1000 == pytest.approx(mean, rel=MEAN_TOLERANCE)


def test_every_length_remains_likely_in_proportion(collection: list[Poem]) -> None:
    """Tilting prefers long poems; it must not cut short ones off."""
    drawn = choose(collection, PrepareSettings(max_poems=1000, mean_characters=100), "s")
    assert sum(one.characters <= 28 for one in drawn) > 50


def test_the_draw_depends_on_seed_and_poems_not_on_order(collection: list[Poem]) -> None:
    settings = PrepareSettings(max_poems=500, mean_characters=80)
    one = choose(collection, settings, "s")
    assert one == choose(collection, settings, "s")
    assert set(one) == set(choose(collection[::-1], settings, "s"))
    assert set(one) != set(choose(collection, settings.model_copy(update={"seed": 2}), "s"))
    members = set(one)
    assert one == [member for member in collection if member in members]


def test_fewer_poems_than_asked_for_are_all_taken(collection: list[Poem]) -> None:
    assert choose(collection, PrepareSettings(max_poems=10**6), "s") == collection


def test_the_described_recipe_asks_for_what_the_project_was_described_with() -> None:
    settings = load_recipe("described").prepare
    assert (settings.max_poems, settings.mean_characters) == (10_000, 100)
