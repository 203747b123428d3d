"""The prepare verb: a complete DATA folder, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.config import PrepareSettings
from gemma_poetry.corpus.known_lines import KnownLines
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.data.tokenization import decode_poem, read_tokenized
from gemma_poetry.errors import GemmaPoetryError, OutputError, SourceError
from gemma_poetry.manifests import check_manifest
from gemma_poetry.model.character_tokenizer import build_character_tokenizer
from gemma_poetry.verbs import prepare as verb
from gemma_poetry.verbs.prepare import FILES, prepare

SETTINGS = PrepareSettings(validation_share=0.2, test_share=0.2)
NUMBERS = "一二三四五六七八九十百千万山水风花月云雨江天人心日夜春秋"


def quatrain(number: int) -> list[str]:
    """Four lines of five characters; no two poems share a bigram set of note."""
    return [
        "".join(NUMBERS[(number * 7 + line * 11 + place * (number % 5 + 2)) % len(NUMBERS)] for place in range(5))
        for line in range(4)
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "poems.jsonl"
    records = [{"title": f"春日{NUMBERS[number]}", "author": "李白", "lines": quatrain(number)} for number in range(25)]
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_character_tokenizer([*NUMBERS, *"，。体裁题目作者诗：\n李白"])


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_complete_folder(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    out = tmp_path / "DATA"
    stats = prepare(str(source), out, SETTINGS, tokenizer, "mini")
    assert names(out) == sorted([*FILES, "manifest.json"])
    assert names(tmp_path) == ["DATA", "poems.jsonl"]
    manifest = check_manifest(out, FILES)
    assert manifest["kind"] == "data"
    assert manifest["tokenizer"]["name"] == "mini"
    assert manifest["recipe"]["prepare"] == SETTINGS.model_dump(mode="json")
    assert manifest["source"]["name"] == "poems.jsonl"
    assert stats == json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["kept"] == sum(stats["splits"].values()) == sum(stats["by_form"].values())
    assert stats["read"] == stats["kept"] + sum(stats["rejected"].values()) == 25
    assert stats["leakage"] == {"clusters_in_two_splits": 0}
    assert all(stats["splits"].values())
    assert stats["mean_characters"] == 20


def test_text_and_records_are_the_same_poems_in_the_same_order(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    out = tmp_path / "DATA"
    prepare(str(source), out, SETTINGS, tokenizer, "mini")
    for split in ("train", "val", "test"):
        poems = load_poems(out, split)
        tokenized = read_tokenized(out / f"{split}.txt", tokenizer)
        assert [decode_poem(tokenizer, sample.completion_ids) for sample in tokenized] == [poem.text for poem in poems]
        assert len(poems) == (out / f"{split}.txt").read_text(encoding="utf-8").count("\n")


def test_conditions_are_dropped_in_training_only(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    prepare(
        str(source),
        tmp_path / "DATA",
        SETTINGS.model_copy(update={"title_dropout": 1.0, "author_dropout": 1.0}),
        tokenizer,
        "m",
    )
    for split, named in (("train", False), ("val", True), ("test", True)):
        for line in (tmp_path / "DATA" / f"{split}.txt").read_text(encoding="utf-8").splitlines():
            assert ("题 目" in line.partition("\t")[0] or "题目" in line) is named


def test_the_lines_of_the_training_split_are_listed_and_no_others(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    out = tmp_path / "DATA"
    prepare(str(source), out, SETTINGS, tokenizer, "mini")
    assert json.loads((out / "manifest.json").read_text())["files"]["known_lines.npz"]["bytes"]
    guard = KnownLines.load(out / "known_lines.npz")
    lines = {split: {line for poem in load_poems(out, split) for line in poem.lines} for split in ("train", "val", "test")}
    assert guard.lines == len(lines["train"]) and all(line in guard for line in lines["train"])
    others = (lines["val"] | lines["test"]) - lines["train"]
    assert others and sum(line in guard for line in others) <= 1
    assert source.name in guard.provenance and str(tmp_path) not in guard.provenance


def test_what_a_person_put_into_data_is_never_removed(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    out = tmp_path / "DATA"
    prepare(str(source), out, SETTINGS, tokenizer, "mini")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"prepare did not write: 'notes\.txt'"):
        prepare(str(source), out, SETTINGS, tokenizer, "mini")
    assert (out / "notes.txt").read_text() == "mine"


def test_two_runs_write_the_same_bytes(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    for name in ("one", "two"):
        prepare(str(source), tmp_path / name, SETTINGS, tokenizer, "mini")
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_card_tells_the_figures(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    source.write_text(source.read_text(encoding="utf-8") + '\n{"text": "花□枝，春日去。"}', encoding="utf-8")
    stats = prepare(str(source), tmp_path / "DATA", SETTINGS, tokenizer, "mini")
    card = (tmp_path / "DATA" / "README.md").read_text(encoding="utf-8")
    for expected in (
        f"{stats['kept']:,} poems",
        "| lost characters (□ ？ …) | 1 |",
        f"| train | {stats['splits']['train']:,} |",
        "Clusters that span two splits: 0",
        "`poems.jsonl`",
        "`mini`",
    ):
        assert expected in card


def test_an_older_folder_of_ours_is_replaced(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    out = tmp_path / "DATA"
    prepare(str(source), out, SETTINGS, tokenizer, "mini")
    prepare(str(source), out, SETTINGS.model_copy(update={"max_poems": 10}), tokenizer, "mini")
    assert json.loads((out / "stats.json").read_text(encoding="utf-8"))["kept"] == 10
    assert names(tmp_path) == ["DATA", "poems.jsonl"]


@pytest.mark.parametrize("contents", [{"thesis.txt": "x"}, {"manifest.json": '{"kind": "run"}'}, {"manifest.json": "[1]"}])
def test_anything_else_is_never_written_over(tmp_path: Path, source: Path, tokenizer: Any, contents: dict[str, str]) -> None:
    out = tmp_path / "DATA"
    out.mkdir()
    for name, text in contents.items():
        (out / name).write_text(text)
    with pytest.raises(OutputError, match="prepare did not write") as caught:
        prepare(str(source), out, SETTINGS, tokenizer, "mini")
    assert caught.value.where == str(out)
    assert {name: (out / name).read_text() for name in names(out)} == contents


def test_a_file_as_output_and_a_source_inside_the_output(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="prepare did not write"):
        prepare(str(source), tmp_path / "file", SETTINGS, tokenizer, "mini")
    with pytest.raises(OutputError, match="holds the source"):
        prepare(str(source), tmp_path, SETTINGS, tokenizer, "mini")
    assert source.exists()


def test_an_empty_folder_is_filled(tmp_path: Path, source: Path, tokenizer: Any) -> None:
    (tmp_path / "DATA").mkdir()
    prepare(str(source), tmp_path / "DATA", SETTINGS, tokenizer, "mini")
    assert names(tmp_path / "DATA") == sorted([*FILES, "manifest.json"])


@pytest.mark.parametrize("cut", [1, 40])
def test_a_source_that_is_cut_leaves_nothing_behind(tmp_path: Path, source: Path, tokenizer: Any, cut: int) -> None:
    content = source.read_bytes()
    source.write_bytes(content[:-cut])
    with pytest.raises(SourceError) as caught:
        prepare(str(source), tmp_path / "DATA", SETTINGS, tokenizer, "mini")
    assert caught.value.where == f"{source}:25"
    assert names(tmp_path) == ["poems.jsonl"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), SourceError("x")])
def test_a_failure_half_way_leaves_the_older_folder(
    tmp_path: Path, source: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    out = tmp_path / "DATA"
    prepare(str(source), out, SETTINGS, tokenizer, "mini")
    before = {name: (out / name).read_bytes() for name in names(out)}

    def failing(poems: Any, *_: Any, **__: Any) -> Any:
        yield "体\t春"
        raise failure

    monkeypatch.setattr(verb, "tokenize_poems", failing)
    with pytest.raises((GemmaPoetryError, KeyboardInterrupt)) as caught:
        prepare(str(source), out, SETTINGS, tokenizer, "mini")
    if isinstance(failure, OSError):
        assert isinstance(caught.value, OutputError)
        assert "No space left" in caught.value.found
    assert {name: (out / name).read_bytes() for name in names(out)} == before
    assert names(tmp_path) == ["DATA", "poems.jsonl"]


def test_the_sample(tmp_path: Path, tokenizer: Any) -> None:
    stats = prepare("sample", tmp_path / "DATA", SETTINGS, tokenizer, "mini")
    assert stats["kept"] >= 160
    assert not stats["rejected"], "every poem of the sample is clean and unique"
    assert set(stats["by_form"]) <= {"五言绝句", "七言绝句", "五言律诗", "七言律诗"}
