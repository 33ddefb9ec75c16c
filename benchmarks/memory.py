"""Print the peak of a process's own memory in MiB while it prepares or evaluates images."""

import argparse
import threading
from pathlib import Path

import torch

from benchmarks.data import linked_pairs
from cssr.data.arrays import load_arrays, write_arrays
from cssr.evaluation import evaluate, summarise
from cssr.models.unet import UNet
from cssr.models.variants import BicubicSS

INTERVAL = 0.005  # s between two looks


def own_memory() -> float:
    """Memory of this process that belongs to no file, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


class Watch(threading.Thread):
    """Looks at the memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.stop = own_memory(), threading.Event()

    def run(self) -> None:
        """Look again and again."""
        while not self.stop.wait(INTERVAL):
            self.peak = max(self.peak, own_memory())


def main() -> None:
    """Prepare `count` images to FOLDER/COUNT, or evaluate those that lie there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("stage", choices=("prepare", "evaluate"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("size", type=int)
    args = parser.parse_args()
    arrays, watch = args.folder / str(args.count), Watch()
    watch.start()
    if args.stage == "prepare":
        arrays.mkdir()
        pairs = linked_pairs(args.folder, args.count)
        write_arrays(arrays, pairs, size=args.size, scale=4)
    else:
        loaded = load_arrays(arrays)
        pipeline = BicubicSS(UNet(encoder=[4] * 5, decoder=2), scale=4)
        cpu = torch.device("cpu")
        scores = evaluate(pipeline, loaded, takes_hr=False, batch_size=16, device=cpu)
        summarise(scores, loaded.mask)
    watch.stop.set()
    print(watch.peak)


if __name__ == "__main__":
    main()
