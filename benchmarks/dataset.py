"""Speed and memory of `cssr dataset` over the number of photos of 4 megapixels."""

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.measure import prepare, report
from benchmarks.options import at_least, parser_of
from cssr.sources.synthetic import synthesize

WIDTH = 2304
HEIGHT = 1728
PATCH = 576  # px of a synthetic image, of which photos are made
PATCHES = 24


def main() -> None:
    """Make photos with masks, a data set of them in a process of its own; print what it took."""
    parser = parser_of(__doc__, "dataset")
    parser.add_argument("--photos", type=at_least(20), nargs="+", default=[200, 1000])
    args = parser.parse_args()
    device = prepare(args)
    rows = []
    for photos in args.photos:
        with tempfile.TemporaryDirectory() as folder:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # whose memory is its own
                pool.submit(write_photos, Path(folder, "photos"), photos).result()
            rows.append(make(Path(folder), photos))
            print(rows[-1], file=sys.stderr)  # many photos take long: what is done, is told
    report("cssr dataset", rows, device, args)


def write_photos(folder: Path, number: int) -> None:
    """Different photos of WIDTH × HEIGHT px with masks, as JPEG and PNG."""
    patches = [synthesize(k, seed=0, size=PATCH, crack_width=(2.0, 8.0)) for k in range(PATCHES)]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)

    def write(k: int) -> None:
        rng = np.random.default_rng(k)
        chosen = rng.integers(0, PATCHES, (HEIGHT // PATCH, WIDTH // PATCH))
        image, mask = (
            np.concatenate([np.concatenate([patches[p][i] for p in row], axis=1) for row in chosen])
            for i in (0, 1)
        )
        cv2.imwrite(str(folder / f"images/{k:05}.jpg"), image[..., ::-1])
        cv2.imwrite(str(folder / f"masks/{k:05}.png"), mask * 255)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(number)))


def make(folder: Path, photos: int) -> dict[str, float]:
    """Run `cssr dataset` on the photos in a folder."""
    command = [sys.executable, "-c", "from cssr.cli import main; main()", "dataset"]
    command += [str(folder / "photos"), "--out", str(folder / "own.zip")]
    started = time.perf_counter()
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, watched.memory_info().rss)
            time.sleep(0.05)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(process.returncode)
    return {
        "photos": photos,
        "seconds": round(seconds, 1),
        "photos_per_second": round(photos / seconds, 1),
        "peak_mib": round(peak / 2**20),
        "output_mb": round((folder / "own.zip").stat().st_size / 1e6),
    }


if __name__ == "__main__":
    main()
