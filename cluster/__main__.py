"""Run the stages of dvc.yaml on a Ray cluster, or several at a time on this machine."""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections import ChainMap, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, plan_repro
from dvc.stage import Stage
from dvc.stage.serialize import to_lockfile
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import dumps_yaml, load_yaml
from ray._private import ray_constants

from cluster import node
from cssr.files import locked, write_whole
from stages.common import STATE, load_params, run_stage, say

LOCK, LOGS = Path("dvc.lock"), STATE / "logs"
AWAY = ("python -m stages.train ", "python -m stages.evaluate ")  # what machines run
CODE = """git ls-files -zco --exclude-standard ':!docs' ':!reports' ':!tests' ':!dvc.lock' |
tar --create --gzip --null --ignore-failed-read --files-from -"""
CORES = len(os.sched_getaffinity(0))
GRACE = 60  # s, for stages that are asked to end

ray.cloudpickle.register_pickle_by_value(node)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    add = parser.add_argument
    add("stages", nargs="*", metavar="STAGE", help="only these, and what they need")
    add("--address", help="of a Ray cluster, or auto; without, Ray starts on this machine alone")
    add("--jobs", type=int, default=CORES, help="at a time on this machine (%(default)s)")
    add("--cpus", type=int, default=1, help="that a stage takes, on a cluster (%(default)s)")
    add("--gpus", type=float, default=1, help="that a device takes, such as 0.25 (%(default)s)")
    add("--scratch", default="~/.cache/cssr", help="folder of each machine (%(default)s)")
    add("--state", help="folder for unfinished trainings, on storage that all machines share")
    add("-S", "--set-param", action="append", default=[], help="as `dvc exp run -S`")
    add("-n", "--name", help="of the experiment, with -S")
    return parser.parse_args()


@ray.remote(num_cpus=0)
class Logs:
    """Writes the stages' logs to a folder at the head, as they grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, text: str) -> None:
        """Append to the log of a stage."""
        with (self.folder / f"{name}.txt").open("a", encoding="utf-8") as stream:
            stream.write(text)


class Head:
    """Stages as they stand, `targets` with what they need: here first, away, and here last."""

    def __init__(self, targets: list[str], config: dict) -> None:
        self.repo, self.started = Repo(config=config), time.monotonic()
        self.needs = {stage: set(needs) for stage, needs in self.repo.index.graph.adj.items()}
        self.first, self.away, self.last = [], [], []
        for stage in plan_repro(self.repo.index.graph, collect_stages(self.repo, targets)):
            after = self.needs[stage].intersection(self.away + self.last)
            away = stage.cmd.startswith(AWAY)
            (self.away if away else self.last if after else self.first).append(stage)
        self.left = dict.fromkeys(self.away)  # not done, in order
        self.tried_on: dict[Stage, list[str]] = defaultdict(list)  # machines

    def run(self, tries: int, gpus: tuple[float, float], **options: Any) -> None:
        """Run what is not up to date of `away`, as far as nothing fails for good.

        Args:
            tries: how often a stage may fail, each time on another machine if there is one.
            gpus: that a training takes, and an evaluation.
            options: of `cluster.node.work`.
        """
        tar = subprocess.run(CODE, shell=True, capture_output=True, check=True).stdout
        work = ray.remote(max_retries=-1, num_cpus=options["cpus"])(node.work)
        options["code"], running = ray.put(tar), {}
        self.repo.push(names(self.first))
        try:
            while True:
                for stage in self.ready(tries, running.values()):
                    machines = f"!in({','.join(self.tried_on[stage]) or 'none'})"
                    task = work.options(
                        name=stage.addressing,
                        num_gpus=gpus[stage.cmd.startswith(AWAY[1])],
                        label_selector={"ray.io/node-id": machines},
                        fallback_strategy=[{"label_selector": {}}],
                    )
                    entries = dict(ChainMap(*map(to_lockfile, self.needs[stage])))
                    lock = json.dumps({"schema": "2.0", "stages": entries})
                    running[task.remote(stage.addressing, lock, **options)] = stage
                if not running:
                    return
                ray.wait(list(running))
                ended, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
                self.receive({running.pop(ref): ray.get(ref) for ref in ended})
        finally:
            for ref in running:
                ray.cancel(ref)  # a training saves its state
            ray.wait(list(running), num_returns=len(running) or 1, timeout=GRACE)

    def ready(self, tries: int, running: Iterable[Stage]) -> list[Stage]:
        """Stages to send: not up to date, with all that they need done, and that in the remote."""
        while True:
            waiting = [stage for stage in self.left if stage not in running]
            waiting = [stage for stage in waiting if not self.needs[stage] & self.left.keys()]
            if not (done := self.take_up(waiting)):
                return [stage for stage in waiting if len(self.tried_on[stage]) < tries]
            self.repo.push(names(done))

    def take_up(self, stages: Iterable[Stage]) -> list[Stage]:
        """Bring up to date what need not run, as if it had run here; which of the stages it is."""
        with self.repo.lock:
            done = [stage for stage in stages if node.patiently(node.restored)(stage)]
            lock = load_yaml(LOCK)
            for stage in done:
                lock["stages"] |= to_lockfile(stage)
                del self.left[stage]
            write_whole(LOCK, dumps_yaml(lock).encode())  # which no kill cuts off
        return done

    def receive(self, outcomes: dict[Stage, tuple]) -> None:
        """Take up what has been made; say what is done, and what has failed."""
        done = self.take_up([stage for stage, (status, *_) in outcomes.items() if not status])
        left = len(self.left)
        pace = (time.monotonic() - self.started) / max(1, len(self.away) - left)
        rest = f"{left} left, about {timedelta(seconds=round(left * pace))} to go"
        for stage, (status, log, machine, address, seconds) in outcomes.items():
            self.tried_on[stage].append(machine)
            end = rest if stage in done else f"failed ({status}):\n{log}"
            where = f"{time.strftime('%T')}  {stage.addressing}  {seconds:.0f} s on {address}"
            say(f"{where}; {end}", sys.stdout if stage in done else sys.stderr)


def names(stages: Iterable[Stage]) -> list[str]:
    """DVC's names of stages."""
    return [stage.addressing for stage in stages]


def reproduce(args: argparse.Namespace) -> None:
    """Run what is not up to date: what comes first here, the rest away, and the report here."""
    for file, overrides in to_path_overrides(args.set_param).items():
        apply_overrides(file, overrides)
    params, targets = load_params(), args.stages or ["dvc.yaml"]
    if ":" in params.device:
        raise ValueError(f"params.yaml: device: {params.device} is for Ray to choose; write cuda")
    cpus, tries, total = args.cpus, 3, None
    places = [args.scratch, args.state or f"{args.scratch}/state"]
    with Repo() as repo:
        remote = repo.config["core"].get("remote")
        url = remote and repo.config["remote"][remote]["url"]
        if not args.address:  # DVC's cache is that of the workspaces, and the remote: no copies
            cpus, tries, remote, url = CORES // args.jobs or 1, 1, "cache", repo.cache.legacy.path
            places, total = [repo.dvc_dir, str(STATE.absolute())], args.jobs * cpus
            ray_constants.ENABLE_RAY_CLUSTER = False  # or Ray's ports would not be on loopback
    if not remote:
        raise ValueError("results travel by DVC's remote: dvc remote add --default NAME URL")
    config = {"core": {"remote": remote}, "remote": {remote: {"url": url}}}
    head = Head(targets, config)
    if head.first:
        head.repo.reproduce(names(head.first))
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    context = ray.init(args.address or "local", num_cpus=total, **quiet)
    say(f"Ray's dashboard: {context.dashboard_url or 'none'}", sys.stdout)
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    logs = Logs.options(label_selector=here).remote(LOGS.absolute())
    share = args.gpus if params.device != "cpu" and ray.cluster_resources().get("GPU") else 0
    gpus, how = (share * params.train.devices, share), {"places": places, "config": config}
    Head(targets, config).run(tries, gpus, cpus=cpus, logs=logs, **how)
    ray.shutdown()
    head = Head(targets, config)
    with head.repo.lock:
        changed = [stage for stage in head.away if stage.changed()]
    if changed:
        raise ValueError(f"not up to date: {', '.join(names(changed))}; logs are in {LOGS}")
    if head.last:
        head.repo.reproduce(names(head.last), single_item=True)
    if args.set_param:
        head.repo.experiments.save(name=args.name)


def main() -> None:
    """Run, alone and with errors of one line."""
    args = parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        with locked(LOGS, "`python -m cluster` runs here already"):
            reproduce(args)
    except DvcException as error:
        raise ValueError(str(error)) from None


if __name__ == "__main__":
    run_stage(main)
