"""`python -m cluster`, on this machine and on several, which are namespaces of their own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml
from dvc.repo import Repo, lock_repo
from dvc_data.hashfile.transfer import TransferResult
from machines import Machines
from made import contents
from shell import ROOT, environment, run

from cluster import node
from cssr.files import locked

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="Ray is not installed: pip install 'cssr[cluster]'")
MARK = "    variant = VARIANTS[args.variant]\n"  # in stages.train
FAILS = """    import os
    if args.variant == "ss_hr":
        raise ValueError(f"no luck on GPU {os.environ['CUDA_VISIBLE_DEVICES']}")
"""
HANGS_LATER = """    import time
    with Path({file!r}).open("a") as tries:
        tries.write("x")
    if Path({file!r}).read_text() == "x":
        raise ValueError("no luck")
    if Path({file!r}).read_text() == "xx":
        time.sleep(600)
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


def insert(file: Path, code: str, before: str) -> None:
    """Put some code before a line, which has to be there."""
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, code + before, 1))


def start(repo: Path, *args: str) -> subprocess.Popen:
    """Start `python -m cluster` on this machine."""
    return subprocess.Popen(
        [sys.executable, "-m", "cluster", *args],
        cwd=repo,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(text: str, file: Path) -> None:
    """Wait until a file is there and has a text."""
    ends = time.monotonic() + 120
    while not file.exists() or text not in file.read_text():
        assert time.monotonic() < ends, f"{file} has no {text}"
        time.sleep(0.1)


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
    process = machines.popen(repo, "-S", "beta=0.7", "-n", "warmer", "--state", "unfinished")
    printed = process.communicate(timeout=600)[0]
    assert process.returncode == 0, printed
    assert list((repo / "unfinished").iterdir()) == []
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
    insert(repo / "stages/train.py", FAILS, MARK)
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
    ("before", "arguments", "says"),
    [
        (
            "sed -i 's/device: auto/device: cuda:0/' params.yaml",
            "",
            "params.yaml: device: cuda:0 is for Ray to choose; write cuda",
        ),
        (
            "sed -i 's/devices: 1/devices: 2/' params.yaml",
            "--gpus 0.25",
            "--gpus 0.25: on train.devices: 2 write 1",
        ),
        ("", "--address 192.0.2.1:6379", "results travel by DVC's remote: dvc remote add .*"),
        (
            "dvc config core.remote nowhere",
            "--address 192.0.2.1:6379",
            "results travel by DVC's remote: dvc remote add .*",
        ),
        ("", "nothing@here", "Stage 'nothing@here' not found inside 'dvc.yaml' file"),
        ("", "--cpus 0", "--cpus 0: a stage takes 1 or more"),
        (
            "",
            "--cpus 999",
            "a training takes {'CPU': 999, 'GPU': 0}; Ray finds fewer on this machine",
        ),
        (
            "sed -i 's/device: auto/device: cuda/' params.yaml",
            "",
            "a training takes {'CPU': 1, 'GPU': 1}; Ray finds fewer on this machine",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(reproduced, tmp_path, before, arguments, says):
    repo = copied(reproduced, tmp_path)
    run(before, repo)
    done = run(f"python -m cluster {arguments}", repo, check=False)
    assert done.returncode == 1
    told = re.sub(r"(?m)^\d{4}-.*\n", "", done.stderr)  # by Ray, that it has started
    assert re.fullmatch(f"error: {says}\n", told)


def test_where_no_other_machine_is_left_a_stage_is_tried_again_on_the_same(
    computed, machines, tmp_path
):
    repo = copied(computed[0], tmp_path)
    tries = tmp_path / "tries"
    insert(repo / "stages/train.py", HANGS_LATER.format(file=str(tries)), MARK)
    log = repo / "state/logs/train_ss@0-ss_hr.txt"
    process = machines.popen(repo, "train_ss@0-ss_hr")
    wait_for("xx", tries)
    hosts = re.compile(r"--- on 10\.77\.0\.(\d)")
    first, second = hosts.findall(log.read_text())
    machines.kill(int(second) - 1)
    printed = process.communicate(timeout=300)[0]
    machines.start(int(second) - 1)
    assert process.returncode == 0, printed
    assert hosts.findall(log.read_text()) == [first, second, first]


def test_a_bug_or_ray_ends_only_the_stage(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    code = '    if name == "train_ss@0-ss_hr":\n        raise RuntimeError("a bug")\n'
    insert(repo / "cluster/node.py", code, "    import ray  # slow")
    run("rm -r .dvc/cache/runs runs results dvc.lock", repo)
    done = run("python -m cluster evaluate@0-ss_hr train_ss@0-bicubic_ss", repo, check=False)
    assert done.returncode == 1
    assert "train_ss@0-ss_hr  0 s on an unknown machine; failed (1):\n" in done.stderr
    assert "RuntimeError: a bug\n" in done.stderr
    assert begun(repo) == ["train_ss@0-bicubic_ss"]


def test_an_edit_of_the_code_during_a_run_is_told(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    run("rm -r .dvc/cache/runs runs results dvc.lock", repo)
    head = start(repo, "train_ss@0-ss_hr")
    wait_for("Running stage", repo / "state/logs/train_ss@0-ss_hr.txt")
    insert(repo / "stages/train.py", "    # an edit\n", MARK)
    printed = head.communicate(timeout=300)[0]
    assert head.returncode == 1
    ends = "error: code, parameters or remote here are not those that were sent"
    assert printed.splitlines()[-1] == ends


def test_ray_on_this_machine_alone_is_reached_from_here_alone(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    run("rm -r .dvc/cache/runs runs results dvc.lock", repo)
    head, listening = start(repo, "train_ss@0-ss_hr"), set()
    while head.poll() is None:
        for process in psutil.Process(head.pid).children(recursive=True):
            with suppress(psutil.Error):
                found = process.net_connections("tcp")
                listening |= {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
        time.sleep(0.5)
    assert head.returncode == 0, head.communicate()[0]
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


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
    assert second.returncode == os.EX_TEMPFAIL
    assert second.stderr.startswith("error: `python -m cluster` runs here already; wait for it")


def test_a_stage_is_sent_the_code_and_nothing_else_of_the_folder(reproduced, tmp_path):
    repo = copied(reproduced, tmp_path)
    (repo / "photos").mkdir()
    (repo / "photos/a.jpg").write_bytes(b"mine")
    (repo / "cssr/models/own_network.py").write_text("")
    insert(repo / "stages/train.py", "    print(sorted(map(str, Path().rglob('*.*'))))\n", MARK)
    run("python -m cluster train_ss@0-ss_hr", repo)
    log = (repo / "state/logs/train_ss@0-ss_hr.txt").read_text()
    assert "'cssr/models/own_network.py'" in log
    assert "photos/a.jpg" not in log


@pytest.fixture
def trained(reproduced, tmp_path, monkeypatch):
    """A stage of a clone whose remote is empty."""
    repo = copied(reproduced, tmp_path)
    run(
        f"dvc remote add --default storage {tmp_path}/remote && mkdir -p {tmp_path}/remote/files",
        repo,
    )
    monkeypatch.chdir(repo)
    with Repo() as opened:
        (stage,) = opened.stage.collect("train_ss@0-ss_hr")
        yield stage


def test_results_are_pushed_once(trained, tmp_path):
    node.copy_runs(trained, up=True)
    (entry,) = (tmp_path / "remote/runs").glob("*/*/*")
    os.utime(entry, (0, 0))
    node.copy_runs(trained, up=True)
    assert entry.stat().st_mtime == 0


def test_what_the_remote_does_not_give_is_an_error(trained, monkeypatch):
    node.copy_runs(trained, up=True)
    for folder in ".dvc/cache/files", "runs":
        shutil.rmtree(folder)
    failed = TransferResult(set(), {"a"})
    monkeypatch.setattr("dvc_data.hashfile.transfer.transfer", lambda *args, **options: failed)
    gone = pytest.raises(OSError, match="the remote did not take or give all files")
    with lock_repo(trained.repo), gone:
        node.restored(trained)


UNTIL_ENDED = """
import time
import ray
from stages.common import keeping_signals, run_stage

def main():
    keeping_signals()(ray.init)("local", log_to_driver=False, num_cpus=1)
    print("up", flush=True)
    time.sleep(60)

run_stage(main)
"""


def test_sigterm_ends_a_head_as_any_stage_and_not_by_ray():
    command = [sys.executable, "-c", UNTIL_ENDED]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen(command, **options) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        error = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert "SIGTERM received" not in error
