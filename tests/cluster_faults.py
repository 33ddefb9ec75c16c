"""A cluster whose machines, processes, network and storage fail at random moments.

As root, on Linux: python tests/cluster_faults.py [--faults 24] [--seed 0] [--out FILE]
It runs the smoke preset, with longer trainings, as often as it takes to let so many things fail.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml
from machines import Machines, sh
from made import results
from shell import LONGER, be_interrupted, make_clone, run, set_params

PAUSE = (6.0, 20.0)  # s, between two faults


class Round:
    """The pipeline on two machines, through faults, to its end.

    Args:
        repo: the head's clone.
        machines: two that run stages.
        disk: of the remote.
        rng: says which machine and which process.
    """

    def __init__(self, repo: Path, machines: Machines, disk: Path, rng: random.Random) -> None:
        self.repo, self.machines, self.disk, self.rng = repo, machines, disk, rng
        self.log = repo.with_suffix(".log").open("a")
        self.last: Counter = Counter()  # of the kind that failed last
        self.begin()

    def begin(self) -> None:
        """Give the command."""
        state = f"--state={self.repo.with_suffix('.state')}"
        self.head = self.machines.popen(self.repo, state, out=self.log)

    def say(self, text: str) -> None:
        """Tell the log, and whoever looks on."""
        for stream in sys.stdout, self.log:
            print(f"{time.strftime('%T')}  {text}", file=stream, flush=True)

    def fault(self, kind: str, k: int) -> bool:
        """Let something fail, of machine k where it is one's; whether it was there."""
        self.say(f"fault: {kind}, machine {k}")
        return FAULTS[kind](self, k)

    def lose_machine(self, k: int) -> bool:
        self.machines.kill(k)
        time.sleep(3)
        self.machines.start(k)
        return True

    def kill_raylet(self, k: int) -> bool:
        os.kill(self.machines.find(k, "raylet/raylet ")[0], signal.SIGKILL)
        self.machines.started[k].wait(60)
        return self.supervise(k)

    def supervise(self, k: int) -> bool:
        """Start Ray again on a machine if it has ended."""
        if self.machines.started[k].poll() is not None:
            self.machines.kill(k)
            self.machines.start(k)
        return True

    def kill(self, k: int, pattern: str, number: int = signal.SIGKILL) -> bool:
        """Send a signal to a process of a machine; whether there was one."""
        found = self.machines.find(k, pattern)
        if found:
            os.kill(self.rng.choice(found), number)
        return bool(found)

    def end_head(self, number: int) -> bool:
        os.killpg(self.head.pid, number)
        self.head.wait(150)
        return True

    def cut_network(self, k: int) -> bool:
        self.machines.link(k, "down")
        time.sleep(20)
        self.machines.link(k, "up")
        time.sleep(15)
        return self.supervise(k)

    def fill_remote(self, k: int) -> bool:
        with (self.disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(1 << 12))
        time.sleep(self.rng.uniform(5, 25))
        (self.disk / "filler").unlink()
        return True

    def move_remote(self, k: int) -> bool:
        remote, away = self.disk / "remote", self.disk / "away"
        if not remote.exists():
            return False
        remote.rename(away)
        remote.touch()  # nobody can make a folder there
        time.sleep(self.rng.uniform(5, 25))
        remote.unlink()
        away.rename(remote)
        return True

    def go_on(self, seconds: float) -> bool:
        """Wait, and give the command again where it has failed; whether it has succeeded."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self.head.poll() != 0:
            if self.head.poll() is not None:
                self.say(f"exit code {self.head.returncode}: the same command again")
                self.last["again"] += 1
                self.begin()
            with suppress(subprocess.TimeoutExpired):
                self.head.wait(max(0.1, ends - time.monotonic()))
        return self.head.poll() == 0

    def wrong(self, expected: Path) -> list[str]:
        """What is not as it has to be in the end."""
        time.sleep(8)
        ours = r" -m (stages|cluster)\b|ray::[a-z]"
        left = [pid for k in range(3) for pid in self.machines.find(k, ours)]
        have, want = results(self.repo), results(expected)
        other = [name for name in have | want if have.get(name) != want.get(name)]
        clean = "up to date" in run("dvc status", self.repo, check=False).stdout
        again = computed_again(self.repo, self.disk / "remote")
        found = {"processes left": left, "other bytes": other, "computed again": again}
        told = [f"{what}: {items}" for what, items in found.items() if items]
        return told + ([] if clean else ["dvc status is not clean"])


FAULTS: dict[str, Callable[[Round, int], bool]] = {
    "machine lost, with all that runs on it": Round.lose_machine,
    "raylet killed (SIGKILL)": Round.kill_raylet,
    "Ray's worker killed (SIGKILL)": lambda trial, k: trial.kill(k, "ray::[a-z]"),
    "stage's process killed (SIGKILL)": lambda trial, k: trial.kill(k, " -m stages"),
    "stage's process ended (SIGTERM)": lambda trial, k: trial.kill(k, " -m stages", signal.SIGTERM),
    "DVC of a stage killed (SIGKILL)": lambda trial, k: trial.kill(k, " -m cluster.node"),
    "head killed (SIGKILL)": lambda trial, k: trial.end_head(signal.SIGKILL),
    "head interrupted (SIGINT)": lambda trial, k: trial.end_head(signal.SIGINT),
    "network of a machine cut for 20 s": Round.cut_network,
    "remote full for 5 to 25 s": Round.fill_remote,
    "remote gone for 5 to 25 s": Round.move_remote,
}


def pushed(remote: Path) -> dict[str, float]:
    """When each command's results were in the remote, at the earliest, in seconds since 1970."""
    found: dict[str, float] = {}
    for file in (remote / "runs").glob("*/*/*"):
        if not file.suffix:  # not what a full disk cut off
            command = yaml.safe_load(file.read_text())["cmd"]
            found[command] = min(found.get(command, file.stat().st_mtime), file.stat().st_mtime)
    return found


def attempts(repo: Path) -> list[tuple[float, str]]:
    """When each attempt began that got so far as to run a command, and the command."""
    found = []
    for log in (repo / "state/logs").glob("*.txt"):
        for text in re.split(r"^--- on \S+, ", log.read_text(), flags=re.MULTILINE)[1:]:
            if command := re.search(r"^> (.*)$", text, re.MULTILINE):
                at = time.mktime(time.strptime(text[:19], "%Y-%m-%d %H:%M:%S"))
                found.append((at, command[1]))
    return found


def computed_again(repo: Path, remote: Path) -> list[str]:
    """Commands that were run although their results were in the remote when they were sent."""
    done = pushed(remote)
    return [command for at, command in attempts(repo) if at > done.get(command, at)]


def table(counts: dict[str, Counter]) -> str:
    """Of what failed, how often, and what it took."""
    lines = ["| fault | times | while a stage ran there | the command again |", "|---|--:|--:|--:|"]
    for kind, count in counts.items():
        lines.append(f"| {kind} | {count['times']} | {count['busy']} | {count['again']} |")
    total = [sum(count[key] for count in counts.values()) for key in ("times", "busy", "again")]
    return "\n".join([*lines, "| together | {} | {} | {} |".format(*total)])


def try_all(folder: Path, number: int, seed: int) -> tuple[str, list[str]]:
    """Let so many things fail, in one run of the pipeline after another; table, what is wrong."""
    rng, counts, wrong, rounds, begun = random.Random(seed), defaultdict(Counter), [], 0, 0
    todo = [list(FAULTS)[k % len(FAULTS)] for k in range(number)]
    rng.shuffle(todo)
    (folder / "clone").mkdir()
    clone, disk = make_clone(folder / "clone", "smoke"), folder / "disk"
    set_params(clone, *LONGER)
    expected = Path(shutil.copytree(clone, folder / "expected", symlinks=True))
    run("dvc repro", expected)
    with Machines(folder, 2) as machines:
        while todo:
            rounds += 1
            repo = Path(shutil.copytree(clone, folder / f"round{rounds}", symlinks=True))
            for k in 1, 2:  # nothing is known from the round before
                shutil.rmtree(folder / f"machine{k}/.cache", ignore_errors=True)
            shutil.rmtree(disk / "remote", ignore_errors=True)
            run(f"dvc remote add --default storage {disk}/remote", repo)
            trial = Round(repo, machines, disk, rng)
            while todo and not trial.go_on(rng.uniform(*PAUSE)):
                k = rng.choice((1, 2))
                busy = bool(machines.find(k, " -m stages"))
                if trial.fault(todo[-1], k):
                    trial.last = counts[todo.pop()]
                    trial.last.update(times=1, busy=busy)
            found = trial.wrong(expected) if trial.go_on(1800) else ["no end"]
            begun += len(attempts(repo))
            trial.say(f"round {rounds}: {found or 'all as it has to be'}")
            wrong += [f"round {rounds}: {line}" for line in found]
    order = {kind: counts[kind] for kind in FAULTS}
    told = (
        f"{table(order)}\n\nruns of 19 stages: {rounds}; begun on machines: {begun}; seed: {seed}"
    )
    return told, wrong


def main() -> None:
    """Read the command line; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the table")
    args = parser.parse_args()
    be_interrupted()
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="faults"))
    (folder / "disk").mkdir()
    sh(f"mount -t tmpfs -o size=96m tmpfs {folder}/disk")  # it can be filled
    try:
        told, wrong = try_all(folder, args.faults, args.seed)
    finally:
        sh(f"umount {folder}/disk")
    print(told)
    if args.out:
        args.out.write_text(f"{told}\n")
    if wrong:
        sys.exit("\n".join([*wrong, f"the runs are in {folder}"]))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
