"""Machines of a Ray cluster on this one: each with a network, processes and folders of its own."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from shell import environment

HEAD = "10.77.0.1"
# a lost machine is noticed in seconds, not in minutes
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "a-token-for-tests-only-a-token-for-tests-only",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "3000",
    "RAY_grpc_client_keepalive_timeout_ms": "3000",
}


def sh(command: str, check: bool = True) -> None:
    subprocess.run(command, shell=True, check=check, capture_output=not check)


class Machines:
    """A head and some machines in network namespaces, joined by a bridge in the head's.

    Args:
        folder: for what a machine has on its disk.
        number: of machines that run stages.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.net = f"cssr{os.getpid()}"
        self.tmp = Path(f"/tmp/{self.net}")  # of Ray on each machine; its sockets want a short path
        self.tmp.mkdir()
        self.started: dict[int, subprocess.Popen] = {}

    def __enter__(self) -> "Machines":
        with ExitStack() as stack:
            stack.push(self.__exit__)
            self.join()
            for k in range(self.number + 1):
                self.start(k)
            stack.pop_all()
        return self

    def join(self) -> None:
        """Make the networks."""
        try:
            sh(f"ip netns add {self.net}h")
        except subprocess.CalledProcessError:
            pytest.skip("no right to make network namespaces")
        sh(f"ip -n {self.net}h link set lo up")
        sh(f"ip -n {self.net}h link add bridge type bridge")
        sh(f"ip -n {self.net}h addr add {HEAD}/24 dev bridge")
        sh(f"ip -n {self.net}h link set bridge up")
        for k in range(1, self.number + 1):
            sh(f"ip netns add {self.net}m{k} && ip -n {self.net}m{k} link set lo up")
            sh(f"ip link add to{k} netns {self.net}h type veth peer name eth0 netns {self.net}m{k}")
            sh(f"ip -n {self.net}h link set to{k} master bridge up")
            sh(f"ip -n {self.net}m{k} addr add 10.77.0.{k + 1}/24 dev eth0")
            sh(f"ip -n {self.net}m{k} link set eth0 up")

    def __exit__(self, *error: object) -> None:
        for k in list(self.started):
            self.kill(k)
        for k in range(1, self.number + 1):
            sh(f"ip netns del {self.net}m{k}", check=False)
        sh(f"ip netns del {self.net}h", check=False)
        shutil.rmtree(self.tmp)

    def environment(self, k: int) -> dict[str, str]:
        """Of a machine."""
        own = {"HOME": str(self.folder / f"machine{k}"), "RAY_TMPDIR": str(self.tmp)}
        return {**environment(), **RAY, **own}

    def start(self, k: int) -> None:
        """Start Ray on a machine, and wait until it is there; 0 is the head's."""
        home = self.folder / f"machine{k}"
        (home / "ray").mkdir(parents=True, exist_ok=True)
        name = f"{self.net}m{k}" if k else f"{self.net}h"
        role = (
            f"--address={HEAD}:6379 --num-cpus=1"
            if k
            else "--head --port=6379 --num-cpus=0 --include-dashboard=false"
        )
        own = "unshare --mount --pid --fork --kill-child --mount-proc" if k else ""
        ray = f"ray start {role} --node-ip-address=10.77.0.{k + 1} --block"
        mount = f"mount --bind {home}/ray {self.tmp} && " if k else ""
        for _ in range(5):  # two at once get in each other's way
            with (home / "log").open("w") as log:
                self.started[k] = subprocess.Popen(
                    f"exec ip netns exec {name} {own} sh -c '{mount}exec {ray}'",
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
        if k:
            process.kill()
        else:  # what Ray started has the head's network and no process of its own to end it
            sh(f"kill -9 $(ip netns pids {self.net}h)", check=False)
        process.wait()

    def command(self, *args: str) -> list[str]:
        """`python -m cluster` at the head."""
        at = ["ip", "netns", "exec", f"{self.net}h"]
        return [*at, sys.executable, "-m", "cluster", f"--address={HEAD}:6379", *args]

    def popen(self, repo: Path, *args: str) -> subprocess.Popen:
        """Start it, in a process group of its own."""
        return subprocess.Popen(
            self.command(*args),
            cwd=repo,
            env=self.environment(0),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
