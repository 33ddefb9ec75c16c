"""What a Ray worker does for a stage. Ray carries this module to all machines, by value."""

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
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import ray

# it still runs where it was sent before, or somebody else than the head has ended it
AGAIN = re.compile(r"is in use: the same training runs already|exited with (143|-15)\n$")


def work(
    name: str, code: bytes, lock: str, *, threads: int, places: dict[str, str], logs: Any
) -> tuple[dict | None, str, str, str, float]:
    """Run a stage in a workspace of its own.

    Args:
        name: DVC's.
        code: the head's, as a tar file.
        lock: dvc.lock, as far as the stage needs it.
        threads: of a process.
        places: `scratch` and `state`, with `~` and variables of any machine; DVC's `config` there.
        logs: actor that writes the stages' logs.

    Returns:
        Entry of dvc.lock or None; end of the log; Ray's name of the machine; its address; seconds.
    """
    started, address = time.monotonic(), ray.util.get_node_ip_address()
    machine, entry = ray.get_runtime_context().get_node_id(), None
    scratch, state = (
        Path(os.path.expandvars(places[k])).expanduser() for k in ("scratch", "state")
    )
    try:
        for folder in scratch, state:
            folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="work-", dir=scratch) as folder:
            repo, result = Path(folder, "repo"), Path(folder, "entry.json")
            with tarfile.open(fileobj=io.BytesIO(code)) as tar:
                tar.extractall(repo, filter="data")
            (repo / "dvc.lock").write_text(lock)
            config = places["config"].format(folder=folder, scratch=scratch)
            (repo / ".dvc/config.local").write_text(config)
            (repo / "state").symlink_to(state)
            while AGAIN.search(log := run([name, str(result)], repo, threads, logs)):
                time.sleep(10)
            entry = json.loads(result.read_text()) if result.exists() else None
    except OSError as error:
        log = f"error: {error}\n"
    return entry, log, machine, address, time.monotonic() - started


def run(args: list[str], repo: Path, threads: int, logs: Any) -> str:
    """Run `cluster.node` in a workspace, and have it end if this process is to; its log's end."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster.node", *args],
        cwd=repo,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=20)

    def read() -> None:
        for line in process.stdout:
            tail.append(line)
            logs.add.remote(args[0], line)

    reader = Thread(target=read)
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
    return "".join(tail)
