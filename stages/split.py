"""Take the validation images out of the training images, to data/split.json."""

import argparse
import json

from cssr.files import write_whole
from cssr.preparation.split import split_names
from stages.common import RAW, SPLIT, read_params, run_stage

PARAMS = ("split",)


def main() -> None:
    """Write the names of the images of train, val and test."""
    argparse.ArgumentParser(prog="python -m stages.split", description=__doc__).parse_args()
    split = read_params(*PARAMS).split
    train = [file.name for file in (RAW / "train/images").iterdir()]
    test = sorted(file.name for file in (RAW / "test/images").iterdir())
    try:
        train, val = split_names(train, val=split.val, seed=split.seed)
    except ValueError as error:
        raise ValueError(f"params.yaml: split.val: {error}") from None
    names = {"train": train, "val": val, "test": test}
    write_whole(SPLIT, f"{json.dumps(names, indent=1)}\n".encode())


if __name__ == "__main__":
    run_stage(main)
