"""What a machine does for a stage: `work` in a Ray worker, DVC in a workspace of its own."""

import ctypes
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs import generic
from dvc.repo import Repo, lock_repo
from dvc.stage.cache import _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile
from funcy import retry

from stages.common import run_stage

# it still runs where it was sent before, or was asked to end by somebody else than the head
AGAIN = re.compile(r"is in use: the same training runs already|exited with (143|-15)\n$")
PR_SET_PDEATHSIG = 1
patiently = retry(4, timeout=lambda tried: 5 * 3**tried)  # s: storage may be gone for a minute


def work(name: str, lock: str, *, code: bytes, config: dict, threads: int, places: list, logs: Any):
    """Run a stage in a workspace of its own. Ray carries this function to machines, by value.

    Args:
        name: of the stage.
        lock: dvc.lock, as far as the stage needs it.
        code: the head's, as a tar file.
        config: of DVC's remote.
        threads: of a process.
        places: scratch folder, and that of states, with `~` and variables of any machine.
        logs: actor that writes the stages' logs.

    Returns:
        Entry of dvc.lock or None, end of the log, machine's name and address, seconds.
    """
    import ray  # slow, and the workspace's process does without

    started, entry, tail = time.monotonic(), None, deque(maxlen=20)
    machine, address = ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()
    scratch, state = (Path(os.path.expandvars(place)).expanduser() for place in places)
    cache = {"dir": f"{scratch}/cache", "type": "reflink,hardlink,symlink,copy"}

    def log(line: str) -> None:
        tail.append(line)
        logs.add.remote(name, line)

    try:
        for folder in state, scratch / "tmp":
            folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as folder:
            repo, result = Path(folder, "repo"), Path(folder, "entry.json")
            with tarfile.open(fileobj=io.BytesIO(code)) as tar:
                tar.extractall(repo, filter="data")
            (repo / "dvc.lock").write_text(lock)
            (repo / ".dvc/config.local").write_text("[core]\nno_scm = true\n")
            (repo / "state").symlink_to(state)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            env = {"PATH": path, "OMP_NUM_THREADS": str(threads), "DVC_SITE_CACHE_DIR": folder}
            args = [name, str(result), json.dumps({**config, "cache": cache})]
            log(f"--- on {address}, {time.strftime('%F %T')}\n")
            while run(args, repo, env, log) and AGAIN.search("".join(tail)):
                time.sleep(10)
            entry = json.loads(result.read_text()) if result.exists() else None
    except OSError as error:
        log(f"error: {error}\n")
    return entry, "".join(tail), machine, address, time.monotonic() - started


def run(args: list[str], repo: Path, env: dict[str, str], log: Callable[[str], None]) -> int:
    """Run `main` in a workspace; when this process is to end, it ends first. Its exit code."""
    command, env = [sys.executable, "-m", "cluster.node", *args], {**os.environ, **env}
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    process = subprocess.Popen(command, cwd=repo, env=env, start_new_session=True, **out)
    reader = Thread(target=lambda: [log(line) for line in process.stdout])
    reader.start()
    try:
        while process.poll() is None:
            time.sleep(0.1)  # Ray cancels between two steps of Python, not within a wait
    finally:
        process.terminate()
        process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # what it left, if it was killed
        reader.join()  # until all of them have ended
    return process.returncode


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


def copy(source: Any, target: Any, folder: str) -> None:
    """Copy the files of a folder from one of DVC's stores to another."""
    for file in source.fs.find(source.fs.join(source.path, folder)):
        path = target.fs.join(target.path, folder, source.fs.name(file))
        generic.copy(source.fs, file, target.fs, path)


def main() -> None:
    """Run a stage in this workspace, and write its entry of dvc.lock."""
    name, result, config = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # if the Ray worker is killed
    try:
        with Repo(config=json.loads(config)) as repo:
            Path(result).write_text(json.dumps(compute(repo, name)))
    except DvcException as error:
        sys.exit(f"error: {error}")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)  # the stage, if this process alone was asked to end


if __name__ == "__main__":
    run_stage(main)
