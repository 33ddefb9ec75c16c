"""Photos of any size, read in bands of rows."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from cssr.inspection.array_photos import ArrayPhoto, pillow_photo
from cssr.inspection.bands import Bands, find_bands, row_windows
from cssr.inspection.depth import bits_for, depth_note, to_eight_bits
from cssr.inspection.georeference import georeference_of
from cssr.inspection.photo_headers import (
    Header,
    PhotoError,
    message,
    open_with_pillow,
    read_header,
)
from cssr.sources.jpeg import jpeg_warning
from cssr.sources.jpeg_parts import JpegError

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
GDAL_OPTIONS = {
    "GDAL_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": True,  # progressive JPEGs of over 500 MB
    "GDAL_ERROR_ON_LIBJPEG_WARNING": False,  # it is known by then that all pixels are there
    "GDAL_CACHEMAX": 128,  # MB
}


class FilePhoto:
    """A photo in a file; only the rows that are asked for are in memory.

    Args:
        source: opened by rasterio, 8 or 16 bits.
        bands: which of its bands are read.
        fit_depth: take the bits that values of 16 bits fill, instead of the upper 8; what is above
            0 stays above 0.

    Attributes:
        has_gaps: whether there may be pixels without data.
        notes: how it is read, for its user.
        georeference: where it lies on a map; None if the file does not say.
    """

    def __init__(
        self, source: rasterio.DatasetReader, bands: Bands, *, fit_depth: bool = True
    ) -> None:
        self.source = source
        self.bands = bands
        self.height, self.width = source.height, source.width
        self.has_mask = _has_mask(source)
        self.has_gaps = self.has_mask or bands.alpha is not None
        self.georeference = georeference_of(source)
        self.bits, depth_notes = bands.bits or 16, []
        if fit_depth and not bands.bits:
            self.bits, depth_notes = self._depth()
        self.notes = (*bands.notes, *depth_notes, *_page_notes(source))

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3) uint8.

        Raises:
            PhotoError: if the file is damaged there.
        """
        pixels = self._read(self._window(start, stop))
        if pixels.dtype == np.uint16:
            pixels = to_eight_bits(pixels, self.bits)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def valid(self, start: int, stop: int) -> np.ndarray:
        """Where rows start … stop − 1 hold data, (rows, W) bool.

        There are none where alpha is 0, where all bands have the file's no-data value, and where
        its mask says so.

        Raises:
            PhotoError: if the file is damaged there.
        """
        window = self._window(start, stop)
        valid = np.ones((stop - start, self.width), bool)
        try:
            if self.has_mask:
                valid &= self.source.dataset_mask(window=window) > 0
            if self.bands.alpha is not None:
                valid &= self.source.read(self.bands.alpha, window=window) > 0
        except RasterioError as error:
            raise PhotoError(f"damaged ({message(error)})") from None
        return valid

    def _window(self, start: int, stop: int) -> Window:
        return Window(0, start, self.width, stop - start)

    def _read(self, window: Window) -> np.ndarray:
        try:
            return self.source.read(self.bands.colours, window=window)
        except RasterioError as error:
            raise PhotoError(f"damaged ({message(error)})") from None

    def _depth(self) -> tuple[int, list[str]]:
        """The bits that values of 16 bits fill, of pixels with data, and a note on it."""
        if self.source.dtypes[self.bands.colours[0] - 1] != "uint16":
            return 16, []
        greatest = 0
        for window in row_windows(self.source):
            pixels = self._read(window)
            valid = self.valid(window.row_off, window.row_off + window.height)
            greatest = max(greatest, int(pixels.max(initial=0, where=valid)))
            if bits_for(greatest) == 16 and greatest:
                return 16, []
        bits = bits_for(greatest)
        return bits, depth_note(bits)


@contextmanager
def open_photo(file: Path, *, fit_depth: bool = True) -> Iterator[ArrayPhoto | FilePhoto]:
    """Open a photo, upright as its EXIF says.

    Gray and colours of 8 or 16 bits, with or without alpha, are read row by row. A photo that has
    to be turned, is of another kind (palette, CMYK, one bit), or is unknown to GDAL is read at
    once.

    Args:
        file: the photo.
        fit_depth: take the bits that values of 16 bits fill, instead of the upper 8.

    Raises:
        PhotoError: if it is not a photo that `read_header` knows, or pixels are missing.
    """
    header = read_header(file)
    warning = _jpeg_warning(file) if header.driver == "JPEG" else None
    with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)  # alpha counts too
        try:
            source = header.driver and rasterio.open(file, driver=header.driver)
        except RasterioError:
            source = None
        if not source:
            photo: ArrayPhoto | FilePhoto = _read_whole(file, header, fit_depth=fit_depth)
            photo.notes += _warning_notes(warning)
            yield photo
            return
        with source:
            bands = find_bands(source)
            if bands is None:
                photo = _read_whole(file, header, fit_depth=fit_depth)
                photo = _with_facts_of(photo, source, header.orientation)
            else:
                photo = FilePhoto(source, bands, fit_depth=fit_depth)
                if 2 <= header.orientation <= 8:
                    photo = _turned(photo, header.orientation)
            photo.notes += _warning_notes(warning)
            yield photo


def printable(path: Path) -> str:
    """A path as one line of UTF-8; what is neither is escaped with backslashes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return CONTROL_CHARACTERS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _jpeg_warning(file: Path) -> str | None:
    try:
        return jpeg_warning(file)
    except JpegError as error:
        raise PhotoError(f"damaged ({error})") from None


def _warning_notes(warning: str | None) -> tuple[str, ...]:
    return (f"decoded with a warning, but all pixels are there: {warning}",) if warning else ()


def _has_mask(source: rasterio.DatasetReader) -> bool:
    return any(MaskFlags.all_valid not in flags for flags in source.mask_flag_enums)


def _page_notes(source: rasterio.DatasetReader) -> tuple[str, ...]:
    pages = len(source.subdatasets)  # overviews and masks are none
    return (f"the first of {pages} pages; the others are not read",) if pages > 1 else ()


def _read_whole(file: Path, header: Header, *, fit_depth: bool) -> ArrayPhoto:
    try:
        with open_with_pillow(file, clean=True) as image:
            return pillow_photo(image, fit_depth=fit_depth)
    except (OSError, SyntaxError) as error:
        raise PhotoError(f"not a readable image ({message(error)})") from None


def _with_facts_of(
    photo: ArrayPhoto, source: rasterio.DatasetReader, orientation: int
) -> ArrayPhoto:
    """A photo that Pillow read, with the mask, georeference and pages that GDAL finds."""
    valid = photo.valid(0, photo.height)
    if _has_mask(source):
        valid = valid & _turn(source.dataset_mask() > 0, orientation)
    return ArrayPhoto(
        photo.pixels,
        valid,
        notes=(*photo.notes, *_page_notes(source)),
        georeference=georeference_of(source, orientation),
    )


def _turned(photo: FilePhoto, orientation: int) -> ArrayPhoto:
    """A photo in an EXIF orientation from 2 to 8, turned upright."""
    return ArrayPhoto(
        _turn(photo.rows(0, photo.height), orientation),
        _turn(photo.valid(0, photo.height), orientation) if photo.has_gaps else None,
        notes=photo.notes,
        georeference=georeference_of(photo.source, orientation),
    )


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W, …) in an EXIF orientation, turned upright."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
