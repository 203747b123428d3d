"""Libraries that are not installed, and the extra that is named for them."""

from __future__ import annotations

import ast
import pickle
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from gemma_poetry import extras
from gemma_poetry.errors import GemmaPoetryError, MissingExtraError
from gemma_poetry.lazy_exports import lazy_exports

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# As two builders write them: setuptools quotes with ", hatchling with '.
REQUIRES = [
    "rich>=13",
    'no-such-model>=2; extra == "write"',
    "no_such_hub; extra == 'write'",
    "gemma-poetry[write]; extra == 'train'",
    "no-such-curves<4,>=1; (python_version > '3.0') and extra == 'train'",
    "gemma-poetry[train,page]; extra == 'all'",
    "no-such-page; extra == 'page'",
    "pytest; extra == 'dev'",
]


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRES)
    extras.extras.cache_clear()
    yield
    extras.extras.cache_clear()


def test_extras_hold_what_those_within_them_hold(declared):
    write = ("no-such-hub", "no-such-model")
    assert extras.extras() == {
        "dev": ("pytest",),
        "page": ("no-such-page",),
        "write": write,
        "train": ("no-such-curves", *write),
        "all": ("no-such-curves", "no-such-hub", "no-such-model", "no-such-page"),
    }


def error_of(statement: str) -> ImportError:
    try:
        exec(statement)
    except ImportError as error:
        return error
    raise AssertionError(statement)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (error_of("import no_such_model.layers"), "no-such-model: write"),
        (error_of("from no_such_hub import api"), "no-such-hub: write"),
        (error_of("import no_such_page"), "no-such-page: page"),
        (error_of("import pytest.no_such_part"), None),  # it is there and broken
        (error_of("import no_such_stranger"), None),  # no extra of ours brings it
        (ImportError("libcudart.so.13: cannot open shared object file"), None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_extra_of_a_missing_library(declared, error, named):
    found = extras.missing_extra(error)
    if named is None:
        assert found is None
        return
    library, extra = named.split(": ")
    assert found.found.startswith(library) and "not installed" in found.found
    assert found.action == f"pip install 'gemma-poetry[{extra}]'"


def test_it_is_an_error_of_ours_and_an_import_error(declared):
    with pytest.raises(MissingExtraError) as caught, extras.naming_extras(), extras.naming_extras():
        import no_such_curves  # noqa: F401
    assert isinstance(caught.value, GemmaPoetryError) and isinstance(caught.value, ImportError)
    assert caught.value.action == "pip install 'gemma-poetry[train]'" and caught.value.exit_status == 2
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ("train", "no-such-curves, no-such-hub and no-such-model are not installed"),
        ("page", "no-such-page is not installed"),
        ("dev", None),  # pytest is there
        ("", None),
    ],
)
def test_an_extra_that_is_needed_as_a_whole(declared, extra, named):
    if named is None:
        extras.require_extra(extra)
        return
    with pytest.raises(MissingExtraError) as caught:
        extras.require_extra(extra)
    assert caught.value.found == named and caught.value.action == f"pip install 'gemma-poetry[{extra}]'"


def test_other_errors_pass_unchanged(declared):
    with pytest.raises(ModuleNotFoundError, match="no_such_stranger"), extras.naming_extras():
        import no_such_stranger  # noqa: F401


@pytest.mark.parametrize(
    ("libraries", "settings", "message"),
    [
        (("sys", "re"), {"extra": "write"}, None),
        (
            ("re", "no_such_a", "no_such_b"),
            {"extra": "write", "purpose": "the verb", "otherwise": "do without"},
            "the verb needs no_such_a and no_such_b, which are not installed\n"
            "Expected: the extra `write`\nWhat to do: pip install 'gemma-poetry[write]', or do without",
        ),
        (
            ("no_such_a",),
            {"extra": ""},
            "no_such_a is not installed\nExpected: its packages beside this one\nWhat to do: pip install no_such_a",
        ),
    ],
)
def test_what_is_required_before_the_work(libraries, settings, message):
    if message is None:
        extras.require(*libraries, **settings)
        return
    with pytest.raises(MissingExtraError) as caught:
        extras.require(*libraries, **settings)
    assert str(caught.value) == message


def test_names_of_rooms_name_the_extra_too(declared, tmp_path, monkeypatch):
    room = tmp_path / "some_room"
    room.mkdir()
    listed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from some_room.part import Thing as Thing\n"
    (room / "__init__.py").write_text(listed)
    (room / "part.py").write_text("import no_such_model\nclass Thing: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    find, _ = lazy_exports("some_room")
    with pytest.raises(MissingExtraError, match=r"gemma-poetry\[write\]"):
        find("Thing")


# Imported under a name that is not the distribution's.
NAMES = {"yaml": "pyyaml"}


def imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.split(".")[0] for name in named} - set(sys.stdlib_module_names) - {"gemma_poetry"}


def test_every_library_that_is_imported_is_declared():
    """Also those that others bring along: the light install has none of them, and whoever lacks one is told the extra."""
    listed = [*PROJECT["dependencies"], *(one for group in PROJECT["optional-dependencies"].values() for one in group)]
    declared = {extras.distribution_of(re.split(r"[\[>=<]", one)[0]) for one in listed}
    found = {name for path in (ROOT / "src").rglob("*.py") for name in imports(path)}
    assert {extras.distribution_of(NAMES.get(name, name)) for name in found} - declared <= {"kagglehub"}  # keras-hub's


def test_every_verb_names_an_extra_that_there_is():
    from gemma_poetry.cli.application import EXTRA_OF, app

    assert set(EXTRA_OF.values()) <= set(PROJECT["optional-dependencies"])
    assert set(EXTRA_OF) <= {command.callback.__name__ for command in app.registered_commands}
