import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure as MatplotlibFigure

from cssr.report.curves import save
from cssr.report.figures import FIGURES, Figure
from stages import report
from stages.common import run_stage

ROOT = Path(__file__).parents[2]
SHOWN = [name for name, figure in FIGURES.items() if not figure.of_seeds]
SERIES = {f"{name}.csv" for name in SHOWN}  # of those that are curves
NAMES = {
    *(f"table1.{kind}" for kind in ("md", "csv", "tex")),
    *(f"{name}.{kind}" for name in SHOWN for kind in ("png", "svg")),
    "index.html",
    "metrics.json",
    "table_measure.md",
}


@pytest.fixture
def fake(fake, monkeypatch):
    """Made-up results, and a stage that is quick because it draws no figures."""
    monkeypatch.setattr(sys, "argv", ["report"])
    for name in list(FIGURES):
        monkeypatch.delitem(FIGURES, name)
    return fake


@pytest.fixture
def table(fake):
    """Write made-up results of the given parameters, run the stage, return Table 1."""

    def write_and_run(**changes):
        fake.write(**changes)
        report.main()
        return Path("reports/table1.md").read_text(encoding="utf-8")

    return write_and_run


def test_all_reports_are_written_and_nothing_else(rendered):
    found = {file.name for file in (rendered / "reports").iterdir()}
    assert found - SERIES == NAMES
    assert found >= {"fig3.csv", "fig4.csv", "fig5.csv", "fig6.csv"}
    assert not found & {"fig1.csv", "fig7.csv"}


def test_two_runs_write_the_same_bytes_whatever_else_lies_in_results(
    rendered, tmp_path, monkeypatch
):
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    (tmp_path / "results/seed-0/sweep/bc2-0.9").mkdir()
    (tmp_path / "results/seed-0/sweep/bc2-0.9/metrics.json").write_text("broken")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report"])
    report.main()
    first, second = (
        {f.name: f.read_bytes() for f in Path(folder, "reports").iterdir()}
        for folder in (rendered, tmp_path)
    )
    assert first == second


def test_several_seeds_add_the_claims(fake, monkeypatch):
    fake.write(seeds=[0, 1, 2])
    report.main()
    text = Path("reports/claims.md").read_text()
    assert "| (f) CSSR (SR → SS) − (a) SS in HR | −0.0" in text
    assert "- seeds: 0, 1, 2; numbers are means over them\n" in text


def test_the_metrics_are_those_of_the_test_images(rendered, models):
    metrics = json.loads((rendered / "reports/metrics.json").read_text())
    assert metrics == {name: result.test for name, result in models.items()}


def test_a_registered_figure_is_in_the_folder_and_on_the_page(fake, monkeypatch):
    def write(file, results, footer):
        """An empty figure."""
        save(MatplotlibFigure(figsize=(1, 1)), file)

    monkeypatch.setitem(FIGURES, "fig8", Figure("Another", "How to read it.", write))
    fake.write()
    report.main()
    assert Path("reports/fig8.png").exists()
    page = Path("reports/index.html").read_text(encoding="utf-8")
    assert "<strong>Fig. 8. Another.</strong> How to read it." in page


def test_demo_is_not_comparable_with_the_paper(rendered):
    assert "NOT comparable with the paper's" in (rendered / "reports/table1.md").read_text()


def test_the_paper_preset_carries_no_warning(table):
    assert "NOT comparable" not in table(preset="paper")


def test_an_edited_parameter_is_named_in_the_header(table):
    assert "- preset: demo, edited: beta 0.7 (demo: 0.3)\n" in table(beta=0.7)


def test_a_preferred_beta_other_than_the_models_is_told(fake):
    fake.write()
    fake.write_result("sweep/bc2-0.5", level=0.6, psnr=28.0, beta=0.5)
    report.main()
    assert "validation prefers β = 0.5 of the sweep" in Path("reports/table1.md").read_text()


def test_results_of_other_parameters_are_refused(fake):
    file = fake.write() / "results/seed-0/cssr/run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"beta": 0.9}))
    with pytest.raises(ValueError, match=r"results/seed-0/cssr/run.json: beta is 0.9"):
        report.main()


@pytest.mark.parametrize(
    "name", ["sweep/bc2-0.5/metrics.json", "cssr/curve.csv", "inverse/examples/00_probs.png"]
)
def test_a_missing_file_is_named_on_one_line_and_nothing_is_written(fake, name):
    (fake.write() / "results/seed-0" / name).unlink()
    with pytest.raises(
        SystemExit, match=rf"^error: results/seed-0/{name} is not there; `dvc repro` .*$"
    ):
        run_stage(report.main)
    assert not Path("reports").exists()


def test_a_folder_with_other_files_is_not_replaced(fake):
    own = fake.write() / "reports/thesis.tex"
    own.parent.mkdir()
    own.touch()
    with pytest.raises(ValueError, match=r"reports is not replaced: .* no index.html"):
        report.main()
    assert own.exists()


def test_the_report_does_not_load_torch():
    code = "import sys, stages.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
