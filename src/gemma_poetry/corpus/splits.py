"""A split is assigned to each cluster of poems: one is for training, another is held out.

In: the cluster of each poem, a seed, the shares. Out: `train`, `val` or `test`. The split of a cluster follows from
the seed and its id alone: near-duplicates stay together, and a choice of forms, eras or a number of poems never
moves a poem from one split to another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gemma_poetry.errors import UsageError
from gemma_poetry.languages import _

SPLITS = ("train", "val", "test")


def unit_draw(*parts: object) -> float:
    """A number in [0, 1) that is uniform over keys and the same on every machine."""
    digest = hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_splits(cluster_ids: Iterable[str], *, validation_share: float, test_share: float, seed: int) -> dict[str, str]:
    """The split of each cluster.

    A share applies to clusters, each drawn on its own. Where a small collection would leave a wanted split empty,
    the cluster whose draw comes nearest goes there.

    Args:
        cluster_ids: The clusters; repeated ids count once.
        validation_share: Share of the clusters for `val`, 0 to 1.
        test_share: Share of the clusters for `test`, 0 to 1.
        seed: Seed of the draw.

    Raises:
        UsageError: The shares leave nothing to train on.
    """
    if validation_share + test_share >= 1:
        raise UsageError(
            _(
                "validation_share {validation_share} and test_share {test_share} leave nothing to train on",
                validation_share=validation_share,
                test_share=test_share,
            ),
            expected=_("shares that add up to less than 1"),
            action=_("lower prepare.validation_share or prepare.test_share"),
        )
    draws = sorted((unit_draw(seed, cluster), cluster) for cluster in set(cluster_ids))
    splits = {
        cluster: "test" if draw < test_share else "val" if draw < test_share + validation_share else "train"
        for draw, cluster in draws
    }
    if len(draws) >= len(SPLITS):
        order = [cluster for _, cluster in draws]
        if test_share and splits[order[0]] != "test":
            splits[order[0]] = "test"
        if validation_share and "val" not in splits.values():
            held_out = sum(split == "test" for split in splits.values())
            splits[order[held_out]] = "val"
    return splits
