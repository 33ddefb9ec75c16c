"""Run the stages of dvc.yaml on a Ray cluster, or several at a time on this machine."""

import argparse
import json
import logging
import re
import subprocess
import sys
import time
from collections import ChainMap
from pathlib import Path

import ray
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, plan_repro
from dvc.stage import Stage
from dvc.stage.serialize import to_lockfile
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import dumps_yaml

from cluster import node
from cssr.files import locked, write_whole
from stages.common import LOCK, STATE, load_params, run_stage, say

LOGS = STATE / "logs"
AWAY = ("python -m stages.train ", "python -m stages.evaluate ")  # what machines run
CODE = """git ls-files -zco --exclude-standard ':!docs' ':!reports' ':!tests' ':!dvc.lock' |
tar --create --gzip --null --ignore-failed-read --files-from -"""

ray.cloudpickle.register_pickle_by_value(node)
logging.getLogger("dvc.stage.cache").setLevel("WARNING")  # what is taken up is told here


@ray.remote(num_cpus=0)
class Logs:
    """Writes the stages' logs at the head, as they grow."""

    def add(self, file: str, text: str) -> None:
        """Append to a log."""
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)


class Head:
    """Stages as they stand, `targets` with what they need: here first, away, and here last."""

    def __init__(self, targets: list[str], remote: dict) -> None:
        self.repo, self.started = Repo(**remote, _wait_for_lock=True), time.monotonic()
        self.needs = {stage: set(needs) for stage, needs in self.repo.index.graph.adj.items()}
        self.first, self.away, self.last = [], [], []
        for stage in plan_repro(self.repo.index.graph, collect_stages(self.repo, targets)):
            away = stage.cmd.startswith(AWAY)
            after = not away and self.needs[stage].intersection(self.away + self.last)
            (self.away if away else self.last if after else self.first).append(stage)
        self.left = {stage: [] for stage in self.away}  # not done, and the machines that tried

    def run(self, tries: int, gpus: tuple[float, float], **options: object) -> None:
        """Run what is not up to date of `away` by `node.work`, on up to `tries` machines each."""
        options["code"] = ray.put(subprocess.check_output(CODE, shell=True))
        work, running = ray.remote(max_retries=-1, num_cpus=options["cpus"])(node.work), {}
        kind = "GPU" if gpus[0] else "CPU"  # that a machine must have
        node.patiently(self.repo.push)([stage.addressing for stage in self.first])
        try:
            while True:
                able = {m["NodeID"] for m in ray.nodes() if m["Alive"] and m["Resources"].get(kind)}
                for stage in self.ready(tries, {*running.values()}):
                    tried = self.left[stage] if able - {*self.left[stage]} else []
                    how = {"name": stage.addressing, "num_gpus": gpus[AWAY[1] in stage.cmd]}
                    how["label_selector"] = {"ray.io/node-id": f"!in({','.join(tried) or 'none'})"}
                    entries = dict(ChainMap(*map(to_lockfile, self.needs[stage])))
                    lock = json.dumps({"schema": "2.0", "stages": entries})
                    running[work.options(**how).remote(stage.addressing, lock, **options)] = stage
                if not running:
                    return
                ray.wait(list(running))
                ended, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
                self.receive({running.pop(ref): ray.get(ref) for ref in ended})
        finally:
            for ref in running:
                ray.cancel(ref)  # a training saves its state
            ray.wait(list(running), num_returns=len(running) or 1, timeout=60)

    def ready(self, tries: int, running: set[Stage]) -> list[Stage]:
        """Stages to send: not up to date, with all that they need done, and that in the remote."""
        while True:
            free = [s for s in self.left if not (s in running or self.needs[s] & self.left.keys())]
            if not (done := self.take_up(free)):
                return [stage for stage in free if len(self.left[stage]) < tries]
            for stage in done:
                node.patiently(node.copy_runs)(stage, up=True)

    def take_up(self, stages: list[Stage]) -> dict[Stage, list[str]]:
        """Bring up to date what need not run, as if it had run here; it is `left` no longer."""
        with self.repo.lock:
            done = [stage for stage in stages if node.patiently(node.restored)(stage)]
            if done:  # as text, since DVC's YAML takes seconds for some hundred stages
                made = {"schema": "2.0", "stages": dict(ChainMap(*map(to_lockfile, done)))}
                both = re.split(r"(?m)^(?=schema|  \S)", LOCK.read_text() + dumps_yaml(made))
                lock = {entry.partition("\n")[0]: entry for entry in both}
                write_whole(LOCK, "".join(lock.values()).encode())  # which no kill cuts off
        return {stage: self.left.pop(stage) for stage in done}

    def receive(self, outcomes: dict[Stage, tuple]) -> None:
        """Take up what has been made; say what is done, and what has failed."""
        done = self.take_up([stage for stage, (status, *_) in outcomes.items() if not status])
        pace = (time.monotonic() - self.started) / max(1, len(self.away) - len(self.left))  # s
        rest = f"{len(self.left)} left, about {len(self.left) * pace / 60:.0f} min"
        for stage, (status, log, machine, address, seconds) in outcomes.items():
            self.left.get(stage, []).append(machine)
            where = f"{time.strftime('%T')}  {stage.addressing}  {seconds:.0f} s on {address}"
            end = rest if stage in done else f"failed ({status}):\n{log}"
            say(f"{where}; {end}", sys.stdout if stage in done else sys.stderr)


def reproduce(args: argparse.Namespace) -> None:
    """Run what is not up to date: what comes first here, the rest away, and the report here."""
    for file, overrides in to_path_overrides(args.set_param).items():
        apply_overrides(file, overrides)
    params, targets = load_params(), args.stages or ["dvc.yaml"]
    if ":" in params.device:
        raise ValueError(f"params.yaml: device: {params.device} is for Ray to choose; write cuda")
    places = [args.scratch, args.state or f"{args.scratch}/state"]
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        url = name and repo.config["remote"][name]["url"]
        if not args.address:  # DVC's cache is that of the workspaces, and the remote: no copies
            name, url = "cache", repo.cache.legacy.path
            places = [repo.dvc_dir, str(STATE.absolute())]
            ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # binds its ports to loopback
    if not name:
        raise ValueError("results travel by DVC's remote: dvc remote add --default NAME URL")
    remote = {"remote": name, "remote_config": {"url": url}}
    head = Head(targets, remote)
    if head.first:
        head.repo.reproduce([stage.addressing for stage in head.first])
    ray.init(args.address or "local", log_to_driver=False)
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    logs = Logs.options(label_selector=here).remote(), LOGS.absolute()
    bound = {"auto": ray.cluster_resources().get("GPU"), "cuda": True}  # by Ray to GPUs
    share = args.gpus if bound.get(params.device) else 0
    how = {"tries": 3 if args.address else 1, "gpus": (share * params.train.devices, share)}
    Head(targets, remote).run(cpus=args.cpus, places=places, remote=remote, logs=logs, **how)
    head = Head(targets, remote)
    with head.repo.lock:
        changed = [stage.addressing for stage in head.away if stage.changed()]
    if changed:
        raise ValueError(f"not up to date: {', '.join(changed)}; logs are in {LOGS}")
    if head.last:
        head.repo.reproduce([stage.addressing for stage in head.last], single_item=True)
    if args.set_param:
        head.repo.experiments.save(name=args.name)


def main() -> None:
    """Read the command line; run, alone."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    add = parser.add_argument
    add("stages", nargs="*", metavar="STAGE", help="only these, and what they need")
    add("--address", help="of a Ray cluster, or auto; without, Ray starts on this machine alone")
    add("--cpus", type=int, default=1, help="that a stage takes (%(default)s)")
    add("--gpus", type=float, default=1, help="that a device takes, such as 0.25 (%(default)s)")
    add("--scratch", default="~/.cache/cssr", help="folder of each machine (%(default)s)")
    add("--state", help="folder for unfinished trainings, on storage that all machines share")
    add("-S", "--set-param", action="append", default=[], help="as `dvc exp run -S`")
    add("-n", "--name", help="of the experiment, with -S")
    args = parser.parse_args()
    with locked(LOGS, "`python -m cluster` runs here already"):
        reproduce(args)


if __name__ == "__main__":
    run_stage(main)
