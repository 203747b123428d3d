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
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.corpus.reading import load_poems
from gemma_poetry.domains.domain import Domain
from gemma_poetry.domains.registry import _load, list_domains, load_domain
from gemma_poetry.errors import UsageError
from gemma_poetry.evaluation.curves import read_curve
from gemma_poetry.generation.request import PoemRequest
from gemma_poetry.generation.written import WrittenText
from gemma_poetry.prosody.check_result import CheckResult
from gemma_poetry.prosody.rules import Verdict
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
        "train.max_steps=20",
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
    points = read_curve(tmp_path / "run" / "curve.jsonl")
    for measured in (left["manifest"]["validation"], *(point for point in points if "validation_loss" in point)):
        assert {name for name in measured if name.startswith("ppl_")} == {"ppl_token", f"ppl_{unit}"}
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


def written(checkpoint: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    request = PoemRequest(form=options.pop("form", ""))
    generate(GenerateOptions(str(checkpoint), request, out=out, settings=RECIPE.generate, seed=3, **options))
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_of_several_texts_the_best_is_kept(checkpoint, tmp_path):
    options = {"domain": "modern-chinese-poetry", "form": "小诗"}
    every = written(checkpoint, tmp_path / "all.jsonl", count=6, **options)
    best = written(checkpoint, tmp_path / "best.jsonl", count=2, best_of=3, **options)
    order = ["strict", "minor", "rescued", "not-judged", "fail"]
    for group, kept in zip((every[:3], every[3:]), best, strict=True):
        ranks = [(order.index(one["scansion"]["verdict"]), not one["complete"], one["ppl_char"]) for one in group]
        assert kept == group[ranks.index(min(ranks))]
    assert all(one["ppl_char"] > 1 for one in every)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (("strict", False, 9.0), ("minor", True, 2.0)),
        (("minor", True, 9.0), ("rescued", True, 2.0)),
        (("not-judged", True, 9.0), ("fail", True, 2.0)),
        (("fail", True, 9.0), ("fail", False, 2.0)),
        (("strict", True, 2.0), ("strict", True, 9.0)),
        (("strict", True, 9.0), ("strict", True, None)),
    ],
)
def test_what_makes_a_text_better(better, worse):
    def kept(verdict: str, complete: bool, perplexity: float | None) -> WrittenText:
        check = CheckResult("f", (), Verdict(verdict))
        return WrittenText(Poem((), ""), 0, check, perplexity, "d", "char", complete=complete)

    assert kept(*better).rank < kept(*worse).rank


def test_haiku_with_the_season_word_that_was_asked_for(checkpoint, tmp_path):
    for wish, name in (("冬", "冬"), ("さくら", "春・桜")):
        found = written(checkpoint, tmp_path / f"{wish}.jsonl", count=2, domain="japanese-haiku", form="俳句", feature=wish)
        for one in found:
            assert (one["feature"], one["scansion"]["verdict"]) == (name, "strict")
            assert name[0] in {word["season"] for word in one["scansion"]["season_words"]}
            assert one["lines"][2].endswith("さくら") or name == "冬"


def test_a_feature_that_a_domain_has_not_is_refused(checkpoint):
    for domain in ("prose", "classical-chinese"):
        with pytest.raises(UsageError, match="nothing to be asked for beside form, title and author"):
            generate(GenerateOptions(str(checkpoint), PoemRequest(), domain=domain, feature="春"))


STRANGERS = """# The Ferry
The ferry takes the evening mail
Across the silver bay,
And carries letters, bread and salt
To neighbours far away.

# Nobody
zyzzyzx on the roof
all night long the rain comes down
and nobody knows

# Damage
один два три
"""


def test_strangers_are_judged_without_a_model(tmp_path):
    (tmp_path / "other.txt").write_text(STRANGERS, encoding="utf-8")
    options = EvaluateOptions(
        None,
        None,
        RECIPE.evaluate,
        RECIPE.generate,
        generations=(tmp_path / "other.txt",),
        domain="english-verse",
        out=tmp_path / "out",
    )
    results = evaluate(options)
    figures = results.systems["other"]
    # The first is a common metre, the second has a word that no dictionary has, the third is not English.
    assert (figures["conforms"].n, figures["conforms"].value) == (2, 0.5)
    assert "distinct_1_words" in figures and "tones" not in figures and "ppl_word" not in figures
    assert read_json(tmp_path / "out" / "results.json")["about"]["domain"] == "english-verse"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Across the silver bay,\nAnd carries" in page and "Han characters" not in page and "0.48" not in page


def test_several_runs_and_strangers_stand_in_one_table(checkpoint, tokenizer, tmp_path):
    data = tmp_path / "data"
    prepare("sample", data, RECIPE.prepare, tokenizer, str(checkpoint), load_domain("japanese-haiku"))
    train(data, str(checkpoint), tmp_path / "one", RECIPE)
    shorter = load_recipe(None, ["train.max_steps=2", "train.batch_size=8"])
    train(data, str(checkpoint), tmp_path / "two", shorter)
    known = load_poems(data, "train")[0]
    (tmp_path / "copier.jsonl").write_text(
        json.dumps({"title": load_poems(data, "test")[0].title, "lines": known.lines}), encoding="utf-8"
    )
    options = EvaluateOptions(
        str(tmp_path / "one"),
        data,
        RECIPE.evaluate,
        RECIPE.generate,
        others=(str(tmp_path / "two"),),
        generations=(tmp_path / "copier.jsonl",),
    )
    results = evaluate(options)
    assert set(results.systems) == {"base", "one", "two", "copier", "human"}
    pairs = {(one.system, one.against) for one in results.comparisons}
    assert {("one", "base"), ("two", "base"), ("two", "one"), ("copier", "human")} <= pairs
    assert results.systems["one"]["ppl_token"].value < results.systems["two"]["ppl_token"].value
    assert results.systems["copier"]["longest_span"].value == known.characters
    assert results.systems["copier"]["copied_lines"].value == 1.0 > results.systems["human"]["copied_lines"].value
    assert results.copied["copier"][0]["span"]["source_id"] == known.source_id
    assert (tmp_path / "one" / "eval" / "comparison" / "report.html").is_file()
    assert (tmp_path / "two" / "eval" / "results.json").is_file()
    assert "kept-out" in {record["verdict"] for record in results.exposure}


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
    request = PoemRequest(form="俳句", acrostic="春夏秋", words=("月",))
    with pytest.raises(UsageError, match="has no --acrostic, --words"):
        generate(GenerateOptions(str(checkpoint), request, domain="japanese-haiku"))


def test_data_of_a_domain_that_is_not_at_hand_is_trained_on_and_counted_by_characters(tmp_path, capsys):
    from gemma_poetry.artifacts import write_json
    from gemma_poetry.data.counting import CHARACTERS
    from gemma_poetry.verbs.domain_lookup import counting_of_data

    write_json(tmp_path / "manifest.json", {"kind": "data", "domain": "english-verse"})
    found = counting_of_data(tmp_path)
    assert (found.unit, found.count(["the red moon", "a"])) == ("word", 4) and not capsys.readouterr().err
    write_json(tmp_path / "manifest.json", {"kind": "data", "domain": "klingon-odes"})
    assert counting_of_data(tmp_path) == CHARACTERS and CHARACTERS.count(["山高", "月"]) == 3
    assert "counted by characters: no domain is called 'klingon-odes'" in capsys.readouterr().err


def test_a_run_keeps_its_domain(tmp_path):
    from gemma_poetry.artifacts import write_json
    from gemma_poetry.verbs.domain_lookup import domain_of_model

    write_json(tmp_path / "manifest.json", {"kind": "run", "data": {"domain": "prose"}})
    for part in ("", "adapter", "merged"):
        (tmp_path / part).mkdir(exist_ok=True)
        assert domain_of_model(str(tmp_path / part)).name == "prose"
    assert domain_of_model(str(tmp_path / "other")).name == "classical-chinese"
    with pytest.raises(UsageError, match="trained on the domain 'prose', not 'japanese-haiku'"):
        domain_of_model(str(tmp_path), "japanese-haiku")
    assert domain_of_model("mini").name == "classical-chinese"
