"""Writes docs/recipes.md from the recipe models themselves.

    python scripts/write_recipe_reference.py

In: the fields of `gemma_poetry.config`. Out: one table a section: field, type, default, meaning. A test keeps it current.
"""

from __future__ import annotations

import json
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.config import Recipe, recipe_names

REFERENCE = Path(__file__).parents[1] / "docs" / "recipes.md"


def reference() -> str:
    """The text of docs/recipes.md."""
    parts = [
        "# Recipes\n",
        "A recipe is a YAML file of sections; each verb reads its own. Name one with `--recipe NAME|FILE` and change any field",
        f"with `--set section.key=value`. Packaged: {', '.join(recipe_names())}. An unknown or ill-typed field is refused,",
        "all of them at once. This page is written by `python scripts/write_recipe_reference.py`.",
    ]
    recipe = Recipe()
    for section in Recipe.model_fields:
        settings = getattr(recipe, section)
        parts += [f"\n## {section}\n", (settings.__doc__ or "").strip() + "\n"]
        parts += ["| field | type | default | meaning |", "|---|---|---|---|"]
        for name, field in type(settings).model_fields.items():
            kind = _kind(type(settings).model_json_schema()["properties"][name])
            default = json.dumps(settings.model_dump(mode="json")[name], ensure_ascii=False)
            parts.append(f"| `{name}` | {kind} | `{default}` | {field.description} |")
    return "\n".join(parts) + "\n"


def _kind(schema: dict) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return "list of " + _kind(schema.get("items", {}))
    return str(schema.get("type", "value"))


if __name__ == "__main__":
    write_text(REFERENCE, reference())
