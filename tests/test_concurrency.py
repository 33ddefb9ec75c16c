"""Many DVC commands at once, temporary workspaces and the queue: the same results."""

import hashlib
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from shell import environment, run

pytestmark = pytest.mark.slow
CELLS = [(loss, beta) for loss in ("dice", "bc1", "bc2", "gbc2") for beta in (0.1, 0.9)]


@pytest.fixture(scope="module", autouse=True)
def eight_cells(repo) -> None:
    """Run them one after the other."""
    text = (repo / "params.yaml").read_text()
    text = text.replace("losses: [dice, bc2]", "losses: [dice, bc1, bc2, gbc2]")
    (repo / "params.yaml").write_text(text.replace("betas: [0.1]", "betas: [0.1, 0.9]"))
    run("dvc repro", repo)
    run("git add -A && git commit -qm cells", repo)


def hashes(lock: str) -> dict[str, str]:
    """Hashes of all weights and of all outputs but the training logs, which tell the speed."""
    stages = yaml.safe_load(lock)["stages"].values()
    files = [file for stage in stages for file in (*stage["outs"], *stage.get("deps", []))]
    logs = [file["path"] for stage in stages for file in stage["outs"] if "runs/" in file["path"]]
    return {file["path"]: file["md5"] for file in files if file["path"] not in logs}


def test_eight_cells_at_once_give_what_they_give_in_turn(repo, tried):
    files = [repo / f"runs/seed-0/sweep/{loss}-{beta}/weights.safetensors" for loss, beta in CELLS]
    serial = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    command = "dvc --wait-for-lock repro -s -f --no-run-cache sweep@0-{}-{}"
    running = [
        subprocess.Popen(
            command.format(*cell).split(),
            cwd=repo,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for cell in CELLS
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8, "\n".join(printed)
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in files] == serial
    assert "up to date" in run("dvc repro", repo).stdout
    tried("`dvc --wait-for-lock repro -s` of eight cells at once", 8, "all succeed, as in turn")


def locked_by(repo: Path, experiment: str) -> dict[str, str]:
    found = run(f"git for-each-ref --format='%(refname)' | grep '/{experiment}$'", repo).stdout
    return hashes(run(f"git show {found.strip()}:dvc.lock", repo).stdout)


def forget_runs(repo: Path) -> None:
    """Make DVC compute again what it has computed before."""
    run("rm -rf .dvc/cache/runs", repo)


def test_a_temporary_workspace_and_the_queue_give_the_same_results(repo, tried):
    run("git checkout -q . && dvc checkout -q", repo)
    forget_runs(repo)
    run("dvc exp run --temp -n temporary -S beta=0.7", repo)
    forget_runs(repo)
    run("dvc exp run --queue -n queued -S beta=0.7", repo)
    run("dvc exp run --queue -n other -S beta=0.8", repo)
    run("dvc queue start -j 2", repo)
    ends = time.monotonic() + 300
    while (status := run("dvc queue status", repo).stdout).count("Success") < 2:
        assert "Failed" not in status
        assert time.monotonic() < ends, status
        time.sleep(2)
    forget_runs(repo)
    run("dvc exp run -n workspace -S beta=0.7", repo)
    found = [locked_by(repo, name) for name in ("temporary", "queued", "workspace")]
    assert "runs/seed-0/cssr/weights.safetensors" in found[0]
    assert "reports" in found[0]
    assert found[0] == found[1] == found[2]
    assert found[0] != locked_by(repo, "other")
    tried("`dvc exp run` in place, with --temp, and from the queue", 3, "equal hashes everywhere")
