"""Titles that a poem is compared under."""

from __future__ import annotations

from gemma_poetry.evaluation.records import Generation, Protocol
from gemma_poetry.evaluation.titles import rank_title, title_choices


def writing(number: int, form: str = "五言绝句", system: str = "tuned", title: str | None = None) -> Generation:
    title = f"题{number}" if title is None else title
    return Generation(system, Protocol.TITLE, f"{form}{number:02}", "", title, form, (), ("空山不见人",), "。", ())


def test_the_own_title_comes_first_and_nine_others_of_the_same_form():
    poems = [
        *(writing(number) for number in range(30)),
        *(writing(number, "七言绝句", title=f"七{number}") for number in range(5)),
    ]
    choices = dict((one.source_id, titles) for one, titles in title_choices(poems, seed=1))
    titles = choices["五言绝句03"]
    assert titles[0] == "题3" and len(set(titles)) == 10 and all(title.startswith("题") for title in titles)
    # Only five titles of this form: all of them, then others.
    assert {title for title in choices["七言绝句02"] if title.startswith("七")} == {f"七{number}" for number in range(5)}
    assert len(set(choices["七言绝句02"])) == 10


def test_systems_get_the_same_others_and_seeds_different_ones():
    poems = [writing(number, system=system) for number in range(30) for system in ("base", "tuned")]
    first = title_choices(poems, seed=1)
    assert all(a == b for (one, a), (other, b) in zip(first[::2], first[1::2]) if one.source_id == other.source_id)
    assert [titles for _, titles in first] != [titles for _, titles in title_choices(poems, seed=2)]
    assert first == title_choices(poems, seed=1)


def test_poems_without_a_title_and_single_titles_are_left_out():
    assert title_choices([writing(1), writing(2, title="")], seed=1) == []


def test_the_rank_counts_titles_that_are_likelier():
    ranked = rank_title(writing(1), [50.0, 49.9, 51.0, 50.0, 30.0])
    assert (ranked.rank, ranked.among, ranked.system, ranked.source_id) == (3, 5, "tuned", "五言绝句01")
