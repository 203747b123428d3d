"""The figures and the card of a collection."""

from __future__ import annotations

import pytest

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import Collection
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.sources import SourceInfo
from gemma_poetry.corpus.stats import collection_stats, dataset_card


def poem(cluster: str, length: int = 5, **known: str) -> Poem:
    return Poem(("山" * length,), "。", cluster_id=cluster, form="五言古诗", **known)


@pytest.fixture
def leaking() -> Collection:
    return Collection(
        train=[poem("a", era="唐", author="李白", title="甲"), poem("b", 7, era="宋"), poem("b", 7, title="乙")],
        val=[poem("c")],
        test=[poem("b", 6)],
        source=SourceInfo("s", "0" * 40, "f" * 64, 2),
        read=7,
        rejected={"too short": 2},
        exact_duplicates=0,
        similar_pairs=3,
        excerpt_pairs=1,
    )


def test_figures(leaking: Collection) -> None:
    stats = collection_stats(leaking)
    assert (stats["read"], stats["kept"], stats["rejected"]) == (7, 5, {"too short": 2})
    assert stats["splits"] == {"train": 3, "val": 1, "test": 1}
    assert stats["by_era"] == {"unknown": 3, "唐": 1, "宋": 1}
    assert (stats["characters"], stats["mean_characters"]) == (30, 6.0)
    assert (stats["with_title"], stats["with_author"], stats["authors"], stats["tunes"]) == (2, 1, 1, 0)
    assert stats["clusters"] == 3
    assert stats["duplicates"]["poems_with_near_duplicates"] == 3
    assert stats["duplicates"]["largest_cluster"]["poems"] == 3


def test_leakage_is_counted_from_the_poems_themselves(leaking: Collection) -> None:
    stats = collection_stats(leaking)
    assert stats["leakage"] == {"clusters_in_two_splits": 1}
    card = dataset_card(leaking, stats, PrepareSettings(), "mini")
    assert "Clusters that span two splits: 1" in card
    assert f"`s` at commit `{'0' * 40}`" in card


def test_tones_and_rhyme_of_the_regulated_forms_are_counted():
    from gemma_poetry.corpus.poem import Poem
    from gemma_poetry.corpus.stats import prosody_stats

    right = Poem(("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"), "，。，。", form="五言绝句")
    wrong = Poem(("山山山山山", "水水水水水", "天天天天天", "地地地地地"), "，。，。", form="五言绝句")
    other = Poem(("江",), "。", form="杂言诗")
    found = prosody_stats([right, right, right, wrong, other])
    assert list(found) == ["五言绝句"]
    assert found["五言绝句"]["n"] == 4
    assert found["五言绝句"]["verdicts"] == {"fail": 0.25, "strict": 0.75}
    assert found["五言绝句"]["rhyme_groups"]["十一尤"] == 3
