"""`gemma-poetry polish` says what it changed, as text or as JSON, and where it cannot."""

from __future__ import annotations

import json

import pytest

from gemma_poetry.config import GenerateSettings
from gemma_poetry.errors import ConstraintError, SourceError, TextError, UnknownFormError, UsageError
from gemma_poetry.verbs.polish import PolishOptions, polish

TWO = "白日依山尽，黄河入海水。欲穷千里目，更上一层楼。\n\n春夜\n白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text(TWO, encoding="utf-8")
    return str(path)


def options(file: str, **changes) -> PolishOptions:  # type: ignore[no-untyped-def]
    fields = {
        "file": file,
        "model": "mini",
        "lines": (2,),
        "rounds": 1,
        "form": "",
        "title": "",
        "settings": GenerateSettings(seed=1),
    }
    return PolishOptions(**(fields | changes))


def test_each_poem_of_a_file(file, capsys):
    assert polish(options(file)) == 2
    shown = capsys.readouterr()
    assert "seed 1" in shown.err
    first, _, rest = shown.out.partition("verdict fail -> strict\n\n")
    assert first.startswith("白日依山尽，") and "line 2: 黄河入海水 -> " in first and "it breaks the form" in first
    assert rest.startswith("《春夜》\n白日依山尽，") and rest.endswith("verdict strict\n")


def test_json_lines(file, capsys):
    assert polish(options(file, as_json=True, title="秋夜")) == 2
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["title"] for record in records] == ["秋夜", "秋夜"]
    assert [record["seed"] for record in records] == [1, 1]
    first = records[0]
    assert first["before"]["lines"][1] == "黄河入海水" and first["scansion"]["verdict"] == "strict"
    assert [change["line"] for change in first["changes"]] == [2]
    assert {line for place, line in enumerate(first["lines"]) if place != 1} == {"白日依山尽", "欲穷千里目", "更上一层楼"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lines": (7,)}, ConstraintError),
        ({"form": "五决"}, UnknownFormError),
        ({"form": "七律"}, TextError),
    ],
)
def test_what_cannot_be(file, changes, error):
    with pytest.raises(error):
        polish(options(file, **changes))


def test_no_poem_at_all(tmp_path):
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(SourceError, match="the file is empty"):
        polish(options(str(tmp_path / "empty.txt")))


def test_the_rhyme_book_is_the_one_that_is_named(tmp_path, capsys):
    path = tmp_path / "poem.txt"
    path.write_text("白日依山尽，黄河入海东。欲穷千里目，更上一层冬。\n", encoding="utf-8")
    for book, verdict in (("", "fail"), ("cilin", "strict")):
        assert polish(options(str(path), lines=(1,), book=book, as_json=True)) == 1
        assert json.loads(capsys.readouterr().out)["before"]["scansion"]["verdict"] == verdict
    with pytest.raises(UsageError, match="no rhyme book is called"):
        polish(options(str(path), book="cilim"))
