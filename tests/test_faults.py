"""A full disk, a folder that may not be written, too little memory, losses that are not finite."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shell import run

STAGES = {
    "fetch": ("python -m stages.fetch", "data/raw"),
    "split": ("python -m stages.split", "data/split.json"),
    "prepare": ("python -m stages.prepare", "data/arrays"),
    "train": ("python -m stages.train sr --seed 0 --out runs/seed-0/sr", "runs/seed-0/sr"),
    "evaluate": (
        "python -m stages.evaluate runs/seed-0/cssr results/seed-0/cssr --examples",
        "results/seed-0/cssr",
    ),
    "report": ("python -m stages.report", "reports"),
}


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files}


def one_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_file_that_grows_too_large_ends_a_stage_and_leaves_what_was_there(repo, stage, tried):
    command, out = STAGES[stage]
    before = contents(repo / out)
    limit = 0 if stage == "split" else 1  # KiB
    done = run(f"bash -c 'ulimit -f {limit}; exec {command}'", repo, check=False)
    database = "DVC's database in its site cache: .*"
    said = database if stage == "train" else rf"{out}\S*: File too large"
    assert re.fullmatch(f"error: {said}", one_line(done))  # dvclive's is opened first
    assert contents(repo / out) == before
    assert not [path for path in repo.rglob(".*.partial") if ".dvc" not in path.parts]
    tried(f"{stage}: a file beyond the size limit", 1, "one line, exit 1, the old output untouched")


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A file system of some KiB on a folder."""
    folder.mkdir(exist_ok=True)
    done = run(f"mount -t tmpfs -o size={size}k tmpfs {folder}", folder.parent, check=False)
    if done.returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    run(f"umount {folder}", folder.parent)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk", 64) as folder:
        yield folder


@contextmanager
def changed(repo: Path, *changes: tuple[str, str]) -> Iterator[None]:
    """Other parameters for a while."""
    file = repo / "params.yaml"
    text = whole = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(whole)


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_full_disk_ends_a_stage_with_one_line(repo, stage, small_disk, tried):
    (small_disk / "filler").write_bytes(bytes(60 * 1024))
    command, out = STAGES[stage]
    done = run(command.replace(out, f"{small_disk}/out"), repo, check=False)
    assert re.fullmatch(rf"error: {small_disk}/\S+: No space left on device", one_line(done))
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    tried(f"{stage}: disk full", 1, "one line, exit 1, nothing left")


def pages(files: Iterable[Path]) -> int:
    return sum(-(-file.stat().st_size // 4096) for file in files)


def test_a_disk_that_is_full_at_the_end_of_a_training_loses_nothing(repo, tmp_path, tried):
    expected = contents(repo / "runs/seed-0/sr")
    first = pages(
        (repo / "runs/seed-0/sr").glob("*.*")
    )  # all but the live log, which is copied last
    with mounted(tmp_path / "disk", 4 * (first + 1)) as disk:
        command = f"python -m stages.train sr --seed 0 --out {disk}/sr"
        line = one_line(run(command, repo, check=False))
        assert re.fullmatch(rf"error: {disk}/\S*/live/\S+: No space left on device", line)
        assert list(disk.iterdir()) == []
        run(f"mount -o remount,size=9m {disk}", repo)
        again = run(command, repo)
        assert again.stdout.splitlines()[0].startswith("going on with the interrupted training")
        assert len(again.stdout.splitlines()) == 1  # no iteration is computed again
        weights = (disk / "sr/weights.safetensors").read_bytes()
    assert weights == expected[str(repo / "runs/seed-0/sr/weights.safetensors")]
    run("rm -r state", repo)
    tried("disk full at the end of a training", 1, "one line; then written without training again")


def test_a_full_disk_for_checkpoints_is_named(repo, tried):
    before = contents(repo / "runs/seed-0/sr")
    with mounted(repo / "state", 64):
        line = one_line(
            run("python -m stages.train sr --seed 0 --out runs/seed-0/sr", repo, check=False)
        )
    assert re.fullmatch(r"error: state/\w+/checkpoint-0+2.pt: No space left on device", line)
    assert contents(repo / "runs/seed-0/sr") == before
    tried("disk of state/ full", 1, "one line, exit 1, the old output untouched")


def test_a_checkpoint_on_a_full_disk_leaves_the_older_one(small_disk, tried):
    code = """
import sys
import torch
from pathlib import Path
from cssr.training.checkpoints import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
for k in range(3):
    checkpoints.save({"iteration": k, "weights": torch.zeros(9000)})
"""
    command = [sys.executable, "-c", code, str(small_disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"No space left on device: '{small_disk}/checkpoint-" in done.stderr
    names = [path.name for path in small_disk.iterdir()]
    assert names == ["checkpoint-0000000000.pt"]
    tried("checkpoint on a full disk", 1, "the older checkpoint untouched")


def test_a_folder_that_may_not_be_written_is_named(repo, tried):
    folder = Path("/sys")  # where not even root may
    if os.name != "posix" or not folder.is_dir():
        pytest.skip("no folder that nobody may write")
    done = run("python -m stages.train sr --seed 0 --out /sys/x", repo, check=False)
    assert re.fullmatch(
        r"error: /sys/\S*: (Operation not permitted|Permission denied|Read-only file system)",
        one_line(done),
    )
    tried("output folder not writable", 1, "one line, exit 1")


@pytest.mark.parametrize("spare", [20, 200])  # MiB: it runs out in different places
def test_a_batch_beyond_the_memory_names_the_options(repo, spare, tried):
    code = f"""
import resource, sys
from pathlib import Path
from cssr.training import loop
from stages import train
from stages.common import run_stage
step = loop.train_step
def limited(*given, **named):
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + {spare} * 2**20,) * 2)
    return step(*given, **named)
loop.train_step = limited
sys.argv = "train cssr --seed 0 --sr runs/seed-0/sr --out runs/seed-0/large".split()
run_stage(train.main, train.LESS_MEMORY)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    large = ("batch_size: 4\n  learning", "batch_size: 300\n  learning")
    with changed(repo, large, ("micro_batch: 4", "micro_batch: 300")):
        done = run(f"python -c '{code}'", repo, check=False)
    assert one_line(done) == (
        "error: not enough memory; try train.micro_batch: 1, train.recompute: true or a smaller "
        "data.size"
    )
    tried("too little memory for a batch", 1, "one line with the options, exit 1")


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_last_good_checkpoint(repo, tried):
    with changed(
        repo,
        ("learning_rate: 2.0e-3", "learning_rate: 1.0e+9"),
        ("models: 4 ", "models: 400 "),
        ("checkpoint_every: 2", "checkpoint_every: 1"),
    ):
        done = run(
            "python -m stages.train cssr --seed 0 --sr runs/seed-0/sr --out runs/seed-0/wild",
            repo,
            check=False,
        )
    line = one_line(done)
    found = re.match(
        r"error: seed-0/wild: the loss is not finite at iteration (\d+): loss \S+, l1 \S+, ss \S+,",
        line,
    )
    assert found, line
    (file,) = repo.glob("state/*/not_finite.json")
    facts = json.loads(file.read_text())
    names = (repo / "data/arrays/train/names.txt").read_text().split()
    assert facts["iteration"] == int(found[1])
    assert len(facts["images"]) == 4
    assert set(facts["images"]) <= set(names)
    assert all(name in line for name in facts["images"])
    kept = max(file.parent.glob("checkpoint-*.pt"))
    assert int(kept.stem.split("-")[1]) == facts["iteration"] - 1
    assert str(kept.relative_to(repo)) in line
    assert not (repo / "runs/seed-0/wild").exists()
    run(f"rm -r {file.parent}", repo)
    tried("loss not finite", 1, "one line with the batch, exit 1, last good checkpoint kept")


def test_all_black_predictions_are_told_on_stderr(repo, tried):
    code = """
import sys
from torch import nn
from stages import train
from stages.common import run_stage
build = train.build
def black(*given):
    pipeline = build(*given)
    nn.init.constant_(pipeline.ss.last[-1].bias, -50.0)
    return pipeline
train.build = black
sys.argv = "train ss_hr --seed 0 --out runs/seed-0/black".split()
run_stage(train.main, train.LESS_MEMORY)
"""
    slow = ("learning_rate: 2.0e-3", "learning_rate: 1.0e-9")
    with changed(repo, ("models: 4 ", "models: 9 "), ("log_every: 2", "log_every: 1"), slow):
        done = run(f"python -c '{code}'", repo)
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: since iteration 1 the mean crack probability is below 0.001")
    run("rm -r state runs/seed-0/black", repo)
    tried("all-black predictions", 1, "one warning on stderr")


def test_a_training_whose_reader_goes_away_ends_well(repo, tried):
    with changed(repo, ("log_every: 2", "log_every: 1")):
        command = "python -m stages.train cssr --seed 0 --sr runs/seed-0/sr --out runs/seed-0/piped"
        done = run(f"bash -c 'set -o pipefail; {command} | head -1'", repo)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    weights = [repo / f"runs/seed-0/{name}/weights.safetensors" for name in ("piped", "cssr")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    run("rm -r state runs/seed-0/piped", repo)
    tried("`python -m stages.train … | head -1`", 1, "the same weights")
