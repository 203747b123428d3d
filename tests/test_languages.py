"""Messages in both languages: how one is made, kept and rendered; and that every one has its twin."""

from __future__ import annotations

import ast
import copy
import gettext
import json
import os
import pickle
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from gemma_poetry.errors import DataError, GemmaPoetryError, ModelError
from gemma_poetry.languages import (
    LOCALES,
    Message,
    _,
    language_of,
    listed,
    localized,
    session_language,
    translated,
    use_language,
    visible,
)

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gemma_poetry"
PO = LOCALES / "zh" / "LC_MESSAGES" / "messages.po"


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of three words, whatever the shipped one says."""
    twins = {
        "{form} has {count:,} lines": "{form}有 {count:,} 句",
        "the acrostic": "藏头",
        "{wish} is {name!r}": "{wish}是「{name}」",
    }
    monkeypatch.setattr(
        "gemma_poetry.languages.translated", lambda text, language: twins.get(text, text) if language == "zh" else text
    )


def test_a_message_is_its_english_text():
    message = _("{form} has {count:,} lines", form="绝句", count=4000)
    assert message == "绝句 has 4,000 lines" and isinstance(message, str)
    assert json.dumps(message, ensure_ascii=False) == '"绝句 has 4,000 lines"'
    assert _("nothing {in} braces is filled in") == "nothing {in} braces is filled in"
    assert _("{name!r} of {share:.1%}", name="a'b", share=0.5) == '"a\'b" of 50.0%'


@pytest.mark.usefixtures("words")
def test_a_message_is_rendered_with_the_messages_in_it():
    message = _("{wish} is {name!r}", wish=_("the acrostic"), name="春")
    assert message == "the acrostic is '春'" and localized(message, "zh") == "藏头是「春」"
    assert localized(message + "; " + message, "zh") == "藏头是「春」; 藏头是「春」"
    assert localized("x: " + message, "zh") == "x: 藏头是「春」"
    both = listed([message, "plain", _("the acrostic")], "; ")
    assert both == "the acrostic is '春'; plain; the acrostic" and localized(both, "zh") == "藏头是「春」；plain；藏头"
    assert localized(_("{wish} is {name!r}", wish=both, name=1), "zh").startswith("藏头是「春」；plain；藏头是")


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("again", [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy])
def test_messages_outlive_processes(again):
    message = listed([_("{wish} is {name!r}", wish=_("the acrostic"), name="春") + "!", _("the acrostic")])
    assert again(message) == message and localized(again(message), "zh") == "藏头是「春」!、藏头"
    error = again(DataError(_("the acrostic"), expected=_("the acrostic"), where="p:1"))
    assert localized(error.found, "zh") == "藏头" and error.where == "p:1" and type(error) is DataError
    assert again(_("a {path}", path=Path("x"))) == "a x"


@pytest.mark.usefixtures("words")
def test_an_error_describes_itself_in_either_language():
    error = ModelError(_("{form} has {count:,} lines", form="a\x1bb", count=4), action=_("the acrostic"), where="x\x1b")
    assert error.describe("en") == "x\\x1b: a\\x1bb has 4 lines\nWhat to do: the acrostic"
    assert "a\\x1bb有 4 句" in error.describe("zh") and "藏头" in error.describe("zh")
    outer = ModelError(_("{wish} is {name!r}", wish=error, name=""))
    assert "has 4 lines" in outer.found and "有 4 句" in outer.describe("zh")


@pytest.mark.usefixtures("words")
def test_nothing_of_others_hides_in_a_message():
    message = _("{form} has {count:,} lines", form="\x1b[2J\u202e", count=1)
    assert message == "\\x1b[2J\\u202e has 1 lines" and localized(message, "zh") == "\\x1b[2J\\u202e有 1 句"
    assert visible(message) is message and visible("\x07") == "\\x07"
    assert localized("\x1b" + _("the acrostic"), "zh") == "\\x1b藏头"


@pytest.mark.parametrize(
    "environment, language",
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "C", "LANGUAGE": "fr:zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN", "LANGUAGE": "en"}, "en"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
        ({"LANG": "zha_X"}, "en"),
    ],
)
def test_the_environment_says_which_language(environment: dict[str, str], language: str):
    assert language_of(environment) == language


def test_a_session_chooses_its_language(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LANGUAGE", "en")
    error = GemmaPoetryError("x", expected="y")
    try:
        use_language("zh")
        assert session_language() == "zh" and str(error) == error.describe("zh") != error.describe("en")
    finally:
        use_language(None)
    assert session_language() == "en" and str(error) == "x\nExpected: y"


def spoken(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")}
    return subprocess.run(
        [sys.executable, "-m", "gemma_poetry.cli", *words],
        env={**clean, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("words", [("--lang", "zh", "check", "-h"), ("check", "-h", "--lang=zh"), ("check", "--help")])
def test_help_is_in_chinese_wherever_the_language_is_said(words: tuple[str, ...]):
    said = spoken(*words, LANG="zh_CN.UTF-8" if words[-1] == "--help" else "C.UTF-8")
    assert said.returncode == 0
    for english in ("Show this message", "Usage", "Options", "A file of poems", "Name every fault"):
        assert english not in said.stdout
    assert translated("A file of poems, or - for standard input.", "zh") in said.stdout


def test_the_option_outdoes_the_environment():
    said = spoken("--lang", "en", "check", "-h", LANG="zh_CN.UTF-8")
    assert "A file of poems, or - for standard input." in said.stdout and not re.search("[\u4e00-\u9fff]", said.stdout)


def test_errors_are_in_the_language_of_the_session(tmp_path: Path):
    words = ("check", str(tmp_path / "none.txt"))
    english, chinese = spoken(*words, LANG="C"), spoken(*words, LANG="zh_CN.UTF-8")
    assert (english.returncode, chinese.returncode) == (2, 2)
    assert "cannot be read" in english.stderr and "cannot be read" not in chinese.stderr
    assert "读不出来" in chinese.stderr


@pytest.mark.parametrize("words", [("train",), ("train", "--datta", "x"), ("nonsense",), ("check", "--form")])
def test_errors_of_use_are_in_chinese_too(words: tuple[str, ...]):
    said = spoken(*words, LANG="zh_CN.UTF-8")
    assert said.returncode == 2 and "用法" in said.stderr and not re.search("Usage|Missing|No such|Error", said.stderr)


def twins() -> dict[str, str]:
    pofile = pytest.importorskip("babel.messages.pofile")
    with PO.open("rb") as stream:
        catalogue = pofile.read_po(stream, locale="zh")
    assert not any(message.fuzzy for message in catalogue if message.id)
    return {message.id: message.string for message in catalogue if message.id}


def test_the_catalogue_is_that_of_the_package_and_is_compiled():
    pytest.importorskip("babel")
    script = ROOT / "scripts" / "update_catalogue.py"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False, timeout=120)
    assert checked.returncode == 0, "messages changed: run scripts/update_catalogue.py (make catalogue)\n" + checked.stderr
    assert "cannot be translated" not in checked.stderr


def test_every_message_has_its_twin():
    without = [text for text, twin in twins().items() if not twin.strip()]
    assert not without, f"{len(without)} messages have no twin in {PO}, the first of them: {without[:3]}"


_SENTENCE = re.compile("[A-Za-z]*[a-z],? [a-z]+,? [a-z]+")
_HAN = re.compile("[\u4e00-\u9fff]")
_NOT_SHOWN = {
    "evaluation/curves.py": "labels of a picture",
    "evaluation/human/answers.py": "SQL",
    "evaluation/human/picture.py": "labels of a picture",
    "evaluation/human/questions.py": "a question in both languages",
    "evaluation/table.py": "a verdict in results.json",
    "errors.py": "what other libraries say",
    "exporting/hub_upload.py": "the message of a commit",
    "serving/routes.py": "the reference of the interface",
    "studio/problems.py": "what another library says",
    "studio/rating_screens.py": "screens in both languages",
    "verbs/export.py": "options of the command line",
    "verbs/prepare.py": "where known lines are from",
    "verbs/tune.py": "labels of a picture, a remark in a recipe",
}
"""Files with sentences that no message is made of, and what these are."""
_UNSAID = {"Field", "Option", "Argument", "AttributeError", "RuntimeError", "ValueError", "compile", "error", "warning"}


def sentences(path: Path) -> list[ast.Constant]:
    """The English of a module that is no message: three words or more, in no docstring, log, markup or pair of languages."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if not _SENTENCE.search(text) or "<" in text or "\n" in text:
            continue
        above = [node]
        while not isinstance(above[-1], ast.stmt):
            above.append(parents[above[-1]])
        called = {ast.unparse(one.func).rpartition(".")[2] for one in above if isinstance(one, ast.Call)}
        pairs = [one for one in above if isinstance(one, ast.Tuple) and _HAN.search(ast.unparse(one))]
        # A docstring, what a developer reads, what matches the text of others.
        unsaid = isinstance(above[1], ast.Expr) or isinstance(above[-1], ast.Assert) or bool(called & _UNSAID)
        if not (unsaid or pairs or "_" in called):
            found.append(node)
    return found


def test_no_sentence_is_said_in_english_alone():
    """A reason, a notice, a refusal that is not made by `_` is English to everybody, and no twin would be missed."""
    known = twins()
    alone = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in _NOT_SHOWN
        for node in sentences(path)
        if node.value not in known
    ]
    assert not alone, "\n".join(alone)
    assert [name for name in _NOT_SHOWN if not sentences(PACKAGE / name)] == [], "these need not be left out any more"


def places(template: str) -> dict[str, str] | None:
    """The places of a template and how each is formatted; `None` for a text with braces of its own, which nothing fills."""
    try:
        found = {name: spec or "" for _text, name, spec, _conv in string.Formatter().parse(template) if name}
    except ValueError:
        return None
    return found if all(map(str.isidentifier, found)) else None


def test_twins_have_the_same_places():
    other = {text: twin for text, twin in twins().items() if twin and places(text) != places(twin)}
    assert not other


def test_twins_begin_and_end_as_their_messages_do():
    """Parts of sentences are joined as they are: blanks and line breaks at their ends count."""
    for text, twin in twins().items():
        if twin:
            assert text.startswith("\n") == twin.startswith("\n") and text.endswith("\n") == twin.endswith("\n"), text


def test_every_call_of_a_message_names_its_places():
    """What is filled in is what the template names: a place without a value would fail when a person needs the message."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_" and node.args:
                template = node.args[0]
                assert isinstance(template, ast.Constant), f"{path}:{node.lineno}: a message is one literal"
                given = {key.arg for key in node.keywords}
                if given:
                    assert given == set(places(template.value) or ()), f"{path}:{node.lineno}"


def test_no_scope_hides_the_maker_of_messages():
    """A loop variable called `_` in a function that makes messages would be called in its place."""
    for path in PACKAGE.rglob("*.py"):
        for scope in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(scope, (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
                made = [node for node in ast.walk(scope) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_"]
                bound = [
                    node
                    for node in ast.walk(scope)
                    if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)
                ]
                nested = [
                    inner
                    for comp in ast.walk(scope)
                    if comp is not scope and isinstance(comp, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp))
                    for inner in ast.walk(comp)
                ]
                assert not (made and [node for node in bound if node not in nested]), f"{path}:{scope.lineno}"


def test_the_compiled_catalogue_is_found_by_gettext():
    assert gettext.translation("messages", LOCALES, ["zh"])
    assert isinstance(_("x"), Message)
