"""The embedded model `mini`: complete, small, and kept from the poems that it is judged on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_poetry.artifacts import read_json
from gemma_poetry.config import PrepareSettings
from gemma_poetry.manifests import check_manifest
from gemma_poetry.model.checkpoint import check_model_folder
from gemma_poetry.model.locating import packaged_model

FILES = [
    "config.json",
    "curve.jsonl",
    "known_lines.npz",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
]


@pytest.fixture(scope="module")
def folder() -> Path:
    found = packaged_model("mini")
    assert found is not None
    return found


def test_it_is_a_complete_gemma_within_the_size_limits(folder):
    assert check_model_folder(folder) == "gemma3_text"
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert sum(sizes) <= 40 * 2**20 and max(sizes) <= 16 * 2**20


def test_its_files_are_those_of_its_manifest(folder):
    assert check_manifest(folder, FILES)["preset"] == "mini"


@pytest.mark.collection
@pytest.mark.slow
def test_no_validation_or_test_poem_nor_a_near_duplicate_was_in_its_training(folder, collection):
    from gemma_poetry.corpus.collection import build_collection
    from gemma_poetry.training.pretraining import cluster_digest

    splits = build_collection(str(collection), PrepareSettings()).splits
    clusters = {name: {poem.cluster_id for poem in poems} for name, poems in splits.items()}
    assert not clusters["train"] & clusters["val"] and not clusters["train"] & clusters["test"]
    # The clusters of today's splits are those that the model was trained on and kept from.
    assert read_json(folder / "manifest.json")["data"]["clusters"] == {
        name: cluster_digest(poems) for name, poems in splits.items()
    }
    assert sum(map(len, splits.values())) > 290_000
