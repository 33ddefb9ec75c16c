import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import report

ROOT = Path(__file__).parents[2]
NAMES = {
    *(f"table1.{kind}" for kind in ("md", "csv", "tex")),
    *(f"fig{n}.{kind}" for n in (1, 3, 4, 5, 6, 7) for kind in ("png", "svg")),
    *(f"fig{n}.csv" for n in (3, 4, 5, 6)),
    "index.html",
    "table_measure.md",
}


@pytest.fixture
def run(fake, monkeypatch):
    """Write made-up results of the given parameters, run the stage, return reports/."""
    monkeypatch.setattr(sys, "argv", ["report"])

    def write_and_run(**changes):
        fake.write(**changes)
        report.main()
        return fake.root / "reports"

    return write_and_run


def read(folder, name="table1.md"):
    return (folder / name).read_text(encoding="utf-8")


def test_all_reports_are_written_and_nothing_else(run):
    assert {file.name for file in run().iterdir()} == NAMES


def test_two_runs_write_the_same_bytes(run):
    first = {file.name: file.read_bytes() for file in run().iterdir()}
    assert {file.name: file.read_bytes() for file in run().iterdir()} == first


def test_demo_is_not_comparable_with_the_paper(run):
    assert "NOT comparable with the paper's" in read(run())


def test_the_paper_preset_carries_no_warning(run):
    assert "NOT comparable" not in read(run(preset="paper"))


def test_an_edited_parameter_is_named_in_the_header(run):
    assert "- preset: demo, edited: beta 0.7 (demo: 0.3)\n" in read(run(beta=0.7))


def test_columns_of_the_figures_csv_are_the_losses_of_the_parameters(run):
    folder = run()
    heads = [read(folder, f"fig{n}.csv").splitlines()[0] for n in (3, 4, 5)]
    assert heads == ["beta,dice,bc2", "beta,dice,bc2", "threshold,dice,bc2"]


def test_fig5_shows_the_beta_that_validation_prefers(fake, run):
    fake.write()
    folder = fake.write_cell("sweep/bc2-0.1", level=0.9, val_aiu=0.0, psnr=28.0, beta=0.1)
    report.main()
    best = read(fake.root / "results/sweep/bc2-0.5", "curve.csv").splitlines()[40].split(",")[1]
    shown = read(fake.root / "reports", "fig5.csv").splitlines()[40].split(",")[2]
    assert folder.exists()
    assert float(shown) == pytest.approx(float(best), abs=1e-6)


def test_a_preferred_beta_other_than_the_models_is_told(fake, run):
    fake.write()
    fake.write_cell("sweep/bc2-0.5", level=0.4, val_aiu=0.9, psnr=28.0, beta=0.5)
    report.main()
    assert "validation prefers β = 0.5 of the sweep" in read(fake.root / "reports")


def test_a_cell_that_the_parameters_do_not_name_is_not_read(fake, run):
    first = run()
    before = {file.name: file.read_bytes() for file in first.iterdir()}
    stray = fake.write_cell("sweep/bc2-0.9", level=0.99, psnr=50.0, beta=0.9)
    (stray / "curve.csv").write_text("broken", encoding="utf-8")
    report.main()
    assert {file.name: file.read_bytes() for file in first.iterdir()} == before


def test_a_missing_cell_is_named(fake, run):
    fake.write()
    shutil.rmtree(fake.root / "results/sweep/bc2-0.5")
    with pytest.raises(ValueError, match=r"results/sweep/bc2-0.5/metrics.json is missing"):
        report.main()


def test_a_sweep_cell_without_psnr_is_named(fake, run):
    fake.write()
    fake.write_cell("sweep/bc2-0.5", level=0.4, beta=0.5)
    with pytest.raises(ValueError, match=r"results/sweep/bc2-0.5/metrics.json: test.psnr is None"):
        report.main()


def test_results_of_other_parameters_are_refused(fake, run):
    fake.write()
    file = fake.root / "results/cssr/run.json"
    file.write_text(json.dumps(json.loads(read(file.parent, file.name)) | {"beta": 0.9}))
    with pytest.raises(ValueError, match=r"results/cssr/run.json: beta is 0.9"):
        report.main()


def test_a_failed_report_writes_nothing(fake, run):
    fake.write()
    (fake.root / "results/inverse/examples/00_probs.png").unlink()
    with pytest.raises(ValueError, match=r"00_probs.png is missing"):
        report.main()
    assert not (fake.root / "reports").exists()


def test_an_unknown_preset_is_one_line_on_stderr(fake):
    fake.write(preset="mine")
    done = subprocess.run(
        [sys.executable, "-m", "stages.report"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert done.stderr == "error: params.yaml: preset: 'mine' is not one of demo, paper\n"


def test_the_report_does_not_load_torch():
    code = "import sys, stages.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
