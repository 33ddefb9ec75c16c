"""Stages that are killed at random moments, as real processes, and go on."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from made import digest, results
from shell import LONGER, environment, run, set_params

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
    """Send a signal to a process and its children; what it had printed, None if it had ended.

    It is sent again, as by a user, where Python lost it among its imports.
    """
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        for _ in range(3):
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=30)[0]
        pytest.fail(f"signal {number} did not end {process.args}")
    return None


@pytest.fixture(scope="module", autouse=True)
def longer(repo) -> None:
    """A training takes some seconds."""
    set_params(repo, *LONGER)


@pytest.fixture(autouse=True)
def no_state(repo) -> None:
    """Each training starts anew."""
    run("rm -rf state", repo)


TRAIN = "python -m stages.train cssr --seed 0 --sr runs/seed-0/sr --out runs/seed-0/{}"


@pytest.fixture(scope="module")
def whole(repo) -> bytes:
    """Weights of an uninterrupted training."""
    run(TRAIN.format("whole"), repo)
    run("rm -r state", repo)
    return (repo / "runs/seed-0/whole/weights.safetensors").read_bytes()


def start_training(name: str, folder: Path, lines: int = 1) -> subprocess.Popen:
    """Start a training and wait for lines of its log, where its name stands, or for its end."""
    process = start(TRAIN.format(name), folder)
    while lines and (line := process.stdout.readline()):
        lines -= line.startswith(f"seed-0/{name} ")
    return process


@pytest.mark.parametrize(
    ("number", "times"),
    [(signal.SIGTERM, 1), (signal.SIGTERM, 3), (signal.SIGINT, 1), (signal.SIGHUP, 1)],
)
def test_a_training_that_is_asked_to_end_saves_its_state_first(repo, whole, number, times, tried):
    process = start_training("asked", repo)
    time.sleep(0.2)
    for _ in range(times):
        os.killpg(process.pid, number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number
    stopped = int(re.search(r"stopped after iteration (\d+) of 60", output)[1])
    (folder,) = (repo / "state").iterdir()
    assert f"checkpoint-{stopped:010}.pt" in [file.name for file in folder.iterdir()]
    again = run(TRAIN.format("asked"), repo)
    assert "going on with the interrupted training" in again.stdout
    assert (repo / "runs/seed-0/asked/weights.safetensors").read_bytes() == whole
    asked = f"training asked to end by {number.name}{', three times' if times > 1 else ''}"
    tried(asked, 1, "checkpoint; then the same weights")


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])  # one of them may stay in between
def test_a_stage_saves_its_state_when_its_dvc_is_killed(repo, shell, monkeypatch, tried):
    monkeypatch.setenv("SHELL", shell)
    process = start("dvc repro -s train_joint@0-cssr", repo)
    while not process.stdout.readline().startswith("seed-0/cssr "):
        assert process.poll() is None
    process.kill()
    assert "stopped after iteration" in process.communicate(timeout=60)[0]  # which the stage prints
    assert list(repo.glob("state/*/checkpoint-*.pt"))
    run("rm -f .dvc/tmp/rwlock", repo)
    tried("`dvc` killed (SIGKILL), not its stage", 1, "the stage: checkpoint, exit code 143")


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_with_the_same_weights(repo, whole, kills, tried):
    rng, killed = random.Random(0), 0
    out = repo / "runs/seed-0/killed/weights.safetensors"
    while killed < kills:
        process, number = start_training("killed", repo), SIGNALS[killed % 3]
        kill_at(process, rng.uniform(0.0, 1.5), number)
        if list(repo.glob("state/*/finished")):  # it was done before: once more from the start
            assert out.read_bytes() == whole
            run("rm -r state", repo)
        else:
            killed += 1
            assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    run(TRAIN.format("killed"), repo)
    assert out.read_bytes() == whole
    tried("training killed (a third each SIGKILL, SIGTERM, SIGINT)", killed, "the same weights")


POINTS = {
    "before a checkpoint is flushed": "os, 'fsync', '0030.pt'",
    "before a checkpoint is renamed": "Path, 'replace', '0030.pt'",
    "after a checkpoint is renamed": "Path, 'replace', '0030.pt', after=True",
    "between the two renames of the model": "Path, 'replace', 'runs/seed-0/point'",
    "after the model has its name": "Path, 'replace', 'runs/seed-0/point', after=True",
}


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_training_killed_at_a_fixed_point_ends_with_the_same_weights(repo, whole, point, tried):
    code = f"""
import os, signal, sys
from contextlib import suppress
from pathlib import Path
from stages import train
from stages.common import run_stage

def die_at(owner, name, path, after=False):
    function = getattr(owner, name)
    def patched(first, *rest):
        found = str(rest[0]) if rest else os.readlink(f"/proc/self/fd/{{first}}")
        if path in found and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        function(first, *rest)
        if path in found:
            os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, patched)

die_at({POINTS[point]})
sys.argv = "train cssr --seed 0 --sr runs/seed-0/sr --out runs/seed-0/point".split()
run_stage(train.main, train.LESS_MEMORY)
"""
    shutil.copytree(repo / "runs/seed-0/cssr", repo / "runs/seed-0/point", dirs_exist_ok=True)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=repo, env=environment(), capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = run(TRAIN.format("point"), repo)
    assert again.stdout.startswith("going on with the interrupted training")
    assert (repo / "runs/seed-0/point/weights.safetensors").read_bytes() == whole
    left = [*repo.glob("runs/seed-0/.*.partial"), *repo.glob("state/*/.*.partial")]
    assert left == []
    tried(f"training killed (SIGKILL) {point}", 1, "the same weights")


def test_a_truncated_checkpoint_of_a_real_training_is_passed_over(repo, whole, tried):
    process = start_training("cut", repo, lines=5)
    kill_at(process, 0.0, signal.SIGTERM)
    older, newest = sorted(repo.glob("state/*/checkpoint-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-1])
    again = run(TRAIN.format("cut"), repo)
    assert f"{newest.relative_to(repo)} is passed over: its checksum does not fit" in again.stderr
    assert (repo / "runs/seed-0/cut/weights.safetensors").read_bytes() == whole
    first = re.search(r"^seed-0/cut (\d+)/60", again.stdout, re.MULTILINE)[1]
    assert int(first) == int(older.stem.split("-")[1]) + 5
    tried("newest checkpoint of a real training truncated", 1, "the older one; the same weights")


def test_a_hang_up_does_not_end_a_training_under_nohup(repo, whole):
    process = start(f"nohup {TRAIN.format('nohup')}", repo)
    while not process.stdout.readline().startswith("seed-0/nohup "):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (repo / "runs/seed-0/nohup/weights.safetensors").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "out"), [("fetch", "data/raw"), ("prepare", "data/arrays")], ids=["fetch", "prepare"]
)
def test_a_data_stage_killed_at_random_moments_leaves_all_or_nothing(
    clone, stage, out, kills, tried
):
    folder, rng, killed = clone("smoke"), random.Random(1), 0
    set_params(folder, ("train: 20 ", "train: 400"))
    run("dvc repro prepare", folder)
    expected = digest(folder / out)
    started = time.monotonic()
    run(f"python -m stages.{stage}", folder)
    lasts = time.monotonic() - started
    run(f"rm -r {out}", folder)
    while killed < kills // 2:
        process = start(f"python -m stages.{stage}", folder)
        killed += kill_at(process, rng.uniform(0.0, lasts), SIGNALS[killed % 3]) is not None
        if (folder / out).exists():
            assert digest(folder / out) == expected
            run(f"rm -r {out}", folder)
    run(f"python -m stages.{stage}", folder)
    assert digest(folder / out) == expected
    assert not list((folder / "data").glob(".*.partial"))
    tried(f"{stage} killed (SIGKILL, SIGTERM, SIGINT in turn)", killed, "all or nothing")


def test_the_same_stage_twice_at_once_is_refused(clone, tried):
    folder = clone("smoke")
    set_params(folder, ("train: 20 ", "train: 400"))
    first = start("python -m stages.fetch", folder)
    while not (folder / "data/.raw.partial/new").exists():
        assert first.poll() is None
    second = run("python -m stages.fetch", folder, check=False)
    assert second.returncode == os.EX_TEMPFAIL
    assert second.stderr == (
        "error: data/raw is being written by another process; wait for it, or end it\n"
    )
    assert first.communicate(timeout=60)[0] == ""
    assert first.returncode == 0
    assert len(list((folder / "data/raw/train/images").iterdir())) == 400
    tried("fetch twice at once", 1, "the second one refused, the first one's images whole")


def test_the_same_training_twice_at_once_is_refused(repo):
    running = start_training("twice", repo)
    running.send_signal(signal.SIGSTOP)  # it must not be done before the second one looks
    second = run(TRAIN.format("twice"), repo, check=False)
    running.kill()
    running.communicate()
    assert second.returncode == os.EX_TEMPFAIL
    assert re.fullmatch(r"error: state/\w+ is in use: .* wait for it, or end it\n", second.stderr)


def remove_what_dvc_cut_off(folder: Path) -> bool:
    """Do as docs/reliability.md says where a kill has cut off a file of DVC; whether it has."""
    done = run("dvc status", folder, check=False)
    if done.returncode == 0:
        return False
    (file,) = [name for name in ("dvc.lock", ".dvc/tmp/rwlock") if name in done.stderr]
    (folder / file).unlink()
    return True


@pytest.mark.slow
def test_dvc_repro_killed_with_all_its_processes_ends_with_the_same_results(
    clone, reproduced, kills, tried
):
    folder, rng, under_way, cut = clone("smoke"), random.Random(2), [], 0
    for turn in range(kills // 2):
        process = start("dvc repro", folder)
        printed = kill_at(process, rng.uniform(1.0, 10.0), SIGNALS[turn % 3])
        if printed is not None:
            assert process.returncode
            stages = re.findall(r"Running stage '(\w+)", printed)
            under_way.append(stages[-1] if stages else "none yet")
        cut += remove_what_dvc_cut_off(folder)
    run("dvc repro", folder)
    assert results(folder) == results(reproduced)
    assert 4 * len(under_way) >= kills  # half of the turns
    kinds = ", ".join(sorted(set(under_way)))
    tried(
        f"`dvc repro` killed with all its processes, in {kinds}",
        len(under_way),
        "`dvc repro`: the same results",
    )
    tried("of these, DVC's own dvc.lock cut off", cut, "removed by hand; then the same results")
