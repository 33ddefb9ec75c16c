"""`python -m cluster`, on this machine and on several, which are namespaces of their own."""

import re
from pathlib import Path

import pytest
from machines import Machines
from shell import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    with Machines(tmp_path_factory.mktemp("machines"), 2) as started:
        yield started


def with_remote(repo: Path, remote: Path) -> Path:
    run(f"dvc remote add --default storage {remote}", repo)
    return repo


def starts(repo: Path) -> list[str]:
    """Stages that were begun elsewhere, as often as they were."""
    logs = (repo / "state/logs").glob("*.txt")
    return [
        name
        for log in logs
        for name in re.findall(r"^Running stage '(.*)':", log.read_text(), re.M)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def computed(machines, clone, tmp_path_factory):
    """A clone whose stages two machines have run, what was printed, and the remote."""
    remote = tmp_path_factory.mktemp("remote")
    repo = with_remote(clone("smoke"), remote)
    process = machines.popen(repo)
    printed = process.communicate(timeout=900)[0]
    assert process.returncode == 0, printed
    return repo, printed, remote


def test_two_machines_make_the_bytes_of_one(computed, reproduced):
    repo, _, _ = computed
    assert contents(repo / "reports") == contents(reproduced / "reports")


def test_nothing_is_left_to_do_and_nothing_ran_twice(computed):
    repo, printed, _ = computed
    assert "up to date" in run("dvc repro", repo).stdout
    assert "up to date" in run("dvc status", repo).stdout
    assert len(starts(repo)) == len(set(starts(repo))) == 19
    assert {"10.77.0.2", "10.77.0.3"} == set(re.findall(r"s on (\S+);", printed))
