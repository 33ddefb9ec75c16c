"""Speed and memory of `cssr segment` over the size of a photo, as a table and as JSON."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from benchmarks.measure import prepare, report
from benchmarks.options import at_least, existing_folder, parser_of
from cssr.sources.synthetic import synthesize

PATCH = 512  # px of a synthetic image, of which the photo is made


def main() -> None:
    """Make photos, segment each in a process of its own, and print what it took."""
    parser = parser_of(__doc__, "segment")
    parser.add_argument(
        "--model", type=existing_folder, default="runs/seed-0/cssr", help="trained model"
    )
    parser.add_argument(
        "--megapixels", type=at_least(1), nargs="+", default=[1, 25, 100, 400], help="of the photos"
    )
    parser.add_argument("--options", default="", help="for `cssr segment`, such as --no-sr")
    args = parser.parse_args()
    device = prepare(args)
    rows = []
    for megapixels in args.megapixels:
        with tempfile.TemporaryDirectory() as folder:
            photo = Path(folder, "photo.tif")
            write_photo(photo, round(megapixels**0.5 * 1000))
            rows.append(segment(photo, args.model, args.options.split()))
            print(rows[-1], file=sys.stderr)  # large photos take hours: what is done, is told
    report("cssr segment", rows, device, args)


def write_photo(file: Path, side: int) -> None:
    """A square photo of so many px a side, each PATCH of it another synthetic image."""
    options = {"driver": "GTiff", "dtype": "uint8", "count": 3, "compress": "deflate"}
    rng = np.random.default_rng(0)
    patches = [synthesize(k, seed=0, size=PATCH, crack_width=(1.0, 3.0))[0] for k in range(8)]
    with rasterio.open(file, "w", width=side, height=side, photometric="rgb", **options) as out:
        for top in range(0, side, PATCH):
            row = [patches[k] for k in rng.integers(0, 8, -(-side // PATCH))]
            pixels = np.concatenate(row, axis=1)[: side - top, :side]
            out.write(pixels.transpose(2, 0, 1), window=Window(0, top, side, len(pixels)))


def segment(photo: Path, model: Path, options: list[str]) -> dict[str, float]:
    """Run `cssr segment` on a photo."""
    command = [sys.executable, "-c", "from cssr.cli import main; main()", "segment", str(photo)]
    command += ["--model", str(model), "--out", str(photo.parent / "out"), *options]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    with rasterio.open(photo) as source:
        megapixels = source.width * source.height / 1e6
    # of the largest child so far: photos come by size
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "megapixels": round(megapixels, 1),
        "seconds": round(seconds, 1),
        "megapixels_per_second": round(megapixels / seconds, 3),
        "peak_mib": round(peak / 1024),
        "output_mb": round(sum(f.stat().st_size for f in photo.parent.rglob("out/**/*")) / 1e6),
    }


if __name__ == "__main__":
    main()
