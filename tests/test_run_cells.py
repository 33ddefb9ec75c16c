"""Cells without DVC, as real processes, on the smoke preset."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from shell import environment, run

from benchmarks.collect_cells import read_seconds
from benchmarks.run_cells import pack

# so many that each has as many threads as DVC's stages, for the same rounding
CORES = os.cpu_count() or 1
AT_ONCE = f"--at-once {max(1, CORES // int(os.environ.get('OMP_NUM_THREADS', CORES)))}"
RUN = "-m benchmarks.run_cells --preset smoke --seeds 0 1 --variations sr_random"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repo(clone) -> Path:
    """A clone in which all cells have run, with an interruption; not to be changed."""
    folder = clone("smoke")
    command = [sys.executable, *RUN.split()]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE)
    logs = folder / "cells/smoke/seed-0/logs"
    while not (logs / "train_sr.txt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    interrupted = set(seconds(folder, "seed-0")["job"])
    assert "prepare" in interrupted
    assert "train_ss@ss_hr" not in interrupted
    run(f"python -m benchmarks.run_cells --preset smoke --seeds 0 --variations {AT_ONCE}", folder)
    run(f"python {RUN} --at-once 2 --pack packed", folder)
    return folder


def seconds(repo: Path, place: str) -> pd.DataFrame:
    return read_seconds(repo / f"cells/smoke/{place}/seconds.csv")


def metrics(folder: Path) -> dict[str, str]:
    found = folder.rglob("results/**/metrics.json")
    return {file.relative_to(folder).as_posix(): file.read_text() for file in found}


def test_the_first_seed_has_the_results_of_dvc_repro(repo, reproduced):
    assert metrics(repo / "cells/smoke/seed-0") == metrics(reproduced)


def test_another_seed_has_the_same_cells_with_other_numbers(repo):
    places = [repo / f"cells/smoke/seed-{seed}" for seed in (0, 1)]
    first, second = map(metrics, places)
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_a_variation_trains_one_cell_more_from_the_seeds_data(repo):
    place = repo / "cells/smoke/sr_random-1"
    assert list(seconds(repo, "sr_random-1")["job"]) == ["train_joint@cssr", "evaluate@cssr"]
    assert (place / "data").resolve() == (repo / "cells/smoke/seed-1/data").resolve()
    name = "results/cssr/metrics.json"
    assert metrics(place)[name] != metrics(place.parent / "seed-1")[name]


def test_what_is_done_is_not_done_again(repo):
    before = len(seconds(repo, "seed-0"))
    assert run(f"python {RUN}", repo).stdout == ""
    assert len(seconds(repo, "seed-0")) == before


def test_weights_are_packed_in_half_precision(repo):
    half = load_file(repo / "packed/seed-1-cssr.safetensors")
    whole = load_file(repo / "cells/smoke/seed-1/runs/cssr/weights.safetensors")
    assert {value.dtype for value in half.values()} == {torch.float16}
    assert half.keys() == whole.keys()
    assert all(torch.equal(half[name], whole[name].half()) for name in whole)


def test_another_machine_goes_on_from_the_pack(repo, clone):
    folder = clone("smoke")
    with zipfile.ZipFile(repo / "packed/results.zip") as packed:
        packed.extractall(folder / "cells/smoke")
    assert metrics(folder / "cells") == metrics(repo / "cells")
    assert run(f"python {RUN}", folder).stdout == ""
    shutil.rmtree(folder / "cells/smoke/sr_random-1/results/cssr")
    again = run(f"python {RUN} --at-once 2", folder)  # as many threads, for the same rounding
    assert again.stdout.strip().endswith("evaluate@cssr, 0 left")
    assert metrics(folder / "cells") == metrics(repo / "cells")


def test_a_pack_of_a_seed_without_reports_is_enough_to_make_them(repo, clone):
    folder = clone("smoke")
    shutil.copytree(repo / "cells", folder / "cells", symlinks=True)
    shutil.rmtree(folder / "cells/smoke/seed-1/reports")
    pack(folder / "cells/smoke", folder / "packed", [], [])
    shutil.rmtree(folder / "cells")
    with zipfile.ZipFile(folder / "packed/results.zip") as packed:
        packed.extractall(folder / "cells/smoke")
    assert run(f"python {RUN}", folder).stdout.strip().endswith("seed-1  report, 0 left")


def test_a_job_that_fails_ends_all_with_one_line(clone):
    folder = clone("smoke")
    (folder / "cssr/sources/synthetic.py").write_text("raise ValueError('broken')\n")
    done = run(f"python {RUN}", folder, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: fetch ended with 1: ")
    assert done.stderr.count("\n") == 1


def test_collected_numbers_are_those_of_the_cells(repo):
    run("python -m benchmarks.collect_cells --preset smoke", repo)
    run("python -m benchmarks.claims --preset smoke", repo)
    folder = repo / "docs/results/smoke"
    cells = pd.read_csv(folder / "cells.csv").set_index(["place", "cell"])
    assert len(cells) == len(metrics(repo / "cells/smoke"))
    found = json.loads((repo / "cells/smoke/seed-1/results/sr_ss/metrics.json").read_text())
    row = cells.loc["seed-1", "sr_ss"]
    assert row["test_psnr"] == pytest.approx(found["test"]["psnr"], abs=1e-4)
    assert pd.read_csv(folder / "psnr.csv")["seed-1/sr_ss"].mean() == pytest.approx(
        found["test"]["psnr"], abs=1e-3
    )
    assert row["hours"] > 0
    assert "SR from random weights" in (folder / "claims.md").read_text()
