"""How the cluster scales: the paper's programme with stages that sleep instead of training.

Measured: DVC, Ray and `python -m cluster` are real. Nodes are Ray's, all on this machine, each with
a stage at a time and a DVC cache of its own. Simulated: the schedule alone, with
what the cluster was seen to cost. Sleeps are drawn from hours that trainings took; an evaluation
takes a tenth.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import yaml
from dvc.repo import Repo

from benchmarks.schedule import Costs, bound, draw_seconds, makespan, programme
from cssr.report.tables import markdown_lines
from stages.common import LOCK, run_stage
from stages.preset import read_preset

HOURS = Path("benchmarks/hours.csv")  # of trainings behind docs/results
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a-token-of-the-benchmark-of-scale"}
# Ray's workers are of niceness 15, and wait here for whatever else runs
RAY = TOKEN | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
SLEEP = '''"""A stage that sleeps as long as durations.json says, and writes small files."""

import json
import sys
import time
from pathlib import Path

out = Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else sys.argv[2])
time.sleep(json.loads(Path("durations.json").read_text())[out.as_posix()])
out.mkdir(parents=True, exist_ok=True)
for name in ("weights.safetensors", "model.json", "metrics.json"):
    (out / name).write_text(f"{out}/{name}")
'''
HEADINGS = ["nodes", "stages", "work, s", "longest path, s", "bound, s", "greedy, s", "took, s"]
HEADINGS += ["bound / took", "greedy / took", "speed-up"]
MEASURED = ["overhead of a stage, s", "median", "CPU of the head, s"]


def make_repo(folder: Path, seeds: int) -> None:
    """Fill a folder with the project, the paper's programme on small images, and a remote."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder / name)
    params = read_preset("smoke").model_dump() | {"seeds": list(range(seeds))}
    params["sweep"] = read_preset("paper").sweep.model_dump()
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for stage in ("train", "evaluate"):
        (folder / f"stages/{stage}.py").write_text(SLEEP, encoding="utf-8")
    (folder / LOCK).unlink()
    remote = f"dvc remote add -q --default there {folder.parent / 'remote'}"
    for command in ("git init -q", remote, "dvc repro -q prepare"):
        subprocess.run(command, shell=True, cwd=folder, check=True)


def sleeping_stages(
    folder: Path, hours: np.ndarray, mean: float
) -> tuple[dict[str, set[str]], dict[str, float]]:
    """What each stage that sleeps needs of the others, and its seconds, also to durations.json."""
    with Repo(folder) as repo:
        graph = repo.index.graph  # edges lead to what a stage needs
        outs = {stage.name: stage.outs[0].def_path for stage in graph}
        needs = {s.name: {n.name for n in graph.successors(s)} for s in graph}
    sleeping = sorted(name for name, out in outs.items() if out.startswith(("runs/", "results/")))
    needs = {name: needs[name].intersection(sleeping) for name in sleeping}
    seconds = draw_seconds(needs, hours, mean)
    written = json.dumps({outs[name]: value for name, value in seconds.items()})
    (folder / "durations.json").write_text(written, encoding="utf-8")
    return needs, seconds


@contextmanager
def ray_with(nodes: int, port: int, folder: Path) -> Iterator[str]:
    """Ray with some nodes that run a stage at a time, each with a folder $NODE; its address."""
    address = f"127.0.0.1:{port}"
    started = []
    commands = [f"--head --port {port} --num-cpus 0 --include-dashboard false"]
    commands += [f"--address {address} --num-cpus 1"] * nodes
    try:
        for k, command in enumerate(commands):
            started.append(start_ray(command, folder / f"node-{k}"))
        yield address
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            process.wait()


def start_ray(command: str, folder: Path) -> subprocess.Popen:
    """Start a node of Ray.

    Raises:
        ValueError: if it has not started, thrice. (A busy machine lets Ray's own times run out.)
    """
    folder.mkdir()
    small = "--object-store-memory 80000000 --min-worker-port 0 --max-worker-port 0"
    for _ in range(3):
        with (folder / "ray.txt").open("w") as out:
            process = subprocess.Popen(
                f"ray start --block {small} {command}".split(),
                env=os.environ | RAY | {"NODE": str(folder)},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        while process.poll() is None:
            if "--block" in (log := (folder / "ray.txt").read_text(encoding="utf-8")):
                return process
            time.sleep(0.2)
    raise ValueError(f"Ray did not start: {log}")


def cpu_seconds() -> float:
    """Of the processes that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(nodes: int, args: argparse.Namespace, hours: np.ndarray) -> list[str]:
    """Run the programme on some nodes; the fields of a row under HEADINGS and MEASURED."""
    with TemporaryDirectory(prefix="scale-") as scratch:
        folder = Path(scratch, "repo")
        folder.mkdir()
        make_repo(folder, args.seeds)
        needs, seconds = sleeping_stages(folder, hours, args.seconds)
        with ray_with(nodes, args.port, Path(scratch)) as address:
            command = f"{sys.executable} -m cluster --address {address} --scratch $NODE"
            began = time.perf_counter()
            before = cpu_seconds()
            done = subprocess.run(
                [*command.split(), "evaluate", "evaluate_sweep"],
                cwd=folder,
                env=os.environ | TOKEN,
                capture_output=True,
                text=True,
                check=False,
            )
            took = time.perf_counter() - began
            head = cpu_seconds() - before
        if done.returncode:
            raise ValueError(f"the run on {nodes} nodes failed: {done.stderr}")
    at_nodes = dict(re.findall(r"^\S+  (\S+@\S+)  (\d+) s on", done.stdout, re.MULTILINE))
    overhead = [float(at_nodes[name]) - value for name, value in seconds.items()]
    row = [f"{value:.1f}" for value in (np.mean(overhead), np.median(overhead))]
    return [*describe(needs, seconds, nodes, took), *row, f"{head:.0f}"]


def describe(needs: dict, seconds: dict, nodes: int, took: float) -> list[str]:
    """The fields of a row under HEADINGS."""
    work = sum(seconds.values())
    least = bound(needs, seconds, nodes)
    path = makespan(needs, seconds, len(needs))
    greedy = makespan(needs, seconds, nodes)
    numbers = [f"{value:,.0f}" for value in (nodes, len(needs), work, path, least, greedy, took)]
    return [*numbers, f"{least / took:.2f}", f"{greedy / took:.2f}", f"{work / took:.1f}"]


def simulate(nodes: int, args: argparse.Namespace, hours: np.ndarray) -> list[str]:
    """The fields of a row under HEADINGS, of the schedule alone."""
    needs = programme(args.seeds)
    seconds = draw_seconds(needs, hours, args.seconds)
    return describe(needs, seconds, nodes, makespan(needs, seconds, nodes, Costs(*args.costs)))


def main() -> None:
    """Print the table, a row for each number of nodes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--nodes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    add("--seeds", type=int, default=3, help="123 stages each (%(default)s)")
    add("--seconds", type=float, default=60, help="of a training, in the mean (%(default)s)")
    add("--hours", type=Path, default=HOURS, help="a table with a column `hours` (%(default)s)")
    add("--port", type=int, default=29471, help="of Ray (%(default)s)")
    names = ("NODE", "SEND", "TAKE", "ENTRY")
    add("--costs", type=float, nargs=4, metavar=names, help="simulate with these seconds, only")
    args = parser.parse_args()
    hours = pd.read_csv(args.hours)["hours"].dropna().to_numpy()
    if args.costs:
        lines = markdown_lines(HEADINGS, [simulate(nodes, args, hours) for nodes in args.nodes])
    else:
        rows = [measure(nodes, args, hours) for nodes in args.nodes]
        lines = markdown_lines(HEADINGS + MEASURED, rows)
    print("\n".join(lines))


if __name__ == "__main__":
    run_stage(main)
