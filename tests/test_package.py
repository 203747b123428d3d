"""The package as people get it: sdist and wheel are built, the wheel is installed alone, and verbs run from there."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
POEM = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"

pytestmark = pytest.mark.slow


class Built(NamedTuple):
    sdist: Path
    wheel: Path


def run(*command: str | Path, cwd: Path, status: int = 0, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["HF_HUB_OFFLINE"] = "1"
    words = [str(word) for word in command]
    result = subprocess.run(words, cwd=cwd, env=environment, input=text, capture_output=True, text=True, timeout=600)
    assert result.returncode == status, f"{words}\n{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
    return result


def build(source: Path, target: str, out: Path) -> Path:
    # hatchling is where this process finds it: PYTHONPATH does not reach `run`.
    place = Path(str(importlib.util.find_spec("hatchling").origin)).parents[1]  # type: ignore[union-attr]
    program = f"import sys; sys.path.append({str(place)!r}); from hatchling.cli import hatchling; sys.exit(hatchling())"
    run(sys.executable, "-c", program, "build", "--target", target, "--directory", out, cwd=source)
    (found,) = [path for path in out.iterdir() if path.name.endswith((".whl", ".tar.gz")[target == "sdist"])]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    """The sdist of this tree, and the wheel of that sdist: what the one lacks the other lacks too."""
    folder = tmp_path_factory.mktemp("built")
    sdist = build(ROOT, "sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return Built(sdist, build(source, "wheel", folder / "wheel"))


@pytest.fixture(scope="module")
def metadata(built) -> Message:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode("utf-8"))


@pytest.fixture(scope="module")
def light(built, tmp_path_factory) -> Path:
    """The scripts of a fresh environment that has the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("light")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    found = subprocess.run([*pip, "--retries", "0", "index", "versions", "typer"], capture_output=True, timeout=300)
    if found.returncode:
        pytest.skip("the package index cannot be reached")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    run(*pip, "--python", python, "install", "--constraint", ROOT / "requirements.txt", built.wheel, cwd=folder)
    return python.parent


@pytest.fixture(scope="module")
def full(light, tmp_path_factory) -> Path:
    """The same with the libraries of the environment that runs the tests; the package itself is the wheel's."""
    (site,) = (light.parent / "lib").glob("python*/site-packages")
    libraries = {str(Path(str(importlib.util.find_spec(name).origin)).parents[1]) for name in ("torch", "transformers")}  # type: ignore[union-attr]
    (site / "libraries.pth").write_text("\n".join(sorted(libraries)), encoding="utf-8")
    yield light
    (site / "libraries.pth").unlink()


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built.wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "src" / "gemma_poetry"
    files = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    assert packed == {name for name in files if "__pycache__" not in name}
    assert {"gemma_poetry/py.typed", "gemma_poetry/recipes/quickstart.yaml"} <= packed


def test_the_sdist_leaves_out_what_git_ignores_wherever_the_clone_lies():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert set(ignored) <= set(PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["exclude"])


def test_the_sdist_has_what_tests_and_documents_need(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "Makefile", "requirements.txt", "mkdocs.yml"}
    wanted |= {"tests/test_package.py", "docs/primer.zh.md", "examples/sijo-domain/pyproject.toml"}
    assert wanted <= names
    assert not any(name.startswith(("runs/", "data/", ".venv")) for name in names)


def test_the_index_shows_links_that_lead_somewhere(metadata):
    readme = metadata.get_payload()
    assert isinstance(readme, str)
    address = PROJECT["project"]["urls"]["Repository"]
    links = re.findall(r"\]\(([^)\s]+)\)", readme)
    assert links and not [link for link in links if not re.match(r"https?://|#", link)]
    for link in links:
        if link.startswith(address):
            assert (ROOT / link.removeprefix(f"{address}/blob/main/")).exists(), link
    assert f"{address}/blob/main/README.zh.md" in links


def test_one_version_and_one_address_everywhere(metadata):
    from gemma_poetry import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    urls = PROJECT["project"]["urls"]
    assert metadata["Version"] == __version__ == citation["version"]
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert urls["Repository"] == citation["repository-code"] == site["repo_url"]
    assert urls["Documentation"] == site["site_url"]
    assert all(url.startswith((urls["Repository"], urls["Documentation"])) for url in urls.values())


def test_the_light_install_has_no_torch(light, tmp_path):
    heavy = ["torch", "transformers", "peft", "datasets", "matplotlib", "scipy", "gradio"]
    program = f"from importlib.util import find_spec\nassert not [name for name in {heavy!r} if find_spec(name)]"
    run(light / "python", "-c", program, cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "text", "status", "said"),
    [
        (["check"], POEM, 0, "strict"),
        (["check", "--json"], POEM.replace("楼", "天"), 1, '"verdict": "fail"'),
        (["check", "--domain", "modern-chinese-poetry"], "风从海上来\n吹过旧的码头", 0, ""),
        (["tunes", "show", "菩萨蛮"], "", 0, "菩萨蛮"),
        (["domains"], "", 0, "english-verse"),
        (["generate", "--help"], "", 0, "--acrostic"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_works_without_extras(light, tmp_path, words, text, status, said):
    assert said in run(light / "gemma-poetry", *words, cwd=tmp_path, status=status, text=text).stdout


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["generate", "--form", "五言绝句"], "write"),
        (["models"], "write"),
        (["doctor", "--data", "DATA"], "write"),
        (["prepare", "--source", "sample", "--out", "DATA"], "train"),
        (["quickstart", "--out", "QUICK"], "train"),
        (["serve"], "serve"),
        (["studio"], "studio"),
        (["rate", "simulate", "--studies", "1"], "train"),
        (["check", "--domain", "english-verse"], "english"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_missing_extra_is_named(light, tmp_path, words, extra):
    result = run(light / "gemma-poetry", *words, cwd=tmp_path, status=2, text="a line\n")
    assert f"pip install 'gemma-poetry[{extra}]'" in result.stderr and "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == [], "something half-written stayed behind"


def test_it_writes_and_prepares_from_there(full, tmp_path):
    script = full / "gemma-poetry"
    where = "import gemma_poetry, torch; print(gemma_poetry.__file__)"
    assert Path(run(full / "python", "-c", where, cwd=tmp_path).stdout.strip()).is_relative_to(full.parent)
    poem = run(script, "generate", "--form", "五言绝句", "--title", "春江", "--seed", "1", cwd=tmp_path).stdout
    assert run(script, "check", "--form", "五言绝句", cwd=tmp_path, text=poem).stdout
    run(script, "prepare", "--source", "sample", "--out", "DATA", cwd=tmp_path)
    assert {"train.txt", "val.txt", "test.txt", "stats.json"} <= {path.name for path in (tmp_path / "DATA").iterdir()}
