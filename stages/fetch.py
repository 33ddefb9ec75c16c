"""Bring the images into data/raw, from the source that the parameters name."""

import argparse
import shutil
from pathlib import Path

from cssr.files import new_folder
from cssr.sources.khanhha import KHANHHA_IMAGES, download_khanhha
from cssr.sources.layout import import_images
from cssr.sources.listing import DataError, locate
from cssr.sources.synthetic import write_synthetic
from stages.common import RAW, STATE, read_params, run_stage, user_repo

PARAMS = ("split.seed", "data.source", "data.path", "data.image_size", "data.synthetic")
DOWNLOAD = STATE / "download"


def check_complete(folder: Path) -> None:
    """Refuse a copy of Khanhha's set with another number of images.

    Raises:
        DataError: with the numbers found and wanted.
    """
    found = {split: len(list((folder / split / "images").iterdir())) for split in KHANHHA_IMAGES}
    if found != KHANHHA_IMAGES:
        raise DataError(
            f"Khanhha's set came with {found} images instead of {KHANHHA_IMAGES}; download it by "
            "hand and set data.source: path"
        )


def fetch_khanhha(folder: Path, size: int) -> None:
    """Download Khanhha's set, unless it is in state/ from an earlier run, and check it."""
    DOWNLOAD.mkdir(parents=True, exist_ok=True)
    downloaded = download_khanhha(DOWNLOAD)
    try:
        import_images([downloaded], folder, image_size=size)
        check_complete(folder)
    except DataError:
        shutil.rmtree(DOWNLOAD)  # or it would be taken again
        raise


def main() -> None:
    """Fill data/raw, or leave nothing there."""
    argparse.ArgumentParser(prog="python -m stages.fetch", description=__doc__).parse_args()
    params = read_params(*PARAMS)
    data = params.data
    size = data.image_size
    with new_folder(RAW) as folder:
        if data.source == "synthetic":
            write_synthetic(
                folder,
                train=data.synthetic.train,
                test=data.synthetic.test,
                size=size,
                crack_width=data.synthetic.crack_width,
                seed=params.split.seed,
            )
        elif data.source == "khanhha":
            fetch_khanhha(folder, size)
        else:
            sources = [locate(path, user_repo()) for path in data.path.values()]
            import_images(sources, folder, image_size=size)


if __name__ == "__main__":
    run_stage(main)
