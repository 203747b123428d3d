"""Splits follow from seed and cluster alone."""

from __future__ import annotations

from collections import Counter

import pytest

from gemma_poetry.corpus.splits import assign_splits, unit_draw
from gemma_poetry.errors import UsageError

CLUSTERS = [f"{index:016x}" for index in range(5000)]


def test_shares_are_met() -> None:
    counts = Counter(assign_splits(CLUSTERS, validation_share=0.1, test_share=0.2, seed=1).values())
    assert counts["test"] == pytest.approx(1000, abs=100)
    assert counts["val"] == pytest.approx(500, abs=80)


def test_a_cluster_keeps_its_split_in_any_company() -> None:
    whole = assign_splits(CLUSTERS, validation_share=0.1, test_share=0.1, seed=1)
    part = assign_splits(reversed(CLUSTERS[::7]), validation_share=0.1, test_share=0.1, seed=1)
    assert part == {cluster: whole[cluster] for cluster in CLUSTERS[::7]}


def test_another_seed_draws_other_clusters() -> None:
    one = assign_splits(CLUSTERS, validation_share=0.1, test_share=0.1, seed=1)
    other = assign_splits(CLUSTERS, validation_share=0.1, test_share=0.1, seed=2)
    both = sum(one[cluster] == other[cluster] == "test" for cluster in CLUSTERS)
    assert both == pytest.approx(50, abs=30)


@pytest.mark.parametrize("count", [3, 4, 10])
@pytest.mark.parametrize("seed", range(5))
def test_no_wanted_split_of_a_small_collection_is_empty(count: int, seed: int) -> None:
    splits = assign_splits(CLUSTERS[:count], validation_share=0.02, test_share=0.02, seed=seed)
    assert set(splits.values()) == {"train", "val", "test"}


def test_a_share_of_zero_holds_nothing_out() -> None:
    assert set(assign_splits(CLUSTERS[:10], validation_share=0, test_share=0, seed=1).values()) == {"train"}


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="leave nothing to train on"):
        assign_splits(CLUSTERS, validation_share=0.5, test_share=0.5, seed=1)


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert unit_draw(1, "a") == 0.014302931499378082
