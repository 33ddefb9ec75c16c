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


def kill_at(process: subprocess.Popen, seconds: float, number: int) -> str | None:
    """Send a signal to a process and its children; what it had printed, None if it had ended."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
        return process.communicate(timeout=30)[0]
    return None


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
    rng, killed, resumed = random.Random(0), 0, 0
    out = repo / "runs/killed/weights.safetensors"
    while killed < 24:
        number = SIGNALS[killed % 3]
        printed = kill_at(start(TRAIN.format("killed"), repo), rng.uniform(0.0, 9.0), number)
        if printed is not None:
            killed += 1
            resumed += "going on with the interrupted training" in printed
        else:  # it was done before: once more from the start
            assert out.read_bytes() == whole
            out.unlink()
    run(TRAIN.format("killed"), repo)
    assert out.read_bytes() == whole
    assert resumed >= 3
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
        killed += kill_at(process, rng.uniform(0.0, lasts), SIGNALS[turn % 3]) is not None
        if (folder / out).exists():
            assert digest(folder / out) == expected
            run(f"rm -r {out}", folder)
    assert killed >= 6
    run(f"python -m stages.{stage}", folder)
    assert digest(folder / out) == expected
    assert not list((folder / "data").glob(".*.partial"))
    tried(f"{stage} killed (SIGKILL, SIGTERM, SIGINT in turn)", killed, "all or nothing")


def results(folder: Path) -> list[str]:
    """Hashes of all that was made, but the training logs that tell the speed."""
    tops = ("data", "runs", "results", "reports")
    made = sorted(path for top in tops for path in (folder / top).rglob("*") if path.is_file())
    files = [path for path in made if "live" not in path.parts]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def test_the_same_training_twice_at_once_is_refused(repo):
    running = start(TRAIN.format("twice"), repo)
    while "twice" not in (running.stdout.readline() or pytest.fail("it ended")):
        pass
    second = run(TRAIN.format("twice"), repo, check=False)
    running.kill()
    running.communicate()
    assert second.returncode == 1
    assert re.fullmatch(r"error: state/\w+ is in use: .* wait for it, or end it\n", second.stderr)
    run("rm -r state", repo)


@pytest.mark.slow
def test_dvc_repro_killed_with_all_its_processes_ends_with_the_same_results(
    clone, reproduced, tried
):
    folder, rng, killed = clone("smoke"), random.Random(2), 0
    for turn in range(12):
        process = start("dvc repro", folder)
        killed += kill_at(process, rng.uniform(1.0, 20.0), SIGNALS[turn % 3]) is not None
    run("dvc repro", folder)
    assert results(folder) == results(reproduced)
    assert killed >= 6
    tried("`dvc repro` killed with all its processes", killed, "`dvc repro`: the same results")
