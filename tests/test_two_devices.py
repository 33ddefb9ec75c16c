"""Two processes that train together, when things go wrong: nothing hangs or is left running."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from shell import environment, run, set_params

pytestmark = pytest.mark.slow
TRAIN = "python -m stages.train cssr --seed 0 --sr runs/seed-0/sr --out runs/seed-0/{}"


@pytest.fixture(scope="module", autouse=True)
def two_devices(repo) -> None:
    set_params(
        repo,
        ("devices: 1", "devices: 2"),
        ("models: 4", "models: 100"),
        ("log_every: 2", "log_every: 10"),
        ("validate_every: 4", "validate_every: 50"),
    )


def start(name: str, folder: Path) -> subprocess.Popen:
    """Start a training in a process group of its own."""
    return subprocess.Popen(
        TRAIN.format(name).split(),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def seconds_until_gone(group: int) -> float:
    """How long any process of a group still runs."""
    started = time.monotonic()
    while time.monotonic() - started < 30:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    return time.monotonic() - started


def test_a_loss_that_is_not_finite_ends_both_with_one_line(repo, tried):
    set_params(repo, ("learning_rate: 2.0e-3", "learning_rate: 1.0e+9"))
    process = start("wild", repo)
    stderr = process.communicate(timeout=60)[1]
    set_params(repo, ("learning_rate: 1.0e+9", "learning_rate: 2.0e-3"))
    assert process.returncode == 1
    errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.match(
        r"error: seed-0/wild: the \S+ (is|are) not finite at iteration \d+: loss", errors[0]
    )
    assert "Traceback" not in stderr
    assert seconds_until_gone(process.pid) < 20
    run("rm -r state", repo)
    tried("two devices: loss not finite", 1, "one line, exit 1, both end")


def test_sigterm_ends_both_and_the_next_run_goes_on(repo, tried):
    run(TRAIN.format("whole"), repo)
    run("rm -r state", repo)
    process = start("asked", repo)
    while "asked 20/100" not in (line := process.stdout.readline()):
        assert line
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode
    assert seconds_until_gone(process.pid) < 20
    again = run(TRAIN.format("asked"), repo)
    assert "going on with the interrupted training" in again.stdout
    weights = [repo / f"runs/seed-0/{name}/weights.safetensors" for name in ("whole", "asked")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    run("rm -r state", repo)
    tried("two devices: SIGTERM to all processes", 1, "both end; then the same weights")
