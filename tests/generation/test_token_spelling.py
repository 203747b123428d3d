"""What tokens spell, kept on disk: read again as it was found, and never read damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_poetry.generation import token_spelling
from gemma_poetry.generation.piece_trie import Spelling
from gemma_poetry.generation.token_index import TokenIndex
from gemma_poetry.generation.token_spelling import KEPT, spell_tokens
from tests.generation.conftest import character_tokenizer


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    """An empty cache, in which small vocabularies are kept too."""
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path))
    monkeypatch.setattr(token_spelling, "WORTH_KEEPING", 0)
    return tmp_path / KEPT


def refuse(tokenizer):
    raise AssertionError("found anew")


def test_the_second_time_it_is_read(cache, tokenizer, monkeypatch):
    found = spell_tokens(tokenizer)
    (path,) = cache.iterdir()
    first, index, spelling = path.read_bytes(), TokenIndex(tokenizer, 1, "鲸"), Spelling(tokenizer, 1)
    monkeypatch.setattr(token_spelling, "_spell", refuse)
    assert spell_tokens(tokenizer) == found
    assert list(spell_tokens(tokenizer).texts) == sorted(found.texts), "in the same order each time"
    again = TokenIndex(tokenizer, 1, "鲸")
    assert (again.spelling, again.parts, again.characters) == (index.spelling, index.parts, index.characters)
    assert Spelling(tokenizer, 1).singles == spelling.singles and path.read_bytes() == first


def flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda raw: b"", "emptied"),
        (lambda raw: raw[: len(raw) // 2], "cut short"),
        (lambda raw: raw[:-1], "cut by one byte"),
        (lambda raw: raw + b"\n", "grown"),
        (lambda raw: flipped(raw, 0), "a bit of the digest"),
        (lambda raw: flipped(raw, 200), "a bit of the contents"),
        (lambda raw: raw[65:], "without its digest"),
        (lambda raw: bytes(range(256)) * 50, "something else"),
    ],
)
def test_a_damaged_file_is_found_anew(cache, tokenizer, damage, why):
    found = spell_tokens(tokenizer)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert spell_tokens(tokenizer) == found, why
    assert path.read_bytes() == whole, "and mended"


def test_what_cannot_be_written_is_found_each_time(cache, tokenizer, tmp_path):
    cache.write_text("a file where the folder should be")
    assert spell_tokens(tokenizer).texts and cache.is_file()


def test_a_folder_in_the_place_of_the_file_is_nobodys_harm(cache, tokenizer):
    found = spell_tokens(tokenizer)
    (path,) = cache.iterdir()
    path.unlink()
    path.mkdir()
    assert spell_tokens(tokenizer) == found and path.is_dir()


def test_each_tokenizer_has_its_own(cache, tokenizer):
    from tokenizers import AddedToken

    other = character_tokenizer()
    assert spell_tokens(other) == spell_tokens(tokenizer)
    assert len(list(cache.iterdir())) == 1, "equal tokenizers share one"
    other.add_tokens([AddedToken("月明星稀", special=False, normalized=False)])
    assert "月明星稀" in spell_tokens(other).texts.values()
    assert "月明星稀" not in spell_tokens(tokenizer).texts.values()
    ended = character_tokenizer()
    ended.eos_token = "。"
    assert "。" not in spell_tokens(ended).texts.values(), "a role makes a token special"
    assert len(list(cache.iterdir())) == 3


def test_what_other_code_kept_is_neither_read_nor_left(cache, tokenizer):
    found = spell_tokens(tokenizer)
    (path,) = cache.iterdir()
    older = path.with_name(f"{path.name.partition('-')[0]}-0123456789abcdef.json")
    path.rename(older)
    foreign = cache / f"{'0' * 32}-0123456789abcdef.json"
    foreign.write_text("of another tokenizer")
    assert spell_tokens(tokenizer) == found
    assert set(cache.iterdir()) == {path, foreign}


def test_small_vocabularies_are_not_kept(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path))
    assert spell_tokens(tokenizer).texts and not list(tmp_path.iterdir())
