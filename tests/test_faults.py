"""A full disk, a folder that may not be written, too little memory, losses that are not finite."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shell import run

STAGES = {
    "fetch": ("python -m stages.fetch", "data/raw"),
    "split": ("python -m stages.split", "data/split.json"),
    "prepare": ("python -m stages.prepare", "data/arrays"),
    "train": ("python -m stages.train sr --out runs/sr", "runs/sr"),
    "evaluate": ("python -m stages.evaluate runs/cssr results/cssr --examples", "results/cssr"),
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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = run(f"mount -t tmpfs -o size=64k tmpfs {folder}", tmp_path, check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    run(f"umount {folder}", tmp_path)


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_full_disk_ends_a_stage_with_one_line(repo, stage, small_disk, tried):
    (small_disk / "filler").write_bytes(bytes(60 * 1024))
    command, out = STAGES[stage]
    done = run(command.replace(out, f"{small_disk}/out"), repo, check=False)
    assert re.fullmatch(rf"error: {small_disk}/\S+: No space left on device", one_line(done))
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    tried(f"{stage}: disk full", 1, "one line, exit 1, nothing left")


def test_a_checkpoint_on_a_full_disk_leaves_the_older_one(small_disk, tried):
    code = """
import sys
import torch
from pathlib import Path
from cssr.state import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), {})
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
    done = run("python -m stages.train sr --out /sys/x", repo, check=False)
    assert re.fullmatch(
        r"error: /sys/\S*: (Operation not permitted|Permission denied|Read-only file system)",
        one_line(done),
    )
    tried("output folder not writable", 1, "one line, exit 1")


def test_a_batch_beyond_the_memory_names_the_options(repo, tried):
    code = """
import resource, sys
from pathlib import Path
from stages import train
from stages.common import run_stage
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 300 * 2**20,) * 2)
sys.argv = "train sr --out runs/large".split()
run_stage(train.main, train.LESS_MEMORY)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    text = (repo / "params.yaml").read_text()
    wide = re.sub(r"width: 4 ", "width: 2048 ", text).replace("features: 8 ", "features: 2048 ")
    (repo / "params.yaml").write_text(wide)
    try:
        done = run(f"python -c '{code}'", repo, check=False)
    finally:
        (repo / "params.yaml").write_text(text)
    assert one_line(done) == (
        "error: not enough memory; try train.micro_batch: 1, train.recompute: true or a smaller "
        "data.size"
    )
    tried("too little memory for a batch", 1, "one line with the options, exit 1")


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_last_good_checkpoint(repo, tried):
    text = (repo / "params.yaml").read_text()
    wild = text.replace("learning_rate: 2.0e-3", "learning_rate: 1.0e+9")
    wild = wild.replace("iterations: 4", "iterations: 400")
    (repo / "params.yaml").write_text(wild.replace("checkpoint_every: 2", "checkpoint_every: 1"))
    try:
        done = run("python -m stages.train cssr --sr runs/sr --out runs/wild", repo, check=False)
    finally:
        (repo / "params.yaml").write_text(text)
    line = one_line(done)
    found = re.match(
        r"error: wild: the loss is not finite at iteration (\d+): loss \S+, l1 \S+, ss \S+,", line
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
    assert not (repo / "runs/wild").exists()
    run(f"rm -r {file.parent}", repo)
    tried("loss not finite", 1, "one line with the batch, exit 1, last good checkpoint kept")
