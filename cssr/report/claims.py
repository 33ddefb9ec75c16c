"""The paper's claims tested on several seeds: pairs of models and of losses, with intervals."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cssr.paper import CONVENTIONAL, HEADLINE, LOSSES, MODELS, PROPOSED, REFERENCE
from cssr.report.bootstrap import Estimate
from cssr.report.curves import FAINT, STYLE, look_of, save
from cssr.report.results import Result, Results
from cssr.report.tables import ABSENT, markdown_sections

TITLE = "The paper's claims"
NOTES = (
    "An image's score is its mean over the seeds. Intervals hold 95 % of 9,999 bootstrap samples "
    "of the test photos (images of one photo are drawn together), the same photos for both of two "
    "that are compared. They say what other test photos would change, not what other seeds would.",
    "A difference is called better, or worse, where its interval does not hold 0 and all seeds "
    "agree in its sign; else it is undecided. Nothing is corrected for the number of comparisons.",
)
PAIRS = (
    (HEADLINE, REFERENCE),
    (HEADLINE, "bicubic_ss"),
    (HEADLINE, "sr_ss"),
    (HEADLINE, "ss_bicubic"),
    (HEADLINE, "ss_sr"),
    (HEADLINE, "inverse"),
    ("inverse", REFERENCE),
    ("sr_ss", "bicubic_ss"),
)
# metric: (heading, decimals)
MEASURES = {
    "aiu": ("AIU", 3),
    "aiu_crack": ("AIU, images with crack", 3),
    "iou_max": ("IoU_max", 3),
    "iou_at_val_threshold": ("IoU at validation's threshold", 3),
    "psnr": ("PSNR [dB]", 2),
}
HEADINGS = [heading for heading, _ in MEASURES.values()]
HEADINGS.insert(1, "of each seed")
FLAT = (0.1, 0.9)  # thresholds between which the IoU of a loss is called flat or not
Rows = Iterable[Sequence[str]]


def claims_page(results: Results, *, header: Sequence[str]) -> str:
    """All comparisons as Markdown.

    Args:
        results: of several seeds.
        header: what the numbers are, lines of plain text.
    """
    betas = list(dict.fromkeys(beta for _, beta in results.sweep))
    over = [f"β = {beta:g}" for beta in betas]
    flat = "IoU varies from threshold {:g} to {:g} by".format(*FLAT)
    falls = ["the last minus the first", "falls at each step, seeds"] if len(betas) > 1 else []
    sections: dict[str, tuple[Sequence[str], Rows]] = {
        "Models": (["model", *HEADINGS], _model_rows(results)),
        "Models compared": (["difference", *HEADINGS], _model_pair_rows(results)),
        "Losses, each at the β that validation prefers in the mean over the seeds": (
            ["loss", "β", flat, *HEADINGS],
            _loss_rows(results),
        ),
        "Losses compared": (["difference", *HEADINGS], _loss_pair_rows(results)),
        "PSNR [dB] over β": (["loss", *over, *falls], _psnr_rows(results, betas)),
        "AIU over β": (["loss", *over], _aiu_rows(results, betas)),
        "PSNR [dB] of losses compared": (["difference", *over], _psnr_pair_rows(results, betas)),
    }
    return markdown_sections(TITLE, [*header, *NOTES, results.photos_note], sections)


def estimates(results: Results, one: Result, other: Result | None = None) -> list[str]:
    """A result, or its difference to another one, in all measures: the fields under HEADINGS."""
    found = {metric: results.estimate(metric, one, other) for metric in MEASURES}
    show = shown if other is None else judged
    fields = [show(found[metric], decimals=digits) for metric, (_, digits) in MEASURES.items()]
    sign = "" if other is None else "+"
    values = found["aiu"].seeds if found["aiu"] else ()
    seeds = ", ".join(f"{value:{sign}.3f}" for value in values).replace("-", "−")
    return [fields[0], seeds or ABSENT, *fields[1:]]


def shown(found: Estimate | None, *, sign: str = "", decimals: int = 3) -> str:
    """A mean with its interval."""
    if found is None:
        return ABSENT
    form = f"{sign}.{decimals}f"
    text = f"{found.mean:{form}} {found.bracketed(form)}"
    return text.replace("-", "−")


def judged(found: Estimate | None, *, decimals: int = 3) -> str:
    """A difference with its interval and its verdict."""
    if found is None:
        return ABSENT
    return f"{shown(found, sign='+', decimals=decimals)} {found.verdict}"


def save_claims(file: Path, results: Results, footer: str) -> None:
    """AIU of the models less that of (f), and of the losses less that of the first one.

    Args:
        file: path without suffix.
        results: of several seeds.
        footer: what the numbers are.
    """
    others = {name: result for name, result in results.models.items() if name != HEADLINE}
    (loss, best), *losses = _best(results).items()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_differences(left, results, others, results.models[HEADLINE], str(MODELS[HEADLINE]))
        _draw_differences(right, results, dict(losses), best, _loss_title(results, loss))
        about = (
            "line: 95 % interval over photos of the difference, point: its mean, ticks: the seeds; "
            "numbers: AIU"
        )
        figure.supxlabel(f"{about} · {footer}", x=0.01, ha="left", fontsize=6.5, color=FAINT)
    save(figure, file)


def _draw_differences(
    axes: Axes, results: Results, rows: dict[str, Result], other: Result, title: str
) -> None:
    axes.axvline(0, color=FAINT, lw=0.8)
    for y, (name, result) in enumerate(rows.items()):
        found, colour = results.estimate("aiu", result, other), look_of(name).colour
        axes.plot((found.low, found.high), (y, y), color=colour, lw=2)
        axes.plot(found.mean, y, "o", color=colour)
        axes.plot(found.seeds, [y + 0.3] * len(found.seeds), "|", color="black", ms=6, mew=0.8)
    titles = [MODELS[name] if name in MODELS else _loss_title(results, name) for name in rows]
    means = [result.test["aiu"] for result in rows.values()]
    labels = [f"{row}  {mean:.3f}" for row, mean in zip(titles, means, strict=True)]
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(f"AIU, less that of {title}, {other.test['aiu']:.3f}")


def _best(results: Results) -> dict[str, Result]:
    """Each loss at the β that validation prefers."""
    return {loss: results.sweep[loss, beta] for loss, beta in results.best_betas.items()}


def _loss_title(results: Results, loss: str) -> str:
    return f"{LOSSES[loss]}, β = {results.best_betas[loss]:g}"


def _model_rows(results: Results) -> Rows:
    for name, result in results.models.items():
        yield [str(MODELS[name]), *estimates(results, result)]


def _model_pair_rows(results: Results) -> Rows:
    for one, other in PAIRS:
        pair = results.models[one], results.models[other]
        yield [f"{MODELS[one]} − {MODELS[other]}", *estimates(results, *pair)]


def _loss_rows(results: Results) -> Rows:
    for loss, result in _best(results).items():
        curves = [seed.curve.set_index("threshold")["iou"] for seed in result.seeds.values()]
        spread = np.mean([np.ptp(curve.loc[slice(*FLAT)]) for curve in curves])
        beta = f"{results.best_betas[loss]:g}"
        yield [str(LOSSES[loss]), beta, f"{spread:.3f}", *estimates(results, result)]


def _loss_pair_rows(results: Results) -> Rows:
    """The paper's losses against the conventional ones, and each against (a), at their best β."""
    best = _best(results)
    for title, one, other in _loss_pairs(results):
        yield [title, *estimates(results, best[one], best[other])]
    for loss, result in best.items():
        title = f"{MODELS[HEADLINE]} with {LOSSES[loss]} − {MODELS[REFERENCE]}"
        yield [title, *estimates(results, result, results.models[REFERENCE])]


def _psnr_rows(results: Results, betas: Sequence[float]) -> Rows:
    order = sorted(betas)
    for loss in results.best_betas:
        of_loss = [results.sweep[loss, beta] for beta in betas]
        found = [results.estimate("psnr", each) for each in of_loss]
        steps = np.diff([found[betas.index(beta)].seeds for beta in order], axis=0)
        fields = [str(LOSSES[loss]), *(shown(each, decimals=2) for each in found)]
        if len(betas) > 1:
            ends = results.sweep[loss, order[-1]], results.sweep[loss, order[0]]
            fields.append(judged(results.estimate("psnr", *ends), decimals=2))
            fields.append(f"{(steps < 0).all(axis=0).sum()} of {steps.shape[1]}")
        yield fields


def _aiu_rows(results: Results, betas: Sequence[float]) -> Rows:
    for loss in results.best_betas:
        found = [results.estimate("aiu", results.sweep[loss, beta]) for beta in betas]
        yield [str(LOSSES[loss]), *map(shown, found)]


def _psnr_pair_rows(results: Results, betas: Sequence[float]) -> Rows:
    for title, one, other in _loss_pairs(results):
        pairs = [(results.sweep[one, beta], results.sweep[other, beta]) for beta in betas]
        found = [results.estimate("psnr", *pair) for pair in pairs]
        yield [title, *(judged(each, decimals=2) for each in found)]


def _loss_pairs(results: Results) -> Iterator[tuple[str, str, str]]:
    """A title, one of the paper's losses and a conventional one, of those that were trained."""
    for one, other in product(PROPOSED, CONVENTIONAL):
        if {one, other} <= results.best_betas.keys():
            yield f"{LOSSES[one]} − {LOSSES[other]}", one, other
