"""The interface: what a domain gets for nothing, how it is found, and that the core never asks which one it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import gemma_poetry
from gemma_poetry.corpus.poem import Poem
from gemma_poetry.data.prompts import Conditions, Template
from gemma_poetry.domains.domain import Domain, check_result, fault
from gemma_poetry.domains.registry import domain_names, load_domain
from gemma_poetry.errors import UnknownFormError, UsageError
from gemma_poetry.prosody.check_result import UnknownWord
from gemma_poetry.prosody.scansion import scan
from gemma_poetry.prosody.scansion_record import scansion_record

PACKAGE = Path(gemma_poetry.__file__).parent


class Lines(Domain):
    name = "lines"
    description = "Lines"
    forms = ("short", "long form")
    packages = ("no_such_package",)
    extra = "lines"

    def clean(self, source):
        return Poem(source.paragraphs, "\n" * len(source.paragraphs))

    def check(self, lines, form):
        return check_result(form, lines, [])


DOMAIN = Lines()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("english-vers", "did you mean english-verse"),
        ("haiku", "japanese-haiku"),
        ("", "choose one of these"),
        ("../prose", "did you mean prose"),
    ],
)
def test_an_unknown_domain_is_answered_with_the_nearest_names(name, message):
    with pytest.raises(UsageError) as caught:
        load_domain(name)
    assert f"no domain is called {name!r}" in caught.value.found and message in str(caught.value)


def test_all_five_are_there():
    assert domain_names()[:5] == [
        "classical-chinese",
        "modern-chinese-poetry",
        "prose",
        "english-verse",
        "japanese-haiku",
    ]
    assert [load_domain(name).name for name in domain_names()[:5]] == domain_names()[:5]


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(UsageError) as caught:
        DOMAIN.require()
    assert "no_such_package" in caught.value.found and caught.value.action == "pip install 'gemma-poetry[lines]'"


@pytest.mark.parametrize(("name", "form"), [("Short", "short"), (" long form ", "long form"), ("", "short")])
def test_forms_are_found_by_name(name, form):
    assert DOMAIN.form_name(name) == form


def test_an_unknown_form_is_answered_with_the_nearest():
    with pytest.raises(UnknownFormError, match="long form"):
        DOMAIN.form_name("lang form")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb\n\nc\n", [("", "", ("a", "b")), ("", "", ("c",))]),
        ("# T — A\r\na\r\n\r\nb\r\n# U\nc\n", [("T", "A", ("a", "", "b", "")[:3]), ("U", "", ("c",))]),
        ("\n\n", []),
    ],
)
def test_plain_text_is_divided(text, found):
    divided = [(one.title, one.author, one.paragraphs) for one in DOMAIN.divide(text, "f.txt")]
    stripped = [(title, author, tuple("\n".join(lines).strip("\n").split("\n"))) for title, author, lines in divided]
    assert stripped == found
    assert [one.source_id for one in DOMAIN.divide(text, "f.txt")] == [f"f.txt#{n}" for n in range(1, len(found) + 1)]


@pytest.mark.parametrize(
    ("line", "symbols"),
    [
        ("The Day, the day.", "the|day|the|day"),
        ("Don't, naïve café", "don't|naïve|café"),
        ("はつゆき", "は|つ|ゆ|き"),
        ("今天，天气好 today", "今|天|天|气|好|today"),
        ("동창이 밝았느냐", "동|창|이|밝|았|느|냐"),
        ("النهر لا يَنسى", "النهر|لا|يَنسى"),
        ("שָׁלוֹם עולם", "שָׁלוֹם|עולם"),
        ("नदी का पानी", "नदी|का|पानी"),
        (" — …", ""),
    ],
)
def test_symbols_are_words_where_a_script_parts_them_by_spaces(line, symbols):
    assert "|".join(DOMAIN.symbols(line)) == symbols


@pytest.mark.parametrize(
    ("faults", "unknowns", "every", "judged", "verdict"),
    [
        ([], [], True, True, "strict"),
        ([], [], False, True, "minor"),
        ([], [UnknownWord(1, 1, "x")], True, True, "not-judged"),
        ([], [], True, False, "not-judged"),
        ([fault(1, 0, "r", 1, 2)], [UnknownWord(1, 1, "x")], True, True, "fail"),
    ],
)
def test_verdicts(faults, unknowns, every, judged, verdict):
    record = check_result("f", ["a"], faults, unknowns, every_reading=every, judged=judged).to_record()
    assert record["verdict"] == verdict and record["every_reading"] is (verdict == "strict")
    assert {"form", "lines", "rhyme_group", "faults", "unknown"} <= set(record)


def test_prompts_speak_the_domains_language():
    template = Template("Form: ", "\nTitle: ", "\nPoet: ", "\nPoem:\n")
    assert Conditions("haiku", "Rain", "", template).prompt() == "Form: haiku\nTitle: Rain\nPoem:\n"
    assert Conditions("七言绝句", "春", "李白").prompt() == "体裁：七言绝句\n题目：春\n作者：李白\n诗："


def test_classical_chinese_says_what_the_core_says():
    domain = load_domain("classical-chinese")
    lines = ("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")
    assert domain.check(lines, "五言绝句").to_record() == scansion_record(scan(lines, "五言绝句"))
    assert (domain.count(lines), domain.form_name("五绝"), domain.form_name("菩萨蛮")) == (20, "五言绝句", "菩萨蛮")


def test_the_core_never_asks_which_domain_it_is():
    names = {*domain_names()[:5], "DEFAULT"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare | ast.Match):
                text = ast.unparse(node)
                literals = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
                identifiers = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
                assert not (literals | identifiers) & names, f"{path.name}: {text}"
                assert not re.search(r"\bdomain\.name\b *(==|!=|in\b|not in\b)", text), f"{path.name}: {text}"


def test_nothing_asks_whether_a_domain_is_tonal():
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]:
        assert not re.search(r"\btonal\b", path.read_text(encoding="utf-8")), path
