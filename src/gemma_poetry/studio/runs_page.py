"""The page of the runs named at the start: their curves and what their manifests say.

In: RUN folders. Out: curve points as a table for a plot, and a table of facts as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.evaluation.curves import read_curve, series
from gemma_poetry.manifests import read_manifest
from gemma_poetry.studio.problems import problem_html
from gemma_poetry.studio.texts import Language, complaint, say
from gemma_poetry.studio.verse import escape, notice_html
from gemma_poetry.studio.workshop import Workshop

if TYPE_CHECKING:
    import pandas

COLOURS = ("#2f6159", "#a5301f", "#b1842a", "#4a5f8a", "#7a4f74", "#6f8f4e")
"""Of the curves, apart from each other on paper and for most eyes."""

_LOSSES = {"loss": "training_curve", "validation_loss": "validation_curve"}
_PERPLEXITIES = {"ppl_char": "validation_curve"}


def curves(runs: Mapping[str, Path], names: Sequence[str], language: Language) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Loss and perplexity over steps: tables with the columns `steps`, `value` and `curve`.

    Raises:
        UsageError: A name is none of those named at the start.
        DataError: A curve cannot be read.
    """
    points = {name: read_curve(_folder(runs, name, language) / "curve.jsonl") for name in names}
    return _table(points, _LOSSES, language), _table(points, _PERPLEXITIES, language)


def _table(points: Mapping[str, list[dict[str, Any]]], wanted: Mapping[str, str], language: Language) -> pandas.DataFrame:
    import pandas

    rows: list[tuple[float, float, str]] = []
    for name, own in points.items():
        for field, key in wanted.items():
            label = f"{name} · {say(key, language)}"
            rows += [(step, value, label) for step, value in zip(*series(own, field))]
    return pandas.DataFrame(rows, columns=["steps", "value", "curve"])


def palette(table: pandas.DataFrame) -> dict[str, str]:
    """A colour for each curve of a table, in the order of its first point."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(dict.fromkeys(table["curve"]))}


def facts_html(workshop: Workshop, names: Sequence[str], language: Language) -> str:
    """What the manifests of some runs say, a column a run."""
    if not workshop.runs:
        return f'<div class="blank">{notice_html(say("no_runs", language))}</div>'
    try:
        columns = {name: _facts(read_manifest(_folder(workshop.runs, name, language)), language) for name in names}
    except GemmaPoetryError as error:
        return problem_html(error, language)
    keys = list(dict.fromkeys(key for facts in columns.values() for key in facts))
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = ""
    for key in keys:
        cells = "".join(f"<td>{escape(facts.get(key, '—'))}</td>" for facts in columns.values())
        rows += f"<tr><th>{escape(key)}</th>{cells}</tr>"
    return (
        f'<div class="scroll"><table class="facts"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _folder(runs: Mapping[str, Path], name: str, language: Language) -> Path:
    if name not in runs:
        raise complaint("no_model", language, name=repr(str(name)[:40]), names=", ".join(runs))
    return runs[name]


def _facts(manifest: Mapping[str, Any], language: Language) -> dict[str, str]:
    validation = manifest.get("validation") or {}
    found = {
        "fact_base": _within(manifest, "base", "name"),
        "fact_recipe": _within(manifest, "recipe", "name"),
        "fact_steps": _number(manifest.get("steps")),
        "fact_poems": _number(_within(manifest, "data", "train_poems")),
        "fact_lora": _number(manifest.get("trainable_parameters")),
        "fact_time": _minutes(manifest.get("wall_seconds"), language),
    }
    facts = {say(key, language): str(value) for key, value in found.items() if value}
    for name in ("ppl_char", "ppl_token"):
        if isinstance(value := validation.get(name), int | float):
            facts[say(f"fact_{name}", language)] = f"{value:.2f}"
    return facts


def _within(manifest: Mapping[str, Any], section: str, name: str) -> Any:
    inner = manifest.get(section)
    return inner.get(name) if isinstance(inner, Mapping) else None


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def _minutes(seconds: Any, language: Language) -> str:
    return say("minutes", language, value=f"{seconds / 60:.1f}") if isinstance(seconds, int | float) else ""
