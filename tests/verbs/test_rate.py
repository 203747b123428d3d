"""`gemma-poetry rate`: build, report and simulate on the command line."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from gemma_poetry.artifacts import write_jsonl
from gemma_poetry.cli.program import app
from gemma_poetry.errors import DataError, GemmaPoetryError, UsageError
from gemma_poetry.evaluation.human.answers import AnswerStore
from gemma_poetry.evaluation.human.questions import ASPECT_NAMES
from gemma_poetry.evaluation.human.study import ANSWERS, read_study
from gemma_poetry.manifests import write_manifest
from tests.tiny import make_poems


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for split, poems in (("train", make_poems(30)), ("val", make_poems(6, 1000)), ("test", make_poems(12, 2000))):
        write_jsonl(folder / f"{split}.jsonl", (poem.to_record() for poem in poems))
    write_manifest(folder, {}, ["train.jsonl", "val.jsonl", "test.jsonl"])
    return folder


@pytest.fixture(scope="module")
def poems(tmp_path_factory):
    """A stranger's file: poems of the titles of the test split, one of them with a line of the corpus."""
    path = tmp_path_factory.mktemp("strangers") / "=cmd|x.jsonl"
    records = [{"title": poem.title, "form": poem.form, "lines": list(reversed(poem.lines))} for poem in make_poems(12, 2000)]
    records[0]["lines"] = list(make_poems(1)[0].lines)
    write_jsonl(path, records)
    return path


def run(*arguments):
    result = CliRunner().invoke(app, ["rate", *map(str, arguments)])
    if isinstance(result.exception, GemmaPoetryError):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def study(data, poems, tmp_path_factory):
    out = tmp_path_factory.mktemp("rate") / "study"
    result = run(
        "build", "--generations", poems, "--data", data, "--poems", 6, "--raters", 4, "--ratings", 6, "--pairs", 3,
        "--out", out, "--base-url", "https://poems.example/", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_build_says_what_it_made_and_keeps_links_to_itself(study):
    out, record = study
    assert record["systems"] == ["=cmd|x", "human"] and record["raters"] == 4
    assert record["tasks_a_rater"] == 6 + 2 + 2 + 3 + 1
    links = (out / "links.csv").read_text(encoding="utf-8").splitlines()
    assert len(links) == 5 and re.fullmatch(r"R01,https://poems\.example/\?r=[\w-]{32}", links[1])
    assert "?r=" not in json.dumps(record)


def test_report_counts_what_was_answered_and_writes_its_files(study):
    out, _ = study
    store, tasks = AnswerStore(out / ANSWERS), read_study(out).tasks
    for rater, own in tasks.items():
        for task in own:
            rated = {aspect: str(1 + (len(rater) + number) % 5) for number, aspect in enumerate(ASPECT_NAMES)}
            store.save(rater, task.task, rated if task.kind == "rate" else {"preference": "equal"})
    store.save_comment("R01", "001", "=HYPERLINK(1)")
    result = run("report", out, "--json")
    report = json.loads(result.stdout)
    assert report["raters_counted"] == ["R01", "R02", "R03", "R04"]
    assert {figure["value"] for figure in report["means"]["fluency"]["systems"].values()} == {4.0}
    assert report["bradley_terry"]["win_rates"][0]["value"] == 0.5
    assert {path.name for path in (out / "report").iterdir()} == {
        "report.json", "answers.jsonl", "comments.jsonl", "comparison.png",
    }  # fmt: skip
    assert (out / "report" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    shown = run("report", out)
    assert "Mean ratings" in shown.stdout and "Bradley-Terry" in shown.stdout and "R04" in shown.stdout


def test_simulate_prints_sizes_and_a_verdict(tmp_path):
    arguments = [
        "--effect",
        1.5,
        "--systems",
        2,
        "--raters",
        "8",
        "--poems",
        "10",
        "--ratings",
        10,
        "--pairs",
        8,
        "--studies",
        3,
    ]
    result = run("simulate", *arguments, "--out", tmp_path / "sizes.json")
    assert "needed for a power of 80%" in result.stdout
    found = json.loads((tmp_path / "sizes.json").read_text(encoding="utf-8"))
    assert found["sizes"][0]["raters"] == 8 and found["smallest"] == {"raters": 8, "poems": 10}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["report", "/no/such"], DataError, "is no study"),
        (["serve", "/no/such"], DataError, "is no study"),
        (["simulate", "--raters", "many"], UsageError, "whole numbers"),
        (["simulate", "--effect", "9"], UsageError, "--effect cannot be 9"),
        (["build", "--generations", "/no/such", "--data", "/no/data", "--out", "/tmp/x"], DataError, "no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_words(arguments, kind, message):
    with pytest.raises(kind, match=message):
        run(*arguments)


def test_a_study_without_answers_has_no_report(data, poems, tmp_path):
    run("build", "--generations", poems, "--data", data, "--poems", 4, "--raters", 2, "--out", tmp_path / "s")
    with pytest.raises(DataError, match="there are no answers yet"):
        run("report", tmp_path / "s")
