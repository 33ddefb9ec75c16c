"""Photos of any size, read in bands of rows."""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from cssr.inspection.array_photos import ArrayPhoto, pillow_photo
from cssr.sources.images.colour_bands import Bands, find_bands, row_windows
from cssr.sources.images.depth import VALUES, Depth, count_values, find_depth, upper_bits
from cssr.sources.images.jpeg import jpeg_warning
from cssr.sources.images.jpeg_parts import JpegError
from cssr.sources.images.no_data import DataMask, has_mask
from cssr.sources.images.orientation import turned
from cssr.sources.images.photo_headers import (
    Header,
    PhotoError,
    message,
    open_with_pillow,
    read_header,
)

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
        times_alpha: whether the colours are stored times alpha, which is divided out.
        as_mask: take the upper 8 of 16 bits, where what is above 0 stays above 0, and 0 as data;
            of a photo, take the range that values of 16 bits have.

    Attributes:
        has_gaps: whether there may be pixels without data.
        no_data: the value of such pixels, if the file has one.
        notes: how it is read, for its user.
    """

    def __init__(
        self,
        source: rasterio.DatasetReader,
        bands: Bands,
        *,
        times_alpha: bool = False,
        as_mask: bool = False,
    ) -> None:
        self.source = source
        self.bands = bands
        self.times_alpha = times_alpha
        self.height = source.height
        self.width = source.width
        self.data = DataMask(source, bands.colours, bands.alpha, as_mask=as_mask)
        self.has_gaps = self.data.has_gaps
        self.no_data = self.data.value
        self.depth = Depth(upper_bits(bands.bits or 16), ())
        if self.source.dtypes[0] == "uint16" and not (as_mask or bands.bits):
            self.depth = self._depth()
        self.notes = (*bands.notes, *self.depth.notes, *_page_notes(source))

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3) uint8.

        Raises:
            PhotoError: if the file is damaged there.
        """
        pixels = self._read(self._window(start, stop), self.bands.colours)
        if pixels.dtype == np.uint16:
            pixels = self.depth.levels[pixels]
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def values(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1 as they are stored, but 0 is black, (rows, W, C).

        Of gray C is 1, of colours 3; they are uint8 or uint16.

        Raises:
            PhotoError: if the file is damaged there.
        """
        colours = list(dict.fromkeys(self.bands.colours))
        return self._read(self._window(start, stop), colours).transpose(1, 2, 0)

    def alpha(self, start: int, stop: int) -> np.ndarray:
        """Alpha of rows start … stop − 1 as it is stored, (rows, W); there has to be one.

        Raises:
            PhotoError: if the file is damaged there.
        """
        return self._stored(self.bands.alpha, self._window(start, stop))

    def valid(self, start: int, stop: int) -> np.ndarray:
        """Where rows start … stop − 1 hold data, (rows, W) bool.

        There are none where alpha is below half of its greatest value, where all bands have the
        file's no-data value, and where its mask says so.

        Raises:
            PhotoError: if the file is damaged there.
        """
        try:
            return self.data.rows(start, stop)
        except RasterioError as error:
            raise PhotoError(f"damaged ({message(error)})") from None

    def _window(self, start: int, stop: int) -> Window:
        return Window(0, start, self.width, stop - start)

    def _stored(self, bands: Sequence[int] | int | None, window: Window) -> np.ndarray:
        try:
            return self.source.read(bands, window=window)
        except RasterioError as error:
            raise PhotoError(f"damaged ({message(error)})") from None

    def _read(self, window: Window, colours: Sequence[int]) -> np.ndarray:
        pixels = self._stored(colours, window)
        alpha = self._stored(self.bands.alpha, window) if self.times_alpha else None
        greatest = (1 << (self.bands.bits or 8 * pixels.itemsize)) - 1
        if alpha is not None:
            divided = pixels * np.uint64(greatest) // np.maximum(alpha, 1)
            pixels = np.minimum(divided, greatest).astype(pixels.dtype)
        if self.bands.min_is_white:
            pixels = np.subtract(greatest, pixels, dtype=pixels.dtype)
        return pixels

    def _depth(self) -> Depth:
        """The range of 16 bits that pixels with data have."""
        counts = np.zeros(VALUES, np.int64)
        bands = len(set(self.bands.colours))  # 1 of gray
        for window in row_windows(self.source):
            pixels = self._read(window, self.bands.colours)
            valid = self.valid(window.row_off, window.row_off + window.height)
            counts += count_values(pixels[:bands, valid])
        return find_depth(counts)


@contextmanager
def open_photo(
    file: Path, header: Header | None = None, *, as_mask: bool = False
) -> Iterator[ArrayPhoto | FilePhoto]:
    """Open a photo, upright as its EXIF says.

    Gray and colours of 8 or 16 bits, with or without alpha, are read row by row. A photo that has
    to be turned, is of another kind (palette, CMYK, one bit), or is unknown to GDAL is read at
    once.

    Args:
        file: the photo.
        header: of it; by default it is read.
        as_mask: read a mask of cracks: the upper 8 of 16 bits, and 0 as data.

    Raises:
        PhotoError: if it is not a photo that `read_header` knows, pixels are missing, or the
            no-data value of a mask is one of crack.
    """
    header = header or read_header(file)
    warning = _jpeg_warning(file) if header.driver == "JPEG" else None
    with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)  # alpha counts too
        try:
            source = header.driver and rasterio.open(file, driver=header.driver)
        except RasterioError:
            source = None
        if not source:
            photo: ArrayPhoto | FilePhoto = _read_whole(file, header, as_mask=as_mask)
            photo.notes += _warning_notes(warning)
            yield photo
            return
        with source:
            bands = find_bands(source)
            if bands is None:
                photo = _read_whole(file, header, as_mask=as_mask)
                photo = _with_facts_of(photo, source, header.orientation, as_mask=as_mask)
            else:
                times_alpha = header.premultiplied and bands.alpha is not None and not as_mask
                photo = FilePhoto(source, bands, times_alpha=times_alpha, as_mask=as_mask)
                if header.orientation > 1:
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
    return (f"decoded with a warning, its pixels seem whole: {warning}",) if warning else ()


def _page_notes(source: rasterio.DatasetReader) -> tuple[str, ...]:
    pages = len(source.subdatasets)  # overviews and masks are none
    return (f"the first of {pages} pages; the others are not read",) if pages > 1 else ()


def _read_whole(file: Path, header: Header, *, as_mask: bool) -> ArrayPhoto:
    try:
        with open_with_pillow(file, clean=True) as image:
            return pillow_photo(image, header.orientation, as_mask=as_mask)
    except PhotoError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"not a readable image ({message(error)})") from None


def _with_facts_of(
    photo: ArrayPhoto, source: rasterio.DatasetReader, orientation: int, *, as_mask: bool
) -> ArrayPhoto:
    """A photo that Pillow read, with the mask and pages that GDAL finds."""
    valid = photo.valid(0, photo.height)
    is_masked = has_mask(source, as_mask=as_mask)
    if is_masked:
        valid = valid & turned(source.dataset_mask() > 0, orientation)
    return ArrayPhoto(
        photo.pixels,
        valid,
        notes=(*photo.notes, *_page_notes(source)),
        no_data=source.nodata if is_masked else None,
    )


def _turned(photo: FilePhoto, orientation: int) -> ArrayPhoto:
    """A photo in an EXIF orientation from 2 to 8, turned upright."""
    return ArrayPhoto(
        turned(photo.rows(0, photo.height), orientation),
        turned(photo.valid(0, photo.height), orientation) if photo.has_gaps else None,
        notes=photo.notes,
        no_data=photo.no_data,
    )
