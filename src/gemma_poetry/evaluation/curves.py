"""The curves of a training: loss and perplexity over steps.

In: the points of `RUN/curve.jsonl`, records with `step` and `loss`, or `step`, `validation_loss` and perplexities.
Out: a PNG, or the same picture as SVG text for a report.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gemma_poetry.artifacts import atomic_writer, read_jsonl

Point = Mapping[str, Any]

_LOSSES = {"loss": "training", "validation_loss": "validation"}
_PERPLEXITIES = {"ppl_token": "a token", "ppl_char": "a character"}


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


def plot_curves(points: Sequence[Point], path: Path) -> None:
    """Draws loss and perplexity over steps into a PNG file.

    Args:
        points: The points of `curve.jsonl`.
        path: Where the picture goes.

    Raises:
        OutputError: The file cannot be written.
    """
    picture = _draw(points)
    with atomic_writer(path, binary=True) as stream:
        picture.savefig(stream, format="png", dpi=120)


def curves_svg(points: Sequence[Point]) -> str:
    """The same picture as an `<svg>` element to stand inside a page."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    # A fixed salt for the ids and no metadata: the same curve gives the same text.
    with rc_context({"svg.hashsalt": "curves"}):
        _draw(points).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _draw(points: Sequence[Point]) -> Any:
    # The object-oriented interface: no global state, no display, safe beside a notebook's own figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, perplexities = figure.subplots(1, 2)
    _plot(losses, points, _LOSSES, "loss (nats a token)")
    _plot(perplexities, points, _PERPLEXITIES, "validation perplexity")
    return figure


def _plot(axes: Any, points: Sequence[Point], curves: Mapping[str, str], label: str) -> None:
    drawn = False
    for name, legend in curves.items():
        steps, values = series(points, name)
        if steps:
            # Few points are shown as such: a line through two of them would promise more than is known.
            axes.plot(steps, values, label=legend, linewidth=1.5, marker="o" if len(steps) < 25 else None, markersize=4)
            drawn = True
    axes.set_xlabel("steps")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend()
    else:
        axes.text(0.5, 0.5, "no points", ha="center", va="center", transform=axes.transAxes)
