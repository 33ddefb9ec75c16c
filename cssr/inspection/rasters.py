"""The maps of a photo, written to GeoTIFF files band by band."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from cssr.inspection.georeference import Georeference
from cssr.inspection.segmenter import Band
from cssr.inspection.summary import MASK, SR

PROBABILITY = "probability.tif"
ROWS = 128  # written at a time
FORMAT = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}
FORMAT |= {"compress": "deflate", "zlevel": 1, "bigtiff": "if_safer", "num_threads": "all_cpus"}
RGB = {"photometric": "rgb", "interleave": "pixel"}

Rasters = dict[str, DatasetWriter]


@contextmanager
def new_rasters(
    folder: Path,
    height: int,
    width: int,
    *,
    sr: bool,
    gaps: bool = False,
    georeference: Georeference | None = None,
) -> Iterator[Rasters]:
    """Create probability.tif (16 bits), mask.tif and perhaps sr.tif; yield them, open, by name.

    Args:
        folder: to write to.
        height: px of all of them.
        width: likewise.
        sr: whether to create sr.tif.
        gaps: whether pixels may have no data, which the files then say.
        georeference: of their px.

    Raises:
        OSError: if a file could not be written whole.
    """
    place = georeference._asdict() if georeference else {}
    options = {PROBABILITY: {"dtype": "uint16", "count": 1}, MASK: {"dtype": "uint8", "count": 1}}
    if sr:
        options[SR] = {"dtype": "uint8", "count": 3, **RGB}
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True))
        rasters = {
            name: stack.enter_context(
                rasterio.open(
                    folder / name, "w", height=height, width=width, **own, **place, **FORMAT
                )
            )
            for name, own in options.items()
        }
        for raster in rasters.values():
            if gaps:
                raster.write_mask(True)
        yield rasters
    for name in options:
        check_whole(folder / name)


def check_whole(file: Path) -> None:
    """Raise OSError unless a raster can be opened, and its last block read.

    GDAL writes blocks until it closes a file, and says nothing of those that it could not write.
    """
    try:
        with rasterio.open(file) as raster:
            raster.read(window=Window(raster.width - 1, raster.height - 1, 1, 1))
    except RasterioError:
        raise OSError(errno.ENOSPC, "not written whole; is the disk full?", str(file)) from None


def write_band(rasters: Rasters, top: int, band: Band, mask: np.ndarray) -> None:
    """Write the maps of a band; `top` is its first row in them, and `mask` is (H, W) bool."""
    for start in range(0, len(mask), ROWS):
        rows = slice(start, start + ROWS)
        maps = {
            PROBABILITY: (band.probs[rows] * 65535 + 0.5).astype(np.uint16)[None],
            MASK: mask[None, rows] * np.uint8(255),
        }
        if band.sr is not None:
            maps[SR] = band.sr[rows].transpose(2, 0, 1)
        for name, values in maps.items():
            window = Window(0, top + start, mask.shape[1], values.shape[1])
            rasters[name].write(values, window=window)
    if not band.valid.all():
        valid = band.with_data()
        for raster in rasters.values():
            raster.write_mask(valid, window=Window(0, top, *valid.shape[::-1]))
