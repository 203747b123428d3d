"""50 damaged manifests of DATA, RUN and a model: each is read by the verbs that ask it, or refused in our own words."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.trials import attempt, damage_bytes, damage_json, fingerprint, is_sound, json_text, seeds
from tests.tiny import make_poems, make_tokenizer, save_data

MEANT: tuple[Any, ...] = (
    [], None, "x", 3, {}, {"files": []}, {"files": {"train.txt": None}}, {"files": {"train.txt": {"bytes": "1", "sha256": 3}}},
    {"base": None, "data": None, "tokenizer": None, "recipe": None, "validation": None}, {"base": {"spec": ["a"]}},
    {"base": {"spec": "a\x00b"}}, {"base": {"spec": "x" * 10**5}}, {"data": {"domain": {}}}, {"data": {"clusters": [1]}},
    {"tokenizer": {"fingerprint": 3, "name": []}}, {"kind": ["run"]}, {"validation": {"ppl_char": "x"}, "recipe": {"name": {}}},
    {"steps": True, "wall_seconds": "@infinite@", "trainable_parameters": "@big@"}, "@deep@", {"domain": 3},
)  # fmt: skip


def ask(folder: str, data: str) -> None:
    """What verbs ask of a manifest: each question stands alone, so that an answer of ours does not hide the next trace."""
    from gemma_poetry.data.tokenization import check_tokenizer
    from gemma_poetry.errors import GemmaPoetryError
    from gemma_poetry.evaluation.contamination import find_contamination
    from gemma_poetry.manifests import check_folder, check_manifest, read_manifest
    from gemma_poetry.model.loading import load_tokenizer
    from gemma_poetry.model.locating import run_base
    from gemma_poetry.studio.runs_page import _facts
    from gemma_poetry.verbs.domain_lookup import counting_of_data, domain_of_data, domain_of_model

    path = Path(folder)
    questions = (
        lambda: check_manifest(path, ["train.txt", "val.jsonl"]),
        lambda: check_tokenizer(read_manifest(path), make_tokenizer(), path),
        lambda: domain_of_data(path),
        lambda: domain_of_model(folder),
        lambda: counting_of_data(path),
        lambda: run_base(path),
        lambda: load_tokenizer(run_base(path)),
        lambda: find_contamination(make_poems(2), "base", "digest", read_manifest(path)),
        lambda: [_facts(read_manifest(path), language) for language in ("zh", "en")],
        lambda: check_folder(path, "export"),
    )
    for question in questions:
        try:
            question()  # type: ignore[no-untyped-call]
        except GemmaPoetryError as error:
            str(error).encode()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_data(tmp_path_factory.mktemp("whole") / "data")


def manifests(data: Path) -> list[dict[str, Any]]:
    own = json.loads((data / "manifest.json").read_text())
    run = {
        "kind": "run", "base": {"spec": "mini", "name": "mini", "revision": None, "weights_fingerprint": "a" * 64},
        "data": {"folder": "data", "manifest_sha256": "b" * 64, "train_poems": 64, "domain": "classical-chinese"},
        "recipe": {"name": "described", "train": {}, "lora": {}}, "steps": 10, "wall_seconds": 3.5,
        "trainable_parameters": 100, "validation": {"ppl_char": 3.0, "ppl_token": 4.0}, "files": own["files"],
    }  # fmt: skip
    model = {
        "kind": "pretrained model",
        "data": {"clusters": {"train": "a", "val": "b"}},
        "tokenizer": {"pieces": 3},
        "files": {},
    }
    return [own, run, model]


@pytest.mark.parametrize("seed", seeds(10, 50))
def test_damaged_manifest(whole: Path, tmp_path: Path, seed: int):
    draw = random.Random(f"manifest {seed}")
    folder = save_data(tmp_path / "data", train=4, held_out=2)
    manifest = draw.choice(manifests(folder))
    kind = draw.randrange(5)
    path = folder / "manifest.json"
    if kind == 0:
        path.write_bytes(damage_bytes(json.dumps(manifest).encode(), draw))
    elif kind in (1, 2):
        path.write_bytes(json_text(damage_json(manifest, draw)))
    elif kind == 3:
        meant = draw.choice(MEANT)
        path.write_bytes(json_text(manifest | meant if isinstance(meant, dict) else meant))
    else:
        path.unlink()
        draw.choice((lambda: os.mkfifo(path), lambda: path.mkdir(), lambda: path.symlink_to("/dev/zero"), lambda: None))()
    before = fingerprint(tmp_path)
    outcome = attempt(ask, str(folder), str(whole))
    assert is_sound(outcome), outcome
    assert fingerprint(tmp_path) == before


def test_every_meaning_is_answered(tmp_path: Path):
    """One process for all of them: none hangs."""
    outcome = attempt(ask_all, str(tmp_path))
    assert outcome == "done", outcome


def ask_all(place: str) -> None:
    folder = save_data(Path(place) / "data", train=4, held_out=2)
    for manifest in manifests(folder):
        for meant in MEANT:
            value = manifest | meant if isinstance(meant, dict) else meant
            (folder / "manifest.json").write_bytes(json_text(value))
            ask(str(folder), place)


ANSWERS = [
    ("x", 0.0), ("", 0.0), ("3.5", 0.0), ("9" * 5000, 0.0), (b"\xff", 0.0), (None, 0.0), (3, 0.0), ("６", 0.0),
    ("3", "x"), ("3", None), ("3", float("inf")), ("-1", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "at"), ANSWERS, ids=lambda value: repr(value)[:12])
def test_answers_that_are_none_are_refused(tmp_path: Path, answer: Any, at: Any):
    from gemma_poetry.errors import DataError
    from gemma_poetry.evaluation.human.answers import AnswerStore
    from gemma_poetry.evaluation.human.questions import ASPECT_NAMES

    store = AnswerStore(tmp_path / "answers.sqlite")
    with sqlite3.connect(tmp_path / "answers.sqlite") as connection:
        connection.execute("DROP TABLE answers")
        connection.execute("CREATE TABLE answers (rater, task, question, answer, first_at, last_at, changes)")
        connection.execute("INSERT INTO answers VALUES ('R1', '001', ?, ?, ?, 0, 0)", (ASPECT_NAMES[0], answer, at))
    with pytest.raises(DataError, match="answer"):
        store.all_answers()
