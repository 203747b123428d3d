"""The whole job in every domain: prepare, train, evaluate and generate on its own sample, and by a stranger's plug-in."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gemma_poetry.artifacts import read_json
from gemma_poetry.config import load_recipe
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.domains.domain import Domain
from gemma_poetry.domains.registry import _load, list_domains, load_domain
from gemma_poetry.errors import UsageError
from gemma_poetry.generation.requests import PoemRequest
from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate
from gemma_poetry.verbs.generate import GenerateOptions, generate
from gemma_poetry.verbs.prepare import prepare
from gemma_poetry.verbs.train import train
from tests.domains.conftest import BUILT_IN, SIJO

RECIPE = load_recipe(
    None,
    [
        "prepare.validation_share=0.1",
        "prepare.test_share=0.15",
        "train.max_steps=10",
        "train.batch_size=8",
        "train.learning_rate=0.02",
        "lora.targets=[q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]",
        "evaluate.generation_poems=2",
        "evaluate.bootstrap_samples=100",
    ],
)


@pytest.fixture(autouse=True)
def short_free_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model does not end its texts."""
    for name in BUILT_IN:
        monkeypatch.setattr(type(load_domain(name)), "max_tokens", 24)


def whole_job(domain: Domain, checkpoint: Path, tokenizer: Any, folder: Path, form: str, count: int = 1) -> dict[str, Any]:
    """Runs the four verbs; returns what they left."""
    data, run = folder / "data", folder / "run"
    stats = prepare("sample", data, RECIPE.prepare, tokenizer, str(checkpoint), domain)
    manifest = train(data, str(checkpoint), run, RECIPE)
    evaluate(EvaluateOptions(str(run), data, settings=RECIPE.evaluate, sampling=RECIPE.generate))
    out = folder / "texts.jsonl"
    request = PoemRequest(form=form, title="雨")
    generate(GenerateOptions(str(run), request, count=count, seed=1, out=out, settings=RECIPE.generate))
    return {
        "stats": stats,
        "manifest": manifest,
        "results": read_json(run / "eval" / "results.json"),
        "texts": [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()],
    }


@pytest.mark.parametrize(
    ("name", "unit", "form", "verdicts"),
    [
        ("modern-chinese-poetry", "char", "小诗", {"strict", "fail"}),
        ("prose", "char", "prose", {"not-judged"}),
        ("english-verse", "word", "common metre", {"strict"}),
        ("japanese-haiku", "char", "有季俳句", {"strict"}),
    ],
)
def test_every_domain(name, unit, form, verdicts, checkpoint, tokenizer, tmp_path):
    domain = load_domain(name)
    left = whole_job(domain, checkpoint, tokenizer, tmp_path, form, count=2)
    assert left["stats"]["domain"] == read_json(tmp_path / "data" / "manifest.json")["domain"] == name
    assert left["manifest"]["data"]["domain"] == name
    assert left["stats"]["kept"] == left["stats"]["read"] > 10 and all(left["stats"]["splits"].values())
    assert all(set(found["verdicts"]) <= {"strict", "minor", "not-judged"} for found in left["stats"]["checks"].values())
    base, tuned = left["results"]["systems"]["base"], left["results"]["systems"]["tuned"]
    assert tuned["ppl_token"]["value"] < base["ppl_token"]["value"]
    assert tuned[f"ppl_{unit}"]["value"] < base[f"ppl_{unit}"]["value"]
    assert "title_first" not in tuned and "tones" not in tuned, "what only classical poems have"
    for text in left["texts"]:
        assert (text["domain"], text["form"], text["title"]) == (name, form, "雨")
        assert text["scansion"]["verdict"] in verdicts
        assert domain.measure(form) is None or text["complete"]


def test_counted_forms_are_kept_by_base_and_tuned_alike(checkpoint, tokenizer, tmp_path):
    """A random model writes sonnets that its own check finds faultless: count, metre and rhyme do not rest on training."""
    request = PoemRequest(form="sonnet")
    out = tmp_path / "sonnets.jsonl"
    options = GenerateOptions(str(checkpoint), request, count=2, out=out, settings=RECIPE.generate, domain="english-verse")
    assert generate(options) == 2
    for line in out.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)["scansion"]
        assert (found["verdict"], found["faults"], found["unknown"], len(found["lines"])) == ("strict", [], [], 14)


def test_texts_and_records_are_the_same(checkpoint, tokenizer, tmp_path):
    from gemma_poetry.data.tokenization import decode_poem, read_tokenized

    prepare("sample", tmp_path / "data", RECIPE.prepare, tokenizer, "tiny", load_domain("prose"))
    poems = load_poems(tmp_path / "data", "train")
    tokenized = read_tokenized(tmp_path / "data" / "train.txt", tokenizer)
    assert [decode_poem(tokenizer, sample.completion_ids) for sample in tokenized] == [poem.text for poem in poems]
    # A prepared folder is a source again, and gives the same texts.
    prepare(str(tmp_path / "data"), tmp_path / "again", RECIPE.prepare, tokenizer, "tiny", load_domain("prose"))
    assert sorted(poem.text for poem in load_poems(tmp_path / "again", "train")) == sorted(poem.text for poem in poems)


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that installed packages are found in, besides those of the environment."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    _load.cache_clear()
    yield folder
    _load.cache_clear()


def test_a_strangers_package(plug_ins, checkpoint, tokenizer, tmp_path):
    import shutil

    source = tmp_path / "sijo"
    shutil.copytree(SIJO, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", str(plug_ins), str(source)], check=True)
    importlib.invalidate_caches()
    listed = {listing.name: listing for listing in list_domains()}
    assert listed["korean-sijo"].package == "gemma-poetry-sijo 0.1.0" and not listed["korean-sijo"].error
    left = whole_job(load_domain("korean-sijo"), checkpoint, tokenizer, tmp_path, "시조", count=3)
    assert left["stats"]["checks"] == {"시조": {"n": 6, "verdicts": {"strict": 1.0}}}
    base, tuned = left["results"]["systems"]["base"], left["results"]["systems"]["tuned"]
    assert tuned["ppl_token"]["value"] < base["ppl_token"]["value"]
    assert tuned["conforms"]["value"] == base["conforms"]["value"] == 1.0
    assert [text["scansion"]["verdict"] for text in left["texts"]] == ["strict"] * 3
    assert all(text["marks"] == "   \n" * 3 for text in left["texts"])


def install(folder: Path, name: str, target: str, module: str, text: str) -> None:
    """What pip would leave of a package with one module and one domain."""
    (folder / f"{module}.py").write_text(text, encoding="utf-8")
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[gemma_poetry.domains]\n{name} = {target}\n", encoding="utf-8")
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("class Poems:\n    pass", "is a Poems"),
        ("x = 1", "AttributeError"),
    ],
)
def test_a_plug_in_that_fails_is_named_and_the_rest_still_works(plug_ins, text, message):
    install(plug_ins, "broken", "broken_domain:Poems", "broken_domain", text)
    with pytest.raises(UsageError) as caught:
        load_domain("broken")
    assert message in caught.value.found and "broken_domain 1.0" in caught.value.found
    errors = {listing.name: listing.error for listing in list_domains()}
    assert message in errors.pop("broken")
    assert set(errors) >= {"classical-chinese", *BUILT_IN} and not any(errors.values())
    sys.modules.pop("broken_domain", None)


def test_wishes_of_classical_poems_are_refused_elsewhere(checkpoint):
    request = PoemRequest(form="俳句", acrostic="春夏秋", distinct=True)
    with pytest.raises(UsageError, match="has no --acrostic, --distinct"):
        generate(GenerateOptions(str(checkpoint), request, domain="japanese-haiku"))


def test_a_run_keeps_its_domain(tmp_path):
    from gemma_poetry.artifacts import write_json
    from gemma_poetry.verbs.taught import domain_of_model

    write_json(tmp_path / "manifest.json", {"kind": "run", "data": {"domain": "prose"}})
    assert domain_of_model(str(tmp_path)).name == "prose"
    with pytest.raises(UsageError, match="trained on the domain 'prose', not 'japanese-haiku'"):
        domain_of_model(str(tmp_path), "japanese-haiku")
    assert domain_of_model("mini").name == "classical-chinese"
