"""Pixels of masks in TIFFs, of any type, as they are stored."""

import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from tifffile import TiffFile

from cssr.sources.images.colour_bands import min_is_white, stored_bits
from cssr.sources.images.no_data import LOSSY, has_mask
from cssr.sources.images.orientation import ORIENTATION, orientation_of, turned
from cssr.sources.images.photo_headers import PhotoError, message
from cssr.sources.masks.mask_values import MaskError, check_size


class TiffPixels(NamedTuple):
    """The pixels, upright; see `Pixels` for the fields."""

    values: np.ndarray
    alpha: np.ndarray | None
    palette: np.ndarray | None
    valid: np.ndarray | None
    lossy: bool


def read_tiff(content: bytes) -> TiffPixels:
    """Read a TIFF.

    Raises:
        MaskError: if it is damaged, has several pages, or its no-data value is one of crack.
    """
    with (
        rasterio.Env(GDAL_PAM_ENABLED=False),
        warnings.catch_warnings(),
        MemoryFile(content) as memory,
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)
        try:
            with memory.open(driver="GTiff") as source:
                check_size(source.height, source.width)
                if (pages := len(source.subdatasets)) > 1:  # overviews and masks are none
                    raise MaskError(f"it has {pages} pages; save the one that is the mask alone")
                pixels = _read(source)
        except RasterioError as error:
            raise MaskError(f"not a readable image ({_without_name(error, memory)})") from None
        except PhotoError as error:
            raise MaskError(str(error)) from None
    orientation = _orientation(content)
    arrays = (pixels.values, pixels.alpha, pixels.valid)
    values, alpha, valid = (
        None if array is None else turned(array, orientation) for array in arrays
    )
    return pixels._replace(values=values, alpha=alpha, valid=valid)


def _read(source: rasterio.DatasetReader) -> TiffPixels:
    kinds = source.colorinterp
    inverted = min_is_white(source)  # which GDAL calls a palette
    alpha = kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds[1:] else None
    light = [band for band in source.indexes if band != alpha]
    values = source.read(light[:3] if len(light) >= 3 else light[:1]).transpose(1, 2, 0)
    bits = stored_bits(source)
    if bits == 1:
        values = values > 0
    if inverted and values.dtype.kind in "bu":
        white = True if bits == 1 else (1 << (bits or 8 * values.itemsize)) - 1
        values = (white ^ values).astype(values.dtype)
    palette = None
    if kinds[0] == ColorInterp.palette and not inverted and values.dtype == np.uint8:
        palette = np.zeros((256, 3), np.uint8)
        for index, colour in source.colormap(1).items():
            palette[index] = colour[:3]
    lossy = source.compression in LOSSY and values.dtype == np.uint8
    return TiffPixels(values, source.read(alpha) if alpha else None, palette, _valid(source), lossy)


def _valid(source: rasterio.DatasetReader) -> np.ndarray | None:
    """Where there are data, (H, W) bool, by the no-data value and the file's mask; None if all."""
    if np.issubdtype(source.dtypes[0], np.unsignedinteger):
        is_masked = has_mask(source, as_mask=True)
    else:
        is_masked = source.nodata != 0 and any(
            MaskFlags.all_valid not in flags for flags in source.mask_flag_enums
        )
    by_alpha = any(MaskFlags.alpha in flags for flags in source.mask_flag_enums)
    return source.dataset_mask() > 0 if is_masked and not by_alpha else None


def _without_name(error: Exception, memory: MemoryFile) -> str:
    """What an error says, without the random name of a file in memory."""
    path = PurePath(memory.name)
    text = message(error)
    for name in (memory.name, f"{path.parent}/", path.name):
        text = text.replace(name, "")
    return text.lstrip(":, ")


def _orientation(content: bytes) -> int:
    with suppress(Exception), TiffFile(BytesIO(content)) as tiff:  # they have no class in common
        return orientation_of(tiff.pages.first.tags.valueof(ORIENTATION))
    return 1
