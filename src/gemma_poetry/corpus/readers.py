"""Readers are found by the name that a domain gives, with what is said of a collection that each has read.

In: a domain, seen from below as a `TextDomain`. Out: its `Reader`; figures and dataset card of a prepared folder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import Collection, HanVerse, Reader
from gemma_poetry.corpus.stats import collection_stats, dataset_card
from gemma_poetry.corpus.texts import DomainTexts, TextDomain, texts_card, texts_stats

_Stats = Callable[[Collection, TextDomain], dict[str, Any]]
_Card = Callable[[Collection, dict[str, Any], PrepareSettings, str], str]

_READERS: dict[str, tuple[Callable[[TextDomain], Reader], _Stats, _Card]] = {
    "han-verse": (lambda domain: HanVerse(), lambda collection, domain: {}, dataset_card),
    "texts": (DomainTexts, texts_stats, texts_card),
}
"""By name: what makes the reader, further figures, the card."""


def reader_of(domain: TextDomain) -> Reader:
    """How the texts of a domain are read."""
    return _READERS[domain.reader][0](domain)


def stats_of(collection: Collection, domain: TextDomain) -> dict[str, Any]:
    """What stats.json says of a collection."""
    return collection_stats(collection) | _READERS[domain.reader][1](collection, domain)


def card_of(
    domain: TextDomain, collection: Collection, stats: dict[str, Any], settings: PrepareSettings, tokenizer_name: str
) -> str:
    """The README.md of a prepared folder."""
    return _READERS[domain.reader][2](collection, stats, settings, tokenizer_name)
