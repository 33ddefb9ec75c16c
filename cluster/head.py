"""The head: sends stages to machines, and takes up their results as if they had run here."""

import json
import subprocess
import sys
import time
from collections import ChainMap, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
from dvc.exceptions import DownloadError
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, plan_repro
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml, load_yaml
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster import node
from cssr.files import write_whole
from stages.common import STATE, say

AWAY = ("python -m stages.train ", "python -m stages.evaluate ")  # commands that machines run
LOCK, LOGS = Path("dvc.lock"), STATE / "logs"
GRACE = 60  # s, for stages that are asked to end
CODE = """git ls-files -zco --exclude-standard ':!docs' ':!reports' ':!tests' ':!dvc.lock' |
tar --create --gzip --null --ignore-failed-read --files-from -"""

ray.cloudpickle.register_pickle_by_value(node)


class Logs:
    """Ray's actor at the head that writes the stages' logs, as they grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, text: str) -> None:
        """Append to the log of a stage."""
        with (self.folder / f"{name}.txt").open("a", encoding="utf-8") as stream:
            stream.write(text)


class Head:
    """Stages of dvc.yaml and what they need, as they stand, and how far they are.

    Args:
        targets: DVC's names of the stages; none for all.
        config: of DVC's remote.

    Attributes:
        first, away, last: names of those that run here, then on machines, then here.
    """

    def __init__(self, targets: list[str], config: dict) -> None:
        self.repo, self.config = Repo(config=config), config
        graph = self.repo.index.graph  # edges lead to what a stage needs
        planned = plan_repro(graph, collect_stages(self.repo, targets or ["dvc.yaml"]))
        self.stages = {stage.addressing: stage for stage in planned}
        self.needs = {s.addressing: {n.addressing for n in graph.successors(s)} for s in planned}
        self.first, self.away, self.last = [], [], []
        for name, stage in self.stages.items():
            after = self.needs[name].intersection(self.away + self.last)
            away = stage.cmd.startswith(AWAY)
            (self.away if away else self.last if after else self.first).append(name)
        self.left = dict.fromkeys(self.away)  # not done, in order
        self.running: dict[ray.ObjectRef, str] = {}
        self.failed_on: dict[str, list[str]] = defaultdict(list)  # machines
        self.stored: set[str] = set()  # whose outputs the remote has
        self.started = time.monotonic()

    def changed(self) -> list[str]:
        """Those of `away` that are not up to date."""
        with self.repo.lock:
            return [name for name in self.away if self.stages[name].changed()]

    def run(self, tries: int, gpus: tuple[float, float], **options: Any) -> list[str]:
        """Run what is not up to date of `away`; those that failed, or need one that did.

        Args:
            tries: how often a stage may fail, each time on another machine if there is one.
            gpus: that a training takes, and an evaluation.
            options: of `cluster.node.work`.
        """
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(num_cpus=0, scheduling_strategy=here)(Logs)
        tar = subprocess.run(CODE, shell=True, capture_output=True, check=True).stdout
        options |= {
            "logs": actor.remote(LOGS.absolute()),
            "code": ray.put(tar),
            "config": self.config,
        }
        work = ray.remote(max_retries=-1, num_cpus=options["threads"])(node.work)
        try:
            while True:
                for name in self.ready(tries):
                    how = {
                        "name": name,
                        "num_gpus": gpus[self.stages[name].cmd.startswith(AWAY[1])],
                    }
                    if tried := self.failed_on[name]:
                        how["label_selector"] = {"ray.io/node-id": f"!in({','.join(tried)})"}
                        how["fallback_strategy"] = [{"label_selector": {}}]
                    ref = work.options(**how).remote(name, self.lock_for(name), **options)
                    self.running[ref] = name
                if not self.running:
                    return list(self.left)
                self.receive()
        finally:
            for ref in self.running:
                ray.cancel(ref)  # a training saves its state
            ray.wait(list(self.running), num_returns=len(self.running) or 1, timeout=GRACE)

    def ready(self, tries: int) -> Iterator[str]:
        """Stages to send: not up to date, with all they need done, and that in the remote."""
        busy = set(self.running.values())
        for name in [name for name in self.left if name not in busy]:
            if self.needs[name] & self.left.keys() or len(self.failed_on[name]) == tries:
                continue
            if self.restored(self.stages[name]):
                del self.left[name]
                continue
            if lacking := self.needs[name] - self.stored:
                self.repo.push(sorted(lacking))
                self.stored |= lacking
            yield name

    def restored(self, stage: Stage) -> bool:
        """Whether a stage is up to date, by itself or now from DVC's run-cache."""
        with self.repo.lock:
            if stage.changed():
                stage.remove_outs()
                try:
                    self.repo.stage_cache.restore(stage)
                except RunCacheNotFoundError:
                    return False
                stage.save()
                record([stage])
        return True

    def lock_for(self, name: str) -> str:
        """What a stage needs of dvc.lock, without its own entry, by which old results seem new."""
        entries = [to_lockfile(self.stages[need]) for need in sorted(self.needs[name])]
        return json.dumps({"schema": "2.0", "stages": dict(ChainMap(*entries))})

    def receive(self) -> None:
        """Wait until a stage ends; take up all that have."""
        ray.wait(list(self.running))
        ended, _ = ray.wait(list(self.running), num_returns=len(self.running), timeout=0)
        outcomes = {self.running.pop(ref): ray.get(ref) for ref in ended}
        self.take_up({name: entry for name, (entry, *_) in outcomes.items() if entry})
        for name, (entry, log, machine, address, seconds) in outcomes.items():
            if not entry:
                self.failed_on[name].append(machine)
                say(f"{name} failed on {address}:\n{log}", sys.stderr)
                continue
            left = len(self.left)
            pace = (time.monotonic() - self.started) / (len(self.away) - left)
            rest = f"{left} left, about {timedelta(seconds=round(left * pace))} to go"
            say(f"{time.strftime('%T')}  {name}  {seconds:.0f} s on {address}; {rest}", sys.stdout)

    def take_up(self, entries: dict[str, dict]) -> None:
        """Have outputs, run-cache and dvc.lock as if stages had run here, given their entries."""
        stages = [self.stages[name] for name in entries]
        with self.repo.lock:
            for stage in stages:
                StageLoader.fill_from_lock(stage, entries[stage.addressing])
                node.patiently(pull)(stage)
                stage.checkout(force=True)
                self.repo.stage_cache.save(stage)
            record(stages)
        for name in entries:
            self.stored.add(name)
            del self.left[name]


def pull(stage: Stage) -> None:
    """Pull a stage's outputs to the cache; DownloadError if some are not there then."""
    for objects in stage.get_used_objs(force=True).values():
        stage.repo.cloud.pull(objects)
    if not stage.outs_cached():
        raise DownloadError(len(stage.outs))


def record(stages: list[Stage]) -> None:
    """Write stages to dvc.lock, which no kill cuts off."""
    lock = load_yaml(LOCK) if LOCK.exists() else {"schema": "2.0", "stages": {}}
    for stage in stages:
        lock["stages"] |= to_lockfile(stage)
    write_whole(LOCK, dumps_yaml(lock).encode())
