"""What mkdocs asks for while it builds the site: pages of the API, and links that leave the documents.

In: the rooms of the package, whose `__init__` lists what they export; the shipped tunes; pages that link to files of the
repository and to their twins. Out: a page `reference/ROOM.md` for each room, with what its docstrings say; `tunes.md` with
every tune; both once for each language of the site; links with the repository's address.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gemma_poetry"
MODULES = {"errors": "gemma_poetry.errors", "config": "gemma_poetry.config"}  # rooms of one module


def exports(initial: Path) -> list[str]:
    """Dotted names of what a package exports: what its `__init__` imports from the package itself, for types alone."""
    blocks = [node for node in ast.parse(initial.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    found = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return [f"{node.module}.{alias.name}" for node in found for alias in node.names]


def reference_pages(language: str = "en") -> dict[str, str]:
    """Text of each page by its name; what stands in docstrings is English."""
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
    opening = {
        "en": "# API reference\n\nWhat the rooms of the package offer to programs.",
        "zh": "# API 参考\n\n本软件各部分供程序调用的接口。说明取自代码，为英文。",
    }
    pages["index"] = f"{opening[language]}\n\n{listed}\n"
    return pages


def tunes_text(language: str) -> str:
    """Text of the page of tunes."""
    from gemma_poetry.languages import localized
    from gemma_poetry.prosody.tunes import shipped_tunes
    from gemma_poetry.verbs.tunes import tunes_page

    return localized(tunes_page(shipped_tunes()), language)


def on_config(config: Any) -> Any:
    """The pages of the reference stand last in the navigation, and headings are addressed by their words, in Chinese too.

    Called once for each language, with the same configuration.
    """
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    names = sorted(set(reference_pages()) - {"index"})
    entry = {"API": ["reference/index.md", *({name: f"reference/{name}.md"} for name in names)]}
    if entry not in config.nav:
        config.nav.append(entry)
    return config


@event_priority(-200)  # behind i18n, which knows files of the disk alone
def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of the reference and that of the tunes, in the language that is being built."""
    i18n = config.plugins["i18n"]
    language = i18n.current_language
    texts = {f"reference/{name}.md": text for name, text in reference_pages(language).items()}
    texts["tunes.md"] = tunes_text(language)
    for name, text in texts.items():
        pages = {locale: File.generated(config, name, content=text) for locale in i18n.build_languages}
        for locale, page in pages.items():
            if locale != i18n.default_language:
                page.dest_uri = f"{locale}/{page.dest_uri}"
            page.locale = page.locale_alternate_of = page.localization = locale
            page.alternates = pages
        files.append(pages[language])
    return files


def on_page_context(context: Any, page: Any, config: Any, nav: Any) -> Any:
    """The switch of languages stays on the page, on the first one too, wherever the site is looked at."""
    for choice in config.extra.alternate:
        choice["link"] = page.file.alternates[choice["lang"]].url
    return context


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files outside the documents lead to the repository; a page without a twin says so.

    The line under a title that leads to the twin is for readers of the repository: the site has a switch.
    """
    markdown = re.sub(r"\A(# .*\n\n)\[(?:中文|English)\]\(\S+\)\n\n", r"\1", markdown)
    if page.file.locale_alternate_of != page.file.locale:
        markdown = re.sub(r"\A# .*\n", lambda title: f"{title[0]}\n*本页只有英文。*\n", markdown)

    def absolute(match: re.Match[str]) -> str:
        target = (ROOT / "docs" / Path(page.file.src_uri).parent / match[1]).resolve()
        if target.is_relative_to(ROOT / "docs") or not target.exists():
            return match[0]
        return f"]({config.repo_url}/blob/main/{target.relative_to(ROOT).as_posix()})"

    return re.sub(r"\]\((\.\./[^)\s]*)\)", absolute, markdown)
