"""The reference of the API as a page that a browser shows without a script, and without asking any other host.

In: the OpenAPI description of the application. Out: HTML: each path with its words, and the fields of its body.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,'Noto Sans CJK SC',sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#2c2824;"
    "background:#fbf7ec}code{font-family:monospace}"
    "table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #ddd2bc;"
    "padding:.25rem .6rem;text-align:left;vertical-align:top}h2{margin-top:2.5rem}"
)


def reference_page(description: dict[str, Any]) -> str:
    """The page."""
    info = description["info"]
    parts = [
        f"<h1>{escape(info['title'])}</h1><p>{escape(info.get('description', ''))} <a href='/openapi.json'>OpenAPI</a></p>"
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>")
            parts += [f"<p>{escape(part)}</p>" for part in operation.get("description", "").split("\n\n")]
            fields = _fields(operation, description)
            if fields:
                parts.append(f"<table><tr><th>field</th><th>type</th><th>default</th><th></th></tr>{fields}</table>")
    body = "".join(parts)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style><body>{body}</body></html>"
    )


def _fields(operation: dict[str, Any], description: dict[str, Any]) -> str:
    """The rows of an operation's body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = description.get("components", {}).get("schemas", {}).get(name, {})
    rows = []
    for field, about in schema.get("properties", {}).items():
        default = json.dumps(about["default"], ensure_ascii=False) if "default" in about else "required"
        cells = (f"<code>{escape(field)}</code>", escape(_type(about)), escape(default), escape(about.get("description", "")))
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return "".join(rows)


def _type(schema: dict[str, Any]) -> str:
    """The type of a field in words."""
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", schema.get("$ref", "object").rpartition("/")[2]))
