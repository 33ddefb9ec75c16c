"""Test the paper's claims on the numbers in docs/results/PRESET/, to claims.md and claims.png."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import bootstrap

from benchmarks.collect_cells import FIRST, RESULTS
from cssr.files import write_whole
from cssr.report.figures import (
    DPI,
    FAINT,
    LOSS_LOOKS,
    MODEL_LOOKS,
    STYLE,
    loss_labels,
    model_labels,
)
from cssr.report.figures import render as render_figure
from cssr.report.results import LOSSES, MODELS, loss_title, model_title
from cssr.report.tables import markdown_lines
from stages.common import run_stage

RESAMPLES = 9999
INTRO = (
    "Made by `python -m benchmarks.claims` from the tables beside it. A model's score of an image "
    "is its mean over the seeds; intervals hold 95 % of 9,999 bootstrap samples of the test "
    "images, the same images for both of two models that are compared (SciPy). One is called "
    "better, or worse, where the interval of the difference does not hold 0 and the difference "
    "has the same sign on every seed; else it is undecided."
)
FOOTER = {"x": 0.01, "ha": "left", "fontsize": 6.5, "color": FAINT}
CONVENTIONAL = ("dice", "boundary_gdice")
PAIRS = (
    ("cssr", "ss_hr"),
    ("cssr", "bicubic_ss"),
    ("cssr", "sr_ss"),
    ("cssr", "ss_bicubic"),
    ("cssr", "ss_sr"),
    ("cssr", "inverse"),
    ("inverse", "ss_hr"),
    ("sr_ss", "bicubic_ss"),
)


class Estimate(NamedTuple):
    """A mean over images and seeds, with its interval and the mean of each seed."""

    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """Of a difference: better, worse or undecided."""
        if self.low > 0 and min(self.seeds) > 0:
            return "better"
        if self.high < 0 and max(self.seeds) < 0:
            return "worse"
        return "undecided"


class Scores:
    """One metric of each test image and cell.

    Args:
        file: aiu.csv or psnr.csv of a preset.
    """

    def __init__(self, file: Path) -> None:
        self.table = pd.read_csv(file)

    def of(self, cell: str, place: str = "seed") -> pd.DataFrame:
        """A column for each seed of a cell, such as `cssr` or `sweep/bc2-0.1`.

        Args:
            cell: its name.
            place: `seed`, or the variation in whose workplaces it was run.
        """
        found = {}
        for title in self.table.columns:
            workplace, _, name = title.partition("/")
            variation, _, seed = workplace.rpartition("-")
            if (variation, name) == (place, cell):
                found[int(seed)] = self.table[title]
        return pd.DataFrame(found)


def estimate(scores: pd.DataFrame) -> Estimate:
    """The mean of scores, (images, seeds), or of differences of scores of the same images."""
    images = scores.mean(axis=1).to_numpy()
    found = bootstrap(
        (images,), np.mean, n_resamples=RESAMPLES, method="percentile", vectorized=True, rng=0
    )
    interval = found.confidence_interval
    return Estimate(images.mean(), interval.low, interval.high, tuple(scores.mean()))


def compare(one: pd.DataFrame, other: pd.DataFrame) -> Estimate:
    """The difference of two cells on the seeds that both have."""
    seeds = one.columns.intersection(other.columns)
    return estimate(one[seeds] - other[seeds])


def first_sweep(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first seed's sweep."""
    return cells[(cells["place"] == FIRST) & cells["cell"].str.startswith("sweep/")]


def preferred(cells: pd.DataFrame) -> dict[str, float]:
    """The β of each loss that the first seed's validation prefers."""
    sweep = first_sweep(cells)
    best = sweep.loc[sweep.groupby("loss")["val_aiu"].idxmax()].set_index("loss")["beta"]
    return {loss: best[loss] for loss in LOSSES if loss in best}


def model_rows(aiu: Scores, psnr: Scores, cells: pd.DataFrame) -> Iterable[list[str]]:
    """Each model: AIU, that of each seed, AIU over crack images, IoU_max, PSNR, crack errors."""
    crack = aiu.table["crack"] == 1
    for model in MODELS:
        scores, rows = aiu.of(model), cells[cells["cell"] == model]
        rows = rows[rows["place"].str.startswith("seed-")]
        psnrs = psnr.of(model)
        yield [
            model_title(model),
            shown(estimate(scores)),
            seeds_shown(scores.mean()),
            shown(estimate(scores[crack])),
            f"{rows['test_iou_max'].mean():.3f}",
            f"{psnrs.to_numpy().mean():.2f}" if len(psnrs.columns) else "–",
            f"{rows['test_length_mae'].mean():.0%}",
            f"{rows['test_width_mae'].mean():.2f}",
        ]


def loss_rows(aiu: Scores, cells: pd.DataFrame) -> Iterable[list[str]]:
    """Each loss: its best β, AIU, AIU of each seed, greatest IoU."""
    for loss, beta in preferred(cells).items():
        name = f"sweep/{loss}-{beta:g}"
        scores, greatest = aiu.of(name), cells.loc[cells["cell"] == name, "test_iou_max"]
        yield [
            loss_title(loss),
            f"{beta:g}",
            shown(estimate(scores)),
            seeds_shown(scores.mean()),
            f"{greatest.mean():.3f}",
        ]


def pair_rows(pairs: Iterable[tuple[str, pd.DataFrame, pd.DataFrame]]) -> Iterable[list[str]]:
    """What is compared, the difference with its interval, that of each seed, the verdict."""
    for name, one, other in pairs:
        found = compare(one, other)
        yield [name, shown(found, sign="+"), seeds_shown(found.seeds, sign="+"), found.verdict]


def beta_rows(psnr: Scores, cells: pd.DataFrame) -> Iterable[list[str]]:
    """Each loss: PSNR and AIU at each β (the first seed), and whether PSNR falls."""
    sweep = first_sweep(cells)
    for loss in preferred(cells):
        rows = sweep[sweep["loss"] == loss].sort_values("beta")
        names = [f"sweep/{loss}-{beta:g}" for beta in rows["beta"]]
        first, last = (psnr.of(name)[[0]] for name in (names[0], names[-1]))
        falls = "yes" if (np.diff(rows["test_psnr"]) < 0).all() else "no"
        yield [
            loss_title(loss),
            *(f"{value:.2f}" for value in rows["test_psnr"]),
            shown(compare(last, first), sign="+", digits=2),
            falls,
            *(f"{value:.3f}" for value in rows["test_aiu"]),
        ]


def shown(found: Estimate, *, sign: str = "", digits: int = 3) -> str:
    """A mean with its interval."""
    form = f"{sign}.{digits}f"
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"


def seeds_shown(values: Iterable[float], *, sign: str = "") -> str:
    """The means of the seeds."""
    return ", ".join(f"{value:{sign}.3f}" for value in values)


def render(folder: Path) -> str:
    """All tables, as Markdown.

    Args:
        folder: docs/results/PRESET/.
    """
    aiu, psnr = Scores(folder / "aiu.csv"), Scores(folder / "psnr.csv")
    cells = pd.read_csv(folder / "cells.csv")
    best = preferred(cells)
    losses = {loss: aiu.of(f"sweep/{loss}-{beta:g}") for loss, beta in best.items()}
    betas = sorted(first_sweep(cells)["beta"].unique())
    variations = dict.fromkeys(place.rpartition("-")[0] for place in cells["place"])
    compared = ["what", "difference of AIU", "of each seed", "the first is"]
    models = [(f"{model_title(a)} − {model_title(b)}", aiu.of(a), aiu.of(b)) for a, b in PAIRS]
    sr = [
        (f"{model_title(a)} − {model_title(b)}", psnr.of(a), psnr.of(b))
        for a, b in (("cssr", "bicubic_ss"), ("cssr", "sr_ss"))
    ]
    proposed = [
        (f"{loss_title(a)} − {loss_title(b)}", losses[a], losses[b])
        for a in losses
        if a not in CONVENTIONAL
        for b in losses
        if b in CONVENTIONAL
    ]
    varied = [
        (variation, aiu.of("cssr", variation), aiu.of("cssr"))
        for variation in variations
        if variation != "seed"
    ]
    at_betas = [f"PSNR, β = {beta:g}" for beta in betas]
    sections = {
        "Models": (
            [
                *("model", "AIU", "of each seed", "AIU, crack images", "IoU_max", "PSNR [dB]"),
                *("error of crack length", "of crack width [px]"),
            ],
            model_rows(aiu, psnr, cells),
        ),
        "Models compared: AIU": (compared, pair_rows(models)),
        "Models compared: PSNR": (
            ["what", "difference of PSNR [dB]", *compared[2:]],
            pair_rows(sr),
        ),
        "Losses, each at the β that the first seed's validation prefers": (
            ["loss", "β", "AIU", "of each seed", "IoU_max"],
            loss_rows(aiu, cells),
        ),
        "Losses compared": (compared, pair_rows(proposed)),
        "Over β (the first seed)": (
            [
                "loss",
                *at_betas,
                f"PSNR at {betas[-1]:g} − at {betas[0]:g}",
                "falls with each step",
                *(name.replace("PSNR", "AIU") for name in at_betas),
            ],
            beta_rows(psnr, cells),
        ),
        "Variations of (f), less (f) itself": (compared, pair_rows(varied)),
    }
    blocks = [f"# The claims in numbers: preset {folder.name}", INTRO]
    for name, (heading, rows) in sections.items():
        blocks += [f"## {name}", "\n".join(markdown_lines(heading, rows))]
    return "\n\n".join(blocks) + "\n"


def draw(folder: Path) -> Figure:
    """AIU of the models and of the losses, with intervals and each seed.

    Args:
        folder: docs/results/PRESET/.
    """
    aiu, best = Scores(folder / "aiu.csv"), preferred(pd.read_csv(folder / "cells.csv"))
    models = {
        label: (aiu.of(model), MODEL_LOOKS[model].colour) for model, label in model_labels().items()
    }
    losses = {
        label: (aiu.of(f"sweep/{loss}-{best[loss]:g}"), LOSS_LOOKS[loss].colour)
        for loss, label in loss_labels(best).items()
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        for axes, rows in zip(figure.subplots(1, 2, sharex=True), (models, losses), strict=True):
            for y, (scores, colour) in enumerate(rows.values()):
                found = estimate(scores)
                axes.plot((found.low, found.high), (y, y), color=colour, lw=2)
                axes.plot(found.mean, y, "o", color=colour)
                axes.plot(found.seeds, [y] * len(found.seeds), "|", color="black", ms=9, mew=0.8)
            axes.set_yticks(range(len(rows)), rows)
            axes.invert_yaxis()
            axes.set_xlabel("AIU")
        figure.supxlabel(
            "point and line: mean over seeds and images, 95 % interval over images · ticks: the "
            f"seeds · preset: {folder.name}",
            **FOOTER,
        )
    return figure


def main() -> None:
    """Write claims.md and claims.png to docs/results/PRESET/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    parser.add_argument("--preset", default="real_small")
    folder = RESULTS / parser.parse_args().preset
    write_whole(folder / "claims.md", render(folder).encode())
    write_whole(folder / "claims.png", render_figure(draw(folder), dpi=DPI)[".png"])


if __name__ == "__main__":
    run_stage(main)
