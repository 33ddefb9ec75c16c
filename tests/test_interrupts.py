"""Stages that are killed at random moments, as real processes, and go on."""

import hashlib
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from shell import environment, run

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def start(command: str, folder: Path) -> subprocess.Popen:
    """Run a command in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        command.split(),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill_at(process: subprocess.Popen, seconds: float, number: int) -> bool:
    """Send a signal to a process and its children; whether they were still running."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
        process.communicate(timeout=30)
        return True
    return False


def digest(folder: Path) -> str:
    """Hash of the names and contents of all files."""
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return found.hexdigest()


def set_params(folder: Path, *changes: tuple[str, str]) -> None:
    text = (folder / "params.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text)


@pytest.fixture(scope="module", autouse=True)
def longer(repo) -> None:
    """A training takes some seconds."""
    set_params(
        repo,
        ("train:\n  iterations: 4", "train:\n  iterations: 300"),
        ("checkpoint_every: 2", "checkpoint_every: 20"),
        ("log_every: 2", "log_every: 10"),
        ("validate_every: 4", "validate_every: 100"),
    )


TRAIN = "python -m stages.train cssr --sr runs/sr --out runs/{}"


@pytest.fixture(scope="module")
def whole(repo) -> bytes:
    """Weights of an uninterrupted training."""
    run(TRAIN.format("whole"), repo)
    return (repo / "runs/whole/weights.safetensors").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_training_that_is_asked_to_end_saves_its_state_first(repo, whole, number, tried):
    process = start(TRAIN.format("asked"), repo)
    while "asked" not in (process.stdout.readline() or pytest.fail("it ended")):
        pass  # its name stands in the first line of the log
    time.sleep(0.2)
    os.killpg(process.pid, number)
    output = process.communicate(timeout=10)[0]
    assert process.returncode == 128 + number
    stopped = int(re.search(r"stopped after iteration (\d+) of 300", output)[1])
    (folder,) = (repo / "state").iterdir()
    assert f"checkpoint-{stopped:010}.pt" in [file.name for file in folder.iterdir()]
    again = run(TRAIN.format("asked"), repo)
    assert "going on with the interrupted training" in again.stdout
    assert (repo / "runs/asked/weights.safetensors").read_bytes() == whole
    assert list((repo / "state").iterdir()) == []
    tried(f"training asked to end by {number.name}", 1, "checkpoint; then the same weights")


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_with_the_same_weights(repo, whole, tried):
    rng, killed, out = random.Random(0), 0, repo / "runs/killed/weights.safetensors"
    while killed < 24:
        number = SIGNALS[killed % 3]
        if kill_at(start(TRAIN.format("killed"), repo), rng.uniform(0.0, 9.0), number):
            killed += 1
        else:  # it was done before: once more from the start
            assert out.read_bytes() == whole
            out.unlink()
    run(TRAIN.format("killed"), repo)
    assert out.read_bytes() == whole
    tried("training killed (a third each SIGKILL, SIGTERM, SIGINT)", killed, "the same weights")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "out"), [("fetch", "data/raw"), ("prepare", "data/arrays")], ids=["fetch", "prepare"]
)
def test_a_data_stage_killed_at_random_moments_leaves_all_or_nothing(clone, stage, out, tried):
    folder, rng, killed = clone("smoke"), random.Random(1), 0
    set_params(folder, ("train: 20 ", "train: 400"))
    run("dvc repro prepare", folder)
    expected = digest(folder / out)
    started = time.monotonic()
    run(f"python -m stages.{stage}", folder)
    lasts = time.monotonic() - started
    run(f"rm -r {out}", folder)
    for turn in range(12):
        process = start(f"python -m stages.{stage}", folder)
        killed += kill_at(process, rng.uniform(0.0, lasts), SIGNALS[turn % 3])
        if (folder / out).exists():
            assert digest(folder / out) == expected
            run(f"rm -r {out}", folder)
    assert killed >= 6
    run(f"python -m stages.{stage}", folder)
    assert digest(folder / out) == expected
    assert not list((folder / "data").glob(".*.partial"))
    tried(f"{stage} killed (SIGKILL, SIGTERM, SIGINT in turn)", killed, "all or nothing")


def results(folder: Path) -> list[str]:
    """Hashes of all weights and reports."""
    files = [*sorted(folder.glob("runs/**/weights.safetensors")), *sorted(folder.glob("reports/*"))]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@pytest.mark.slow
def test_dvc_repro_killed_with_all_its_processes_ends_with_the_same_results(
    clone, reproduced, tried
):
    folder, rng, killed = clone("smoke"), random.Random(2), 0
    for turn in range(12):
        process = start("dvc repro", folder)
        killed += kill_at(process, rng.uniform(1.0, 20.0), SIGNALS[turn % 3])
    run("dvc repro", folder)
    assert results(folder) == results(reproduced)
    assert killed >= 6
    tried("`dvc repro` killed with all its processes", killed, "`dvc repro`: the same results")
