"""The house: who may import whom, what stays light, and how names are chosen."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "gemma_poetry"

# What each room may import of the project, besides itself; a dotted name admits that module alone.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "artifacts": {"errors"},
    "progress": {"errors"},
    "prosody": {"errors"},
    "corpus": {"errors", "config", "artifacts", "progress", "prosody"},
    "data": {"errors", "config", "artifacts", "progress", "prosody", "corpus.poem"},
    "model": {"errors", "config", "artifacts", "progress", "prosody", "corpus.poem", "data"},
    "training": {"errors", "config", "artifacts", "progress", "prosody.forms", "corpus.poem", "data", "model"},
    "generation": {"errors", "config", "artifacts", "progress", "prosody", "corpus.poem", "corpus.script", "data", "model"},
    "evaluation": {"errors", "config", "artifacts", "progress", "prosody", "corpus"},
    "keras_backend": {"errors", "config", "artifacts", "progress", "corpus.poem", "data", "evaluation.metrics"},
    "domains": {"errors", "corpus.poem", "prosody", "data.prompts"},
    "studio": {
        "errors",
        "config",
        "artifacts",
        "corpus.poem",
        "generation",
        "prosody",
        "evaluation.human",
        "evaluation.curves",
    },
}
UNBOUND = {"cli", "verbs"}  # they put the rooms together
LIGHT = ["errors", "config", "artifacts", "prosody", "corpus", "domains", "evaluation", "cli", "generation.slot_automaton"]
HEAVY = ["torch", "transformers", "peft", "datasets", "matplotlib", "accelerate", "opencc", "rensa", "scipy"]


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def room_of(dotted: str) -> str:
    return dotted.split(".")[0]


def imported(path: Path) -> set[str]:
    """Dotted names of the project's modules that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            if node.module == "gemma_poetry":
                names |= {f"gemma_poetry.{alias.name}" for alias in node.names}
    return {name.removeprefix("gemma_poetry.") for name in names if name.startswith("gemma_poetry.")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_import_table_holds(path: Path):
    room = room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    if room in UNBOUND:
        return
    allowed = MAY_IMPORT[room]
    for name in imported(path):
        fits = room_of(name) == room or any(name == entry or name.startswith(entry + ".") for entry in allowed)
        assert fits, f"{path.relative_to(PACKAGE)} imports {name}, which {room} may not"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_flows_in_and_out(path: Path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "In:" in docstring and "Out:" in docstring, f"{path.relative_to(PACKAGE)}: docstring lacks In: and Out:"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_has_a_catch_all_name(path: Path):
    assert not {"utils", "util", "helpers", "helper", "manager", "common", "misc"} & set(path.stem.split("_"))


@pytest.mark.parametrize("name", LIGHT)
def test_light_rooms_load_nothing_heavy(name: str):
    members = [
        ".".join(("gemma_poetry", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in modules()
        if ".".join(path.relative_to(PACKAGE).with_suffix("").parts).startswith(name)
    ]
    assert members, name
    program = (
        f"import sys\nfor name in {members!r}: __import__(name)\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\nassert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_product_names_no_place_of_this_workplace():
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parents[1] / "recipes").glob("*.yaml")]:
        assert "shared/data" not in path.read_text(encoding="utf-8"), path
