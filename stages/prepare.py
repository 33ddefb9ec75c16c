"""Turn the image files of each split into arrays, to data/arrays."""

import argparse
import json

from cssr.files import new_folder
from cssr.preparation.array_files import find_pairs, write_arrays
from stages.common import ARRAYS, RAW, SPLIT, read_params, run_stage

PARAMS = ("data.size", "data.scale", "data.downscale")


def main() -> None:
    """Write the arrays of train, val and test; if one fails, none is left."""
    argparse.ArgumentParser(prog="python -m stages.prepare", description=__doc__).parse_args()
    data = read_params(*PARAMS).data
    with new_folder(ARRAYS) as folder:
        for split, names in json.loads(SPLIT.read_text(encoding="utf-8")).items():
            pairs = find_pairs(RAW / ("test" if split == "test" else "train"), names)
            (folder / split).mkdir()
            write_arrays(
                folder / split, pairs, size=data.size, scale=data.scale, kernel=data.downscale
            )


if __name__ == "__main__":
    run_stage(main)
