"""Curves show the loss and perplexity of a training over its steps.

In: the points of `RUN/curve.jsonl`, records with `step` and `loss`, or `step`, `validation_loss` and perplexities a token and a
character, or whatever unit the domain of the texts counts.
Out: a PNG, or the same two pictures as SVG text for a report, in the colours of the page that they stand in.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import atomic_writer, read_jsonl

Point = Mapping[str, Any]

_LOSSES = {"loss": "training", "validation_loss": "validation"}
_PERPLEXITY, _KEPT_ROWS = "ppl_", "_kept_rows"
_WIDE = 20.0
"""Perplexities a token and a word may be a hundredfold apart: from this ratio on they are drawn on a scale of powers."""


def read_curve(path: Path) -> list[dict[str, Any]]:
    """The points of a `curve.jsonl`, in the order of their steps.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    return sorted(read_jsonl(path), key=lambda point: float(point["step"]))


def series(points: Sequence[Point], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one curve: those points that have it."""
    found = [(float(point["step"]), float(point[name])) for point in points if point.get(name) is not None]
    return [step for step, _ in found], [value for _, value in found]


def perplexity_names(points: Sequence[Point]) -> dict[str, str]:
    """The perplexities of a curve, whatever they are counted by, with what a legend says: `ppl_word` is `a word`."""
    names = dict.fromkeys(name for point in points for name in point if name.startswith(_PERPLEXITY) and "/" not in name)
    legends = {}
    for name in names:
        unit = name.removeprefix(_PERPLEXITY).removesuffix(_KEPT_ROWS)
        legends[name] = f"a {'character' if unit == 'char' else unit}"
        legends[name] += ", over the kept rows" if name.endswith(_KEPT_ROWS) else ""
    return legends


def plot_curves(points: Sequence[Point], path: Path) -> None:
    """Draws loss and perplexity over steps into a PNG file.

    Raises:
        OutputError: The file cannot be written.
    """
    picture = _draw(points)
    with atomic_writer(path, binary=True) as stream:
        picture.savefig(stream, format="png", dpi=120)


def curves_svg(points: Sequence[Point]) -> list[str]:
    """Loss and perplexity as two `<svg>` elements that take their colours and letters from the page around them."""
    from matplotlib import rc_context

    # Text stays text, in the page's letters; a fixed salt for the ids: the same curve gives the same element.
    style = {"svg.hashsalt": "curves", "svg.fonttype": "none", "axes.prop_cycle": _placeholders(), "font.size": 9}
    elements = []
    with rc_context({**style, **dict.fromkeys(_INKED, _INK)}):
        for curves, label in ((_LOSSES, "loss (nats a token)"), (perplexity_names(points), "validation perplexity")):
            figure, axes = _canvas((5.2, 3.3), 1)
            _plot(axes, points, curves, label)
            _dress(axes)
            buffer = io.StringIO()
            unknown = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(buffer, format="svg", metadata=unknown, transparent=True)
            elements.append(_themed(buffer.getvalue(), label))
    return elements


# Colours that stand for those of the page until the picture is drawn.
_INK, _CURVES = "#010203", {"#0a0b0c": "var(--second)", "#1a1b1c": "var(--tuned)"}
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color")


def _placeholders() -> Any:
    from cycler import cycler

    return cycler(color=list(_CURVES))


def _dress(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    legend = axes.get_legend()
    if legend is not None:
        legend.get_frame().set_visible(False)


def _themed(drawn: str, label: str) -> str:
    text = drawn[drawn.index("<svg") :]
    for placeholder, colour in {_INK: "var(--ink)", **_CURVES}.items():
        text = text.replace(placeholder, colour)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text))
    # Ids of two pictures in one page must differ; hashed ones may not.
    name = "loss" if "loss" in label else "perplexity"
    text = re.sub(r'(id="|#)([\w.-]+)(?=[")])', rf"\1{name}-\2", text)
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', f'role="img" aria-label="{label} over steps"', text, count=1)


def _canvas(size: tuple[float, float], axes: int) -> tuple[Any, Any]:
    # The object-oriented interface: no global state, no display, safe beside a notebook's own figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, axes)


def _draw(points: Sequence[Point]) -> Any:
    figure, (losses, perplexities) = _canvas((10, 4), 2)
    _plot(losses, points, _LOSSES, "loss (nats a token)")
    _plot(perplexities, points, perplexity_names(points), "validation perplexity")
    return figure


def _plot(axes: Any, points: Sequence[Point], curves: Mapping[str, str], label: str) -> None:
    drawn: list[float] = []
    for name, legend in curves.items():
        steps, values = series(points, name)
        if steps:
            # Few points are shown as such: a line through two of them would promise more than is known.
            axes.plot(steps, values, label=legend, linewidth=1.5, marker="o" if len(steps) < 25 else None, markersize=4)
            drawn += values
    axes.set_xlabel("steps")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend()
        if min(drawn) > 0 and max(drawn) > _WIDE * min(drawn):
            axes.set_yscale("log")
    else:
        axes.text(0.5, 0.5, "no points", ha="center", va="center", transform=axes.transAxes)
