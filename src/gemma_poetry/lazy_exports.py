"""The names that a package exports, each imported when it is first asked for.

In: a package whose `__init__` lists its exports as imports under `if TYPE_CHECKING:`. Out: its `__getattr__` and `__dir__`,
which find them there: type checkers and people read one list, and importing the package imports nothing.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from gemma_poetry.extras import naming_extras


def lazy_exports(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package (PEP 562)."""

    @functools.cache
    def homes() -> dict[str, str]:
        spec = importlib.util.find_spec(package)
        source = getattr(spec.loader, "get_source")(package) if spec else ""  # noqa: B009 (loaders need not have it)
        blocks = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
        found = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
        return {alias.name: str(node.module) for node in found for alias in node.names}

    def find(name: str) -> Any:
        if name.startswith("_") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with naming_extras():
            return getattr(importlib.import_module(homes()[name]), name)

    return find, lambda: sorted(homes())
