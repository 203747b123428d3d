"""Without KerasHub (make keras) these tests are skipped, except those that need no Keras."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_model, make_tokenizer

os.environ.setdefault("KERAS_BACKEND", "torch")
INSTALLED = find_spec("keras_hub") is not None

# Seven layers: five that see a window of 16, one that sees all, and one more with a window.
SHAPE = {"num_hidden_layers": 7, "sliding_window": 16}


@pytest.fixture(scope="session")
def keras_hub() -> Any:
    if not INSTALLED:
        pytest.skip("KerasHub is not installed here: run make keras-test")
    from gemma_poetry.keras_backend.model import import_keras

    return import_keras()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gemma 3 on the published recipe, random, in the published layout; its BOS and EOS have unusual ids."""
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = make_tokenizer()
    make_model(tokenizer, **SHAPE).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
