"""`python -m benchmarks.gpu`: what is measured is there, whatever ends the run."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import requires
from pathlib import Path

import pytest
import torch
from shell import environment

from benchmarks.counted import tera_flop
from benchmarks.gpu import tables
from benchmarks.gpu.__main__ import PARTS, main
from benchmarks.gpu.steps import SETTINGS, cudnn_benchmark
from benchmarks.gpu.tables import Numbers, keep, put
from benchmarks.gpu.trainings import affordable, alpha_growth
from stages.preset import read_preset

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
    *parts, last = told.splitlines()
    assert [line.split(":")[0] for line in parts] == list(PARTS)
    assert last == f"numbers in {tmp_path}, messages in {tmp_path}/log.txt"
    found = rows(tmp_path)
    assert set(found) == set(PARTS)
    assert all(found.values())
    assert not [row for part in found.values() for row in part if "error" in row]
    assert len(found["joint"]) == len(SETTINGS["joint"])
    assert {row["outcome"] for row in found["tests"]} == {"skipped"}
    assert (tmp_path / "training.jpg").is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_ends_at_a_random_moment_leaves_whole_files_and_no_process(number, tmp_path):
    process = start(tmp_path, "--only", "joint", "tests")
    wait_for(tmp_path / "joint.json")
    time.sleep(random.uniform(0, 8))
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert rows(tmp_path)["joint"][0]["ms"] > 0
    time.sleep(0.5)
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


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param(
            "--out {0}",
            "there is no GPU; --rehearse does the same on the CPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        ("--out {0} --minutes 0", "argument --minutes: 0 is not a number of minutes above 0"),
        ("--out {0} --minutes inf", "argument --minutes: inf is not a number of minutes above 0"),
        ("--out /proc/x", "argument --out: /proc/x cannot be made or is not a folder"),
        ("--out {0} --images README.md", "argument --images: README.md is not a zip"),
    ],
)
def test_a_wrong_option_is_refused_with_one_line(options, line, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu", *options.format(tmp_path).split()])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m benchmarks.gpu: error: {line}"


def test_parts_without_time_are_skipped(tmp_path):
    process = start(tmp_path, "--minutes", "0.2")
    told = process.communicate()[0].decode().splitlines()
    assert process.returncode == 0
    assert len(told) == len(PARTS) + 1
    assert all(re.search("skipped: . s are left, [12]0 are needed", line) for line in told[:-1])


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
    assert put(page, Numbers(tables.NUMBERS).render()) == page


@pytest.mark.parametrize("missing", [*PARTS, "counts_float32", "counts_bfloat16"])
def test_the_tables_do_without_a_part(missing, tmp_path):
    shutil.copytree(tables.NUMBERS, tmp_path, dirs_exist_ok=True)
    (tmp_path / f"{missing}.json").unlink()
    told = Numbers(tmp_path).render()
    assert (f"The part `{missing}` was not measured." in told) == (missing in PARTS)


@pytest.mark.parametrize("part", ["joint", "variants", "choices"])
def test_the_tables_show_what_failed(part, tmp_path):
    row = {"setting": "bfloat16", "variant": "cssr", "error": "RuntimeError: no"}
    (tmp_path / f"{part}.json").write_text(json.dumps({"rows": [row]}))
    told = Numbers(tmp_path).render()
    assert "| `cssr` |" in told if part == "variants" else "RuntimeError: no" in told


def test_a_run_takes_the_place_of_the_parts_that_it_has(tmp_path, monkeypatch):
    kept, run = tmp_path / "kept", tmp_path / "run"
    shutil.copytree(tables.NUMBERS, kept)
    monkeypatch.setattr(tables, "NUMBERS", kept)
    run.mkdir()
    for content, refusal in [
        (None, f"{run} holds no new numbers of device"),
        ({"device": "cpu"}, f"{run}/joint.json was not measured on a GPU, but rehearsed"),
        ({"device": "GPU", "preset": "smoke"}, "but rehearsed"),
    ]:
        if content:
            (run / "joint.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=refusal):
            keep(run)
    (run / "joint.json").write_text('{"device": "GPU", "preset": "paper", "rows": []}')
    assert keep(run) == ["joint"]
    assert json.loads((kept / "joint.json").read_text())["device"] == "GPU"
    assert (kept / "training.json").is_file()


def test_the_counts_are_those_of_the_code():
    counted = Numbers(tables.NUMBERS).row("counts_float32", "variant", "ss_bicubic")
    assert counted["TFLOP"] == tera_flop("ss_bicubic", read_preset("paper"))


def test_cudnn_tries_its_algorithms_and_nothing_else_changes():
    def flags():
        cudnn = torch.backends.cudnn
        return {"benchmark": cudnn.benchmark, "enabled": cudnn.enabled, "tf32": cudnn.allow_tf32}

    before = flags()
    with cudnn_benchmark():
        assert flags() == before | {"benchmark": True}
    assert flags() == before


def test_no_part_imports_what_a_machine_without_network_lacks():
    lacking = ("dvc", "dvclive", "ruamel", "lightning_fabric", "rasterio", "onnxruntime")
    modules = [f"benchmarks.gpu.{name}" for name in ("__main__", "floors", "steps", "trainings")]
    modules += ["benchmarks.gpu.checks", "test_gpu", "test_precision"]
    lines = ["import sys", f"sys.modules.update(dict.fromkeys({lacking}))"]  # None: not to be found
    code = "; ".join([*lines, f"import {', '.join(modules)}"])
    path = os.pathsep.join(map(str, (ROOT / "tests", ROOT / "tests/training")))
    known = environment() | {"PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=known, check=True)


def test_the_wheels_to_carry_are_pydantic_and_its_needs():
    script = (ROOT / "benchmarks/gpu/machine.sh").read_text()
    carried = set(re.search("for name in (.+); do", script)[1].split())
    needed, todo = set(), ["pydantic"]
    while todo:
        needed.add(name := todo.pop())
        wanted = [text for text in requires(name) or () if "extra ==" not in text]
        todo += {re.match("[a-z-]+", text)[0] for text in wanted} - needed
    assert carried == needed
