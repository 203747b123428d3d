"""Each poem's own title is ranked among ten, by how likely the poem is under each.

In: written poems. Out: for each the titles that it is to be scored under; then, given the likelihoods, its `TitleRank`.

A model does the scoring, always the same one for all systems (the base model), and somewhere else: evaluation only says
what is to be scored and reads the result. The nine other titles are those of other judged poems, of the same form where
there are enough, so that nothing but the subject tells them apart.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from gemma_poetry.evaluation.records import Generation, TitleRank

TITLES = 10
"""Titles that are compared, the own one among them: 10% rank first by chance."""


def title_choices(generations: Sequence[Generation], seed: int) -> list[tuple[Generation, list[str]]]:
    """The titles that each poem is to be scored under, its own first.

    Poems without a title are left out, and all of them where there are fewer than two titles. Systems that wrote to the
    same title are given the same others.
    """
    titled = [writing for writing in generations if writing.title]
    of_form: dict[str, dict[str, None]] = {}
    for writing in sorted(titled, key=lambda writing: writing.source_id):
        of_form.setdefault(writing.form, {})[writing.title] = None
    everything = dict.fromkeys(title for titles in of_form.values() for title in titles)
    chosen = []
    for writing in titled:
        draw = random.Random(f"{seed} {writing.source_id} {writing.title}")
        same = [title for title in of_form[writing.form] if title != writing.title]
        rest = [title for title in everything if title != writing.title and title not in of_form[writing.form]]
        draw.shuffle(same)
        draw.shuffle(rest)
        others = (same + rest)[: TITLES - 1]
        if others:
            chosen.append((writing, [writing.title, *others]))
    return chosen


def rank_title(writing: Generation, nats: Sequence[float]) -> TitleRank:
    """The rank of a poem's own title.

    Args:
        writing: The poem.
        nats: Its negative log-likelihood under each title, the own one first.
    """
    rank = 1 + sum(other < nats[0] for other in nats[1:])
    return TitleRank(writing.system, writing.source_id, writing.cluster_id, writing.form, rank, len(nats))
