"""Writes docs/recipes.md and docs/recipes.zh.md from the recipe models themselves.

    python scripts/write_recipe_reference.py

In: the fields of `gemma_poetry.config`, and the packaged recipes. Out: what each recipe is for, and one table a section: field,
type, default, meaning. A test keeps it current.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.config import Recipe, recipe_names
from gemma_poetry.languages import Language, translated

REFERENCE = Path(__file__).parents[1] / "docs" / "recipes.md"
RECIPES = Path(__file__).parents[1] / "src" / "gemma_poetry" / "recipes"


def reference() -> str:
    """The text of docs/recipes.md."""
    parts = [
        "# Recipes\n",
        "A recipe is a YAML file of sections; each verb reads its own. Name one with `--recipe NAME|FILE` and change any field",
        "with `--set section.key=value`. An unknown or ill-typed field is refused, all of them at once. This page is written",
        "by `python scripts/write_recipe_reference.py`.\n",
        "| packaged | for |",
        "|---|---|",
        *(f"| `{name}` | {_purpose(name)} |" for name in recipe_names()),
    ]
    recipe = Recipe()
    for section in Recipe.model_fields:
        settings = getattr(recipe, section)
        parts += [f"\n## {section}\n", (settings.__doc__ or "").strip() + "\n"]
        parts += ["| field | type | default | meaning |", "|---|---|---|---|"]
        for name, field in type(settings).model_fields.items():
            kind = _kind(type(settings).model_json_schema()["properties"][name], KINDS[language])
            default = json.dumps(settings.model_dump(mode="json")[name], ensure_ascii=False)
            parts.append(f"| `{name}` | {kind} | `{default}` | {translated(field.description or '', language)} |")
        parts.append("")
    return "\n".join(parts)


def _purpose(name: str) -> str:
    """The comment that a recipe begins with, up to its first full stop."""
    lines = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.removeprefix("#").strip() for line in comment).partition(". ")[0].removesuffix(".")


def _kind(schema: dict) -> str:
    if "anyOf" in schema:
        return words["or"].join(_kind(option, words) for option in schema["anyOf"])
    if "enum" in schema:
        return words["or"].join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return words["array"].format(_kind(schema.get("items", {}), words))
    kind = str(schema.get("type", "value"))
    return words.get(kind, kind)


if __name__ == "__main__":
    for language, path in REFERENCES.items():
        write_text(path, reference(language))
