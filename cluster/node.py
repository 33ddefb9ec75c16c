"""What a machine does for a stage: `work` in a Ray worker, `main` in a workspace of its own."""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from dvc.data_cloud import DataCloud
from dvc.fs import generic
from dvc.repo import Repo, lock_repo
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotFoundError, _get_cache_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import load_yaml
from funcy import post_processing, retry, suppress

from stages.common import forget_finished, run_stage

AGAIN = re.compile(rf"exited with ({os.EX_TEMPFAIL}|143|-15)\n$")  # in use, or ended
FAILED = set()  # files that a remote did not take or give, which DVC only logs
patiently = retry(4, timeout=lambda tried: 5 * 3**tried)  # s: storage may be gone for a minute
DataCloud.transfer = post_processing(lambda copied: FAILED.update(copied.failed) or copied)(
    DataCloud.transfer
)


@contextmanager
def complete() -> Iterator[None]:
    """Raise an error if a remote does not take or give all files."""
    FAILED.clear()
    yield
    if FAILED:
        raise OSError("the remote did not take or give all files")


def work(name: str, lock: dict, code: bytes, remote: dict, cpus: int, places: list, logs: tuple):
    """Run a stage in a workspace of its own; exit code, log's end, lock entry, where, seconds."""
    import ray  # slow, and `main` does without

    where = ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()
    started, status, lines, entry = time.monotonic(), 1, [], {}

    def log(line: str) -> None:
        lines.append(line)
        logs[0].add.remote(f"{logs[1]}/{name}.txt", line)

    log(f"--- on {where[1]}, {time.strftime('%F %T')}\n")
    try:
        scratch, shared, state = (Path(os.path.expandvars(place)).expanduser() for place in places)
        for folder in state, scratch / "tmp":  # `~` and variables in their names are the machine's
            folder.mkdir(parents=True, exist_ok=True)
        cache = {"dir": str(shared), "type": "reflink,hardlink,symlink,copy"}
        repo = json.dumps(remote | {"config": {"cache": cache, "core": {"no_scm": True}}})
        env = {"DVC_STAGE": name, "DVC_SITE_CACHE_DIR": ".dvc/site", "OMP_NUM_THREADS": str(cpus)}
        env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        if not ray.get_gpu_ids():
            env["CUDA_VISIBLE_DEVICES"] = ""  # those there are belong to others
        with TemporaryDirectory(dir=folder) as folder:
            subprocess.run(["tar", "xz"], cwd=folder, input=code, check=True)
            Path(folder, "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": lock}))
            Path(folder, "state").symlink_to(state)
            while (status := run([name, repo], folder, env, log)) and AGAIN.search("".join(lines)):
                time.sleep(10)  # it runs elsewhere, or somebody else than the head has ended it
            entry = load_yaml(f"{folder}/dvc.lock")["stages"].get(name, {})
    except (OSError, subprocess.CalledProcessError) as error:
        log(f"error: {error}\n")
    return status, "".join(lines[-20:]), entry, *where, time.monotonic() - started


def run(args: list[str], folder: str, env: dict[str, str], log: Callable[[str], None]) -> int:
    """Run `main`, whose end is waited for also if this process is to end; its exit code."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    how |= {"cwd": folder, "env": os.environ | env, "start_new_session": True}
    process = subprocess.Popen([sys.executable, "-m", "cluster.node", *args], **how)
    reader = Thread(target=lambda: [log(line) for line in process.stdout])
    reader.start()
    try:
        while reader.is_alive():
            reader.join(0.1)  # Ray cancels between two steps of Python, not within a wait
    finally:
        process.terminate()
        reader.join()  # until all that it has started have ended
    return process.wait()


def main() -> None:
    """Run a stage in this workspace, or take it from the remote; what it made goes there."""
    with Repo(**json.loads(sys.argv[2])) as repo, lock_repo(repo):
        [stage] = repo.stage.collect(sys.argv[1])
        with Path("../pulling").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # once a machine: others find it in the cache
            if missing := [dep.def_path for dep in stage.deps if not dep.exists]:
                patiently(repo.pull)(missing)
        if not patiently(restored)(stage):
            stage.run()
        stage.dump(update_pipeline=False)
        patiently(copy_runs)(stage, up=True)
        forget_finished(*(Path(out.def_path) for out in stage.outs))


@complete()
def restored(stage: Stage) -> bool:
    """Whether a stage is up to date, by itself or now from a cache, here or in the remote."""
    if not stage.changed():
        return True
    stage.cmd_changed |= stage.changed_deps()
    stage.save_deps()
    copy_runs(stage, up=False)
    stage.remove_outs()
    for changed in sorted({stage.cmd_changed, True}):  # by dvc.lock, then by the run-cache
        stage.cmd_changed = changed
        with suppress(RunCacheNotFoundError):
            stage.repo.stage_cache.restore(stage, pull=True)
            stage.save()
            return True
    return False


@complete()
def copy_runs(stage: Stage, *, up: bool) -> None:
    """Copy the run-cache's entry of a stage to the remote, after its outputs, or all from there."""
    if up:
        stage.repo.cloud.push(set().union(*stage.get_used_objs().values()))
    cache, key = stage.repo.cache.legacy, _get_stage_hash(stage)
    remote = stage.repo.cloud.get_remote_odb(hash_name=cache.hash_name)
    remote.fs.ls(remote.fs.join(remote.path, "files"))  # an error if the remote is gone
    src, dst = (cache, remote) if up else (remote, cache)
    end = _get_cache_hash(to_single_stage_lockfile(stage)) if up else ""
    for file in src.fs.find(src.fs.join(src.path, "runs", key[:2], key)):
        to = dst.fs.join(dst.path, *src.fs.relparts(file, src.path))
        if file.endswith(end) and not (file.endswith(".tmp") or dst.fs.exists(to)):
            generic.copy(src.fs, file, dst.fs, to)  # `.tmp` has been cut off by a full disk


if __name__ == "__main__":
    run_stage(main)
