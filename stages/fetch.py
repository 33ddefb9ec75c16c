"""Bring the images into data/raw, from the source that the parameters name."""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from cssr.data.khanhha import download_khanhha
from cssr.data.layout import import_images, locate
from cssr.data.synthetic import write_synthetic
from stages.common import new_folder, read_params, run_stage

PARAMS = ("seed", "data.source", "data.path", "data.image_size", "data.synthetic")
RAW = Path("data/raw")


def main() -> None:
    """Fill data/raw, or leave nothing there."""
    argparse.ArgumentParser(prog="python -m stages.fetch", description=__doc__).parse_args()
    params = read_params(*PARAMS)
    data, size = params.data, params.data.image_size
    with new_folder(RAW) as folder:
        if data.source == "synthetic":
            write_synthetic(
                folder,
                train=data.synthetic.train,
                test=data.synthetic.test,
                size=size,
                crack_width=data.synthetic.crack_width,
                seed=params.seed,
            )
        elif data.source == "khanhha":
            with TemporaryDirectory(dir=folder) as download:
                import_images([download_khanhha(Path(download))], folder, image_size=size)
        else:
            # DVC sets DVC_ROOT to the user's repo in `dvc exp run --temp` too
            root = Path(os.environ.get("DVC_ROOT", "."))
            sources = [locate(path, root) for path in data.path.values()]
            import_images(sources, folder, image_size=size)


if __name__ == "__main__":
    run_stage(main)
