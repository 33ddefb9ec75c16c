"""Measure a GPU in some minutes: parts one after another, the most important ones first.

Each part is a process with a time limit of its own. It writes FOLDER/PART.json as it goes, so that
whatever ends the run leaves the numbers that were there. A part that fails is reported, and the
next one runs; one for which too little time is left is skipped. Messages are in FOLDER/log.txt.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.options import zip_file
from stages.common import run_stage

PARTS = ("device", "joint", "variants", "choices", "tests", "training")
LOG = "log.txt"
RESERVE = 5  # seconds kept for the end
REHEARSED = 20  # iterations of each training in a rehearsal, whose parts end by themselves
GRACE = 3  # seconds in which a part can end by itself
PR_SET_PDEATHSIG = 1  # of Linux's prctl


class Part(NamedTuple):
    """A part of the run.

    Attributes:
        name: of its JSON file.
        command: arguments of `python -m`.
        share: of the whole time, the most that it gets; the last part gets what is left.
        least: seconds; with less it is skipped.
    """

    name: str
    command: list[str]
    share: float
    least: int = 10


def parts_of(
    preset: str, trained: str, images: Path | None, *, repeats: int, most: int | None = None
) -> list[Part]:
    """The parts, the most important ones first.

    Args:
        preset: whose steps are timed.
        trained: whose networks are trained.
        images: zip of images to train on; None for those that the preset makes.
        repeats: timed iterations of each setting, whose median is told.
        most: iterations of each training; None for what the time allows.
    """
    times = ["--repeats", str(repeats)]
    steps = ["benchmarks.gpu.steps", *times, "--warmup", str(min(4, repeats)), "--preset", preset]
    source = ["--images", str(images)] if images else []
    source += ["--most", str(most)] if most else []
    return [
        Part("device", ["benchmarks.gpu.floors", *times], 0.12),
        Part("joint", [*steps, "--part", "joint"], 0.27),
        Part("variants", [*steps, "--part", "variants"], 0.16),
        Part("choices", [*steps, "--part", "choices"], 0.16),
        Part("tests", ["benchmarks.gpu.checks"], 0.14),
        Part("training", ["benchmarks.gpu.trainings", "--preset", trained, *source], 1.0, 20),
    ]


def run_part(part: Part, folder: Path, seconds: float, environment: dict[str, str]) -> str:
    """Run a part for at most some seconds; how it ended."""
    if seconds < part.least:
        return f"skipped: {max(0, seconds):.0f} s are left, {part.least} are needed"
    file = folder / f"{part.name}.json"
    file.unlink(missing_ok=True)  # of an earlier run
    command = [sys.executable, "-m", *part.command, "--json", str(file)]
    if part.name == "training":
        command += ["--seconds", str(int(seconds))]
    with (folder / LOG).open("ab") as log:
        begins = log.tell()
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"ended at its limit of {seconds:.0f} s"
        finally:
            end(process)
    return "done" if code == 0 else f"failed with exit code {code}: {last_line(log.name, begins)}"


def die_with_parent() -> None:
    """Let Linux kill this process when the one that started it is gone, by `kill -9` too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end(process: subprocess.Popen) -> None:
    """End a part, which removes what is temporary, and kill what is left of it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)


def last_line(file: str, begins: int) -> str:
    """The last line of a log, from a position on."""
    lines = Path(file).read_bytes()[begins:].decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "no output")


def minutes(text: str) -> float:
    """The type of an option that is a time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e4:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes above 0")
    return value


def folder(text: str) -> Path:
    """The type of an option that names a folder, which is made."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError:
        raise argparse.ArgumentTypeError(f"{text} cannot be made or is not a folder") from None
    return Path(text)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--minutes", type=minutes, help="at most; default: 8, or 30 to rehearse")
    parser.add_argument("--out", type=folder, required=True, metavar="FOLDER", help="to write")
    parser.add_argument("--images", type=zip_file, metavar="ZIP", help="of images to train on")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to run")
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="run on the CPU, with the smoke preset, its images and no compilation",
    )
    args = parser.parse_args()
    args.minutes = args.minutes or (30.0 if args.rehearse else 8.0)
    args.only = args.only or PARTS
    if not args.rehearse and not torch.cuda.is_available():
        parser.error("there is no GPU; --rehearse does the same on the CPU")
    if args.rehearse and args.images:
        parser.error("--rehearse has images of its own: leave --images out")
    return args


def main() -> int:
    """Run the parts; 1 if one failed."""
    args = parse_args()
    seconds = 60 * args.minutes
    ends = time.monotonic() + seconds - RESERVE
    (args.out / LOG).unlink(missing_ok=True)
    environment = dict(os.environ)
    failed = False
    if args.rehearse:
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TORCHDYNAMO_DISABLE": "1"}
        parts = parts_of("smoke", "smoke", args.images, repeats=1, most=REHEARSED)
    else:
        parts = parts_of("paper", "real", args.images, repeats=10)
    for part in parts:
        if part.name not in args.only:
            continue
        if part.name == "training" and not (args.images or args.rehearse):
            print("training: skipped: --images names no zip of images")
            continue
        began = time.monotonic()
        allowed = min(ends - began, part.share * seconds)
        outcome = run_part(part, args.out, allowed, environment)
        failed |= outcome.startswith("failed")
        print(f"{part.name}: {outcome} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"numbers in {args.out}, messages in {args.out / LOG}")
    return int(failed)


if __name__ == "__main__":
    run_stage(lambda: sys.exit(main()))
