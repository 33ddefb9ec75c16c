"""`python -m benchmarks.gpu`: what is measured is there, whatever ends the run."""

import json
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import requires
from pathlib import Path

import pytest
import torch
from shell import environment, run

from benchmarks.gpu import tables
from benchmarks.gpu.__main__ import PARTS
from benchmarks.gpu.trainings import affordable, alpha_growth

ROOT = Path(__file__).parents[1]


def start(folder: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmarks.gpu", "--rehearse", "--out", folder, *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def rows(folder: Path) -> dict[str, list]:
    """The rows of each part; every file has to be whole."""
    return {file.stem: json.loads(file.read_text())["rows"] for file in folder.glob("*.json")}


def processes_of(folder: Path) -> list[int]:
    """Parts that write into a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if b"--json" in words and any(w.startswith(f"{folder}/".encode()) for w in words):
            found.append(int(file.parent.name))
    return found


def wait_for(file: Path) -> None:
    for _ in range(1200):
        if file.is_file():
            return
        time.sleep(0.1)
    pytest.fail(f"{file} was not written")


@pytest.mark.slow
def test_a_rehearsal_measures_every_part(tmp_path):
    process = start(tmp_path)
    told = process.communicate()[0].decode()
    assert process.returncode == 0, told
    assert [line.split(":")[0] for line in told.splitlines()] == list(PARTS)
    found = rows(tmp_path)
    assert set(found) == set(PARTS)
    assert all(found.values())
    assert not [row for part in found.values() for row in part if "error" in row]
    assert all(row["outcome"] == "skipped" for row in found["tests"] if "[cpu]" not in row["test"])
    assert (tmp_path / "training.jpg").is_file()


def test_a_run_that_is_ended_leaves_whole_files_and_no_process(tmp_path):
    process = start(tmp_path, "--only", "joint", "tests")
    wait_for(tmp_path / "joint.json")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert rows(tmp_path)["joint"][0]["ms"] > 0
    assert not processes_of(tmp_path)


def test_a_part_that_is_killed_is_told_and_the_next_one_runs(tmp_path):
    process = start(tmp_path, "--only", "joint", "tests")
    wait_for(tmp_path / "joint.json")
    subprocess.run(["kill", "-9", *map(str, processes_of(tmp_path))], check=True)
    told = process.communicate()[0].decode()
    assert process.returncode == 1
    assert re.search(r"^joint: failed with exit code -9", told, re.MULTILINE)
    assert re.search(r"^tests: done", told, re.MULTILINE)
    assert {"joint", "tests"} == set(rows(tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_how_to_rehearse(tmp_path):
    done = run(f"python -m benchmarks.gpu --out {tmp_path}", ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "error: there is no GPU; --rehearse does the same on the CPU"
    )


def test_parts_without_time_are_skipped(tmp_path):
    process = start(tmp_path, "--minutes", "0.2")
    told = process.communicate()[0].decode().splitlines()
    assert process.returncode == 0
    assert len(told) == len(PARTS)
    assert all(re.search("skipped: . s are left", line) for line in told)


def test_training_takes_half_of_the_time():
    assert affordable(100, {"sr": 20.0, "cssr": 30.0}) == 1000
    with pytest.raises(ValueError, match=r"0 s allow 4 iterations, less than 5"):
        affordable(0.4, {"cssr": 50.0})


def test_alpha_ends_where_the_papers_ends():
    # 10 epochs of 100 iterations
    assert 0.01 + 9 * alpha_growth(1000, 600, 6, 0.01) == pytest.approx(0.66)
    assert 0.01 + alpha_growth(50, 600, 6, 0.01) <= 0.66


def test_the_page_has_the_numbers_of_the_files():
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.put(page, tables.render()) == page


def test_a_part_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "NUMBERS", tmp_path)
    assert "The part `training` was not measured." in tables.render()


def test_the_wheels_to_carry_are_pydantic_and_its_needs():
    script = (ROOT / "benchmarks/gpu/machine.sh").read_text()
    carried = set(re.search("for name in (.+); do", script)[1].split())
    needed, todo = set(), ["pydantic"]
    while todo:
        needed.add(name := todo.pop())
        wanted = [text for text in requires(name) or () if "extra ==" not in text]
        todo += {re.match("[a-z-]+", text)[0] for text in wanted} - needed
    assert carried == needed
