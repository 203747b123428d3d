"""Fixtures shared by all tests: where the real collection and the genuine Gemma tokenizer are, if anywhere."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

# Tests read English, whoever runs them; a test of Chinese says so itself.
os.environ["LANGUAGE"] = "en"

SHARED_DATA = Path(__file__).parents[1].parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file goes first: workers take whole files, and the last one would keep the others waiting."""
    items.sort(key=lambda item: item.path.name != "test_genuine_run.py")


@pytest.fixture(autouse=True)
def one_list_of_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds that nobody names are drawn from one list: a test that passes will pass again."""
    monkeypatch.setattr("secrets.randbelow", random.Random(0).randrange)


@pytest.fixture(scope="session")
def collection() -> Path:
    """The archive of the chinese-poetry collection; tests that want it are skipped where it is not at hand."""
    named = os.environ.get("GEMMA_POETRY_COLLECTION")
    candidates = [Path(named)] if named else sorted(SHARED_DATA.glob("chinese-poetry-*.tar.gz"))
    if not candidates or not candidates[0].exists():
        pytest.skip("the chinese-poetry collection is not at hand (set GEMMA_POETRY_COLLECTION)")
    return candidates[0]


@pytest.fixture(scope="session")
def gemma_tokenizer_model() -> Path:
    """The genuine Gemma `tokenizer.model`; tests that want it are skipped where it is not at hand."""
    named = os.environ.get("GEMMA_POETRY_TOKENIZER")
    path = Path(named) if named else SHARED_DATA / "gemma" / "tokenizer.model"
    if not path.exists():
        pytest.skip("the genuine Gemma tokenizer is not at hand (set GEMMA_POETRY_TOKENIZER)")
    return path


@pytest.fixture(scope="module")
def tiny_model_and_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model and a DATA folder for it, to train in seconds."""
    from tests.tiny import save_data, save_model

    folder = tmp_path_factory.mktemp("tiny")
    return save_model(folder / "model"), save_data(folder / "DATA")
