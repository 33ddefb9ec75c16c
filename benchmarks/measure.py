"""Timing, the device's floors, and a report as a table and as JSON."""

import argparse
import json
import os
import platform
import re
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from cssr.device import choose_device, device_name
from cssr.files import write_whole
from cssr.report.tables import markdown_lines
from stages.common import versions

Row = dict[str, Any]


class Clock:
    """Marks in time: device events on CUDA, where a mark does not wait for the work before it."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"

    def mark(self) -> Any:
        """A mark after the work that was given to the device so far."""
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self, start: Any, end: Any) -> float:
        """Time between two marks; waits for the second."""
        if not self.cuda:
            return (end - start) * 1e3
        end.synchronize()
        return start.elapsed_time(end)


class MemoryWatch(threading.Thread):
    """Peak of this process's own memory in MiB while it is entered.

    Pages of memory-mapped files are left out: the system can drop them.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = self.own_memory()
        self.ended = threading.Event()

    def __enter__(self) -> "MemoryWatch":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.join()

    def run(self) -> None:
        """Look every 5 ms."""
        while not self.ended.wait(0.005):
            self.peak = max(self.peak, self.own_memory())

    @staticmethod
    def own_memory() -> float:
        """Memory that belongs to no file, MiB; Linux only."""
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def median_ms(
    function: Callable[[], Any], device: torch.device, *, repeats: int, warmup: int = 3
) -> float:
    """Median time of a call in ms."""
    clock = Clock(device)
    times = []
    for index in range(warmup + repeats):
        start = clock.mark()
        function()
        elapsed = clock.milliseconds(start, clock.mark())
        if index >= warmup:
            times.append(elapsed)
    return statistics.median(times)


def floors(device: torch.device, precision: str, repeats: int = 10) -> dict[str, float]:
    """What the device reaches in a large matrix product, TFLOP/s, and in a large copy, GB/s."""
    cuda = device.type == "cuda"
    side, count = (8192, 2**28) if cuda else (512, 2**26)
    a, b = (torch.randn(side, side, device=device, dtype=getattr(torch, precision)) for _ in "ab")
    source = torch.empty(count, device=device)
    target = torch.empty_like(source)
    tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as in convolutions
    product = median_ms(lambda: a @ b, device, repeats=repeats)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    copy = median_ms(lambda: target.copy_(source), device, repeats=repeats)
    return {
        "matmul_tflops": 2 * side**3 / product / 1e9,
        "copy_gb_per_s": 2 * source.nbytes / copy / 1e6,
    }


def prepare(args: argparse.Namespace) -> torch.device:
    """Set the number of threads; the device that is asked for."""
    if args.threads:
        torch.set_num_threads(args.threads)
    return choose_device(args.device)


def report(
    title: str,
    rows: Sequence[Row],
    device: torch.device,
    args: argparse.Namespace,
    facts: Row | None = None,
) -> None:
    """Print rows as a Markdown table below the device and the versions; write all as JSON."""
    facts = facts_of(device) | (facts or {})
    print(f"{title}: " + ", ".join(f"{key} {_shown(value)}" for key, value in facts.items()))
    lines = markdown_lines(list(rows[0]), ([_shown(v) for v in row.values()] for row in rows))
    print("\n".join(lines))
    if args.json:
        save(args.json, {"benchmark": title, **facts, "repeats": args.repeats, "rows": list(rows)})


def facts_of(device: torch.device) -> Row:
    """The device and the versions."""
    return {
        "device": device_name(device),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **versions(),
        **(gpu_versions() if device.type == "cuda" else {}),
    }


def save(file: Path, content: Row) -> None:
    """Write JSON; a process that is killed leaves the old content or the new."""
    write_whole(file, f"{json.dumps(content, indent=2)}\n".encode())


def gpu_versions() -> dict[str, Any]:
    """Versions of what computes on a GPU."""
    return {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def processor() -> str:
    """The processor's name, where the system tells it."""
    file = Path("/proc/cpuinfo")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    named = re.search(r"model name\s*: (.+)", text)
    return named[1] if named else platform.processor()


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
