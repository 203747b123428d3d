"""Writes docs/recipes.md and docs/recipes.zh.md from the recipe models themselves.

    python scripts/write_recipe_reference.py

In: the fields of `gemma_poetry.config`, and the twins of what they mean. Out: one table a section: field, type, default,
meaning. A test keeps both current.
"""

from __future__ import annotations

import json
from pathlib import Path

from gemma_poetry.artifacts import write_text
from gemma_poetry.config import Recipe, recipe_names
from gemma_poetry.languages import Language, translated

REFERENCES: dict[Language, Path] = {
    "en": Path(__file__).parents[1] / "docs" / "recipes.md",
    "zh": Path(__file__).parents[1] / "docs" / "recipes.zh.md",
}
OPENINGS: dict[Language, str] = {
    "en": """# Recipes

[中文](recipes.zh.md)

A recipe is a YAML file of sections; each verb reads its own. Name one with `--recipe NAME|FILE` and change any field
with `--set section.key=value`. Packaged: {names}. An unknown or ill-typed field is refused,
all of them at once. This page is written by `python scripts/write_recipe_reference.py`.
""",
    "zh": """# 配方

[English](recipes.md)

配方是分节的 YAML 文件，每个动词读自己的一节。用 `--recipe NAME|FILE` 指定，用 `--set section.key=value` 改任何一个字段。
软件包自带：{names}。不认识的字段、类型不对的字段都会被拒绝，并一次全部指明。
本页由 `python scripts/write_recipe_reference.py` 写出。
""",
}
HEADS: dict[Language, str] = {"en": "| field | type | default | meaning |", "zh": "| 字段 | 类型 | 默认值 | 含义 |"}
KINDS: dict[Language, dict[str, str]] = {
    "en": {"or": " or ", "array": "list of {}"},
    "zh": {
        "or": " 或 ",
        "array": "列表（{}）",
        "integer": "整数",
        "number": "数",
        "string": "文本",
        "boolean": "布尔值",
        "value": "值",
    },
}


def reference(language: Language = "en") -> str:
    """The text of the page in a language."""
    parts = [OPENINGS[language].format(names=("、" if language == "zh" else ", ").join(recipe_names()))]
    for section, settings in dict(Recipe()).items():
        parts += [f"## {section}\n", translated((settings.__doc__ or "").strip(), language) + "\n"]
        parts += [HEADS[language], "|---|---|---|---|"]
        for name, field in type(settings).model_fields.items():
            kind = _kind(type(settings).model_json_schema()["properties"][name], KINDS[language])
            default = json.dumps(settings.model_dump(mode="json")[name], ensure_ascii=False)
            parts.append(f"| `{name}` | {kind} | `{default}` | {translated(field.description or '', language)} |")
        parts.append("")
    return "\n".join(parts)


def _kind(schema: dict, words: dict[str, str]) -> str:
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
