"""The house: who may import whom, what stays light, and how names are chosen."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "gemma_poetry"

# On which every room may stand.
GROUND = {"errors", "languages", "config", "artifacts", "manifests", "extras", "folders", "progress", "frames", "hosts"}
# What each room may import of the project, besides itself; a dotted name admits that module alone.
MAY_IMPORT: dict[str, set[str]] = {
    "languages": set(),
    "errors": {"languages"},
    "extras": {"errors"},
    "lazy_exports": {"extras"},
    "config": {"errors"},
    "artifacts": {"errors"},
    "manifests": {"errors", "artifacts"},
    "progress": {"errors"},
    "frames": {"errors"},
    "hosts": {"errors", "languages"},
    "folders": {"errors", "artifacts", "manifests"},
    "runs": {"errors", "artifacts", "manifests", "folders"},
    "prosody": {"errors"},
    "corpus": {*GROUND, "prosody"},
    "data": {*GROUND, "prosody", "corpus.poem"},
    "model": {*GROUND, "prosody", "corpus.poem", "data"},
    "doctor": {*GROUND, "data", "model"},
    "exporting": {*GROUND, "prosody", "corpus.poem", "data", "model"},
    "training": {
        *GROUND,
        "runs",
        "doctor.memory_checks",
        "prosody.forms",
        "corpus.poem",
        "corpus.reading",
        "corpus.known_lines",
        "data",
        "model",
    },
    "generation": {
        *GROUND,
        "prosody",
        "corpus.known_lines",
        "corpus.poem",
        "corpus.reading",
        "corpus.script",
        "corpus.variants",
        "data",
        "model",
    },
    "evaluation": {*GROUND, "prosody", "corpus"},
    "keras_backend": {*GROUND, "runs", "corpus.poem", "corpus.reading", "corpus.known_lines", "data", "evaluation.metrics"},
    "domains": {"errors", "extras", "corpus.poem", "prosody", "data.prompts"},
    "studio": {*GROUND, "corpus.poem", "generation", "prosody", "evaluation.human", "evaluation.curves"},
    "serving": {*GROUND, "generation", "prosody", "corpus.script"},
}
UNBOUND = {"cli", "verbs", "api"}  # they put the rooms together
LIGHT = [
    "errors", "extras", "config", "artifacts", "manifests", "folders", "runs", "prosody", "corpus", "domains", "evaluation",
    "cli", "cli.application", "generation.slot_automaton",
]  # fmt: skip
HEAVY = ["torch", "transformers", "peft", "datasets", "matplotlib", "accelerate", "opencc", "rensa", "scipy"]


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def rooms() -> list[Path]:
    return sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def room_of(dotted: str) -> str:
    return dotted.split(".")[0]


def is_module(dotted: str) -> bool:
    place = PACKAGE.parent.joinpath(*dotted.split("."))
    return place.with_suffix(".py").is_file() or place.joinpath("__init__.py").is_file()


def imported(path: Path) -> set[str]:
    """Dotted names of the project's modules that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if is_module(name) else node.module for name in within}
    return {name.removeprefix("gemma_poetry.") for name in names if name.startswith("gemma_poetry.")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_import_table_holds(path: Path):
    room = room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    if room in UNBOUND:
        return
    allowed = MAY_IMPORT[room] | {"languages"}
    for name in imported(path):
        fits = room_of(name) == room or any(name == entry or name.startswith(entry + ".") for entry in allowed)
        assert fits, f"{path.relative_to(PACKAGE)} imports {name}, which {room} may not"


def test_no_modules_import_each_other_in_a_circle():
    """Over all imports: inside functions and for types alone too, since such modules cannot be read one without the other."""
    needs: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        needs[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = imported(path)
    known = set(needs) - {""}
    try:
        tuple(TopologicalSorter({name: needs[name] & known - {name} for name in known}).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_flows_in_and_out(path: Path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "In:" in docstring and "Out:" in docstring, f"{path.relative_to(PACKAGE)}: docstring lacks In: and Out:"


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.relative_to(PACKAGE)))
def test_every_room_says_what_it_is_for_and_its_exports_are_there(room: Path):
    source = (room / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert "In:" in docstring and "Out:" in docstring, room
    # What is exported is looked for in the text, so that a room whose libraries are not installed is tested as well.
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gemma_poetry.") and node.col_offset == 4):
            continue
        home = PACKAGE.parent.joinpath(*str(node.module).split(".")).with_suffix(".py")
        if home.parent != room:
            continue  # `main` of the command line
        body = ast.parse(home.read_text(encoding="utf-8")).body
        defined = {one.name for one in body if isinstance(one, (ast.ClassDef, ast.FunctionDef))}
        defined |= {
            target.id
            for one in body
            if isinstance(one, (ast.Assign, ast.AnnAssign))
            for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
            if isinstance(target, ast.Name)
        }
        for alias in node.names:
            assert alias.name in defined, f"{home} defines no {alias.name}"
            assert not (room / f"{alias.name}.py").exists(), f"{alias.name} would hide the module of that name"


def test_exports_are_imported_when_they_are_asked_for():
    program = (
        "import sys, gemma_poetry.prosody as room\n"
        "assert 'gemma_poetry.prosody.scansion' not in sys.modules\n"
        "from gemma_poetry.prosody import scan\n"
        "assert scan is sys.modules['gemma_poetry.prosody.scansion'].scan and 'scan' in dir(room)\n"
        "assert not hasattr(room, 'no_such_name')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no GNU OpenMP")
@pytest.mark.parametrize(
    ("chosen", "turns"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "0")]
)
def test_threads_wait_without_holding_their_core(chosen: dict[str, str], turns: str):
    """What GNU OpenMP itself says that it took, once torch has loaded it."""
    own = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    program = [sys.executable, "-c", "import gemma_poetry, torch"]
    shown = subprocess.run(
        program, check=True, capture_output=True, text=True, env=own | chosen | {"OMP_DISPLAY_ENV": "verbose"}
    )
    assert f"GOMP_SPINCOUNT = '{turns}'" in shown.stderr


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
