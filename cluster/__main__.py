"""Run the stages of dvc.yaml on a Ray cluster, or several at a time on this machine."""

import argparse
import re
import sys
import time
from collections import ChainMap, Counter
from pathlib import Path
from subprocess import check_output

import ray
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, plan_repro
from dvc.stage import Stage, cache
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_lockfile
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import dumps_yaml

from cluster import node
from cssr.files import locked, write_whole
from stages.common import LOCK, PARAMS_FILE, STATE, keeping_signals, load_params, run_stage, say

LOGS = STATE / "logs"
RAY = Path("~/.ray").expanduser()  # its token is in it
AWAY = ("python -m stages.train ", "python -m stages.evaluate ")  # what machines run
CODE = "git ls-files -zco --exclude-standard cluster cssr stages presets .dvc* dvc.yaml params.yaml"
TAR = "tar --create --gzip --null --ignore-failed-read --files-from -"

ray.cloudpickle.register_pickle_by_value(node)  # or machines would have to have it
cache.logger.setLevel("WARNING")  # what is taken up is told here


@ray.remote(num_cpus=0, max_restarts=-1)
class Logs:
    """Writes the stages' logs at the head, as they grow."""

    def add(self, file: str, text: str) -> None:
        """Append to a log."""
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)


class Head:
    """Stages as they stand, `targets` with what they need: here first, away, and here last."""

    def __init__(self, targets: list[str], remote: dict) -> None:
        self.repo, self.ran, self.started = Repo(**remote, _wait_for_lock=True), 0, time.monotonic()
        self.needs = {stage: set(needs) for stage, needs in self.repo.index.graph.adj.items()}
        self.first, self.away, self.last = [], [], []
        for stage in plan_repro(self.repo.index.graph, collect_stages(self.repo, targets)):
            away = stage.cmd.startswith(AWAY)
            after = not away and self.needs[stage].intersection(self.away + self.last)
            (self.away if away else self.last if after else self.first).append(stage)
        self.left = {stage: [] for stage in self.away}  # not done, and the machines that tried

    def run(self, tries: int, takes: Counter, gpus: float, **options: object) -> None:
        """Run what is not up to date of `away` by `node.work`, on up to `tries` machines each."""
        code = check_output(TAR.split(), input=check_output(CODE.split()))
        options |= {"cpus": takes["CPU"], "code": ray.put(code)}
        work = ray.remote(max_retries=-1, num_cpus=takes["CPU"])(node.work)
        sent, ended = {}, []  # stages, and the machines that they were kept from
        needed = set().union(*(self.needs[stage] for stage in self.away)).intersection(self.first)
        node.patiently(self.repo.push)([stage.addressing for stage in needed])
        try:
            while True:
                able = {m["NodeID"] for m in ray.nodes() if takes <= Counter(m["Resources"])}
                for ref in [r for r, (_, tried) in sent.items() if tried and not able - {*tried}]:
                    ray.cancel(ref)  # or it might wait for ever: no other machine is left
                    del sent[ref]
                for stage in self.ready(tries, {stage for stage, _ in sent.values()}):
                    tried = self.left[stage] if able - {*self.left[stage]} else []
                    share = gpus if stage.cmd.startswith(AWAY[1]) else takes["GPU"]
                    apart = {"ray.io/node-id": f"!in({','.join(tried) or 'none'})"}
                    at = work.options(name=stage.addressing, num_gpus=share, label_selector=apart)
                    lock = dict(ChainMap(*map(to_lockfile, self.needs[stage])))
                    sent[at.remote(stage.addressing, lock, **options)] = stage, tried
                if not sent:
                    return
                if not (able or ended):
                    say(f"waiting for a machine with {dict(takes)}, for a training", sys.stderr)
                ray.wait(list(sent), timeout=60)
                ended, _ = ray.wait(list(sent), num_returns=len(sent), timeout=0)
                self.receive({sent.pop(ref)[0]: ref.future() for ref in ended})
        finally:
            for ref in sent:
                ray.cancel(ref)  # a training saves its state
            ray.wait(list(sent), num_returns=len(sent) or 1, timeout=60)

    def ready(self, tries: int, sent: set[Stage]) -> list[Stage]:
        """Stages to send: not up to date, with all that they need done, and that in the remote."""
        while True:
            free = [s for s in self.left if not (s in sent or self.needs[s] & self.left.keys())]
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

    def receive(self, ended: dict) -> None:
        """Take up what has been made; say what is done, and what has failed."""
        for stage, future in ended.items():
            lost = 1, f"{future.exception()}\n", {}, "none", "an unknown machine", 0  # Ray ended it
            ended[stage] = _, _, entry, *_ = lost if future.exception() else future.result()
            StageLoader.fill_from_lock(stage, entry)
            stage.cmd_changed &= entry.get("cmd") != stage.cmd
        done = self.take_up(list(ended))
        self.ran += len(done)
        pace = (time.monotonic() - self.started) / max(1, self.ran)  # s
        rest = f"{len(self.left)} left, about {len(self.left) * pace / 60:.0f} min"
        for stage, (status, log, _, machine, host, seconds) in ended.items():
            self.left.get(stage, []).append(machine)
            end, to = (f"failed ({status}):\n{log}", sys.stderr) if status else (rest, sys.stdout)
            say(f"{time.strftime('%T')}  {stage.addressing}  {seconds:.0f} s on {host}; {end}", to)
            if not (status or stage in done):
                raise ValueError("code, parameters or remote here are not those that were sent")


@locked(LOGS, "`python -m cluster` runs here already")
def reproduce(args: argparse.Namespace) -> None:
    """Run what is not up to date: what comes first here, the rest away, and the report here."""
    if args.set_param:
        apply_overrides(PARAMS_FILE, args.set_param)
    params, targets = load_params(), args.stages or ["dvc.yaml"]
    if ":" in params.device:
        raise ValueError(f"params.yaml: device: {params.device} is for Ray to choose; write cuda")
    if args.cpus < 1:
        raise ValueError(f"--cpus {args.cpus}: a stage takes 1 or more")
    if args.gpus < 1 < params.train.devices:
        raise ValueError(f"--gpus {args.gpus}: on train.devices: {params.train.devices} write 1")
    state = args.state and args.state.expanduser().absolute()
    places = [args.scratch, f"{args.scratch}/cache", str(state or f"{args.scratch}/state")]
    with Repo() as repo:
        name = repo.config["core"].get("remote")
        url = repo.config["remote"].get(name, {}).get("url")
        if not args.address:  # DVC's cache is that of the workspaces, and the remote: no copies
            name, url = "cache", repo.cache.legacy.path
            places = [repo.dvc_dir, url, str(STATE.absolute())]
            ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # binds its ports to loopback
    if not url:
        raise ValueError("results travel by DVC's remote: dvc remote add --default NAME URL")
    remote = {"remote": name, "remote_config": {"url": url}}
    head = Head(targets, remote)
    head.repo.reproduce([stage.addressing for stage in head.first])
    RAY.mkdir(mode=0o700, exist_ok=True)
    RAY.chmod(0o700)
    keeping_signals()(ray.init)(args.address or "local", log_to_driver=False)
    if not (args.address or ray.util.get_node_ip_address() == "127.0.0.1"):
        raise ValueError("this version of Ray listens on the network: install that of the lock")
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    logs = Logs.options(label_selector=here).remote(), LOGS.absolute()
    have = Counter(ray.cluster_resources())
    gpus = args.gpus if {"auto": have["GPU"], "cuda": True}.get(params.device) else 0
    takes = Counter(CPU=args.cpus, GPU=gpus * params.train.devices)
    if not (args.address or takes <= have):
        raise ValueError(f"a training takes {dict(takes)}; Ray finds fewer on this machine")
    tries, head = 3 if args.address else 1, Head(targets, remote)
    head.run(tries, takes, gpus, places=places, remote=remote, logs=logs)
    if left := ", ".join(stage.addressing for stage in head.left):
        raise ValueError(f"not up to date: {left}; logs are in {LOGS}")
    if head.last:
        head.repo.reproduce([stage.addressing for stage in head.last], single_item=True)
    if args.set_param or args.name:
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
    add("--state", type=Path, help="of unfinished trainings, on storage that all machines share")
    add("-S", "--set-param", action="append", default=[], help="as `dvc exp run -S`")
    add("-n", "--name", help="of the experiment; without -S, too")
    reproduce(parser.parse_args())


run_stage(main)
