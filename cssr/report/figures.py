"""The figures of the report, in its order: `FIGURES` is all that a new one has to be added to."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from cssr.paper import LOSSES, MODELS
from cssr.report.curves import draw_over_beta, draw_over_threshold, save
from cssr.report.grids import save_comparison, save_samples
from cssr.report.results import OF_HR, Result, Results
from cssr.report.tables import write_series


def write_fig1(file: Path, results: Results, footer: str) -> None:
    """Fig. 1: images, ground truth and the segmentation of (f)."""
    save_samples(results.examples["cssr"], file, footer=footer)


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
    labels = {loss: f"{LOSSES[loss]}, β = {beta:g}" for loss, beta in best.items()}
    footer = f"each loss at the β that validation prefers · {footer}"
    _write_over_threshold(file, shown, labels, footer)


def write_fig6(file: Path, results: Results, footer: str) -> None:
    """Fig. 6: IoU over the threshold, by model."""
    labels = {name: str(MODELS[name]) for name in results.models}
    _write_over_threshold(file, results.models, labels, footer)


def write_fig7(file: Path, results: Results, footer: str) -> None:
    """Fig. 7: images and segmentations of the seven models."""
    save_comparison(results.examples, file, footer=footer)


class Figure(NamedTuple):
    """A figure of the report.

    Attributes:
        title: over it on the page.
        caption: how to read it.
        write: called with the path without suffix, the results, and the line that says what the
            numbers are; writes PNG, SVG and, of a curve, CSV.
    """

    title: str
    caption: str
    write: Callable[[Path, Results, str], None]


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
}


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
    save(draw_over_beta(betas, series, y_label=y_label, footer=footer, ringed=ringed), file)
    write_series(file.with_suffix(".csv"), "beta", betas, series)


def _write_over_threshold(
    file: Path, shown: Mapping[str, Result], labels: Mapping[str, str], footer: str
) -> None:
    curves = {name: result.curve["iou"].to_numpy() for name, result in shown.items()}
    thresholds = next(iter(shown.values())).curve["threshold"].to_numpy()
    save(draw_over_threshold(thresholds, curves, labels=labels, footer=footer), file)
    write_series(file.with_suffix(".csv"), "threshold", thresholds, curves)
