"""The figures of the report, in its order: `FIGURES` is all that a new one has to be added to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cssr.paper import HEADLINE, LOSSES, MODELS
from cssr.report.claims import save_claims
from cssr.report.curves import Spread, draw_over_beta, draw_over_threshold, save
from cssr.report.grids import save_comparison, save_samples
from cssr.report.letters import OF_HR
from cssr.report.results import Result, Results
from cssr.report.tables import write_series

SPREAD = "line: mean over seeds, band: 95 % interval over photos, thin mark: a seed"


def write_fig1(file: Path, results: Results, footer: str) -> None:
    """Fig. 1: images, ground truth and the segmentation of (f)."""
    save_samples(results.examples[HEADLINE], file, footer=_of_first_seed(results, footer))


def write_fig3(file: Path, results: Results, footer: str) -> None:
    """Fig. 3: PSNR over β, a line for each loss."""
    _write_over_beta(file, results, "psnr", y_label="PSNR [dB]", footer=footer)


def write_fig4(file: Path, results: Results, footer: str) -> None:
    """Fig. 4: AIU over β, a line for each loss, with the β that validation prefers."""
    ringed = results.best_betas
    _write_over_beta(file, results, "aiu", y_label="AIU", footer=footer, ringed=ringed)


def write_fig5(file: Path, results: Results, footer: str) -> None:
    """Fig. 5: IoU over the threshold, each loss at the β that validation prefers."""
    best = results.best_betas
    shown = {loss: results.sweep[loss, beta] for loss, beta in best.items()}
    titles = {loss: f"{LOSSES[loss]}, β = {beta:g}" for loss, beta in best.items()}
    footer = f"each loss at the β that validation prefers · {footer}"
    _write_over_threshold(file, results, shown, titles, footer)


def write_fig6(file: Path, results: Results, footer: str) -> None:
    """Fig. 6: IoU over the threshold, by model."""
    titles = {name: str(MODELS[name]) for name in results.models}
    _write_over_threshold(file, results, results.models, titles, footer)


def write_fig7(file: Path, results: Results, footer: str) -> None:
    """Fig. 7: images and segmentations of the seven models."""
    save_comparison(results.examples, file, footer=_of_first_seed(results, footer))


class Figure(NamedTuple):
    """A figure of the report.

    Attributes:
        title: over it on the page.
        caption: how to read it.
        write: called with the path without suffix, the results, and the line that says what the
            numbers are; writes PNG, SVG and, of a curve, CSV.
        of_seeds: whether it needs several seeds.
    """

    title: str
    caption: str
    write: Callable[[Path, Results, str], None]
    of_seeds: bool = False


FIGURES = {
    "fig1": Figure(
        "Samples",
        "Test images, their true cracks, and the probabilities that (f) finds.",
        write_fig1,
    ),
    "fig3": Figure(
        "PSNR over β",
        "Model (f) trained with each loss; the larger β, the less its super-resolved image counts "
        "in training.",
        write_fig3,
    ),
    "fig4": Figure(
        "AIU over β",
        "The segmentation of the same trainings; higher is better.",
        write_fig4,
    ),
    "fig5": Figure(
        "IoU over the threshold, by loss",
        "A broad plateau means that the threshold hardly matters.",
        write_fig5,
    ),
    "fig6": Figure(
        "IoU over the threshold, by model",
        f"Only {OF_HR} is given the high-resolution images; the others start from low resolution.",
        write_fig6,
    ),
    "fig7": Figure(
        "The seven models side by side",
        "Cracks of different widths, thinnest first; the viewer above shows the same images.",
        write_fig7,
    ),
    "claims": Figure(
        "Differences of AIU, with intervals and seeds",
        "The models minus (f), the losses minus the first of them: right of the line is better.",
        save_claims,
        of_seeds=True,
    ),
}


def figures_of(results: Results) -> dict[str, Figure]:
    """The figures that results have, by name."""
    return {
        name: figure for name, figure in FIGURES.items() if results.repeated or not figure.of_seeds
    }


def _of_first_seed(results: Results, footer: str) -> str:
    return f"predictions of seed {results.first_seed} · {footer}" if results.repeated else footer


def _write_over_beta(
    file: Path,
    results: Results,
    metric: str,
    *,
    y_label: str,
    footer: str,
    ringed: Mapping[str, float] | None = None,
) -> None:
    losses = list(dict.fromkeys(loss for loss, _ in results.sweep))
    betas = list(dict.fromkeys(beta for _, beta in results.sweep))
    series = {loss: [results.sweep[loss, beta].test[metric] for beta in betas] for loss in losses}
    spreads = {}
    if results.repeated:
        footer = f"{SPREAD}\n{footer}"
        spreads = {loss: _spread_over_beta(results, loss, betas, metric) for loss in losses}
    figure = draw_over_beta(
        betas, series, y_label=y_label, footer=footer, ringed=ringed, spreads=spreads
    )
    save(figure, file)
    write_series(file.with_suffix(".csv"), "beta", betas, series | _ends_of(spreads))


def _write_over_threshold(
    file: Path,
    results: Results,
    shown: Mapping[str, Result],
    titles: Mapping[str, str],
    footer: str,
) -> None:
    maximum = "mean of maxima" if results.repeated else "max"
    labels = {
        name: f"{titles[name]}\n{maximum} {result.test['iou_max']:.3f} at "
        f"{result.test['threshold']:.2f}, AIU {result.test['aiu']:.3f}"
        for name, result in shown.items()
    }
    curves = {name: result.curve["iou"].to_numpy() for name, result in shown.items()}
    thresholds = next(iter(shown.values())).curve["threshold"].to_numpy()
    spreads = {}
    if results.repeated:
        footer = f"{SPREAD} (its maximum)\n{footer}"
        spreads = {name: _spread_over_threshold(results, each) for name, each in shown.items()}
    figure = draw_over_threshold(thresholds, curves, labels=labels, footer=footer, spreads=spreads)
    save(figure, file)
    write_series(file.with_suffix(".csv"), "threshold", thresholds, curves | _ends_of(spreads))


def _spread_over_beta(results: Results, loss: str, betas: Sequence[float], metric: str) -> Spread:
    found = [results.estimate(metric, results.sweep[loss, beta]) for beta in betas]
    marks = [(beta, y) for beta, each in zip(betas, found, strict=True) for y in each.seeds]
    return Spread([each.low for each in found], [each.high for each in found], marks)


def _spread_over_threshold(results: Results, result: Result) -> Spread:
    curves = [seed.curve[["threshold", "iou"]] for seed in result.seeds.values()]
    peaks = [tuple(curve.loc[curve["iou"].idxmax()]) for curve in curves]
    return Spread(*results.curve_interval(result), peaks)


def _ends_of(spreads: Mapping[str, Spread]) -> dict[str, Sequence[float]]:
    """The ends of the intervals as columns of a figure's CSV."""
    low = {f"{name}_low": spread.low for name, spread in spreads.items()}
    return low | {f"{name}_high": spread.high for name, spread in spreads.items()}
