"""The whole pipeline on the smoke preset, with the real dvc."""

import csv
import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from shell import run, set_params

from cssr.models.variants import VARIANTS
from cssr.paper import MODELS
from cssr.report.figures import FIGURES
from cssr.sources.synthetic import write_synthetic

TRAININGS = {"train_sr", "train_ss", "train_sr_ss", "train_ss_sr", "train_joint", "sweep"}
EVALUATIONS = {"evaluate", "evaluate_sweep"}


def ran(done) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def test_a_second_repro_is_up_to_date(repo):
    assert "Data and pipelines are up to date." in run("dvc repro", repo).stdout


def test_no_state_of_a_training_is_left(repo):
    assert list((repo / "state").iterdir()) == []


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_its_metrics(repo, model):
    metrics = json.loads((repo / f"results/seed-0/{model}/metrics.json").read_text())
    assert 0 <= metrics["test"]["aiu"] <= 1
    assert ("psnr" in metrics["test"]) == VARIANTS[model].enlarges_image


def test_dvclive_logs_losses_validation_learning_rate_and_speed(repo):
    logged = {file.stem for file in (repo / "runs/seed-0/cssr/live/plots/metrics").glob("*.tsv")}
    assert logged == {
        *("loss", "l1", "ss", "probability", "learning_rate", "images_per_second"),
        *("val_psnr", "val_aiu", "val_threshold"),
    }


def test_every_report_is_there(repo):
    found = {file.name for file in (repo / "reports").iterdir() if file.stat().st_size}
    shown = [name for name, figure in FIGURES.items() if not figure.of_seeds]
    drawn = {f"{name}{suffix}" for name in shown for suffix in (".png", ".svg")}
    series = {name for name in found if name.removesuffix(".csv") in FIGURES}
    tables = {"table1.md", "table1.csv", "table1.tex", "table_measure.md", "metrics.json"}
    assert found == {"index.html", *drawn, *series, *tables}
    assert series >= {"fig3.csv", "fig4.csv", "fig5.csv", "fig6.csv"}
    assert not series & {"fig1.csv", "fig7.csv"}


def test_the_examples_are_the_test_images_of_their_names(repo):
    names = (repo / "data/arrays/test/names.txt").read_text().splitlines()
    with (repo / "results/seed-0/cssr/examples/examples.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    for row in rows:
        for kind in ("hr", "lr", "mask"):
            array = np.load(repo / f"data/arrays/test/{kind}.npy")[names.index(row["name"])]
            file = repo / f"results/seed-0/cssr/examples/{int(row['index']):02}_{kind}.png"
            shown = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            expected = array * 255 if kind == "mask" else array[..., ::-1]
            assert np.array_equal(shown, expected)


def test_an_experiment_with_another_beta_reruns_the_joint_models_and_no_other(repo):
    done = run("dvc exp run -S beta=0.7", repo)
    joint = {
        f"{stage}@0-{model}"
        for stage in ("train_joint", "evaluate")
        for model in ("cssr", "inverse")
    }
    assert ran(done) == joint | {"report"}
    assert "edited: beta 0.7 (smoke: 0.3)" in (repo / "reports/table1.md").read_text()


def test_an_experiment_with_another_sweep_runs_the_new_cells_and_no_other(repo):
    run("git checkout -q . && dvc checkout -q", repo)
    done = run("dvc exp run -S 'sweep.betas=[0.1,0.5]'", repo)
    new = {
        f"{stage}@0-{loss}-0.5" for stage in ("sweep", "evaluate_sweep") for loss in ("dice", "bc2")
    }
    assert ran(done) == new | {"report"}


@pytest.mark.slow
def test_further_seeds_train_what_is_new_and_experiments_are_compared_on_them(repo):
    run("git checkout -q . && dvc checkout -q", repo)
    done = run("dvc exp run -S 'seeds=[0,1]'", repo)
    trained = {name.split("@")[1].split("-")[0] for name in ran(done) if "@" in name}
    assert trained == {"1"}
    assert len(ran(done)) == 1 + (len(VARIANTS) + 2) + (len(MODELS) + 2)
    assert not {"fetch", "split", "prepare"} & ran(done)
    table = (repo / "reports/table1.csv").read_text()
    assert "aiu_low,aiu_high" in table
    assert "CSSR" in (repo / "reports/claims.md").read_text()
    run("git add -A && git commit -qm seeds", repo)
    targets = "evaluate@0-cssr evaluate@1-cssr"
    run(f"dvc exp run --queue -n lower -S objective.alpha_start=0.1 {targets}", repo)
    run(
        "dvc exp run --queue -n printed -S 'sweep.losses=[boundary_gdice_printed]' "
        "-S 'sweep.betas=[0.1]' evaluate_sweep@0-boundary_gdice_printed-0.1",
        repo,
    )
    run("dvc exp run --queue -n bilinear -S data.downscale=bilinear evaluate@0-bicubic_ss", repo)
    run("dvc exp run --run-all", repo)
    run("python -m stages.variations", repo)
    lines = (repo / "reports/variations.md").read_text().splitlines()
    rows = [line.split(" | ")[:3] for line in lines if line.startswith(("| lower", "| bilinear"))]
    assert rows == [
        ["| bilinear", "data.downscale bilinear (smoke: bicubic)", "(b) Bicubic → SS"],
        ["| lower", "objective.alpha_start 0.1 (smoke: 0.5)", "(f) CSSR (SR → SS)"],
        [
            "| lower",
            "objective.alpha_start 0.1 (smoke: 0.5)",
            "(f) CSSR (SR → SS) − (b) Bicubic → SS",
        ],
    ]
    assert run("dvc status", repo).stdout.startswith("Data and pipelines are up to date")
    failed = run("python -m stages.variations nothing", repo, check=False)
    assert (
        failed.stderr
        == "error: nothing is not an experiment; `dvc exp list --all-commits` names them\n"
    )


def stale(repo) -> set[str]:
    """Stages that a change of the code makes run again; what follows from them is not named."""
    return {name.split("@")[0] for name in json.loads(run("dvc status --json", repo).stdout)}


PLUMBING = [
    ("cssr/errors.py", "no memory", "no memory at all"),
    ("stages/common.py", "not enough memory", "too little memory"),
    ("stages/monitor.py", " left", " to go"),
]
AUGMENTED = ("cssr/training/augment.py", "0.6", "0.7")
LOSS = ("cssr/paper.py", "LOSSES = {", 'LOSSES = {"another": Title("G", "Another"),')


@pytest.mark.parametrize(
    ("edits", "stages"),
    [
        (PLUMBING, set()),
        ([LOSS, ("cssr/report/tables.py", "TITLE = ", "TITLE = 'Our ' + ")], {"report"}),
        ([("cssr/training/losses.py", "1e-6", "2e-6"), AUGMENTED], TRAININGS),
        ([("cssr/evaluation/reported.py", "SIGMA = 1.5", "SIGMA = 2.0")], EVALUATIONS),
        ([("cssr/models/unet.py", "padding=1", "padding=2")], TRAININGS | EVALUATIONS),
    ],
    ids=["plumbing", "allowed loss and title", "loss and augmentation", "metric", "network"],
)
def test_a_change_of_the_code_makes_exactly_what_it_computes_stale(repo, edits, stages):
    run("git checkout -q . && dvc checkout -q", repo)
    for file, old, new in edits:
        text = (repo / file).read_text()
        assert old in text
        (repo / file).write_text(text.replace(old, new, 1))
    assert stale(repo) == stages
    run("git checkout -q .", repo)


def test_dvc_shows_metrics_and_plots(repo):
    shown = json.loads(run("dvc metrics show --json", repo).stdout)
    assert list(shown[""]["data"]["reports/metrics.json"]["data"]) == list(MODELS)
    assert "cssr.aiu" in run("dvc exp show --csv", repo).stdout
    run("dvc plots show", repo)
    assert "Fig. 4" in (repo / "dvc_plots/index.html").read_text()


def test_own_images_are_found_from_a_temporary_workspace_and_watched(clone):
    folder = clone("smoke")
    source = folder.parent / "own images"
    write_synthetic(source, train=20, test=8, size=64, crack_width=(1.0, 4.0), seed=5)
    text = (folder / "params.yaml").read_text().replace("source: synthetic", "source: path")
    text = text.replace("path: {}", 'path: {mine: "../own images"}')
    (folder / "params.yaml").write_text(text)
    run("git commit -qam own", folder)
    assert "fetch" in ran(run("dvc exp run --temp split", folder))
    assert ran(run("dvc repro split", folder)) == {"watch@mine"}  # the rest is in DVC's cache
    image = next((source / "test/images").iterdir())
    image.write_bytes(sorted((source / "test/images").iterdir())[-1].read_bytes())
    assert ran(run("dvc repro split", folder)) == {"watch@mine", "fetch", "split"}
    image.write_bytes(b"")
    failed = run("dvc repro split", folder, check=False)
    assert failed.returncode
    assert "1 of 28 images are not usable" in failed.stderr
    assert not list((folder / "data").glob("*raw*"))


def test_two_processes_train_as_one_does_with_the_whole_batch(repo, tmp_path):
    params = repo / "params.yaml"
    text = params.read_text()
    command = "python -m stages.train cssr --seed 0 --sr runs/seed-0/sr --out"
    try:
        parts = text.replace("micro_batch: 4", "micro_batch: 1")  # larger ones round differently
        params.write_text(parts)
        run(f"{command} {tmp_path}/one", repo)
        params.write_text(parts.replace("devices: 1", "devices: 2"))
        run(f"{command} {tmp_path}/two", repo)
    finally:
        params.write_text(text)
    one, two = (pd.read_csv(tmp_path / name / "log.csv") for name in ("one", "two"))
    np.testing.assert_allclose(two, one, rtol=1e-5)
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=0, atol=1e-4, msg=name)


@pytest.mark.slow
def test_the_real_images_go_through_from_the_zip_as_it_is(clone, real_zip):
    folder = clone("own")
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("own: own.zip", f"own: {real_zip}"))
    run("dvc repro prepare", folder)
    counts = {
        split: len((folder / f"data/arrays/{split}/names.txt").read_text().splitlines())
        for split in ("train", "val", "test")
    }
    assert counts == {"train": 1043, "val": 100, "test": 287}


def test_who_has_no_images_takes_what_somebody_has_made_of_them(clone, tmp_path):
    folder = clone("smoke")
    write_synthetic(folder / "own", train=8, test=2, size=64, crack_width=(2.0, 4.0), seed=0)
    changes = ("source: synthetic", "source: path"), ("path: {}", "path: {own: own}")
    set_params(folder, *changes, ("val: 4", "val: 2"))
    (folder / ".gitignore").write_text((folder / ".gitignore").read_text() + "own/\n")
    run(f"dvc remote add --default store {tmp_path / 'store'}", folder)
    run("dvc repro prepare && git add -A && git commit -qm made && dvc push -q", folder)
    other = tmp_path / "other"
    run(f"git clone -q {folder} {other}", folder)
    done = run("dvc pull -q prepare fetch split watch@own && dvc repro prepare", other)
    assert "note: own is not here; taken as it was" in done.stdout
    assert not ran(done) & {"fetch", "split", "prepare"}
    assert (other / "data/arrays/train/hr.npy").exists()


@pytest.mark.parametrize(
    "stage",
    [
        "fetch",
        "split",
        "prepare",
        "watch x",
        "train sr --seed 0 --out runs/seed-0/x",
        "evaluate runs/seed-0/sr results/seed-0/x",
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


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            "train ss_sr --seed 0 --sr runs/seed-0/sr --ss runs/seed-0/sr --out runs/seed-0/x",
            "runs/seed-0/sr: sr has no SS network",
        ),
        (
            "train cssr --seed 0 --sr runs/seed-0/ss_hr --out runs/seed-0/x",
            "runs/seed-0/ss_hr: ss_hr has no SR network",
        ),
        (
            "evaluate runs/seed-0/sr results/seed-0/x",
            "runs/seed-0/sr: super-resolution alone, it does not segment",
        ),
    ],
)
def test_a_model_of_another_kind_is_refused_with_one_line(repo, stage, message):
    done = run(f"python -m stages.{stage}", repo, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {message}\n"


@pytest.mark.parametrize(
    ("stage", "mark"),
    [
        ("train sr --seed 0 --out my", "model.json"),
        ("evaluate runs/seed-0/cssr my", "metrics.json"),
    ],
)
def test_a_folder_of_something_else_is_not_replaced(repo, stage, mark):
    (repo / "my").mkdir(exist_ok=True)
    (repo / "my/thesis.txt").write_text("a")
    done = run(f"python -m stages.{stage}", repo, check=False)
    assert done.returncode == 1
    expected = f"my is not replaced: it holds files, but no {mark}; name another folder"
    assert done.stderr == f"error: {expected}\n"
    assert [file.name for file in (repo / "my").iterdir()] == ["thesis.txt"]
