"""`evaluate` from a RUN and a DATA folder to `RUN/eval`."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gemma_poetry.artifacts import sha256_file, write_jsonl
from gemma_poetry.config import EvaluateSettings, GenerateSettings, LoraSettings
from gemma_poetry.corpus.known_lines import KNOWN_LINES, KnownLines
from gemma_poetry.errors import DataError, ModelError, OutputError, SourceError, UsageError
from gemma_poetry.evaluation.records import Generation, Likelihood, Protocol, read_records
from gemma_poetry.manifests import write_manifest
from gemma_poetry.verbs.evaluate import EvaluateOptions, evaluate
from tests.tiny import make_poems, save_data, save_model

POEMS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return save_data(tmp_path_factory.mktemp("data"), held_out=POEMS)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A RUN whose adapter is random and strong."""
    import torch

    from gemma_poetry.model.loading import load_model
    from gemma_poetry.model.lora import add_adapter

    folder = tmp_path_factory.mktemp("run")
    base = save_model(folder / "base")
    model, _ = add_adapter(load_model(str(base), device="cpu").model, LoraSettings(), seed=1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(str(folder / "adapter"))
    write_manifest(folder, {"base": {"spec": str(base)}}, [])
    return folder


def options(run: Path | None, data: Path | None, **changes) -> EvaluateOptions:
    changes = {"run": run, "data": data} | changes
    changes["run"] = changes["run"] and str(changes["run"])
    few = EvaluateSettings(perplexity_poems=10, generation_poems=5, bootstrap_samples=100, batch_size=4)
    return EvaluateOptions(**({"settings": few, "sampling": GenerateSettings()} | changes))


@pytest.fixture(scope="module")
def results(run, data):
    evaluate(options(run, data))
    return json.loads((run / "eval" / "results.json").read_text(encoding="utf-8"))


def test_base_tuned_and_human_stand_side_by_side(results):
    assert list(results["systems"]) == ["base", "tuned", "human", "retrieval"]
    own = set(results["systems"]["tuned"])
    assert own == set(results["systems"]["base"]) == set(results["systems"]["human"]) | {"ppl_token", "ppl_char"}
    assert {"bleu4_title", "bleu4_couplet", "chrf_title", "metre_any", "distinct_2", "copied_lines", "title_first"} < own
    assert results["systems"]["base"]["ppl_char"]["n"] == 10
    assert {results["systems"][system]["bleu4_title"]["n"] for system in ("base", "tuned", "human")} == {5}
    assert results["systems"]["base"]["ppl_char"] != results["systems"]["tuned"]["ppl_char"]
    assert results["about"]["data"]["poems"] == POEMS


def test_perplexity_is_that_of_the_likelihoods_on_file(results, run):
    records = [record for record in read_records(run / "eval" / "likelihoods.jsonl", Likelihood) if record.system == "tuned"]
    total, characters = sum(record.nll for record in records), sum(record.characters for record in records)
    assert results["systems"]["tuned"]["ppl_char"]["value"] == pytest.approx(math.exp(total / characters))
    assert characters == 10 * 20
    assert sum(record.tokens for record in records) == 10 * 25  # 20 characters, 4 marks, the terminator


def test_likelihoods_are_those_of_the_models_own_logits(results, run, data):
    import torch

    from gemma_poetry.data.tokenization import read_tokenized
    from gemma_poetry.model.loading import load_model

    loaded = load_model(str(run), device="cpu")
    poems = make_poems(POEMS, 2000)
    sample = read_tokenized(data / "test.txt", loaded.tokenizer)[3]
    ids = torch.tensor([sample.prompt_ids + sample.completion_ids])
    first = len(sample.prompt_ids)

    def nats() -> float:
        logs = loaded.model(input_ids=ids).logits[0].double().log_softmax(-1)
        return -sum(float(logs[place - 1, ids[0, place]]) for place in range(first, len(sample)))

    found = {
        record.system: record.nll
        for record in read_records(run / "eval" / "likelihoods.jsonl", Likelihood)
        if record.source_id == poems[3].source_id
    }
    with torch.no_grad():
        tuned = nats()
        with loaded.model.disable_adapter():
            base = nats()
    assert found == pytest.approx({"base": base, "tuned": tuned}, rel=1e-5)


def test_what_was_written_has_the_shape_of_the_reference(results, run):
    generations = read_records(run / "eval" / "generations.jsonl", Generation)
    assert len([writing for writing in generations if writing.system != "retrieval"]) == 5 * 3 * 2
    for writing in generations:
        assert [len(line) for line in writing.lines] == [len(line) for line in writing.reference] and writing.title
        assert len(writing.lines) == (4 if writing.protocol is Protocol.TITLE else 2)
        assert len(writing.opening) == 4 - len(writing.lines)


def test_the_same_seed_writes_the_same_files(results, run, data, tmp_path):
    evaluate(options(run, data, out=tmp_path / "again"))
    for name in ("results.json", "likelihoods.jsonl", "generations.jsonl", "title_ranks.jsonl", "report.md"):
        assert (tmp_path / "again" / name).read_bytes() == (run / "eval" / name).read_bytes()


def test_a_model_without_adapter_is_one_system(run, data, tmp_path):
    found = evaluate(options(run / "base", data, out=tmp_path))
    # The base of another run might stand beside it.
    assert set(found.systems) == {f"{run.name}/base", "human", "retrieval"}
    assert found.comparisons == []


def test_the_reports_show_the_run(results, run):
    page = (run / "eval" / "report.html").read_text(encoding="utf-8")
    assert "tuned less base" in page and "<ruby class=" in page
    assert f"{results['systems']['tuned']['ppl_char']['value']:.2f}" in page
    assert "## Figures" in (run / "eval" / "report.md").read_text(encoding="utf-8")


def test_what_a_model_may_have_read_before_is_told(results, run, data, tmp_path, capsys):
    # A folder without a manifest, under a run whose manifest names no DATA: nothing is known of either.
    assert [record["verdict"] for record in results["exposure"]] == ["unknown", "unknown"]
    known = KnownLines.build([line for poem in make_poems(POEMS, 2000) for line in poem.lines])
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["data"] = {"manifest_sha256": sha256_file(data / "manifest.json")}
    read, told = tmp_path / "read", tmp_path / "run"
    shutil.copytree(run / "base", read)
    shutil.copytree(run / "adapter", told / "adapter")
    known.save(read / KNOWN_LINES)
    (told / "manifest.json").write_text(json.dumps(manifest | {"base": {"spec": str(read)}}), encoding="utf-8")
    found = evaluate(options(told, data)).exposure
    assert [record["verdict"] for record in found] == ["seen", "kept-out"] and found[0]["known"] == POEMS
    captured = capsys.readouterr()
    assert f"of {POEMS} poems {POEMS} (100.0%)" in captured.err and captured.out == ""
    assert "Seen in training" in (told / "eval" / "report.html").read_text(encoding="utf-8")


def test_several_runs_and_anybodys_poems_stand_in_one_table(results, run, data, tmp_path):
    title = read_records(run / "eval" / "generations.jsonl", Generation)[0].title
    (tmp_path / "stranger.txt").write_text(f"{title}\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n", encoding="utf-8")
    found = evaluate(
        options(run, data, out=tmp_path / "out", others=(str(run / "base"),), generations=(tmp_path / "stranger.txt",))
    )
    names = {run.name, "base", f"{run.name}/base", "human", "retrieval", "stranger"}
    assert set(found.systems) == names
    assert found.systems[run.name]["ppl_char"].value == pytest.approx(results["systems"]["tuned"]["ppl_char"]["value"])
    assert found.systems["stranger"]["metre_every"].n == 1
    pairs = {(one.system, one.against) for one in found.comparisons}
    assert {(run.name, "base"), ("stranger", run.name), (run.name, "human")} <= pairs
    written = json.loads((tmp_path / "out" / "comparison" / "results.json").read_text(encoding="utf-8"))
    assert set(written["systems"]) == names
    alone = json.loads((tmp_path / "out" / run.name / "results.json").read_text(encoding="utf-8"))
    assert alone["systems"] == results["systems"]


def test_runs_of_one_name_are_kept_apart(run, data, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(run / "adapter", tmp_path / name / "run" / "adapter")
        shutil.copyfile(run / "manifest.json", tmp_path / name / "run" / "manifest.json")
    for name in ("c", "d"):  # as a training of every weight leaves it
        shutil.copytree(run / "base", tmp_path / name / "run" / "merged")
        write_manifest(tmp_path / name / "run", {"kind": "run", "base": {"spec": str(run / "base")}}, [])
    folders = [str(tmp_path / name / "run") for name in "abcd"]
    found = evaluate(options(folders[0], data, out=tmp_path / "out", others=(*folders[1:], f"{folders[0]}/../run")))
    names = ["a/run", "b/run", "c/run", "d/run"]
    assert {*names, "human"} <= set(found.systems)
    pairs = {(one.system, one.against) for one in found.comparisons}
    assert {(other, one) for place, one in enumerate(names) for other in names[place + 1 :]} <= pairs
    for name in names:
        written = json.loads((tmp_path / "out" / name / "results.json").read_text(encoding="utf-8"))
        assert written["about"]["runs"] == [name]


@pytest.mark.parametrize("spec", ["owner/gemma", "x.gguf"])
def test_a_model_that_is_no_folder_is_compared_too(run, data, tmp_path, monkeypatch, spec):
    from gemma_poetry.model import loading

    load = loading.load_model
    called = {"owner/gemma": "owner/gemma", "x.gguf": "x"}[spec]
    monkeypatch.setattr(
        loading, "load_model", lambda name: replace(load(str(run / "base")), name=called) if name == spec else load(name)
    )
    found = evaluate(options(run, data, out=tmp_path / "out", others=(spec,)))
    assert (spec, run.name) in {(one.system, one.against) for one in found.comparisons}
    assert (tmp_path / "out" / spec / "results.json").is_file()


def test_bases_of_one_name_are_kept_apart(run, data, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(run / "base", tmp_path / name / "base")
        shutil.copytree(run / "adapter", tmp_path / f"run-{name}" / "adapter")
        write_manifest(tmp_path / f"run-{name}", {"base": {"spec": str(tmp_path / name / "base")}}, [])
    found = evaluate(options(tmp_path / "run-a", data, out=tmp_path / "out", others=(str(tmp_path / "run-b"),)))
    assert {"base a/base", "base b/base"} <= set(found.systems)


def test_anybodys_poems_are_judged_without_run_or_data(tmp_path):
    (tmp_path / "poems.txt").write_text("靜夜思\n牀前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n", encoding="utf-8")
    found = evaluate(options(None, None, generations=(tmp_path / "poems.txt",), out=tmp_path / "out"))
    assert set(found.systems) == {"poems"}
    assert found.systems["poems"]["form"].value == 1
    assert (tmp_path / "out" / "results.json").is_file()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"split": "exam"}, UsageError, "no split 'exam'"),
        ({"run": "mini-with-a-typo"}, UsageError, "is no run folder"),
        ({"run": None}, UsageError, "nothing to evaluate"),
        ({"book": "yuan"}, UsageError, "of 曲, and of no other verse"),
        ({"data": None}, UsageError, "no poems to evaluate the run on"),
        ({"generations": (Path("none.txt"),)}, SourceError, "cannot be read"),
        ({"run": "mini-with-a-typo", "out": Path("x")}, ModelError, "no model is called"),
    ],
    ids=["split", "no run", "nothing", "book of 曲", "no data", "no file", "no model"],
)
def test_what_cannot_be_is_refused(run, data, changes, error, message):
    with pytest.raises(error, match=message):
        evaluate(options(**({"run": run, "data": data} | changes)))


def test_altered_and_empty_data_are_refused(run, tmp_path):
    data = save_data(tmp_path / "data", held_out=3)
    with pytest.raises(DataError, match=r"test\.jsonl"):
        (data / "test.jsonl").write_text("{}", encoding="utf-8")
        evaluate(options(run, data))
    write_jsonl(data / "test.jsonl", [])
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    write_manifest(data, {"source": "tiny"}, list(manifest["files"]))
    with pytest.raises(DataError, match="the test split has no poems"):
        evaluate(options(run, data))


def test_older_results_do_not_stand_beside_newer_poems(results, run, data, tmp_path, monkeypatch):
    from gemma_poetry.verbs import evaluate as verb

    def full(*_: object) -> None:
        raise OutputError("cannot write (No space left on device)")

    out = tmp_path / "eval"
    evaluate(options(run, data, out=out))
    monkeypatch.setattr(verb, "write_records", full)
    with pytest.raises(OutputError, match="No space"):
        evaluate(options(run, data, out=out))
    assert [path.name for path in out.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("name", ["results.json", "report.html", "manifest.json"])
def test_files_of_others_are_never_written_over(run, data, tmp_path, name):
    (tmp_path / name).write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=f"evaluate did not write: '{name}'"):
        evaluate(options(run, data, out=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["notes.txt", name])


def test_poems_of_other_data_are_looked_up_in_what_the_run_read(results, run, data, tmp_path):
    told = tmp_path / "run"
    shutil.copytree(run / "adapter", told / "adapter")
    shutil.copyfile(run / "manifest.json", told / "manifest.json")
    judged = [line for poem in make_poems(POEMS, 2000) for line in poem.lines]
    for lines, verdict in ((judged, "seen"), (["月落乌啼霜"], "kept-out")):
        KnownLines.build(lines).save(told / KNOWN_LINES)
        assert evaluate(options(told, data)).exposure[1]["verdict"] == verdict


def test_the_adapter_of_a_run_is_told_from_the_data_of_the_run(results, run, data, tmp_path):
    told = tmp_path / "run"
    shutil.copytree(run / "adapter", told / "adapter")
    sha256 = sha256_file(data / "manifest.json")
    write_manifest(told, {"base": {"spec": str(run / "base")}, "data": {"manifest_sha256": sha256}}, [])
    assert evaluate(options(told / "adapter", data, out=tmp_path / "out")).exposure[1]["verdict"] == "kept-out"
    (told / "manifest.json").unlink()
    assert evaluate(options(told / "adapter", data, out=tmp_path / "out")).exposure[1]["verdict"] == "unknown"
