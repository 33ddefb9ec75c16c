"""Run the stages of dvc.yaml on a Ray cluster, or several at a time on this machine."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from cssr.files import locked
from stages.common import STATE, load_params, run_stage, say

LOGS = STATE / "logs"
CONFIG = """[core]
    no_scm = true
    remote = {remote}
['remote "{remote}"']
    url = {url}
[cache]
    dir = {{scratch}}/cache
    type = "reflink,hardlink,symlink,copy"
"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    add = parser.add_argument
    add("stages", nargs="*", metavar="STAGE", help="only these, and what they need")
    add("--address", help="of a Ray cluster, or auto; without, Ray starts on this machine alone")
    add("--jobs", type=int, help="stages at a time on this machine (default: one a core)")
    add("--cpus", type=int, default=1, help="that a stage takes, on a cluster (%(default)s)")
    add("--gpus", type=float, default=1, help="that a device takes, such as 0.25 (%(default)s)")
    add("--scratch", default="~/.cache/cssr", help="folder of each machine (%(default)s)")
    add("--state", help="folder for unfinished trainings, on storage that all machines share")
    add("-S", "--set-param", action="append", default=[], help="as `dvc exp run -S`")
    add("-n", "--name", help="of the experiment, with -S")
    return parser.parse_args()


def dvc(*command: str) -> None:
    """Run a DVC command as a user does; end as it does if it fails."""
    if code := subprocess.run([sys.executable, "-m", "dvc", *command], check=False).returncode:
        sys.exit(code)


def reproduce(args: argparse.Namespace) -> None:
    """Run what is not up to date: what comes first here, the rest there, and the report here."""
    os.environ.setdefault("RAY_grpc_client_keepalive_time_ms", "15000")
    if not args.address:  # Ray's ports on loopback, nothing sent to its makers
        os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray  # which reads them

    from cluster.head import Head, Logs

    params = load_params()
    if ":" in params.device:
        raise ValueError(f"params.yaml: device: {params.device} is for Ray to choose; write cuda")
    with Repo() as repo:
        cache, remote = repo.cache.legacy.path, repo.config["core"].get("remote")
        url = remote and repo.config["remote"][remote]["url"]
    if args.address and not remote:
        raise ValueError("results travel through a DVC remote: dvc remote add --default NAME URL")
    cores = len(os.sched_getaffinity(0))
    jobs, cpus, places = None, args.cpus, [args.scratch, args.state or f"{args.scratch}/state"]
    if not args.address:  # DVC's cache is that of the workspaces, and the remote: no copies
        jobs, remote, url = args.jobs or cores, "cache", cache
        cpus, places = max(1, cores // jobs), [str(Path(".dvc").absolute()), str(STATE.absolute())]
    config = {"core": {"remote": remote}, "remote": {remote: {"url": url}}}
    targets = args.stages or ["dvc.yaml"]
    if first := Head(targets, config).first:
        dvc("repro", *(stage.addressing for stage in first))
    quiet = {"log_to_driver": False, "logging_level": "error"}
    context = ray.init(args.address or "local", num_cpus=jobs and jobs * cpus, **quiet)
    say(f"Ray's dashboard: {context.dashboard_url or 'none'}", sys.stdout)
    share = args.gpus if params.device != "cpu" and ray.cluster_resources().get("GPU") else 0
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    logs = Logs.options(label_selector=here).remote(LOGS.absolute())
    workspaces = CONFIG.format(remote=remote, url=url, cache=cache)
    env = {"OMP_NUM_THREADS": str(cpus)}
    how = {"config": workspaces, "env": env, "places": places, "logs": logs}
    gpus, tries = (share * params.train.devices, share), 3 if args.address else 1
    left = Head(targets, config).run(tries, gpus, cpus, **how)
    ray.shutdown()
    if left:
        raise ValueError(f"not done: {', '.join(s.addressing for s in left)}; logs are in {LOGS}")
    head = Head(targets, config)
    with head.repo.lock:
        changed = [stage.addressing for stage in head.away if stage.changed()]
    if changed:
        raise ValueError(f"{', '.join(changed)} changed meanwhile; run the same command again")
    if head.last:
        dvc("repro", "--single-item", *(stage.addressing for stage in head.last))


def main() -> None:
    """Set parameters, run, save the experiment."""
    args = parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        with locked(LOGS, "`python -m cluster` runs here already"):
            for file, overrides in to_path_overrides(args.set_param).items():
                apply_overrides(file, overrides)
            reproduce(args)
            if args.set_param:
                dvc("exp", "save", *(["--name", args.name] if args.name else []))
    except DvcException as error:
        raise ValueError(str(error)) from None


if __name__ == "__main__":
    run_stage(main)
