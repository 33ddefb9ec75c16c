"""Figures that are curves: metrics over β, IoU over the threshold."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cssr.paper import LOSSES, MODELS


class Spread(NamedTuple):
    """What several seeds add to a line.

    Attributes:
        low: lower end of the interval at each point of the line.
        high: its upper end.
        marks: a point (x, y) of each seed at some of them.
    """

    low: Sequence[float]
    high: Sequence[float]
    marks: Sequence[tuple[float, float]]


class Look(NamedTuple):
    """How one line is drawn."""

    colour: str
    marker: str
    dashes: Any


# Okabe and Ito's colours, without the yellow; each has its marker and dashes for print in gray.
# The first model and the first loss have the first one, and so on; after the last, the colours
# begin again with other markers.
_SOLID = "-"
_DASHED = (0, (5, 1.5))
_DOTTED = (0, (1.5, 1.2))
_MIXED = (0, (5, 1.5, 1.2, 1.5))
LOOKS = (
    Look("#000000", "o", _DOTTED),
    Look("#E69F00", "s", _MIXED),
    Look("#56B4E9", "^", _DASHED),
    Look("#009E73", "D", _DASHED),
    Look("#CC79A7", "X", _MIXED),
    Look("#D55E00", "v", _SOLID),
    Look("#0072B2", "P", _SOLID),
)
MARKERS = "<>hdpH*"  # of the second round
DPI = 200
FAINT = "#555555"
_ASIDE = 0.014  # between the lines of Figs. 3 and 4, as a share of the axis
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 7,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "image.composite_image": False,  # else an SVG holds all images of a grid as one
    "svg.hashsalt": "cssr",  # else its ids are random
}


def look_of(name: str) -> Look:
    """How the line of a model or of a loss is drawn."""
    return look(list(MODELS if name in MODELS else LOSSES).index(name))


def look(number: int) -> Look:
    """How the line of so many before it is drawn."""
    place = number % len(LOOKS)
    return LOOKS[place] if number < len(LOOKS) else LOOKS[place]._replace(marker=MARKERS[place])


def draw_over_beta(
    betas: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    y_label: str,
    footer: str,
    ringed: Mapping[str, float] | None = None,
    spreads: Mapping[str, Spread] | None = None,
) -> Figure:
    """Figs. 3 and 4: a metric over β, one line for each loss.

    Args:
        betas: the β of the sweep, in any order.
        series: the metric at each β, by loss.
        y_label: the metric with its unit.
        footer: what the numbers are.
        ringed: a β to ring on the line of each loss.
        spreads: of each line, where there are several seeds.
    """
    order = np.argsort(betas)
    x = np.asarray(betas, dtype=float)[order]
    figure, axes = _new_figure("β, weight of the segmentation loss", y_label)
    # equal values of two losses stay visible
    offsets = _ASIDE * (np.arange(len(series)) - (len(series) - 1) / 2) * (np.ptp(x) or 0.2)
    for (loss, values), offset in zip(series.items(), offsets, strict=True):
        y = np.asarray(values, dtype=float)[order]
        _draw_line(axes, x + offset, y, look_of(loss), label=str(LOSSES[loss]))
        if spreads:
            _draw_spread(axes, x, spreads[loss], look_of(loss), order=order, offset=offset)
        if ringed:
            at = x == ringed[loss]
            look = {"ms": 14, "mfc": "none", "mec": look_of(loss).colour, "mew": 1.2}
            axes.plot(x[at] + offset, y[at], "o", ls="none", **look)
    axes.set_xticks(_ticks(x), [f"{value:g}" for value in _ticks(x)])
    axes.margins(x=0.06, y=0.12)
    if np.ptp(x) == 0:
        axes.set_xlim(x[0] - 0.1, x[0] + 0.1)
    ring = "ring: the β of each loss that validation prefers · " if ringed else ""
    return _finish(figure, axes, f"{ring}markers of one β stand side by side · {footer}")


def draw_over_threshold(
    thresholds: np.ndarray,
    series: Mapping[str, np.ndarray],
    *,
    labels: Mapping[str, str],
    footer: str,
    spreads: Mapping[str, Spread] | None = None,
) -> Figure:
    """Figs. 5 and 6: IoU over the confidence threshold, each line's maximum marked.

    Args:
        thresholds: in [0, 1], (T,).
        series: mean IoU at each threshold, (T,), by name.
        labels: what the legend calls each name.
        footer: what the numbers are.
        spreads: of each line, where there are several seeds.
    """
    figure, axes = _new_figure("confidence threshold", "IoU, mean over images")
    for name, iou in series.items():
        peak = int(np.argmax(iou))
        _draw_line(axes, thresholds, iou, look_of(name), label=labels[name], at=[peak])
        if spreads:
            _draw_spread(axes, thresholds, spreads[name], look_of(name))
    axes.set_xlim(0, 1)
    axes.margins(y=0.06)
    return _finish(figure, axes, "marker: maximum of the line · " + footer)


def save(figure: Figure, file: Path) -> None:
    """Write a figure as PNG and SVG, the same bytes each time; `file` has no suffix."""
    for suffix, content in render(figure, dpi=DPI).items():
        file.with_suffix(suffix).write_bytes(content)


def render(figure: Figure, *, dpi: float) -> dict[str, bytes]:
    """A figure as PNG and SVG, by suffix, without dates and versions."""
    png = BytesIO()
    svg = BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(png, format="png", dpi=dpi, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return {".png": png.getvalue(), ".svg": svg.getvalue()}


def _new_figure(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.8, 3.7), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
    return figure, axes


def _draw_line(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    look: Look,
    *,
    label: str,
    at: Sequence[int] | None = None,
) -> None:
    """Draw one line, with markers at the indices `at` or everywhere."""
    with mpl.rc_context(STYLE):
        axes.plot(
            x,
            y,
            color=look.colour,
            linestyle=look.dashes,
            marker=look.marker,
            markevery=None if at is None else list(at),
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=label,
        )


def _draw_spread(
    axes: Axes,
    x: np.ndarray,
    spread: Spread,
    look: Look,
    *,
    order: np.ndarray | slice = slice(None),
    offset: float = 0.0,
) -> None:
    """Draw the interval as a band and the seeds as thin marks."""
    low, high = (np.asarray(values)[order] for values in (spread.low, spread.high))
    axes.fill_between(x + offset, low, high, color=look.colour, alpha=0.12, linewidth=0)
    at, values = np.transpose(spread.marks)
    axes.plot(at + offset, values, "_", color=look.colour, ms=6, mew=0.7)


def _finish(figure: Figure, axes: Axes, footer: str) -> Figure:
    with mpl.rc_context(STYLE):
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=8, labelspacing=0.7)
        figure.supxlabel(footer, x=0.01, ha="left", fontsize=6.5, color=FAINT)
    return figure


def _ticks(x: np.ndarray) -> np.ndarray:
    """The β as ticks, less those that would touch the one before."""
    ticks = [x[0]]
    for value in x[1:]:
        if value - ticks[-1] >= 0.05 * np.ptp(x):
            ticks.append(value)
    return np.array(ticks)
