"""The console script: help, exit statuses, and errors without stack traces."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gemma_poetry.cli.options import names_in, numbers_in


def gemma_poetry(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = "from gemma_poetry.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=cwd, check=False, timeout=120
    )


def verbs() -> list[str]:
    from typer.main import get_command

    from gemma_poetry.cli.program import app

    return sorted(get_command(app).commands)  # type: ignore[attr-defined]


def test_one_sentence_says_what_a_model_is():
    from typer.main import get_command

    from gemma_poetry.cli.application import app
    from gemma_poetry.cli.language import help_texts
    from gemma_poetry.folders import MODELS

    assert "GGUF" in MODELS and "gemma-3-270m" in MODELS
    said = {words.split()[-1] for text, words in help_texts(get_command(app)) if MODELS in text}
    verbs = ("prepare", "train", "generate", "doctor", "tune", "serve", "polish", "evaluate", "studio")
    assert said == set(verbs)


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help(verb):
    result = gemma_poetry(verb, "--help")
    assert result.returncode == 0 and "Usage" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "--source", "/no/such", "--out", "DATA"], "/no/such"),
        (["prepare", "--source", "sample", "--out", "DATA", "--model", "nobody"], "no model is called 'nobody'"),
        (["prepare", "--source", "sample", "--out", "DATA", "--forms", "五言绝诗"], "did you mean 五言绝句"),
        (["prepare", "--source", "sample", "--out", "DATA", "--domain", "english-vers"], "did you mean english-verse"),
        (["generate", "--form", "sonnet", "--domain", "english-verse"], "no unit of cost 1 is at hand"),
        (["train", "--data", "/no/such", "--out", "RUN"], "/no/such/manifest.json: no such file"),
        (["train", "--data", ".", "--out", "RUN", "--set", "train.lr=1"], "train.lr: unknown field"),
        (["evaluate", "--run", "/no/such", "--data", ".", "--out", "EVAL"], "manifest.json: no such file"),
        (["generate", "--form", "七言绝诗"], "七言绝句"),
        (["generate", "--model", "/no/such", "--form", "七言绝句"], "no model is called '/no/such'"),
        (["generate", "--form", "七言绝句", "-n", "0"], "-n 0 is asked for"),
        (["pretrain", "--data", "/no/such", "--out", "MODEL"], "/no/such/manifest.json"),
        (["pretrain", "--data", "/no/such", "--out", "MODEL", "--preset", "huge"], "pretrain.preset"),
        (["quickstart", "--recipe", "fast"], "no recipe is called 'fast'"),
        (["train", "--data", ".", "--out", "RUN"], "run gemma-poetry prepare first"),
        (["generate", "--model", "runs/mine", "--form", "七绝"], "no model is called 'runs/mine' (no such folder)"),
        (["prepare", "--source", "sample", "--out", "DATA", "--authors", "李白"], "the collection names none"),
        (["generate", "--form", "七绝", "--must", "all"], "--must all asks for the words of --words"),
        (["generate", "--form", "七绝", "--picture", "poem.gif"], "called .png or .svg"),
        (["generate", "--form", "对联"], "--answer in place of --form"),
        (["generate", "--form", "藏头诗"], "--acrostic 春江花月"),
        (["generate", "--form", "绝句"], "say how many characters a line has"),
        (["generate", "--form", "词"], "tunes list"),
        (["check", "床前明月光"], "gemma-poetry check -"),
        (["polish", "no-such-poem.txt"], "no-such-poem.txt"),
        (["polish", "--lines", "two"], "--lines cannot be 'two'"),
        (["generate", "--form", "七绝", "--words", "轨,窗,千里,风,月,雪"], "6 words to write about are asked for"),
        (
            ["generate", "--form", "七绝", "--words", "一,二,三,四,五", "--must", "月,山"],
            "7 words to write about are asked for",
        ),
        (["generate", "--form", "七绝", "--effort", "4", "--best-of", "20"], "effort=4 is asked for, and also best_of=20"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_in_words(arguments, message, tmp_path):
    result = gemma_poetry(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == [], "something half-written stayed behind"


@pytest.mark.parametrize(
    ("arguments", "streams", "status"),
    [
        (["--help"], ["stdout"], 141),
        (["check", "POEM"], ["stdout"], 141),
        (["check", "--json", "POEM"], ["stdout"], 141),
        (["tunes", "list"], ["stdout"], 141),
        (["domains", "--json"], ["stdout"], 141),
        (["check", "/no/such"], ["stdout"], 2),  # nothing is said there
        (["check", "/no/such"], ["stdout", "stderr"], 141),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_reader_that_leaves_ends_a_verb_quietly(arguments, streams, status, tmp_path):
    poem = tmp_path / "poem.txt"
    poem.write_text("床前明月光，疑是地上霜。举头望明月，低头思故乡。", encoding="utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    program = "from gemma_poetry.cli import main; main()"
    words = [str(poem) if word == "POEM" else word for word in arguments]
    pipes = {"stderr": subprocess.PIPE, **dict.fromkeys(streams, writing)}
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    result = subprocess.run([sys.executable, "-c", program, *words], **pipes, env=environment, text=True, timeout=600)
    os.close(writing)
    assert result.returncode == status
    assert bool(result.stderr) == (status == 2) and "Traceback" not in (result.stderr or "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_in_the_middle(unbuffered, tmp_path):
    poems = tmp_path / "poems.txt"
    poems.write_text("床前明月光，疑是地上霜。举头望明月，低头思故乡。\n\n" * 1000, encoding="utf-8")
    program = "from gemma_poetry.cli import main; main()"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    words = [sys.executable, "-c", program, "check", "--json", str(poems)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'{"title"')
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(timeout=600) == 141


def test_the_version_is_told():
    result = gemma_poetry("--version")
    assert result.returncode == 0 and re.fullmatch(r"gemma-poetry \d+\.\d+\S*\n", result.stdout)


# The list of the verbs is being imported, or a training waits on a bar: both end in words.
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ["begun", "at work"])
def test_a_signal_ends_a_verb_in_words(number, status, moment, tmp_path):
    stop = f"import os, signal; os.kill(os.getpid(), {int(number)})"
    if moment == "begun":
        (tmp_path / "typer.py").write_text(stop)  # the first thing that is imported
        program = "from gemma_poetry.cli import main; main()"
    else:
        program = (
            "import pathlib, time\n"
            "import gemma_poetry.verbs.domains as verb\n"
            "from gemma_poetry.runs import at_work\n"
            "def training():\n"
            "    with at_work(pathlib.Path('RUN'), {}, resume=False, what=''):\n"
            f"        {stop}\n"
            "        time.sleep(60)\n"
            "verb.domain_lines = training\n"
            "from gemma_poetry.cli import main; main()"
        )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    words = [sys.executable, "-c", program, "domains"]
    result = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False, timeout=120)
    assert result.returncode == status and "Traceback" not in result.stderr and "gemma-poetry:" in result.stderr
    assert ("--resume" in result.stderr) == (moment == "at work")


def test_a_folder_that_quickstart_did_not_write_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    result = gemma_poetry("quickstart", "--out", str(tmp_path))
    assert result.returncode == 2 and "quickstart did not write" in result.stderr
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_lists_may_have_chinese_commas():
    assert numbers_in("--lines", "2，4、5, 7") == (2, 4, 5, 7)
    assert names_in("塞，从军、边,") == ["塞", "从军", "边"]
