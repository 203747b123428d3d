"""What a path that a person named is, and what they may have meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_poetry.artifacts import write_json, write_text
from gemma_poetry.errors import DataError
from gemma_poetry.folders import check_data_folder, describe_folder, distinct_names, folder_kind, is_local, model_hint
from gemma_poetry.manifests import write_manifest


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder as it is after a quickstart and two trainings, one of them not finished."""
    monkeypatch.chdir(tmp_path)
    write_manifest(tmp_path / "mine" / "poems", {"kind": "data"}, [])
    for run in ("runs/first", "runs/quickstart/run"):
        write_json(tmp_path / run / "adapter" / "adapter_config.json", {})
        write_manifest(tmp_path / run, {"kind": "run", "data": {"folder": "mine/poems"}}, [])
    write_manifest(tmp_path / "runs" / "quickstart" / "data", {"kind": "data"}, [])
    write_json(tmp_path / "runs" / "begun" / "started.json", {})
    write_json(tmp_path / "google" / "gemma" / "config.json", {})
    write_text(tmp_path / "poem.txt", "春")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "kind"),
    [("mine/poems", "data"), ("runs/first", "run"), ("runs/quickstart", "quickstart"), ("runs/begun", "run"), ("mine", "")],
)
def test_kinds(place, path, kind):
    assert folder_kind(Path(path)) == kind


# (what is named as DATA, what to name instead)
@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("runs/first", "name mine/poems"),
        ("runs/quickstart", "name runs/quickstart/data"),
        ("runs/quickstart/run", "name mine/poems"),
        ("mine/poms", "did you mean mine/poems"),
        ("mine", "gemma-poetry prepare"),
        ("nowhere/at/all", "gemma-poetry prepare"),
        ("poem.txt", "gemma-poetry prepare"),
    ],
)
def test_what_is_no_data_names_what_was_meant(place, path, action):
    with pytest.raises(DataError) as raised:
        check_data_folder(Path(path))
    assert action in raised.value.action and "DATA" in raised.value.expected


def test_data_is_data(place):
    check_data_folder(Path("mine/poems"))


@pytest.mark.parametrize(
    ("path", "found", "action"),
    [
        ("runs/quickstart", "the folder of a quickstart", "name runs/quickstart/run"),
        ("runs/frist", "no such folder", "runs/first"),
        ("runs/begun", "a run that is not finished", ""),
        ("runs/first/checkpoint-9", "no such folder", "name runs/first"),
        ("mine/poems", "prepared data", ""),
        ("poem.txt", "a file", "name the folder"),
        ("runs/first", "", ""),
        ("google/gemma", "", ""),
    ],
)
def test_what_is_no_model_names_what_was_meant(place, path, found, action):
    told, hint = model_hint(Path(path))
    assert told.startswith(found) and action in hint and bool(told) == bool(found)


@pytest.mark.parametrize(
    ("spec", "local", "why"),
    [
        ("runs/described", True, "where the README writes its runs"),
        ("data/described", True, "where the README writes its data"),
        ("mine/other", True, "a folder here with data of ours in it"),
        ("mine/poems", True, "data itself"),
        ("started/checkpoint-1", True, "a checkpoint that a run does not have"),
        ("google/manifest.json", True, "a file"),
        ("google/gemma-3-270m", False, "a folder of models may be called as an owner on the Hub is"),
        ("nobody/model", False, "there is no such folder here"),
    ],
)
def test_which_models_are_local(place, spec, local, why):
    write_json(place / "started" / "started.json", {})
    write_json(place / "google" / "manifest.json", {})
    assert is_local(spec) == local, why


def test_folders_are_described_in_words(place):
    assert describe_folder(Path("mine")) == "a folder that holds poems"
    assert describe_folder(Path("poem.txt")) == "a file" and describe_folder(Path("no")) == "no such folder"


def test_names_are_short_and_differ(tmp_path):
    for name in ("a/run", "b/run", "other", "c/base"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b" / "x.gguf").touch()
    specs = ["mini", "google/gemma", *(str(tmp_path / name) for name in ("a/run", "b/run", "other", "c/base", "b/x.gguf"))]
    assert distinct_names(specs, ("base",)) == ["mini", "google/gemma", "a/run", "b/run", "other", "c/base", "x.gguf"]
    assert distinct_names([]) == []
