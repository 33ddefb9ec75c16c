"""The figure of the claims: differences of AIU with intervals and seeds."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.paired import compare
from benchmarks.results import Results
from cssr.paper import LOSSES, MODELS
from cssr.report.curves import FAINT, STYLE, look_of


def draw(results: Results, preset: str) -> Figure:
    """AIU of models less that of (f), and of losses less that of Dice, with intervals and seeds.

    Args:
        results: of a preset.
        preset: its name.
    """
    models = {
        str(title): (model, look_of(model).colour)
        for model, title in MODELS.items()
        if model != "cssr"
    }
    losses = {
        f"{LOSSES[loss]}, β = {beta:g}": (results.best_cell(loss), look_of(loss).colour)
        for loss, beta in results.best.items()
        if loss != "dice"
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_differences(left, results, models, "cssr", str(MODELS["cssr"]))
        _draw_differences(right, results, losses, results.best_cell("dice"), str(LOSSES["dice"]))
        figure.supxlabel(
            "line: 95 % interval over photos of the paired difference, point: its mean over seeds "
            f"and images, ticks: the seeds · preset: {preset}",
            x=0.01,
            ha="left",
            fontsize=6.5,
            color=FAINT,
        )
    return figure


def _draw_differences(
    axes: Axes, results: Results, rows: dict[str, tuple[str, str]], other: str, title: str
) -> None:
    """Cells, by title and with a colour, less another one of some title."""
    axes.axvline(0, color=FAINT, lw=0.8)
    for y, (one, colour) in enumerate(rows.values()):
        found = compare(results.aiu.of(one), results.aiu.of(other))
        axes.plot((found.low, found.high), (y, y), color=colour, lw=2)
        axes.plot(found.mean, y, "o", color=colour)
        axes.plot(found.seeds, [y + 0.3] * len(found.seeds), "|", color="black", ms=6, mew=0.8)
    means = [results.mean(one, "test_aiu") for one, _ in rows.values()]
    labels = [f"{name}  {mean:.3f}" for name, mean in zip(rows, means, strict=True)]
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(f"AIU, less that of {title}, {results.mean(other, 'test_aiu'):.3f}")
