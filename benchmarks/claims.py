"""Test the paper's claims on the numbers in docs/results/PRESET/, to claims.md and claims.png."""

import argparse
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.claims_figure import draw
from benchmarks.collect_cells import RESULTS
from benchmarks.paired import Estimate, compare, estimate
from benchmarks.results import FLAT, Results, cell_of
from cssr.files import write_whole
from cssr.paper import LOSSES, MODELS
from cssr.report.curves import DPI
from cssr.report.curves import render as render_figure
from cssr.report.tables import markdown_lines
from stages.common import run_stage

INTRO = (
    "Made by `python -m benchmarks.claims` from the tables beside it. A model's score of an image "
    "is its mean over the seeds. Intervals hold 95 % of 9,999 bootstrap samples of the test "
    "photos (images of one photo are drawn together), the same photos for both of two models that "
    "are compared (SciPy). One is called better, or worse, where the interval of the difference "
    "does not hold 0 and the difference has the same sign on every seed; else it is undecided."
)
CONVENTIONAL = ("dice", "boundary_gdice")
PROPOSED = tuple(loss for loss in LOSSES if loss not in CONVENTIONAL)
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
MEASURES = (
    "AIU",
    "of each seed",
    "AIU, images with crack",
    "IoU at validation's threshold",
    "PSNR [dB]",
)
Rows = Iterable[list[str]]


def model_rows(results: Results) -> Rows:
    """Each model: its measures and its errors of measuring."""
    for model in MODELS:
        yield [
            str(MODELS[model]),
            *scores_shown(results, model),
            f"{results.mean(model, 'test_length_mae'):.0%}",
            f"{results.mean(model, 'test_width_mae'):.2f}",
        ]


def loss_rows(results: Results) -> Rows:
    """Each loss at its best β: its measures, and how flat its IoU is."""
    for loss, beta in results.best.items():
        cell = results.best_cell(loss)
        yield [
            str(LOSSES[loss]),
            f"{beta:g}",
            *scores_shown(results, cell),
            f"{results.spread(cell):.3f}",
        ]


def scores_shown(results: Results, cell: str) -> Iterator[str]:
    """A cell's measures with their intervals; AIU also of each seed."""
    for scores in results.measures:
        found = scores.of(cell)
        digits = 2 if scores is results.psnr else 3
        yield "–" if found.empty else shown(estimate(found), digits=digits)
        if scores is results.aiu:
            yield seeds_shown(found.mean())


def model_pair_rows(results: Results) -> Rows:
    """Pairs of models."""
    for one, other in PAIRS:
        yield [f"{MODELS[one]} − {MODELS[other]}", *differences(results, one, other)]


def loss_pair_rows(results: Results) -> Rows:
    """The paper's losses against the conventional ones, each at its best β."""
    for title, *pair in loss_pairs(results):
        yield [title, *differences(results, *map(results.best_cell, pair))]
    for loss in results.best:
        title = f"{MODELS['cssr']} with {LOSSES[loss]} − {MODELS['ss_hr']}"
        yield [title, *differences(results, results.best_cell(loss), "ss_hr")]


def beta_rows(results: Results) -> Rows:
    """Each loss: PSNR and AIU at each β, and whether PSNR falls."""
    for loss in results.best:
        cells = [cell_of(loss, beta) for beta in results.betas]
        psnr = [results.psnr.of(cell) for cell in cells]
        steps = np.diff(np.stack([values.mean() for values in psnr]), axis=0)  # (steps, seeds)
        yield [
            str(LOSSES[loss]),
            *(f"{values.to_numpy().mean():.2f}" for values in psnr),
            shown(compare(psnr[-1], psnr[0]), sign="+", digits=2),
            f"{(steps < 0).all(axis=0).sum()} of {steps.shape[1]}",
            *(f"{results.aiu.of(cell).to_numpy().mean():.3f}" for cell in cells),
        ]


def variation_rows(results: Results) -> Rows:
    """Each variation less the same cell without it."""
    for name, variation in results.variations.items():
        for cell in variation.cells:
            if not results.aiu.of(cell, name).empty:
                title = f"{variation.title}: {cell_title(cell)}"
                yield [title, *differences(results, cell, cell, name)]


def claim_rows(results: Results) -> Rows:
    """Claim (1) under each variation: (f) less (b), which is varied too where it can be."""
    for name, variation in results.variations.items():
        if "cssr" in variation.cells and not results.aiu.of("cssr", name).empty:
            place = name if "bicubic_ss" in variation.cells else "seed"
            title = f"{variation.title}: {cell_title('cssr')} − {cell_title('bicubic_ss')}"
            yield [title, *differences(results, "cssr", "bicubic_ss", name, place)]


def psnr_pair_rows(results: Results) -> Rows:
    """PSNR of the paper's losses less that of the conventional ones at each β."""
    for title, *pair in loss_pairs(results):
        cells = [[cell_of(loss, beta) for loss in pair] for beta in results.betas]
        found = [compare(*map(results.psnr.of, both)) for both in cells]
        yield [title, *(judged(each, digits=2) for each in found)]


def loss_pairs(results: Results) -> Iterator[tuple[str, str, str]]:
    """A title, one of the paper's losses and a conventional one, of those that were trained."""
    for one, other in product(PROPOSED, CONVENTIONAL):
        if one in results.best and other in results.best:
            yield f"{LOSSES[one]} − {LOSSES[other]}", one, other


def cell_title(cell: str) -> str:
    """The paper's letter and name of a model, or of a cell's loss."""
    return str(MODELS[cell] if cell in MODELS else LOSSES[Path(cell).name.rpartition("-")[0]])


def differences(
    results: Results, one: str, other: str, place: str = "seed", other_place: str = "seed"
) -> list[str]:
    """One cell less another by all measures: fields of a row under MEASURES.

    Args:
        results: of a preset.
        one: name of a cell.
        other: likewise.
        place: the variation of the first, or `seed`.
        other_place: likewise of the other.
    """
    pairs = [(s.of(one, place), s.of(other, other_place)) for s in results.measures]
    aiu, *others, psnr = [
        None if left.empty or right.empty else compare(left, right) for left, right in pairs
    ]
    seeds = seeds_shown(aiu.seeds, sign="+")
    return [judged(aiu), seeds, *map(judged, others), judged(psnr, digits=2)]


def shown(found: Estimate, *, sign: str = "", digits: int = 3) -> str:
    """A mean with its interval."""
    form = f"{sign}.{digits}f"
    text = f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"
    return text.replace("-", "−")


def judged(found: Estimate | None, *, digits: int = 3) -> str:
    """A difference with its interval and its verdict."""
    return "–" if found is None else f"{shown(found, sign='+', digits=digits)} {found.verdict}"


def seeds_shown(values: Iterable[float], *, sign: str = "") -> str:
    """The means of the seeds."""
    return ", ".join(f"{value:{sign}.3f}" for value in values).replace("-", "−")


def render(results: Results, preset: str) -> str:
    """All tables, as Markdown.

    Args:
        results: of a preset.
        preset: its name.
    """
    compared = ["difference", *MEASURES]
    at = [f"β = {beta:g}" for beta in results.betas]
    errors = ["mean absolute error of crack length", "of crack width [px]"]
    flat = "IoU varies from threshold {:g} to {:g} by".format(*FLAT)
    over_beta = [
        *(f"PSNR [dB], {name}" for name in at),
        f"the last less the first of {len(at)}",
        "falls at each step, seeds",
        *(f"AIU, {name}" for name in at),
    ]
    sections: dict[str, tuple[list[str], Rows]] = {
        "Models": (["model", *MEASURES, *errors], model_rows(results)),
        "Models compared": (compared, model_pair_rows(results)),
        "Losses, each at the β that validation prefers in the mean over the seeds": (
            ["loss", "β", *MEASURES, flat],
            loss_rows(results),
        ),
        "Losses compared": (compared, loss_pair_rows(results)),
        "Over β": (["loss", *over_beta], beta_rows(results)),
        "PSNR [dB] of losses compared": (["difference", *at], psnr_pair_rows(results)),
        "Variations, less the same without them": (compared, variation_rows(results)),
        "CSSR against bicubic → SS, under each variation": (compared, claim_rows(results)),
    }
    blocks = [f"# The claims in numbers: preset {preset}", INTRO]
    for name, (heading, rows) in sections.items():
        blocks += [f"## {name}", "\n".join(markdown_lines(heading, rows))]
    return "\n\n".join(blocks) + "\n"


def main() -> None:
    """Write claims.md and claims.png to docs/results/PRESET/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    parser.add_argument("--preset", default="real_small")
    folder = RESULTS / parser.parse_args().preset
    if not folder.is_dir():
        raise ValueError(f"{folder} is not there; `python -m benchmarks.collect_cells` makes it")
    results = Results(folder)
    png = render_figure(draw(results, folder.name), dpi=DPI)[".png"]
    write_whole(folder / "claims.md", render(results, folder.name).encode())
    write_whole(folder / "claims.png", png)


if __name__ == "__main__":
    run_stage(main)
