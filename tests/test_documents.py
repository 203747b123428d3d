"""Every code block of README and docs: commands are parsed by the verbs themselves, programs compiled, names looked up.

A fence names its language; an indented block is commands. `<!-- test: run -->` above a block of `bash` or `python` has it
run, after those above it in the same document, in a folder of their own.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
import typer
import yaml
from markdown_it import MarkdownIt

from gemma_poetry.errors import GemmaPoetryError, MissingExtraError

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
RUN = "<!-- test: run -->"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
# Programs of others: that they are called rightly is seen where they are installed.
OF_OTHERS = {
    ".", "activate", "cat", "cd", "curl", "echo", "export", "git", "llama-cli", "ollama", "pytest", "source", "uv", "uvx",
    "vllm",
}  # fmt: skip
# typer brings its own click, older ones the one of the index.
CommandError = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


class Block(NamedTuple):
    document: Path
    line: int
    language: str
    text: str
    run: bool

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks_of(document: Path) -> Iterator[Block]:
    before = ""
    for token in MarkdownIt("commonmark").parse(document.read_text(encoding="utf-8")):
        if token.type in ("fence", "code_block"):
            language = token.info.strip() if token.type == "fence" else "bash"
            yield Block(document, token.map[0] + 1, language, token.content, before == RUN)
        if token.map:
            before = token.content.strip()


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def statements(text: str) -> Iterator[list[str]]:
    """The commands of a shell text as words, without assignments, redirections, here-documents and loops around them."""
    text = re.sub(r"<<'?(\w+)'?\n.*?\n\1\n", "\n", text, flags=re.S)
    for line in whole_lines(text):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        words: list[str] = []
        redirected = False
        for word in [*lexer, ";"]:
            if redirected or not word or not set(word) <= set(";&|<>"):
                words += [] if redirected else [word]
                redirected = False
                continue
            if word in ("<", ">", ">>"):
                redirected = True
                continue
            while words and (re.match(r"\w+=", words[0]) or words[0] in ("do", "then")):
                del words[0]
            if words and words[0] not in ("for", "done"):
                yield words
            words = []


def whole_lines(text: str) -> Iterator[str]:
    """Lines of a shell text, those joined that a backslash or an open quotation mark joins."""
    waiting = ""
    for line in text.splitlines():
        waiting += line
        if waiting.endswith("\\"):
            waiting = waiting[:-1] + " "
            continue
        try:
            shlex.split(waiting, comments=True)
        except ValueError:
            waiting += "\n"
            continue
        yield waiting
        waiting = ""
    assert not waiting, f"an open quotation mark: {waiting}"


def check_command(words: list[str]) -> None:
    program = words[0].split("/")[-1]
    if program == "gemma-poetry":
        check_verb(words[1:])
    elif re.fullmatch(r"py|python[\d.]*", program):
        check_python(words[1:])
    elif program in ("accelerate", "torchrun"):
        check_launcher(words[1:])
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in words[1:]:
            assert re.search(rf"^{re.escape(target)}:", makefile, flags=re.M), f"make {target}"
    elif program == "pip":
        check_install(words[1:])
    elif program == "uv":
        check_install(words[words.index("install") :] if "install" in words else [])
    else:
        assert program in OF_OTHERS, f"what is {program}?"


def check_verb(words: list[str]) -> None:
    """Parses the words as the console script does, and looks up what it would look up before it works."""
    from typer.main import get_command

    from gemma_poetry.cli.application import app
    from gemma_poetry.config import load_recipe

    words = [word for word in words if word != "…"]
    command, name = get_command(app), "gemma-poetry"
    context = command.make_context(name, [words[0], "--help"], resilient_parsing=True)
    try:
        while hasattr(command, "commands"):
            assert words[0] in command.commands, f"{name} {words[0]} is no verb"
            name, command, words = f"{name} {words[0]}", command.commands[words[0]], words[1:]
        context = command.make_context(name, list(words), parent=context)
    except typer.Exit:  # --help
        return
    except CommandError as error:
        pytest.fail(f"{name} {' '.join(words)}: {error.format_message()}")
    given = context.params
    if "overrides" in given or "recipe" in given:
        recipe = given.get("recipe")
        named = recipe if recipe and not recipe.endswith((".yaml", ".yml")) else None
        load_recipe(named, list(given.get("overrides") or []))
    check_names(given)


def check_names(given: dict[str, object]) -> None:
    from gemma_poetry.domains.registry import load_domain
    from gemma_poetry.prosody.forms import form_name
    from gemma_poetry.prosody.tunes import find_tune

    domain, form = str(given.get("domain") or "classical-chinese"), given.get("form")
    if domain.isupper() or domain == "korean-sijo":  # a place holder, and the example package
        return
    try:
        loaded = load_domain(domain)
    except MissingExtraError:
        return
    if not isinstance(form, str) or form in ("auto", "", "sonnet", "haiku"):
        return
    try:
        loaded.form_name(form) if domain != "classical-chinese" else form_name(form)
    except GemmaPoetryError:
        assert find_tune(form), form


def check_python(words: list[str]) -> None:
    if words[:2] == ["-m", "pip"]:
        return check_install(words[2:])
    if words[:1] == ["-m"] and words[1] in ("venv", "hatchling"):
        return None
    if words[:1] == ["-c"]:
        return check_program(words[1])
    module = words[1].replace(".", "/") + ".py" if words[0] == "-m" else words[0]
    path = ROOT / module
    assert path.is_file(), f"no such program: {module}"
    source = path.read_text(encoding="utf-8")
    for option in words:
        if option.startswith("--"):
            assert f'"{option.split("=")[0]}"' in source, f"{module} knows no {option}"
    return None


def check_launcher(words: list[str]) -> None:
    """`accelerate launch … -m gemma_poetry.cli VERB`: its configuration is there, and the verb's words are right."""
    if "--config_file" in words:
        configuration = ROOT / words[words.index("--config_file") + 1]
        assert configuration.is_file(), configuration
    if "gemma_poetry.cli" in words:
        check_verb(words[words.index("gemma_poetry.cli") + 1 :])


def check_install(words: list[str]) -> None:
    for named in re.findall(r"gemma-poetry\[([\w,-]+)\]|\.\[([\w,-]+)\]", " ".join(words)):
        for extra in "".join(named).split(","):
            assert extra in EXTRAS, f"no extra {extra}"
    for word in words:
        if word.startswith(("./", "examples/")) or word == "requirements.txt":
            assert (ROOT / word).exists(), word


def check_program(text: str) -> None:
    """Compiles the text, and looks up every name that it imports from the project."""
    try:
        tree = ast.parse(textwrap.dedent(text))
    except SyntaxError as error:
        pytest.fail(str(error))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gemma_poetry"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


def check_shell(text: str) -> None:
    for words in statements(text):
        check_command(words)


LANGUAGES = {
    "bash": check_shell,
    "powershell": lambda text: check_shell(text.replace("\\", "/")),
    "python": check_program,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
    "json": json.loads,
    "bibtex": lambda text: None,
    "text": lambda text: None,  # a picture, a listing, what a command prints
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_what_it_says(block: Block):
    assert block.language in LANGUAGES, f"{block}: a block of {block.language!r} is not known here"
    assert not block.run or block.language in ("bash", "python"), f"{block}: cannot be run"
    LANGUAGES[block.language](block.text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gemma-poetry write --form 七言绝句", "write is no verb"),
        ("gemma-poetry generate --forms 七言绝句", "No such option"),
        ("gemma-poetry generate --script runic", "runic"),
        ("gemma-poetry generate --form 七言绝诗", "七言绝诗"),
        ("gemma-poetry train --data D --out R --set train.lr=1", "train.lr"),
        ("cd x && gemma-poetry train --data D --out R --recipe no-such", "no-such"),
        ("make everything", "make everything"),
        ("for i in 1 2; do pip install 'gemma-poetry[no-such]'; done", "no extra no-such"),
        ("python -m benchmarks.haiku --no-such", "no --no-such"),
        ("A=1 frobnicate x", "frobnicate"),
        ("accelerate launch --config_file recipes/distributed/none.yaml -m gemma_poetry.cli train", "none.yaml"),
    ],
)
def test_what_is_wrong_in_a_command_is_seen(text, fault):
    with pytest.raises((AssertionError, GemmaPoetryError, pytest.fail.Exception), match=re.escape(fault)):
        check_shell(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("make test # all of it", [["make", "test"]]),
        ("A=1 B=2 make a && make b; make c | make d", [["make", "a"], ["make", "b"], ["make", "c"], ["make", "d"]]),
        ("make \\\n  'a\nb'", [["make", "a\nb"]]),
        ("for i in 1 2; do make a; done", [["make", "a"]]),
        ("cat > file <<'END'\nmake b\nEND\nmake a < in > out\nmake ''", [["cat"], ["make", "a"], ["make", ""]]),
    ],
)
def test_commands_are_read_as_a_shell_reads_them(text, words):
    assert list(statements(text)) == words


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", [document for document in DOCUMENTS if RUN in document.read_text(encoding="utf-8")], ids=lambda path: path.name
)
def test_blocks_that_are_to_run_do(document: Path, tmp_path: Path):
    place = tmp_path / "bin"
    place.mkdir()
    script = place / "gemma-poetry"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gemma_poetry.cli "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{place}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
        "HF_HUB_OFFLINE": "1",
    }
    for block in blocks_of(document):
        if block.run:
            command = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
            result = subprocess.run(
                [*command, block.text], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
            )
            assert result.returncode == 0, f"{block}\n{result.stdout[-1000:]}\n{result.stderr[-3000:]}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target) and "reference/" not in target:  # the reference is built from docstrings
            assert (document.parent / target.split("#")[0]).exists(), target


def anchors(text: str) -> set[str]:
    """What links to the headings of a document end in, by GitHub's rules: letters of any script, digits, `-` and `_` stay."""
    found: set[str] = set()
    times: Counter[str] = Counter()
    tokens = MarkdownIt("commonmark").parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            shown = "".join(part.content for part in inline.children or () if part.type in ("text", "code_inline"))
            anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
            found.add(f"{anchor}-{times[anchor]}" if times[anchor] else anchor)
            times[anchor] += 1
    return found


def broken_anchors(document: Path) -> list[str]:
    """Links of a document to headings, its own or another document's, that are not there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        path, hash_, anchor = target.partition("#")
        other = document.parent / path if path else document
        if not hash_ or re.match(r"[a-z]+:", target) or other.suffix != ".md" or not other.is_file():
            continue
        if unquote(anchor) not in anchors(other.read_text(encoding="utf-8")):
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_headings_find_them(document: Path):
    assert not broken_anchors(document)


def test_headings_have_the_anchors_of_github(tmp_path):
    text = "# `make gemma`, A_b!\n\n## 韵书（平水）、词 *x* [y](z.md)\n\n## Two\n\n## Two\n"
    assert anchors(text) == {"make-gemma-a_b", "韵书平水词-x-y", "two", "two-1"}
    (tmp_path / "a.md").write_text(
        text + "[x](#two-1) [x](#two-2) [x](b.md#丙) [x](b.md#丁) [x](https://b.md#x)\n", encoding="utf-8"
    )
    (tmp_path / "b.md").write_text("# 丙\n", encoding="utf-8")
    assert broken_anchors(tmp_path / "a.md") == ["#two-2", "b.md#丁"]


def test_every_section_of_the_results_is_in_their_index():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    sections = anchors("\n\n".join(re.findall(r"^## .*$", re.sub(r"```.*?```", "", text, flags=re.S), flags=re.M)))
    assert sections - set(re.findall(r"\]\(#([^)\s]+)\)", text.split("\n## ")[0])) == set()


# Records, which grow with each measurement and each library: one page for both languages.
IN_ENGLISH_ALONE = {"docs/dependencies.md", "docs/preference.md", "docs/results.md"}
TWINS = [
    (document, document.with_suffix(".zh.md"))
    for document in DOCUMENTS
    if not document.name.endswith(".zh.md")
    and (document == ROOT / "README.md" or document.parent != ROOT)
    and str(document.relative_to(ROOT)) not in IN_ENGLISH_ALONE
]


def outline(text: str) -> dict[str, list[str] | int]:
    """What two languages share: headings by their level, items of lists, rows of tables, and where links and images lead."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"\[(?:English|中文.*?)\]\(\S+\)", "", text))
    return {
        "headings": [token.tag for token in tokens if token.type == "heading_open"],
        "items": sum(token.type == "list_item_open" for token in tokens),
        "rows": sum(token.type == "tr_open" for token in tokens),
        "links": sorted({target.replace(".zh.md", ".md") for target in targets}),
    }


def without_remarks(block: Block) -> object:
    """What a block says to a program; a text is for people, who read it in their language."""
    if block.language in ("bash", "powershell"):
        return list(statements(block.text.replace("\\", "/") if block.language == "powershell" else block.text))
    if block.language == "python":
        return ast.dump(ast.parse(textwrap.dedent(block.text)))
    return None if block.language == "text" else LANGUAGES[block.language](block.text)


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: str(twins[0].relative_to(ROOT)))
def test_both_languages_stay_in_step(twins: tuple[Path, Path]):
    """The same outline and the same blocks but for their remarks, which therefore run in one language alone."""
    english, chinese = twins
    assert f"({chinese.name})" in english.read_text(encoding="utf-8").split("\n")[2], f"{english} does not begin with its twin"
    assert f"({english.name})" in chinese.read_text(encoding="utf-8").split("\n")[2], f"{chinese} does not begin with its twin"
    assert outline(chinese.read_text(encoding="utf-8")) == outline(english.read_text(encoding="utf-8"))
    blocks, of_twin = list(blocks_of(english)), list(blocks_of(chinese))
    assert [block.language for block in of_twin] == [block.language for block in blocks]
    for block, twin in zip(blocks, of_twin, strict=True):
        assert without_remarks(twin) == without_remarks(block), f"{twin} is not {block}"
        assert not twin.run, f"{twin}: {block} is run"


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("# A\n", "## 甲\n"),
        ("- a\n- b\n", "- 甲\n"),
        ("| a |\n|---|\n| b |\n", "| 甲 |\n|---|\n"),
        ("[a](faq.md)\n", "[甲](index.zh.md)\n"),
    ],
)
def test_an_outline_sees_what_a_twin_lacks(english, chinese):
    assert outline(english) != outline(chinese)


def test_the_navigation_is_translated():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    i18n = next(plugin["i18n"] for plugin in site["plugins"] if isinstance(plugin, dict) and "i18n" in plugin)
    chinese = next(language for language in i18n["languages"] if language["locale"] == "zh")

    def titles(entries: list[dict[str, object]]) -> Iterator[str]:
        for entry in entries:
            for title, inner in entry.items():
                yield title
                yield from titles(inner) if isinstance(inner, list) else ()

    assert set(titles(site["nav"])) - set(chinese["nav_translations"]) == {"KerasHub"}
