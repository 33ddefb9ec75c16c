"""Run the stages of dvc.yaml on a Ray cluster, or several at a time on this machine."""

import argparse
import logging
import os
import signal
import subprocess
import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from cssr.files import locked
from stages.common import STATE, load_params, run_stage, say

CONFIG = """[core]
    no_scm = true
    site_cache_dir = {{folder}}/site
    remote = {remote}
['remote "{remote}"']
    url = {url}
[cache]
    dir = {cache}
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
    code = subprocess.run([sys.executable, "-m", "dvc", *command], check=False).returncode
    if code:
        sys.exit(code)


def settings(args: argparse.Namespace) -> tuple[dict, dict]:
    """DVC's remote, as its configuration, and `places` of `cluster.task.work`."""
    with Repo() as repo:
        cache, name = repo.cache.legacy.path, repo.config["core"].get("remote")
        url = name and repo.config["remote"][name]["url"]
    places = {"scratch": args.scratch, "state": args.state or f"{args.scratch}/state"}
    if not args.address:  # the cache itself is the remote, and nothing is copied
        places = {"scratch": os.path.abspath(".dvc/tmp/cluster"), "state": os.path.abspath(STATE)}
        name, url = "cache", cache
    elif not name:
        raise ValueError("results travel through a DVC remote: dvc remote add --default NAME URL")
    cache = "{scratch}/cache" if args.address else cache
    places["config"] = CONFIG.format(remote=name, url=url, cache=cache)
    return {"core": {"remote": name}, "remote": {name: {"url": url}}}, places


def connect(args: argparse.Namespace) -> int:
    """Connect to a Ray cluster, or start one that only this machine reaches; CPUs of a stage."""
    os.environ.setdefault("RAY_grpc_client_keepalive_time_ms", "15000")
    if not args.address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # binds its ports to loopback
    import ray  # which reads them

    cpus, how = args.cpus, {}
    if not args.address:
        jobs = args.jobs or len(os.sched_getaffinity(0))
        cpus = max(1, len(os.sched_getaffinity(0)) // jobs)
        how = {"num_cpus": jobs * cpus, "object_store_memory": 2**27}
    ended = signal.getsignal(signal.SIGTERM)  # Ray sets its own
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    context = ray.init(args.address or "local", **how, **quiet)
    signal.signal(signal.SIGTERM, ended)
    if context.dashboard_url:
        say(f"Ray's dashboard: http://{context.dashboard_url}", sys.stdout)
    return cpus


def reproduce(args: argparse.Namespace) -> None:
    """Run what is not up to date: what comes first here, the rest there, and the report here."""
    params = load_params()
    if ":" in params.device:
        raise ValueError(f"params.yaml: device: {params.device} is for Ray to choose; write cuda")
    config, places = settings(args)
    cpus = connect(args)
    import ray
    from cluster.head import Head

    if first := Head(args.stages, config).first:
        dvc("repro", *first)
    share = args.gpus if params.device != "cpu" and ray.cluster_resources().get("GPU") else 0
    gpus = share * params.train.devices, share
    tries = 3 if args.address else 1
    if left := Head(args.stages, config).run(tries, gpus, threads=cpus, places=places):
        raise ValueError(f"not done: {', '.join(left)}; logs are in {STATE / 'logs'}")
    ray.shutdown()
    head = Head(args.stages, config)
    if changed := head.changed():
        raise ValueError(f"{', '.join(changed)} changed meanwhile; run the same command again")
    if head.last:
        dvc("repro", "--single-item", *head.last)


def main() -> None:
    """Set parameters, run, save the experiment."""
    args = parse_args()
    logs = STATE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with locked(logs, "`python -m cluster` runs here already"):
        try:
            for file, overrides in to_path_overrides(args.set_param).items():
                apply_overrides(file, overrides)
            reproduce(args)
        except DvcException as error:
            raise ValueError(str(error)) from None
        if args.set_param:
            dvc("exp", "save", *(["--name", args.name] if args.name else []))


if __name__ == "__main__":
    run_stage(main)
