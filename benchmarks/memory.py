"""Print the peak of a process's own memory in MiB while it prepares or evaluates images."""

import argparse
from pathlib import Path

import torch

from benchmarks.data import linked_pairs
from benchmarks.measure import MemoryWatch
from cssr.data.arrays import load_arrays
from cssr.models.pipeline import Pipeline
from cssr.models.unet import UNet
from cssr.preparation.array_files import write_arrays
from cssr.validation.predictor import Predictor
from cssr.validation.scores import evaluate, summarise


def main() -> None:
    """Prepare `count` images to FOLDER/COUNT, or evaluate those that lie there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("stage", choices=("prepare", "evaluate"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("size", type=int)
    args = parser.parse_args()
    arrays = args.folder / str(args.count)
    with MemoryWatch() as watch:
        if args.stage == "prepare":
            arrays.mkdir()
            pairs = linked_pairs(args.folder, args.count)
            write_arrays(arrays, pairs, size=args.size, scale=4)
        else:
            loaded = load_arrays(arrays)
            ss = UNet(encoder=[4] * 5, decoder=2)
            pipeline = Pipeline("bicubic_ss", sr=None, ss=ss, scale=4)
            predictor = Predictor(pipeline, device=torch.device("cpu"), batch_size=16)
            summarise(evaluate(predictor, loaded), loaded.mask)
    print(watch.peak)


if __name__ == "__main__":
    main()
