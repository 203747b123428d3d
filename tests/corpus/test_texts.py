"""Texts of any domain as a collection: read, refused with reasons, compared by their own symbols, described."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.collection import build_collection
from gemma_poetry.corpus.stats import collection_stats
from gemma_poetry.corpus.texts import DomainTexts, texts_card, texts_stats
from gemma_poetry.domains.registry import load_domain
from gemma_poetry.errors import SourceError, UsageError

SETTINGS = PrepareSettings(validation_share=0.2, test_share=0.2)
PASSAGES = [
    "The tram stops in front of a shop that sells nothing but buttons.",
    "My grandmother measured nothing and remembered everything.",
    "A queue in memory is lost when the process ends.",
    "The ferryman never waits and never leaves anyone behind.",
    "كان جدي يقول إن النهر لا ينسى أحدا.",
]


def collect(path: Path, name: str = "prose", **changes):  # type: ignore[no-untyped-def]
    return build_collection(str(path), SETTINGS.model_copy(update=changes), DomainTexts(load_domain(name)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number, passage in enumerate(PASSAGES):
        (tmp_path / f"{number}.md").write_text(f"# T{number}\n\n{passage}\n", encoding="utf-8")
    return tmp_path


def test_files_of_the_domain_are_read_in_natural_order(source):
    (source / "10.txt").write_text("A last one, in another file that ends otherwise.", encoding="utf-8")
    (source / "picture.svg").write_text("<svg/>", encoding="utf-8")
    found = collect(source)
    assert found.read == 6 and not found.rejected
    ids = sorted((poem.source_id for poems in found.splits.values() for poem in poems), key=lambda one: int(one.split(".")[0]))
    assert ids == ["0.md#1", "1.md#1", "2.md#1", "3.md#1", "4.md#1", "10.txt#1"]


def test_long_texts_are_no_duplicates_because_they_share_letters(source):
    """Two English texts have most pairs of letters in common; the near-duplicate differs in one word."""
    (source / "near.md").write_text(PASSAGES[0].replace("buttons", "bells"), encoding="utf-8")
    found = collect(source)
    assert found.similar_pairs == 1
    clusters = {poem.source_id: poem.cluster_id for poems in found.splits.values() for poem in poems}
    assert clusters["0.md#1"] == clusters["near.md#1"] and len(set(clusters.values())) == 5


def test_what_is_left_out_is_counted_with_its_reason(tmp_path):
    poems = [
        {"title": "a", "lines": ["first snow of the year", "an old man offers his glove", "to a stranger's child"]},
        {"title": "b", "text": "Die Sonne tönt nach alter Weise in Brudersphären Wettgesang"},
        {"title": "c", "text": "the сat sat on the mat"},
    ]
    path = tmp_path / "verse.jsonl"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in poems), encoding="utf-8")
    found = collect(path, "english-verse")
    assert found.rejected == {"not English (too many words are in no dictionary)": 1, "mixed scripts (Cyrillic)": 1}


def test_figures_and_card(source):
    domain = load_domain("prose")
    found = collect(source)
    stats = collection_stats(found) | texts_stats(found, domain)
    assert (stats["domain"], stats["unit"], stats["kept"]) == ("prose", "char", 5)
    assert stats["units"] == stats["characters"] and stats["leakage"] == {"clusters_in_two_splits": 0}
    assert stats["checks"] == {"markdown": {"n": 5, "verdicts": {"not-judged": 1.0}}}
    card = texts_card(found, stats, SETTINGS, "tiny")
    assert "# Prepared texts of the domain prose" in card and "| train | " in card and "`tiny`" in card


def test_words_in_no_dictionary_are_counted(tmp_path):
    lines = "first snow of the year\nan old blorptang and his glove\na stranger's child now"
    (tmp_path / "a.txt").write_text(lines, encoding="utf-8")
    domain = load_domain("english-verse")
    found = collect(tmp_path, "english-verse", validation_share=0.0, test_share=0.0)
    assert texts_stats(found, domain)["unknown_words"] == {"count": 1, "most_frequent": {"blorptang": 1}}


def test_a_form_can_be_chosen(source):
    (source / "code.md").write_text("Call `f(x)` and wait for the answer.", encoding="utf-8")
    found = collect(source, forms=("technical",), validation_share=0.0, test_share=0.0)
    assert [poem.source_id for poem in found.train] == ["code.md#1"] and found.rejected == {
        "not chosen (form, era, author, title, number)": 5
    }
    with pytest.raises(UsageError):
        collect(source, forms=("小诗",))


def test_a_domain_without_a_sample_says_so():
    with pytest.raises(SourceError, match="has no sample"):
        build_collection("sample", SETTINGS, DomainTexts(load_domain("classical-chinese")))


def test_a_source_without_files_of_the_domain(tmp_path):
    (tmp_path / "a.md").write_text("# x", encoding="utf-8")
    with pytest.raises(SourceError, match="no file"):
        collect(tmp_path, "japanese-haiku")
