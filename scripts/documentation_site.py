"""What mkdocs asks for while it builds the site: pages of the API, and links that leave the documents.

In: the rooms of the package, whose `__init__` lists what they export; the shipped tunes; pages that link to files of the
repository. Out: a page `reference/ROOM.md` for each room, with what its docstrings say; `tunes.md` with every tune; links with
the repository's address.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gemma_poetry"
MODULES = {"errors": "gemma_poetry.errors", "config": "gemma_poetry.config"}  # rooms of one module


def exports(initial: Path) -> list[str]:
    """Dotted names of what a package exports: what its `__init__` imports from the package itself, for types alone."""
    blocks = [node for node in ast.parse(initial.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    found = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return [f"{node.module}.{alias.name}" for node in found for alias in node.names]


def reference_pages() -> dict[str, str]:
    """Text of each page by its name."""
    pages: dict[str, str] = {}
    for initial in sorted(PACKAGE.rglob("__init__.py")):
        package = ".".join(initial.parent.relative_to(PACKAGE.parent).parts)
        names = exports(initial)
        if names:
            about = ast.get_docstring(ast.parse(initial.read_text(encoding="utf-8"))) or ""
            entries = "\n\n".join(f"::: {name}" for name in names)
            pages[package] = f"# {package}\n\n{about}\n\n{entries}\n"
    for module in MODULES.values():
        pages[module] = f"# {module}\n\n::: {module}\n    options:\n      show_root_heading: false\n      heading_level: 1\n"
    listed = "\n".join(f"- [{name}]({name}.md)" for name in sorted(pages))
    pages["index"] = f"# API reference\n\nWhat the rooms of the package offer to programs.\n\n{listed}\n"
    return pages


def tunes_text() -> str:
    """Text of the page of tunes."""
    from gemma_poetry.prosody.tunes import shipped_tunes
    from gemma_poetry.verbs.tunes import tunes_page

    return tunes_page(shipped_tunes())


def on_config(config: Any) -> Any:
    """The pages of the reference stand last in the navigation."""
    names = sorted(set(reference_pages()) - {"index"})
    config.nav.append({"API": ["reference/index.md", *({name: f"reference/{name}.md"} for name in names)]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of the reference and that of the tunes."""
    for name, text in reference_pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    files.append(File.generated(config, "tunes.md", content=tunes_text()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files outside the documents lead to the repository."""

    def absolute(match: re.Match[str]) -> str:
        target = (ROOT / "docs" / Path(page.file.src_uri).parent / match[1]).resolve()
        if target.is_relative_to(ROOT / "docs") or not target.exists():
            return match[0]
        return f"]({config.repo_url}/blob/main/{target.relative_to(ROOT).as_posix()})"

    return re.sub(r"\]\((\.\./[^)\s]*)\)", absolute, markdown)
