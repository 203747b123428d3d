"""The comparison as a picture: mean ratings by aspect, and Bradley-Terry strengths.

In: a `HumanReport`. Out: a PNG with points and 95% intervals.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_poetry.artifacts import atomic_writer

if TYPE_CHECKING:
    from gemma_poetry.evaluation.human.report import HumanReport

_COLOURS = ("#9c3d2e", "#2f6f73", "#b08a3c", "#55627e", "#7a5c86", "#5d7a3a")
_INK = "#2b2926"
_NAMED_SHAPES = "osD^vP"


def draw_comparison(report: HumanReport, path: Path) -> None:
    """Draws the comparison.

    Raises:
        OutputError: The file cannot be written.
    """
    # The object-oriented interface: no global state, no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained", facecolor="#fdfbf6")
    FigureCanvasAgg(figure)
    ratings, strengths = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_ratings(ratings, report)
    _draw_strengths(strengths, report)
    with atomic_writer(path, binary=True) as stream:
        figure.savefig(stream, format="png", dpi=130)


def _draw_ratings(axes: Any, report: HumanReport) -> None:
    aspects = list(report.means)
    count = max(len(report.systems), 1)
    for number, system in enumerate(report.systems):
        known = [
            (place, report.means[aspect].systems[system])
            for place, aspect in enumerate(aspects)
            if _has(report, aspect, system)
        ]
        places = [place + (number - (count - 1) / 2) * 0.62 / count for place, _ in known]
        values = [one.value for _, one in known]
        errors = [[max(one.value - one.low, 0) for _, one in known], [max(one.high - one.value, 0) for _, one in known]]
        colour, shape = _COLOURS[number % len(_COLOURS)], _NAMED_SHAPES[number % len(_NAMED_SHAPES)]
        axes.errorbar(places, values, yerr=errors, fmt=shape, color=colour, label=_plain(system), capsize=3, markersize=6)
    axes.set_xticks(range(len(aspects)), aspects)
    axes.set_ylim(0.9, 5.1)
    axes.set_yticks(range(1, 6))
    axes.set_title(f"Mean rating, 95% interval ({len(report.counted)} raters)", loc="left", color=_INK, fontsize=11)
    axes.legend(frameon=False, fontsize=9, loc="lower right", ncols=min(count, 3))
    _calm(axes)
    axes.grid(axis="y", alpha=0.25)


def _draw_strengths(axes: Any, report: HumanReport) -> None:
    found = report.preferences.strengths
    ordered = sorted(found, key=lambda system: found[system].value)
    for place, system in enumerate(ordered):
        one = found[system]
        number = report.systems.index(system)
        errors = [[max(one.value - one.low, 0)], [max(one.high - one.value, 0)]]
        colour, shape = _COLOURS[number % len(_COLOURS)], _NAMED_SHAPES[number % len(_NAMED_SHAPES)]
        axes.errorbar([one.value], [place], xerr=errors, fmt=shape, color=colour, capsize=3, markersize=7)
    axes.set_yticks(range(len(ordered)), map(_plain, ordered))
    axes.set_ylim(-0.6, max(len(ordered), 1) - 0.4)
    axes.axvline(0, color=_INK, linewidth=0.8, alpha=0.4)
    axes.set_xlabel("Bradley-Terry strength (logits)")
    axes.set_title("Preferred in pairs", loc="left", color=_INK, fontsize=11)
    if not ordered:
        axes.text(0.5, 0.5, "no pairs were compared", ha="center", va="center", transform=axes.transAxes)
    _calm(axes)
    axes.grid(axis="x", alpha=0.25)


def _has(report: HumanReport, aspect: str, system: str) -> bool:
    one = report.means[aspect].systems.get(system)
    return one is not None and one.n > 0


def _plain(name: str) -> str:
    """A system's name as plain text: dollar signs would be read as formulas."""
    return name.replace("$", r"\$")


def _calm(axes: Any) -> None:
    axes.set_facecolor("#fdfbf6")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
