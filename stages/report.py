"""Write the table and the figures of the results to reports/."""

import argparse
import json

from cssr.files import new_folder
from cssr.models.variants import VARIANTS
from cssr.params import Params
from cssr.report.claims import claims_page
from cssr.report.figures import figures_of
from cssr.report.header import (
    Setting,
    find_edits,
    footer_line,
    header_lines,
    preferred_beta_note,
)
from cssr.report.measurement_table import measurement_table
from cssr.report.page import write_page
from cssr.report.results import Results, check_trained_with, read_results
from cssr.report.tables import write_table
from stages.common import REPORTS, RESULTS, load_params, refuse_to_replace, run_stage
from stages.preset import read_preset

PAGE = "index.html"


def setting_of(params: Params) -> Setting:
    """The preset, the edits to it and the source of the data."""
    source = ", ".join((params.data.source, *params.data.path))
    edits = find_edits(params.model_dump(), read_preset(params.preset).model_dump())
    return Setting(params.preset, tuple(params.seeds), edits, source, params.iterations.sr)


def results_of(params: Params) -> Results:
    """The results that the parameters name, never what else lies in results/."""
    results = read_results(
        RESULTS, seeds=params.seeds, losses=params.sweep.losses, betas=params.sweep.betas
    )
    for name, result in results.models.items():
        if VARIANTS[name].joint:
            check_trained_with(result, loss=params.loss, beta=params.beta)
    for (loss, beta), result in results.sweep.items():
        check_trained_with(result, loss=loss, beta=beta)
    return results


def main() -> None:
    """Read the results that the parameters name, write the reports."""
    argparse.ArgumentParser(prog="python -m stages.report", description=__doc__).parse_args()
    refuse_to_replace(REPORTS, PAGE)
    params = load_params()
    setting = setting_of(params)
    results = results_of(params)
    header = header_lines(setting, results.all)
    footer = footer_line(setting, results.all)
    note = preferred_beta_note(results, loss=params.loss, beta=params.beta)
    notes = [note] if note else []
    with new_folder(REPORTS) as folder:
        write_table(folder, results, header=header, notes=notes)
        measurements = measurement_table(results.models, header=header)
        (folder / "table_measure.md").write_text(measurements, encoding="utf-8")
        metrics = {name: result.test for name, result in results.models.items()}
        (folder / "metrics.json").write_text(f"{json.dumps(metrics, indent=2)}\n", "utf-8")
        if results.repeated:
            (folder / "claims.md").write_text(claims_page(results, header=header), "utf-8")
        figures = {}
        for name, figure in figures_of(results).items():
            figure.write(folder / name, results, footer)
            figures[name] = (folder / f"{name}.svg").read_text("utf-8")
        write_page(folder / PAGE, results=results, header=header, notes=notes, figures=figures)


if __name__ == "__main__":
    run_stage(main)
