"""A workshop of two tiny models, and the poems that its tests pass around."""

from __future__ import annotations

import pytest

from gemma_poetry.api import check_all
from gemma_poetry.config import GenerateSettings
from gemma_poetry.studio.limits import Limits
from gemma_poetry.studio.workshop import Workshop
from tests.generation.conftest import NOTHING_KNOWN, character_tokenizer, tiny_gemma

SETTINGS = GenerateSettings(effort=1, temperature=1.0, top_p=1.0)


@pytest.fixture(scope="session")
def generators():
    from gemma_poetry.generation.poem_generator import PoemGenerator

    tokenizer = character_tokenizer()
    return [PoemGenerator(tiny_gemma(len(tokenizer), seed), tokenizer, SETTINGS, guards=NOTHING_KNOWN) for seed in (0, 1)]


@pytest.fixture
def workshop(generators) -> Workshop:
    """Two models, `base` and `tuned`, under narrow limits."""
    return Workshop(
        loaders={"base": lambda: generators[0], "tuned": lambda: generators[1]},
        checker=check_all,
        pairs=(("base", "tuned"),),
        limits=Limits(requests=8, poems=3, characters=120, waiting=2),
        settings=SETTINGS,
    )
