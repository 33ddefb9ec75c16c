"""The whole pipeline on the smoke preset, with the real dvc."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from shell import run

MODELS = ["ss_hr", "bicubic_ss", "ss_bicubic", "sr_ss", "ss_sr", "cssr", "inverse"]


@pytest.fixture(scope="module")
def repo(clone) -> Path:
    """A clone in which `dvc repro` has run."""
    folder = clone("smoke")
    run("dvc repro", folder)
    run("git add -A && git commit -qm results", folder)
    return folder


def ran(done) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def test_a_second_repro_is_up_to_date(repo):
    assert "Data and pipelines are up to date." in run("dvc repro", repo).stdout


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_its_metrics(repo, model):
    metrics = json.loads((repo / f"results/{model}/metrics.json").read_text())
    assert 0 <= metrics["test"]["aiu"] <= 1
    assert ("psnr" in metrics["test"]) == (model in ("bicubic_ss", "sr_ss", "cssr"))


def test_every_report_is_there(repo):
    outs = yaml.safe_load((repo / "dvc.yaml").read_text())["stages"]["report"]["outs"]
    files = [next(iter(out)) for out in outs]
    assert len(files) > 15
    assert [file for file in files if not (repo / file).stat().st_size] == []


def test_an_experiment_with_another_beta_reruns_the_joint_models_and_no_other(repo):
    done = run("dvc exp run -S beta=0.7", repo)
    joint = {
        f"{stage}@{model}" for stage in ("train_joint", "evaluate") for model in ("cssr", "inverse")
    }
    assert ran(done) == joint | {"report"}
    assert "edited: beta 0.7 (smoke: 0.3)" in (repo / "reports/table1.md").read_text()


def test_an_experiment_with_another_sweep_runs_the_new_cells_and_no_other(repo):
    run("git checkout -q . && dvc checkout -q", repo)
    done = run("dvc exp run -S 'sweep.betas=[0.1,0.5]'", repo)
    new = {
        f"{stage}@{loss}-0.5" for stage in ("sweep", "evaluate_sweep") for loss in ("dice", "bc2")
    }
    assert ran(done) == new | {"report"}


def test_dvc_shows_metrics_and_plots(repo):
    shown = json.loads(run("dvc metrics show --json", repo).stdout)
    assert {f"results/{model}/metrics.json" for model in MODELS} <= set(shown[""]["data"])
    assert "aiu" in run("dvc exp show --csv", repo).stdout
    run("dvc plots show", repo)
    assert "Fig. 4" in (repo / "dvc_plots/index.html").read_text()


@pytest.mark.slow
def test_a_forced_run_gives_the_same_tables_and_weights(repo):
    run("git checkout -q . && dvc repro", repo)
    files = [repo / "reports/table1.csv", *repo.glob("runs/**/weights.safetensors")]
    before = [file.read_bytes() for file in files]
    run("dvc repro -f --no-run-cache", repo)
    assert [file.read_bytes() for file in files] == before


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(repo, tmp_path):
    params = repo / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("iterations: 4", "iterations: 200"))
    command = "python -m stages.train cssr --sr runs/sr --out"
    try:
        run(f"{command} {tmp_path}/whole", repo)
        process = subprocess.Popen(
            [sys.executable, *f"{command} {tmp_path}/killed".split()[1:]], cwd=repo
        )
        while not list(repo.glob("state/*/checkpoint.pt")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not (tmp_path / "killed").exists()
        other = run(f"{command} {tmp_path}/other --loss dice --beta 0.5", repo).stdout
        again = run(f"{command} {tmp_path}/killed", repo).stdout
    finally:
        params.write_text(text)
    assert "going on with" not in other
    assert "going on with" in again
    weights = [
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed")
    ]
    assert weights[0] == weights[1]
    assert list((repo / "state").iterdir()) == []


@pytest.mark.parametrize(
    "stage",
    [
        "fetch",
        "split",
        "prepare",
        "watch x",
        "train sr --out runs/x",
        "evaluate runs/sr results/x",
        "report",
    ],
)
def test_a_bad_parameter_ends_every_stage_with_one_line(repo, stage, tmp_path):
    text = (repo / "params.yaml").read_text()
    (repo / "params.yaml").write_text(re.sub(r"(?m)^beta: \S+", "beta: 1.3", text))
    try:
        done = run(f"python -m stages.{stage}", repo, check=False)
    finally:
        (repo / "params.yaml").write_text(text)
    assert done.returncode == 1
    assert done.stderr == "error: params.yaml: beta: 1.3 is not in [0, 1]\n"
