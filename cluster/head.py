"""The head: sends stages to machines, and takes up their results as if they had run here."""

import json
import subprocess
import sys
import time
from collections import ChainMap, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, plan_repro
from dvc.stage import Stage
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml, load_yaml

from cluster import node
from cssr.files import write_whole
from stages.common import say

AWAY = ("python -m stages.train ", "python -m stages.evaluate ")  # commands that machines run
LOCK = Path("dvc.lock")
GRACE = 60  # s, for stages that are asked to end
CODE = """git ls-files -zco --exclude-standard ':!docs' ':!reports' ':!tests' ':!dvc.lock' |
tar --create --gzip --null --ignore-failed-read --files-from -"""

ray.cloudpickle.register_pickle_by_value(node)


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
    """Stages of dvc.yaml and what they need, as they stand, and how far they are.

    Args:
        targets: DVC's names of the stages; dvc.yaml for all.
        config: DVC's, its remote.

    Attributes:
        first, away, last: stages that run here, then on machines, then here.
    """

    def __init__(self, targets: list[str], config: dict) -> None:
        self.repo, self.started = Repo(config=config), time.monotonic()
        self.needs = {stage: set(needs) for stage, needs in self.repo.index.graph.adj.items()}
        self.first, self.away, self.last = [], [], []
        for stage in plan_repro(self.repo.index.graph, collect_stages(self.repo, targets)):
            after = self.needs[stage].intersection(self.away + self.last)
            away = stage.cmd.startswith(AWAY)
            (self.away if away else self.last if after else self.first).append(stage)
        self.left = dict.fromkeys(self.away)  # not done, in order
        self.stored: set[Stage] = set()  # whose outputs the remote has
        self.tried_on: dict[Stage, list[str]] = defaultdict(list)  # machines

    def run(self, tries: int, gpus: tuple[float, float], cpus: int, **options: Any) -> list[Stage]:
        """Run what is not up to date of `away`; those that failed, or need one that did.

        Args:
            tries: how often a stage may fail, each time on another machine if there is one.
            gpus: that a training takes, and an evaluation.
            cpus: that each of them takes.
            options: of `cluster.node.work`.
        """
        work, running = ray.remote(max_retries=-1, num_cpus=cpus)(node.work), {}
        tar = subprocess.run(CODE, shell=True, capture_output=True, check=True).stdout
        options["code"] = ray.put(tar)
        try:
            while True:
                for stage in self.ready(tries, set(running.values())):
                    how = {"num_gpus": gpus[stage.cmd.startswith(AWAY[1])]}
                    if tried := self.tried_on[stage]:
                        how["label_selector"] = {"ray.io/node-id": f"!in({','.join(tried)})"}
                        how["fallback_strategy"] = [{"label_selector": {}}]
                    task = work.options(name=stage.addressing, **how)
                    running[task.remote(stage.addressing, self.lock_for(stage), **options)] = stage
                if not running:
                    return list(self.left)
                ray.wait(list(running))
                ended, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
                self.receive({running.pop(ref): ray.get(ref) for ref in ended})
        finally:
            for ref in running:
                ray.cancel(ref)  # a training saves its state
            ray.wait(list(running), num_returns=len(running) or 1, timeout=GRACE)

    def ready(self, tries: int, running: set[Stage]) -> list[Stage]:
        """Stages to send: not up to date, with all they need done, and that in the remote."""
        waiting = None
        while waiting is None or self.take_up(waiting):
            waiting = [
                s for s in self.left if s not in running and not self.needs[s] & self.left.keys()
            ]
        ready = [stage for stage in waiting if len(self.tried_on[stage]) < tries]
        if lacking := set().union(*(self.needs[stage] for stage in ready)) - self.stored:
            self.repo.push([stage.addressing for stage in lacking])
            self.stored |= lacking
        return ready

    def take_up(self, stages: list[Stage]) -> list[Stage]:
        """Bring up to date what need not run, as if it had run here; which of the stages it is."""
        with self.repo.lock:
            done = [stage for stage in stages if node.patiently(node.restored)(stage)]
            lock = load_yaml(LOCK) if LOCK.exists() else {"schema": "2.0", "stages": {}}
            before = dict(lock["stages"])
            for stage in done:
                lock["stages"] |= to_lockfile(stage)
                del self.left[stage]
            if lock["stages"] != before:
                write_whole(LOCK, dumps_yaml(lock).encode())  # which no kill cuts off
        return done

    def lock_for(self, stage: Stage) -> str:
        """What a stage needs of dvc.lock."""
        entries = dict(ChainMap(*(to_lockfile(need) for need in self.needs[stage])))
        return json.dumps({"schema": "2.0", "stages": entries})

    def receive(self, outcomes: dict[Stage, tuple]) -> None:
        """Take up what has been made; say what is done, and what has failed."""
        done = self.take_up([stage for stage, (status, *_) in outcomes.items() if not status])
        self.stored.update(done)
        pace = (time.monotonic() - self.started) / max(1, len(self.away) - len(self.left))
        to_go = timedelta(seconds=round(len(self.left) * pace))
        for stage, (status, log, machine, address, seconds) in outcomes.items():
            self.tried_on[stage].append(machine)
            where = f"{time.strftime('%T')}  {stage.addressing}  {seconds:.0f} s on {address}"
            if stage in done:
                say(f"{where}; {len(self.left)} left, about {to_go} to go", sys.stdout)
            else:
                say(f"{where}, failed ({status}):\n{log}", sys.stderr)
