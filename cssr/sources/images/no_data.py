"""Which pixels of a file hold data: by its alpha, its no-data value and its mask."""

import cv2
import numpy as np
import rasterio
from rasterio.enums import Compression, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cssr.sources.images.colour_bands import min_is_white, row_windows, stored_bits
from cssr.sources.images.photo_headers import PhotoError, message

LOSSY = (Compression.jpeg, Compression.webp)
NEAR = 15  # gray levels that compression adds to the no-data value; the default of GDAL's nearblack
BLOCK = 16  # px: the largest of JPEG, in which it adds them
LEAST_GAP = 9  # px: side of a square that lies in a gap; the dark middle of a crack is narrower
MARGIN = BLOCK + 2 * LEAST_GAP  # rows that decide about a row


class DataMask:
    """Where a file holds data; only the rows that are asked for are in memory.

    Args:
        source: opened by rasterio.
        colours: bands of light.
        alpha: band of alpha, if there is one.
        as_mask: whether it is a mask of cracks: 0 is data, and so is any alpha above 0.

    Attributes:
        has_gaps: whether there may be pixels without data.
        value: the no-data value; None if there is none that counts.
    """

    def __init__(
        self,
        source: rasterio.DatasetReader,
        colours: tuple[int, ...],
        alpha: int | None,
        *,
        as_mask: bool = False,
    ) -> None:
        self.source = source
        self.colours = colours
        self.alpha = alpha
        self.has_mask = has_mask(source, as_mask=as_mask)
        self.has_gaps = self.has_mask or alpha is not None
        self.value = source.nodata if self.has_mask else None
        self.least_alpha = 1
        if alpha is not None and not as_mask:
            self.least_alpha = least_alpha(_greatest(source, alpha))
        is_lossy = source.nodata is not None and source.compression in LOSSY
        self.margin = MARGIN if is_lossy and not as_mask else 0

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W) bool; RasterioError if the file is damaged there."""
        top = max(start - self.margin, 0)
        bottom = min(stop + self.margin, self.source.height)
        window = Window(0, top, self.source.width, bottom - top)
        valid = np.ones((bottom - top, self.source.width), bool)
        if self.has_mask:
            valid &= self.source.dataset_mask(window=window) > 0
        if self.margin:
            pixels = self.source.read(list(set(self.colours)), window=window)
            valid &= ~rims(pixels, valid, self.source.nodata)
        if self.alpha is not None:
            valid &= self.source.read(self.alpha, window=window) >= self.least_alpha
        return valid[start - top : stop - top]


def has_mask(source: rasterio.DatasetReader, *, as_mask: bool) -> bool:
    """Whether a no-data value or a stored mask tells where there are data.

    Raises:
        PhotoError: if the no-data value of a mask of cracks is one of crack.
    """
    if as_mask and source.nodata is not None:
        bits = stored_bits(source)
        greatest = (1 << bits) - 1 if bits else np.iinfo(source.dtypes[0]).max
        nodata = greatest - source.nodata if min_is_white(source) else source.nodata
        if greatest < 2 * nodata <= 2 * greatest:
            raise PhotoError(
                f"its no-data value, {source.nodata:g}, is one of crack; "
                "gdal_edit.py -unsetnodata removes it"
            )
        if nodata == 0:
            return False
    return any(MaskFlags.all_valid not in flags for flags in source.mask_flag_enums)


def no_data_note(value: float | None, share: float) -> tuple[str, ...]:
    """What the user is told where a no-data value leaves out pixels: it may be one of light too.

    Also where nothing is left, for whatever reason.

    Args:
        value: the file's no-data value, if there is one that counts.
        share: of the pixels without data, in [0, 1].
    """
    if share == 1:
        return ("it holds no data: alpha, a mask or its no-data value leave all pixels out",)
    if value is None or not share:
        return ()
    return (f"{100 * share:.3g} % of its pixels are left out; its no-data value is {value:g}",)


def least_alpha(greatest: int) -> int:
    """The least alpha of data: half of the greatest. Softer edges are mixed with what is none."""
    return max((greatest + 1) // 2, 1)


def rims(pixels: np.ndarray, valid: np.ndarray, nodata: float) -> np.ndarray:
    """Pixels that only lossy compression has made differ from the no-data value.

    They are near it in all bands, and in a block with a gap that is wider than a crack.

    Args:
        pixels: (C, H, W).
        valid: where they differ from it, (H, W) bool.
        nodata: the value.
    """
    square = np.ones((LEAST_GAP, LEAST_GAP), np.uint8)
    gaps = cv2.morphologyEx((~valid).astype(np.uint8), cv2.MORPH_OPEN, square)
    around = np.ones((2 * BLOCK + 1, 2 * BLOCK + 1), np.uint8)
    is_near = (np.abs(pixels.astype(np.int32) - nodata) <= NEAR).all(axis=0)
    return is_near & valid & (cv2.dilate(gaps, around) > 0)


def _greatest(source: rasterio.DatasetReader, band: int) -> int:
    """The greatest value of a band."""
    greatest = 0
    top = np.iinfo(source.dtypes[band - 1]).max
    for window in row_windows(source):
        try:
            greatest = max(greatest, int(source.read(band, window=window).max()))
        except RasterioError as error:
            raise PhotoError(f"damaged ({message(error)})") from None
        if greatest == top:
            break
    return greatest
