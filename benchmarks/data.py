"""Speed of making, preparing, reading and augmenting images; memory over their number."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.measure import Row, median_ms, prepare, report
from benchmarks.options import add_device_share, at_least, parser_of
from cssr.data.arrays import load_arrays
from cssr.preparation.array_files import find_pairs, write_arrays
from cssr.sources.synthetic import write_synthetic
from cssr.training.batches import draw_batches, make_batch
from stages.common import run_stage

FILES = 64  # different images; larger sets name them again and again
COUNTS = (100, 1_000, 10_000)


def linked_pairs(folder: Path, count: int) -> list[tuple[Path, Path]]:
    """`count` pairs out of the FILES different ones."""
    names = [file.name for file in sorted((folder / "train/images").iterdir())]
    pairs = find_pairs(folder / "train", names)
    return (pairs * -(-count // len(pairs)))[:count]


def timed(function: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_memory(stage: str, folder: Path, count: int, size: int) -> float:
    """Peak of a process's own memory in MiB; pages of mapped files, which it can drop, apart."""
    command = [sys.executable, "-m", "benchmarks.memory", stage, str(folder), str(count), str(size)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def speeds(args: argparse.Namespace, device: torch.device, folder: Path) -> list[Row]:
    """Images per second of each step."""
    size = args.size
    images = args.images
    make = {"train": FILES, "test": 1, "size": size, "crack_width": (1.0, 8.0), "seed": 0}
    making = timed(lambda: write_synthetic(folder, **make))
    pairs = linked_pairs(folder, images)
    out = folder / "arrays"
    out.mkdir()
    preparing = timed(lambda: write_arrays(out, pairs, size=size, scale=4))
    arrays = load_arrays(out)
    batch = args.batch_size
    endless = range(10**6)
    drawn = draw_batches(
        arrays,
        endless,
        batch_size=batch,
        seed=0,
        device=device,
        device_share=args.device_share,
    )
    reading = median_ms(lambda: next(drawn), device, repeats=args.repeats)
    one = next(drawn)
    augmenting = median_ms(
        lambda: make_batch(one, scale=4, phi="normalised"), device, repeats=args.repeats
    )
    return [
        {"step": "synthetic images made and written", "images/s": (FILES + 1) / making},
        {"step": "prepare, all cores", "images/s": images / preparing},
        {"step": "batch read to the device", "images/s": batch / reading * 1e3},
        {"step": "batch augmented and degraded", "images/s": batch / augmenting * 1e3},
    ]


def main() -> None:
    """Measure and report."""
    parser = parser_of(__doc__, "data")
    parser.add_argument("--size", type=at_least(4), default=448, help="side of the images, px")
    parser.add_argument("--images", type=at_least(1), default=512, help="images prepared")
    parser.add_argument("--batch-size", type=at_least(1), default=6, help="images read at a time")
    add_device_share(parser)
    parser.add_argument("--memory", action="store_true", help="measure memory, at 64 px, instead")
    args = parser.parse_args()
    device = prepare(args)
    with TemporaryDirectory() as name:
        if not args.memory:
            facts = {"size": args.size, "batch_size": args.batch_size}
            report("data", speeds(args, device, Path(name)), device, args, facts)
            return
        write_synthetic(Path(name), train=FILES, test=1, size=64, crack_width=(1.0, 4.0), seed=0)
        rows = [
            {
                "images": count,
                "prepare, MiB": peak_memory("prepare", Path(name), count, 64),
                "evaluate, MiB": peak_memory("evaluate", Path(name), count, 64),
            }
            for count in COUNTS
        ]
    report("memory", rows, device, args)


if __name__ == "__main__":
    run_stage(main)
