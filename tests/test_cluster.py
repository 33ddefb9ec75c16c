"""`python -m cluster`, on this machine and on several, which are namespaces of their own."""

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from machines import Machines
from made import contents
from shell import run, set_params

from cssr.files import locked

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="Ray is not installed: pip install 'cssr[cluster]'")
FAILS = """    import os
    if args.variant == "ss_hr":
        raise ValueError(f"no luck on GPU {os.environ['CUDA_VISIBLE_DEVICES']}")
"""


def begun(repo: Path) -> list[str]:
    """Stages that were run elsewhere, as often as they were."""
    logs = (repo / "state/logs").glob("*.txt")
    found = [re.findall(r"^Running stage '(.*)':$", log.read_text(), re.MULTILINE) for log in logs]
    return sorted(name for each in found for name in each)


def copied(repo: Path, folder: Path) -> Path:
    """A copy of a clone, in which nothing was begun yet."""
    unfinished = shutil.ignore_patterns("state")
    return Path(shutil.copytree(repo, folder / "clone", symlinks=True, ignore=unfinished))


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    with Machines(tmp_path_factory.mktemp("machines"), 2) as started:
        yield started


@pytest.fixture(scope="module")
def computed(machines, clone, tmp_path_factory):
    """A clone whose stages two machines have run, and what was printed."""
    repo = clone("smoke")
    run(f"dvc remote add --default storage {tmp_path_factory.mktemp('remote')}", repo)
    process = machines.popen(repo)
    printed = process.communicate(timeout=900)[0]
    assert process.returncode == 0, printed
    return repo, printed


def test_two_machines_make_the_bytes_of_one(computed, reproduced):
    assert contents(computed[0] / "reports") == contents(reproduced / "reports")


def test_nothing_is_left_to_do_and_nothing_ran_twice(computed, machines):
    repo, printed = computed
    assert "up to date" in run("dvc repro", repo).stdout
    assert "up to date" in run("dvc status", repo).stdout
    assert len(begun(repo)) == len(set(begun(repo))) == 19
    assert {"10.77.0.2", "10.77.0.3"} == set(re.findall(r"s on (\S+);", printed))
    assert [machines.find(k, " -m (stages|cluster)") for k in range(3)] == [[], [], []]


def test_an_experiment_runs_the_joint_models_their_evaluations_and_the_report(
    computed, machines, tmp_path
):
    repo = copied(computed[0], tmp_path)
    process = machines.popen(repo, "-S", "beta=0.7", "-n", "warmer")
    printed = process.communicate(timeout=600)[0]
    assert process.returncode == 0, printed
    models = "cssr", "inverse"
    joint = [f"{stage}@0-{model}" for stage in ("evaluate", "train_joint") for model in models]
    assert begun(repo) == joint
    assert re.findall(r"Running stage '(.*)':", printed) == ["report"]
    assert "warmer" in run("dvc exp list --all", repo).stdout
    assert "up to date" in run("dvc repro", repo).stdout


def test_a_stage_that_fails_is_tried_on_each_machine_and_leaves_the_others_to_run(
    computed, machines, tmp_path
):
    repo = copied(computed[0], tmp_path)
    train = repo / "stages/train.py"
    mark = "    variant = VARIANTS[args.variant]\n"
    assert mark in train.read_text()
    train.write_text(train.read_text().replace(mark, FAILS + mark, 1))
    process = machines.popen(repo, "evaluate@0-ss_hr", "evaluate@0-bicubic_ss")
    printed = process.communicate(timeout=600)[0]
    assert process.returncode == 1
    tries = re.findall(r"train_ss@0-ss_hr  \d+ s on (\S+); failed \(\d+\):$", printed, re.M)
    assert len(tries) == 3
    assert {*tries[:2]} == {"10.77.0.2", "10.77.0.3"}
    assert printed.count("error: no luck on GPU 0\n") == 3
    ends = r"error: not up to date: train_ss@0-ss_hr, evaluate@0-ss_hr; logs are in \S+"
    assert re.fullmatch(ends, printed.splitlines()[-1])
    assert "Traceback" not in printed
    assert begun(repo) == ["train_ss@0-bicubic_ss", *["train_ss@0-ss_hr"] * 3]  # the same weights
    assert "up to date" in run("dvc repro --dry evaluate@0-bicubic_ss", repo).stdout


def test_what_is_in_the_run_cache_is_not_sent(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    run("rm -r runs results dvc.lock reports/table1.md", repo)
    run("python -m cluster", repo)
    assert begun(repo) == []
    assert contents(repo / "reports") == contents(reproduced / "reports")


def test_what_a_full_disk_has_cut_off_beside_a_result_hides_it_not(computed, machines, tmp_path):
    repo = copied(computed[0], tmp_path)
    remote = Path(run("dvc remote list", repo).stdout.split()[1])
    lock = yaml.safe_load((repo / "dvc.lock").read_text())
    command = lock["stages"].pop("train_ss@0-ss_hr")["cmd"]
    (repo / "dvc.lock").write_text(yaml.safe_dump(lock))
    results = remote.glob("runs/*/*/*")
    entry = next(file for file in results if yaml.safe_load(file.read_text())["cmd"] == command)
    (entry.parent / ".x.tmp").write_text("cmd: pyth")
    run("rm -r .dvc/cache/runs runs/seed-0/ss_hr", repo)
    process = machines.popen(repo, "train_ss@0-ss_hr")
    printed = process.communicate(timeout=300)[0]
    (entry.parent / ".x.tmp").unlink()
    assert process.returncode == 0, printed
    assert begun(repo) == []
    assert not list(repo.glob(".dvc/cache/runs/*/*/*.tmp"))


def test_what_dvc_lock_has_from_elsewhere_is_made_here(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    lock, out = repo / "dvc.lock", "runs/seed-0/ss_hr"
    other = re.sub(rf"({out}\n +hash: md5\n +md5: )\w+", r"\1" + "ab" * 16, lock.read_text())
    assert lock.read_text() != other
    lock.write_text(other)
    run(f"rm -r {out} .dvc/cache/runs", repo)
    run("python -m cluster train_ss@0-ss_hr", repo)
    assert begun(repo) == ["train_ss@0-ss_hr"]
    weights = f"{out}/weights.safetensors"
    assert (repo / weights).read_bytes() == (reproduced / weights).read_bytes()


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        ("device: auto", "", "params.yaml: device: cuda:0 is for Ray to choose; write cuda"),
        (None, "--address 192.0.2.1:6379", "results travel by DVC's remote: dvc remote add .*"),
        (None, "nothing@here", "Stage 'nothing@here' not found inside 'dvc.yaml' file"),
    ],
)
def test_a_mistake_is_told_in_one_line(reproduced, tmp_path, change, arguments, says):
    repo = copied(reproduced, tmp_path)
    if change:
        set_params(repo, (change, "device: cuda:0"))
    done = run(f"python -m cluster {arguments}", repo, check=False)
    assert done.returncode == 1
    assert re.fullmatch(f"error: {says}\n", done.stderr)


def test_a_head_waits_for_another_dvc(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    with ThreadPoolExecutor() as beside, Repo(repo).lock:
        head = beside.submit(run, "python -m cluster", repo, check=False)
        time.sleep(20)  # DVC by itself waits for three seconds
        assert not head.done()
    assert head.result().returncode == 0, head.result().stderr


def test_a_second_head_is_refused(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    with locked(repo / "state/logs", ""):
        second = run("python -m cluster", repo, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith("error: `python -m cluster` runs here already; wait for it")
