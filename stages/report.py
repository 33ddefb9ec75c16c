"""Write the table and the figures of the results to reports/."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from cssr.files import new_files
from cssr.params import Params
from cssr.report.figures import (
    LOSS_LOOKS,
    MODEL_LOOKS,
    draw_over_beta,
    draw_over_threshold,
    loss_labels,
    model_labels,
    save,
)
from cssr.report.grids import save_comparison, save_samples
from cssr.report.header import (
    Setting,
    find_edits,
    footer_line,
    header_lines,
    preferred_beta_note,
)
from cssr.report.measurement_table import measurement_table
from cssr.report.page import FIGURES, write_page
from cssr.report.results import (
    MODELS,
    Cell,
    best_betas,
    check_same_examples,
    check_trained_with,
    read_cell,
    read_examples,
    require,
)
from cssr.report.tables import write_series, write_table
from stages.common import load_params, run_stage

RESULTS, REPORTS, PRESETS = Path("results"), Path("reports"), Path("presets")

Sweep = Mapping[tuple[str, float], Cell]


def read_setting(params: Params) -> Setting:
    """The preset, the edits to it and the source of the data."""
    preset = load_params(PRESETS / f"{params.preset}.yaml")
    source = ", ".join((params.data.source, *params.data.path))
    edits = find_edits(params.model_dump(), preset.model_dump())
    return Setting(params.preset, params.seed, edits, source, params.train_sr.iterations)


def read_models(params: Params) -> dict[str, Cell]:
    """The seven models' results, by name."""
    cells = {name: read_cell(RESULTS / name) for name in MODELS}
    for name in ("cssr", "inverse"):
        check_trained_with(cells[name], loss=params.loss, beta=params.beta)
    return cells


def read_sweep(params: Params) -> dict[tuple[str, float], Cell]:
    """The results of the sweep that the parameters name, by loss and β."""
    cells = {}
    for loss in params.sweep.losses:
        for beta in params.sweep.betas:
            cell = read_cell(RESULTS / "sweep" / f"{loss}-{beta}")
            check_trained_with(cell, loss=loss, beta=beta)
            require(cell.test, "psnr", file=cell.folder / "metrics.json", part="test")
            cells[loss, beta] = cell
    return cells


def write_sweep_figures(folder: Path, params: Params, sweep: Sweep, footer: str) -> None:
    """Figs. 3, 4 and 5."""
    betas, best = params.sweep.betas, best_betas(sweep)
    for name, metric, label in (("fig3", "psnr", "PSNR [dB]"), ("fig4", "aiu", "AIU")):
        series = {
            loss: [sweep[loss, beta].test[metric] for beta in betas] for loss in params.sweep.losses
        }
        ringed = best if metric == "aiu" else None
        figure = draw_over_beta(betas, series, y_label=label, footer=footer, ringed=ringed)
        save(figure, folder / name)
        write_series(folder / f"{name}.csv", "beta", betas, series)
    cells = {loss: sweep[loss, beta] for loss, beta in best.items()}
    footer = f"each loss at the β that validation prefers · {footer}"
    write_threshold_figure(folder / "fig5", cells, LOSS_LOOKS, loss_labels(best), footer)


def write_threshold_figure(
    file: Path, cells: Mapping[str, Cell], looks: Mapping, labels: Mapping[str, str], footer: str
) -> None:
    """Fig. 5 or 6."""
    curves = {key: cell.curve["iou"] for key, cell in cells.items()}
    thresholds = next(iter(cells.values())).curve["threshold"]
    figure = draw_over_threshold(thresholds, curves, looks=looks, labels=labels, footer=footer)
    save(figure, file)
    write_series(file.with_suffix(".csv"), "threshold", thresholds, curves)


def main() -> None:
    """Read the cells that the parameters name, write the reports."""
    argparse.ArgumentParser(prog="python -m stages.report", description=__doc__).parse_args()
    params = load_params()
    setting, models, sweep = read_setting(params), read_models(params), read_sweep(params)
    examples = {name: read_examples(RESULTS / name) for name in MODELS}
    check_same_examples(examples)
    cells = [*models.values(), *sweep.values()]
    footer = footer_line(setting, cells)
    header = header_lines(setting, cells)
    note = preferred_beta_note(models["cssr"], sweep, loss=params.loss, beta=params.beta)
    notes = [note] if note else []
    with new_files(REPORTS) as folder:
        write_table(folder, models, header=header, notes=notes)
        measurements = measurement_table(models, header=header)
        (folder / "table_measure.md").write_text(measurements, encoding="utf-8")
        write_sweep_figures(folder, params, sweep, footer)
        write_threshold_figure(folder / "fig6", models, MODEL_LOOKS, model_labels(), footer)
        save_samples(examples["cssr"], folder / "fig1", footer=footer)
        save_comparison(examples, folder / "fig7", footer=footer)
        write_page(
            folder / "index.html",
            cells=models,
            examples=examples,
            header=header,
            notes=notes,
            figures={name: (folder / f"{name}.svg").read_text("utf-8") for name in FIGURES},
        )


if __name__ == "__main__":
    run_stage(main)
