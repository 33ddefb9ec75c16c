"""One stage through DVC, in a workspace that `cluster.task` has made."""

import ctypes
import fcntl
import json
import os
import signal
import sys
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.fs import generic
from dvc.repo import Repo, lock_repo
from dvc.stage.cache import _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile
from funcy import retry

from stages.common import run_stage

PR_SET_PDEATHSIG = 1
patiently = retry(4, timeout=lambda tried: 5 * 3**tried)  # s: storage may be gone for a minute


def compute(repo: Repo, name: str) -> dict:
    """Run a stage, unless the remote's run-cache knows it; its entry of dvc.lock.

    What is missing of its inputs, exactly, is pulled first: `dvc repro --pull` would take a missing
    one for an unchanged one. Outputs are pushed before the run-cache names them.
    """
    with lock_repo(repo):
        [stage] = repo.stage.collect(name)
        cache, remote = repo.cache.legacy, repo.cloud.get_remote_odb(hash_name="md5-dos2unix")
        cache.makedirs(cache.path)
        with Path(cache.path, "pulling").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # once a machine: others find it in the cache
            if missing := [dep.def_path for dep in stage.deps if not dep.exists]:
                patiently(repo.pull)(missing)
        stage.save_deps()
        key = _get_stage_hash(stage)
        patiently(copy)(remote, cache, f"runs/{key[:2]}/{key}")
        stage.run(pull=True)
        stage.dump(update_pipeline=False)
        patiently(repo.push)(name)
        patiently(copy)(cache, remote, f"runs/{key[:2]}/{key}")
        return to_single_stage_lockfile(stage)


def copy(source, target, folder: str) -> None:
    """Copy the files of a folder from one of DVC's stores to another."""
    for file in source.fs.find(source.fs.join(source.path, folder)):
        path = target.fs.join(target.path, folder, source.fs.name(file))
        generic.copy(source.fs, file, target.fs, path)


def main() -> None:
    """Run a stage in this workspace, and write its entry of dvc.lock."""
    name, result = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # if the Ray worker is killed
    try:
        with Repo() as repo:
            Path(result).write_text(json.dumps(compute(repo, name)))
    except DvcException as error:
        sys.exit(f"error: {error}")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)  # the stage, if this process alone was asked to end


if __name__ == "__main__":
    run_stage(main)
