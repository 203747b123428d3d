"""The front door: calls and what they give, errors of ours, nothing heavy and nothing said before it is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
import typing
from dataclasses import fields
from pathlib import Path

import pytest

import gemma_poetry as gp
from gemma_poetry.config import Recipe, load_recipe
from gemma_poetry.errors import (
    ConstraintError,
    InputError,
    ModelError,
    RecipeError,
    SourceError,
    TextError,
    UnknownFormError,
    UsageError,
)

ROOT = Path(__file__).parents[1]
TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
BROKEN = TOWER.replace("流", "水")
SHORT = {
    "prepare.max_poems": 60,
    "train.max_steps": 2,
    "train.evaluation_poems": 4,
    "evaluate.perplexity_poems": 4,
    "evaluate.generation_poems": 2,
    "evaluate.bootstrap_samples": 100,
}


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def test_importing_it_imports_nothing_of_use_and_checking_needs_no_torch():
    program = (
        "import sys, gemma_poetry as gp\n"
        "ours = [name for name in sys.modules if name.startswith('gemma_poetry.')]\n"
        "assert ours == [f'gemma_poetry.{name}' for name in ('languages', 'errors', 'extras', 'lazy_exports')], ours\n"
        "assert not {'pydantic', 'yaml', 'rich', 'numpy', 'typer'} & set(sys.modules)\n"
        f"print(gp.check({TOWER!r}))\n"
        "assert not {'torch', 'transformers', 'pandas', 'typer'} & set(sys.modules)"
    )
    assert "五言绝句" in run(program).stdout


def test_what_it_exports_is_there_and_typed():
    names = {name for name in dir(gp) if not name.startswith("_")}
    assert names == {
        *("check", "check_all", "load", "prepare", "train", "tune", "evaluate", "use_language"),
        *("Poet", "Poems", "Data", "Run", "PoemRequest", "GemmaPoetryError"),
    }
    assert all(getattr(gp, name).__doc__ for name in names) and (ROOT / "src" / "gemma_poetry" / "py.typed").is_file()
    assert re.search(
        rf'(?m)^version = "{re.escape(gp.__version__)}"|^dynamic = .*"version"', (ROOT / "pyproject.toml").read_text()
    )


@pytest.mark.parametrize(
    ("poem", "form", "verdict", "faults", "found", "why"),
    [
        (TOWER, "", "strict", [], "五言绝句", "the form that it suggests"),
        (TOWER, "auto", "strict", [], "五言绝句", "the word of the command line"),
        (TOWER, "五绝", "strict", [], "五言绝句", "a short name"),
        (TOWER.replace("，", "\n").replace("。", "\n"), "", "strict", [], "五言绝句", "lines apart by line feeds"),
        ("登鹳雀楼 王之涣\n" + TOWER, "", "strict", [], "五言绝句", "title and author above"),
        (BROKEN, "五绝", "fail", [2], "五言绝句", "an oblique rhyme word"),
    ],
)
def test_check(poem, form, verdict, faults, found, why):
    result = gp.check(poem, form)
    assert (result.verdict.value, sorted({fault.line for fault in result.faults}), result.form) == (verdict, faults, found), why
    assert result.passes == (not faults)


def test_check_by_a_rhyme_book():
    assert gp.check(TOWER, book="xinyun").verdict.value == "fail"
    assert gp.check(TOWER, book="中华新韵").to_record()["passes_by"] == ["pingshui", "cilin"]
    assert gp.check(TOWER, book="平水韵").to_record() == gp.check(TOWER).to_record()


def test_a_check_is_printed_as_the_command_line_prints_it(tmp_path, capsys):
    from gemma_poetry.verbs.check import check

    for text in (TOWER, "登鹳雀楼 王之涣\n" + TOWER, BROKEN):
        path = tmp_path / "poem.txt"
        path.write_text(text, encoding="utf-8")
        check(str(path))
        shown = str(gp.check(path))
        assert shown == repr(gp.check(path)) == capsys.readouterr().out.strip("\n") == str(gp.check(text))
        page = gp.check(text)._repr_html_()
        assert re.sub("<[^>]+>", "", page).strip("\n") == shown.replace("'", "&#x27;")


def test_several_poems_are_checked_in_order(tmp_path):
    both = f"登鹳雀楼\n{TOWER}\n\n又登\n{BROKEN}"
    assert [found.verdict.value for found in gp.check_all(both, "五绝")] == ["strict", "fail"]
    (tmp_path / "both.txt").write_text(both, encoding="utf-8")
    assert gp.check_all(tmp_path / "both.txt", "五绝") == gp.check_all(both, "五绝")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gp.check(""), InputError, "empty"),
        (lambda: gp.check("白日"), TextError, "one line only"),
        (lambda: gp.check("hello"), TextError, "cannot be read"),
        (lambda: gp.check(f"{TOWER}\n\n{TOWER}"), UsageError, "2 poems"),
        (lambda: gp.check(TOWER, "五决"), UnknownFormError, "五决"),
        (lambda: gp.check(TOWER, domain="latin"), UsageError, "latin"),
        (lambda: gp.check(Path("no-such-file.txt")), InputError, "no-such-file"),
        (lambda: gp.load("no such model"), ModelError, "no such model"),
        (lambda: gp.load("mini", recipe="no-such-recipe"), RecipeError, "no-such-recipe"),
        (lambda: gp.load("mini", settings={"generate.heat": 1}), RecipeError, "heat"),
        (lambda: gp.load("mini", recipe=Recipe(), settings={"generate.seed": 2}), UsageError, "beside a Recipe"),
        (lambda: gp.prepare("no-such-folder", "no-such-data"), SourceError, "no-such-folder"),
        (lambda: gp.train("no-such-data", "mini", "no-such-run"), InputError, "no-such-data"),
        (lambda: gp.evaluate("no-such-run", "no-such-data"), UsageError, "no-such-run"),
        (lambda: gp.evaluate(), UsageError, "nothing to evaluate"),
    ],
)
def test_errors_are_ours(call, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words) as caught:
        call()
    assert isinstance(caught.value, gp.GemmaPoetryError) and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def poet() -> gp.Poet:
    return gp.load("mini")


def shape(poem) -> tuple[str, list[int]]:
    return poem.poem.kind, [len(line) for line in poem.poem.lines]


@pytest.mark.parametrize(
    ("form", "wishes", "expected", "begins"),
    [
        ("五绝", {"title": "秋夜", "n": 2}, [("五言绝句", [5] * 4)] * 2, ""),
        ("七绝", {"acrostic": "春江花月"}, [("七言绝句", [7] * 4)], "春江花月"),
        ("五绝", {"rhymes": "一东"}, [("五言绝句", [5] * 4)], ""),
        (gp.PoemRequest("五绝", title="山行"), {}, [("五言绝句", [5] * 4)], ""),
        ("五绝", {"rhymes": "十一庚", "book": "xinyun"}, [("五言绝句", [5] * 4)], ""),
        ([gp.PoemRequest("五绝"), gp.PoemRequest("七绝")], {"seed": 4}, [("五言绝句", [5] * 4), ("七言绝句", [7] * 4)], ""),
    ],
)
def test_write(poet, form, wishes, expected, begins):
    poems = poet.write(form, **wishes)
    assert [shape(poem) for poem in poems] == expected
    assert all(poem.check.passes for poem in poems)
    assert not begins or "".join(line[0] for line in poems[0].poem.lines) == begins
    assert str(poems) == "\n\n".join(map(str, poems)) == repr(poems)


def test_poems_become_a_frame_a_page_and_a_stream(poet):
    pytest.importorskip("pandas")
    poems = poet.write("五绝", title="秋夜", n=2, seed=7)
    frame = poems.to_frame()
    assert list(frame["title"]) == ["秋夜"] * 2 and list(frame["form"]) == ["五言绝句"] * 2
    assert list(frame["text"]) == [poem.poem.text for poem in poems] and set(frame["verdict"]) <= {"strict", "minor", "rescued"}
    assert poems._repr_html_().count("<figcaption>") == 2 and "《秋夜》" in poems._repr_html_()
    assert [str(poem) for poem in poet.stream("五绝", title="秋夜", n=2, seed=7)] == [str(poem) for poem in poems]


@pytest.mark.parametrize(
    ("form", "wishes", "error", "words"),
    [
        ("五绝", {"titel": "秋夜"}, UsageError, "did you mean title"),
        ("五绝", {"n": 0}, UsageError, "n=0"),
        ("五绝", {"best_of": 0}, UsageError, "best_of=0"),
        ("五绝", {"effort": 6}, UsageError, "effort=6"),
        ("五绝", {"effort": 4, "best_of": 20}, UsageError, "effort=4 is asked for, and also best_of=20"),
        ("五绝", {"words": "轨,窗,千里,风,月,雪"}, UsageError, "6 words to write about are asked for"),
        ("五绝", {"words": "一,二,三", "must": "月、山"}, UsageError, "5 words to write about are asked for"),
        ("五决", {}, UnknownFormError, "五决"),
        ("", {}, UsageError, "form"),
        ("五绝", {"rhymes": "十东"}, ConstraintError, "十东"),
        ("五绝", {"rhymes": "一东", "book": "xinyun"}, ConstraintError, "中华新韵 has no group '一东'"),
        ("五绝", {"book": "tongyum"}, UsageError, "did you mean tongyun"),
        (gp.PoemRequest("五绝"), {"title": "秋夜"}, UsageError, "part of the request"),
    ],
)
def test_wishes_that_cannot_be_granted(poet, form, wishes, error, words):
    with pytest.raises(error, match=words):
        poet.write(form, **wishes)


def test_polish(poet, tmp_path):
    (tmp_path / "poem.txt").write_text("登鹳雀楼 王之涣\n" + BROKEN, encoding="utf-8")
    found = poet.polish(tmp_path / "poem.txt", lines=[2], rounds=2, seed=1)
    assert found.before.poem.title == "登鹳雀楼" and found.before.check.verdict == "fail"
    assert found.after.check.passes and [change.line for change in found.changes] == [2]
    lines = found.after.poem.lines
    assert [line for place, line in enumerate(lines, 1) if place != 2] == ["白日依山尽", "欲穷千里目", "更上一层楼"]
    assert found.after.poem.author == "王之涣"
    again = poet.polish(tmp_path / "poem.txt", lines=[2], rounds=2, seed=1)
    assert again.after.poem.lines == lines
    # Who wrote it is part of the prompt: without the name the line may come out otherwise.
    nameless = poet.polish(BROKEN, title="登鹳雀楼", lines=[2], rounds=2, seed=1)
    assert nameless.after.check.passes and nameless.after.poem.author == ""
    (written,) = poet.write("五绝", title="秋夜", seed=3)
    better = poet.polish(written, rounds=1, seed=2)
    assert better.before.poem.lines == written.poem.lines and better.after.poem.title == "秋夜"
    assert better.after.check.verdict == "strict"
    assert "\n\nline 2: 黄河入海水 -> " in str(found) and str(found).endswith("verdict fail -> strict")


@pytest.mark.parametrize(
    ("poem", "wishes", "error", "words"),
    [
        (TOWER, {"lines": [5]}, ConstraintError, "no line 5"),
        (TOWER, {"rounds": 0}, UsageError, "rounds=0"),
        (TOWER, {"form": "五决"}, UnknownFormError, "五决"),
        (TOWER, {"form": "七绝"}, TextError, "5"),
        (TOWER + "\n\n" + TOWER, {}, UsageError, "2 poems"),
        ("Roses are red", {}, TextError, "R"),
        (Path("no-such-poem.txt"), {}, InputError, "no-such-poem"),
    ],
)
def test_what_cannot_be_polished(poet, poem, wishes, error, words):
    with pytest.raises(error, match=words):
        poet.polish(poem, **wishes)


def test_a_model_that_carries_no_lines_promises_no_new_ones(poet):
    assert poet.known_lines and poet.domain.name == "classical-chinese"
    without = gp.Poet(poet.model, poet.domain, poet.writer, ())
    assert [shape(poem) for poem in without.write("五绝")] == [("五言绝句", [5] * 4)]


@pytest.mark.slow
def test_the_whole_job_in_silence(tmp_path, capfd):
    """Folders as text or paths, what a verb gives as what the next one takes, and not a word where none is asked for."""
    pytest.importorskip("pandas")
    data = gp.prepare("sample", str(tmp_path / "data"), model="mini", recipe="quickstart", settings=SHORT)
    trained = gp.train(data, "mini", tmp_path / "run", recipe="quickstart", settings=[*_words(SHORT)])
    results = gp.evaluate(trained, data, recipe=load_recipe("quickstart", _words(SHORT)))
    poet = gp.load(trained)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert data.stats["kept"] == 60 == sum(len(data.to_frame(split)) for split in ("train", "val", "test"))
    assert trained.manifest["steps"] == 2 and trained.manifest["recipe"]["name"] == "quickstart"
    assert "base model" in str(trained) and "splits" in str(data) and len(trained.to_frame()) > 0
    frame = results.to_frame()
    assert {"base", "tuned", "human"} <= set(frame["system"]) and list(frame.columns) == [
        "system",
        "metric",
        "value",
        "low",
        "high",
        "n",
    ]
    assert set(results.to_frame(by_form=True)["form"]) and poet.known_lines
    assert [shape(poem) for poem in poet.write("五绝", title="夜班")] == [("五言绝句", [5] * 4)]


def _words(settings: dict[str, object]) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


def test_a_frame_without_pandas_says_what_to_install():
    program = (
        "import sys; sys.modules['pandas'] = None\n"
        "import gemma_poetry as gp\n"
        "from gemma_poetry.evaluation.results import Results\n"
        "try:\n    Results().to_frame()\n"
        "except gp.GemmaPoetryError as error: print(error)"
    )
    assert "pip install pandas" in run(program).stdout


def test_every_call_says_its_types():
    for call in (gp.check, gp.check_all, gp.load, gp.prepare, gp.train, gp.evaluate, gp.Poet.stream):
        annotated = typing.cast(typing.Any, call).__annotations__
        names = call.__code__.co_varnames[: call.__code__.co_argcount + call.__code__.co_kwonlyargcount]
        assert {"return", *names} - {"self"} <= set(annotated), call
    assert {"title", "acrostic", "rhymes"} <= {field.name for field in fields(gp.PoemRequest)}


@pytest.mark.slow
@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_the_shortest_code_of_the_readme_runs(readme, tmp_path):
    text = (ROOT / readme).read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(import gemma_poetry as gp\n.*?)```", text, flags=re.S)
    short = f"settings={SHORT!r}"
    program = program.replace('recipe="quickstart"', f'recipe="quickstart", {short}')
    assert program.count(short) == 3, "prepare, train and evaluate are shown"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "五言绝句" in result.stdout and "《秋夜》" in result.stdout and "ppl_char" in result.stdout
    assert result.stderr == "" and (tmp_path / "run" / "adapter").is_dir()
