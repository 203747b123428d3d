"""Prepared poems as other trainers load them: every format gives back the same prompts, completions and records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.interchange import FORMATS, write_exports
from gemma_poetry.data.prompts import Conditions, conditions_of
from gemma_poetry.data.tokenization import encode_samples, read_tokenized
from gemma_poetry.errors import RecipeError
from gemma_poetry.manifests import check_manifest
from gemma_poetry.model.character_tokenizer import build_character_tokenizer, collect_characters
from gemma_poetry.verbs.prepare import prepare
from tests.tiny import make_poems

SETTINGS = PrepareSettings(validation_share=0.1, test_share=0.1, max_poems=120, exports=FORMATS)
SPLITS = {"train": "train", "val": "validation", "test": "test"}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_character_tokenizer(collect_characters(make_poems(8), 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    folder = tmp_path_factory.mktemp("interchange") / "DATA"
    prepare("sample", folder, SETTINGS, tokenizer, "tiny")
    return folder


@pytest.fixture(scope="module")
def expected(data: Path, tokenizer: Any) -> dict[str, list[tuple[str, str]]]:
    """Prompt and completion of every poem, from the seeded draw and the records."""
    from gemma_poetry.data.prompts import dropped_conditions

    drops = {
        "title_dropout": SETTINGS.title_dropout,
        "author_dropout": SETTINGS.author_dropout,
        "words_dropout": SETTINGS.words_dropout,
        "seed": SETTINGS.seed,
    }
    rows = {}
    for split, name in SPLITS.items():
        poems = load_poems(data, split)
        conditions = [dropped_conditions(poem, **drops) if split == "train" else conditions_of(poem) for poem in poems]
        rows[name] = [(condition.prompt(), poem.text) for condition, poem in zip(conditions, poems)]
    return rows


def load(data: Path, kind: str, cache: Path) -> Any:
    from datasets import load_dataset, load_from_disk

    folder = str(data / "exports" / kind)
    return load_from_disk(folder) if kind == "arrow" else load_dataset(folder, cache_dir=str(cache))


@pytest.mark.parametrize("kind", FORMATS)
def test_datasets_loads_each_format_by_its_folder(data, expected, kind, tmp_path):
    loaded = load(data, kind, tmp_path)
    assert {name: len(rows) for name, rows in expected.items()} == {name: len(loaded[name]) for name in loaded}
    for name, rows in expected.items():
        assert list(zip(loaded[name]["prompt"], loaded[name]["completion"])) == rows


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_the_records_come_along(data, kind, tmp_path):
    loaded = load(data, kind, tmp_path)
    for split, name in SPLITS.items():
        assert [Poem.from_record(row) for row in loaded[name]] == load_poems(data, split)


def test_the_prompts_are_those_of_the_tokenized_files(data, tokenizer, tmp_path):
    # Encoding the exported text as the data module does gives the very ids of train.txt.
    rows = load(data, "jsonl", tmp_path)["train"]
    samples = read_tokenized(data / "train.txt", tokenizer)

    class Verbatim(Conditions):
        def prompt(self) -> str:
            return self.title

    assert list(encode_samples(tokenizer, ((Verbatim("", row["prompt"]), row["completion"]) for row in rows))) == samples


def test_llama_factory_finds_files_and_columns(data):
    folder = data / "exports" / "jsonl"
    info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    assert set(info) == {"poems_train", "poems_validation", "poems_test"}
    for entry in info.values():
        lines = (folder / entry["file_name"]).read_text(encoding="utf-8").splitlines()
        assert lines and all(set(entry["columns"].values()) == set(json.loads(line)) for line in lines)
        # Its default formatting calls the two columns by these names.
        assert set(entry["columns"]) == {"prompt", "response"}


def test_the_manifest_covers_the_exports(data):
    files = [path.relative_to(data).as_posix() for path in (data / "exports").rglob("*") if path.is_file()]
    assert {"exports/arrow/dataset_dict.json", "exports/parquet/train.parquet", "exports/jsonl/README.md"} <= set(files)
    check_manifest(data, files)


def test_nothing_is_exported_unless_asked_for(tmp_path, tokenizer):
    prepare("sample", tmp_path / "DATA", SETTINGS.model_copy(update={"exports": ()}), tokenizer, "tiny")
    assert not (tmp_path / "DATA" / "exports").exists()


def test_an_empty_split_is_left_out(tmp_path):
    rows = {"train": [(conditions_of(poem), poem) for poem in make_poems(3)], "val": [], "test": []}
    write_exports(tmp_path, rows, FORMATS, seed=1)
    for kind in FORMATS:
        assert list(load(tmp_path, kind, tmp_path / "cache")) == ["train"]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    rows = {"train": [(conditions_of(poem), poem) for poem in make_poems(5)]}
    first, second = (write_exports(tmp_path / name, rows, FORMATS, seed=1) for name in ("a", "b"))
    assert first == second
    for name in first:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_an_unknown_format_is_refused_with_those_that_are_known():
    from gemma_poetry.config import load_recipe

    with pytest.raises(RecipeError, match="'arrow', 'parquet' or 'jsonl'"):
        load_recipe(None, ['prepare.exports=["csv"]'])


@pytest.mark.parametrize(("domain", "language", "holds"), [("prose", "", "النهر"), ("japanese-haiku", "ja", "季語：")])
def test_texts_of_other_domains_are_exported_as_they_are_trained_on(domain, language, holds, tokenizer, tmp_path):
    from gemma_poetry.data.tokenization import decode_poem
    from gemma_poetry.domains.registry import load_domain

    data = tmp_path / "DATA"
    settings = SETTINGS.model_copy(update={"max_poems": None, "title_dropout": 0.0})
    prepare("sample", data, settings, tokenizer, "tiny", load_domain(domain))
    samples = read_tokenized(data / "train.txt", tokenizer)
    trained = [(tokenizer.decode(one.prompt_ids[1:]), decode_poem(tokenizer, one.completion_ids)) for one in samples]
    assert any(holds in text for pair in trained for text in pair)
    for kind in FORMATS:
        rows = load(data, kind, tmp_path / "cache")["train"]
        assert list(zip(rows["prompt"], rows["completion"])) == trained
        card = (data / "exports" / kind / "README.md").read_text(encoding="utf-8")
        assert (f"language:\n- {language}\n" in card) if language else ("language:" not in card)
