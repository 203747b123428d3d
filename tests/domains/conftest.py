"""One tiny multilingual checkpoint for all tests of domains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.multilingual import sample_texts, save_multilingual_gemma

BUILT_IN = ["modern-chinese-poetry", "prose", "english-verse", "japanese-haiku"]
SIJO = Path(__file__).parents[2] / "examples" / "sijo-domain"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Gemma 3 of two layers whose tokenizer knows the languages of all samples."""
    texts = sample_texts(BUILT_IN)
    texts += [path.read_text(encoding="utf-8") for path in SIJO.rglob("*.txt") if path.parent.name == "sample"]
    return save_multilingual_gemma(tmp_path_factory.mktemp("base"), texts)


@pytest.fixture(scope="session")
def tokenizer(checkpoint: Path) -> Any:
    from gemma_poetry.model.loading import load_tokenizer

    return load_tokenizer(str(checkpoint))
