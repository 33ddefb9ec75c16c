"""Machines of a Ray cluster on this one: each with a network, processes and folders of its own."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from shell import environment

HEAD = "10.77.0.1"
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "a-token-for-tests-only-a-token-for-tests-only",
    "RAY_worker_niceness": "0",  # or work beside it on this machine would starve it
    # a lost machine is noticed in seconds
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "3000",
    "RAY_grpc_client_keepalive_timeout_ms": "3000",
}


def sh(command: str, check: bool = True) -> str:
    done = subprocess.run(command, shell=True, check=check, capture_output=True, text=True)
    return done.stdout


class Machines:
    """A head and some machines in network namespaces, joined by a bridge in the head's.

    Args:
        folder: for what each machine has on its disk.
        number: of machines that run stages; the head's is 0 and runs none.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.net = f"cssr{os.getpid()}"
        self.tmp = Path(f"/tmp/{self.net}")  # of Ray on each machine; its sockets want a short path
        self.started: dict[int, subprocess.Popen] = {}

    def __enter__(self) -> "Machines":
        with ExitStack() as stack:
            stack.push(self.__exit__)
            self.tmp.mkdir()
            self.join()
            for k in range(self.number + 1):
                self.start(k)
            stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        for k in list(self.started):
            self.kill(k)
        for k in range(self.number + 1):
            sh(f"ip netns del {self.name(k)}", check=False)
        shutil.rmtree(self.tmp)

    def name(self, k: int) -> str:
        """Of a machine's network."""
        return f"{self.net}m{k}"

    def join(self) -> None:
        """Make the networks."""
        if os.geteuid() or not shutil.which("ip"):
            pytest.skip("no right to make network namespaces")
        head = self.name(0)
        sh(f"ip netns add {head} && ip -n {head} link set lo up")
        sh(f"ip -n {head} link add bridge type bridge && ip -n {head} link set bridge up")
        sh(f"ip -n {head} addr add {HEAD}/24 dev bridge")
        for k in range(1, self.number + 1):
            here = self.name(k)
            sh(f"ip netns add {here} && ip -n {here} link set lo up")
            sh(f"ip link add to{k} netns {head} type veth peer name eth0 netns {here}")
            sh(f"ip -n {head} link set to{k} master bridge up && ip -n {here} link set eth0 up")
            sh(f"ip -n {here} addr add 10.77.0.{k + 1}/24 dev eth0")

    def link(self, k: int, state: str) -> None:
        """Cut a machine off (`down`), or not any more (`up`)."""
        sh(f"ip -n {self.name(0)} link set to{k} {state}")

    def environment(self, k: int) -> dict[str, str]:
        """Of a machine."""
        own = {"HOME": str(self.folder / f"machine{k}"), "RAY_TMPDIR": str(self.tmp)}
        return {**environment(), **RAY, **own}

    def start(self, k: int) -> None:
        """Start Ray on a machine, and wait until it is there."""
        home = self.folder / f"machine{k}"
        shutil.rmtree(home / "ray", ignore_errors=True)
        (home / "ray").mkdir(parents=True)
        ray = f"ray start --block --node-ip-address=10.77.0.{k + 1}"
        if k:  # processes that end with the first of them, and a session folder of its own
            own = "unshare --mount --pid --fork --kill-child --mount-proc"
            mount = f"mount --bind {home}/ray {self.tmp}"
            has = "--num-cpus=1 --num-gpus=1"  # it pretends to have a GPU, which Ray binds
            ray = f"{own} sh -c '{mount} && exec {ray} --address={HEAD}:6379 {has}'"
        else:
            ray += " --head --port=6379 --num-cpus=0 --include-dashboard=false"
        for _ in range(5):  # two at once get in each other's way
            with (home / "log").open("w") as log:
                self.started[k] = subprocess.Popen(
                    f"exec ip netns exec {self.name(k)} {ray}",
                    shell=True,
                    env=self.environment(k),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            ends = time.monotonic() + 60
            while time.monotonic() < ends and self.started[k].poll() is None:
                if "--block" in (home / "log").read_text():
                    return
                time.sleep(0.2)
            self.kill(k)
        pytest.fail(f"Ray did not start: {(home / 'log').read_text()}")

    def kill(self, k: int) -> None:
        """Let a machine die with all that runs on it."""
        process = self.started.pop(k)
        process.kill()
        if k == 0:
            sh(f"kill -9 $(ip netns pids {self.name(0)})", check=False)
        process.wait()

    def find(self, k: int, pattern: str) -> list[int]:
        """Processes on a machine whose command line a regular expression is found in."""
        pids = sh(f"ip netns pids {self.name(k)}", check=False).split()
        found = []
        for pid in pids:
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if re.search(pattern, line):
                found.append(int(pid))
        return found

    def popen(self, repo: Path, *args: str, out=subprocess.PIPE) -> subprocess.Popen:
        """Start `python -m cluster` at the head, in a process group of its own."""
        at = ["ip", "netns", "exec", self.name(0)]
        return subprocess.Popen(
            [*at, sys.executable, "-m", "cluster", f"--address={HEAD}:6379", *args],
            cwd=repo,
            env=self.environment(0),
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
