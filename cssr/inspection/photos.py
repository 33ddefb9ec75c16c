"""Photos of any size, read in bands of rows."""

import os
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

# GDAL's names of Pillow's formats; an MPO is a phone's JPEG with a second image behind it
DRIVERS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "TIFF": "GTiff"}
DRIVERS |= {"BMP": "BMP", "WEBP": "WEBP"}
FORMATS = [name for name in DRIVERS if name != "MPO"]  # opened as JPEG
ORIENTATION = 274  # EXIF tag
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
GDAL_OPTIONS = {
    "GDAL_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": True,  # progressive JPEGs of over 500 MB
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,  # else damaged parts come out gray
    "GDAL_CACHEMAX": 128,  # MB
    "GDAL_PAM_ENABLED": False,  # no .aux.xml files beside the photos
}
GRAY = (ColorInterp.gray,)
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
ALPHA = (ColorInterp.alpha,)


class Header(NamedTuple):
    """What the header of a photo says."""

    height: int  # of the upright photo, px
    width: int
    orientation: int  # of EXIF, from 1 (as stored) to 8
    driver: str  # GDAL's name of the format


class Georeference(NamedTuple):
    """Where a photo lies on a map."""

    crs: CRS | None  # None if only a world file is there
    transform: Affine  # from px of the upright photo, x and y from its corner, to the map


class PhotoError(ValueError):
    """A file that cannot be read as a photo; the message does not name it."""


class ArrayPhoto:
    """A photo in memory.

    Args:
        pixels: RGB, (H, W, 3) uint8.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.georeference: Georeference | None = None
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3)."""
        return self.pixels[start:stop]


class FilePhoto:
    """A photo in a file; only the rows that are asked for are in memory.

    Of 16 bits the upper 8 are read, but values above 0 stay above 0. Alpha is dropped.

    Args:
        source: opened by rasterio, 8 or 16 bits, gray or RGB.
    """

    def __init__(self, source: rasterio.DatasetReader) -> None:
        self.source = source
        self.georeference = _georeference(source)
        self.height, self.width = source.height, source.width
        self.bands = [1, 2, 3] if source.colorinterp[:3] == RGB else [1, 1, 1]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3) uint8.

        Raises:
            PhotoError: if the file is damaged there.
        """
        window = Window(0, start, self.width, stop - start)
        try:
            pixels = self.source.read(self.bands, window=window)
        except RasterioError as error:
            raise PhotoError(f"damaged ({_message(error)})") from None
        if pixels.dtype == np.uint16:
            pixels = np.maximum(pixels >> 8, pixels > 0).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))


@contextmanager
def open_photo(file: Path) -> Iterator[ArrayPhoto | FilePhoto]:
    """Open a photo, upright as its EXIF says.

    Gray and RGB of 8 or 16 bits, with or without alpha, are read row by row. A photo that has to be
    turned, is of another kind (palette, CMYK, one bit), or is unknown to GDAL is read at once.

    Raises:
        PhotoError: if it is not a readable JPEG, PNG, TIFF, BMP or WebP.
    """
    header = read_header(file)
    with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(file, driver=header.driver)
        except RasterioError:
            yield ArrayPhoto(_read_whole(file))
            return
        with source:
            if not _is_plain(source):
                yield ArrayPhoto(_read_whole(file))
            elif header.orientation == 1:
                yield FilePhoto(source)
            else:
                upright = _turn(FilePhoto(source).rows(0, source.height), header.orientation)
                yield ArrayPhoto(upright)


def read_header(file: Path) -> Header:
    """Read the header of a photo, without decoding a pixel.

    Raises:
        PhotoError: if it is not a JPEG, PNG, TIFF, BMP or WebP.
    """
    try:
        with (
            _unlimited(),
            warnings.catch_warnings(action="ignore"),
            Image.open(file, formats=FORMATS) as image,
        ):
            orientation = _exif(image, file).get(ORIENTATION, 1)
            turned = orientation >= 5 and image.format != "TIFF"  # whose size is the upright one
            width, height = image.size[::-1] if turned else image.size
            return Header(height, width, orientation, DRIVERS[image.format])
    except UnidentifiedImageError:
        raise PhotoError("not a readable JPEG, PNG, TIFF, BMP or WebP") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"cannot be read ({_message(error)})") from None


def read_georeference(file: Path) -> Georeference | None:
    """Where the pixels of a photo, as they are stored, lie on a map; None if it does not say."""
    with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(file) as source:
                return _georeference(source)
        except RasterioError:
            return None


def read_metadata(file: Path) -> tuple[Mapping[int, Any], Mapping[str, Any]]:
    """Read what the camera has written into a photo.

    Returns:
        EXIF values by tag, and XMP as nested dictionaries, names without their name spaces.

    Raises:
        PhotoError: if it is not a JPEG, PNG, TIFF, BMP or WebP, or its XMP is broken.
    """
    try:
        with (
            _unlimited(),
            warnings.catch_warnings(action="ignore"),
            Image.open(file, formats=FORMATS) as image,
        ):
            exif = _exif(image, file)
            return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}, image.getxmp()
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"its EXIF or XMP cannot be read ({_message(error)})") from None


def printable(path: Path) -> str:
    """A path as one line of UTF-8; what is neither is escaped with backslashes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return CONTROL_CHARACTERS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _exif(image: Image.Image, file: Path) -> Image.Exif:
    """The EXIF data of an image; for a PNG, Pillow would decode all pixels to find it."""
    if image.format != "PNG" or "exif" in image.info:
        return image.getexif()
    exif = Image.Exif()
    with file.open("rb") as stream:
        stream.seek(8)  # the signature
        while len(head := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                exif.load(stream.read(length))
                break
            stream.seek(length + 4, os.SEEK_CUR)  # and the checksum
    return exif


def _georeference(source: rasterio.DatasetReader) -> Georeference | None:
    if source.transform == Affine.identity():
        return None
    return Georeference(source.crs, source.transform)


@contextmanager
def _unlimited() -> Iterator[None]:
    """Let Pillow open images of any size."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _is_plain(source: rasterio.DatasetReader) -> bool:
    if not set(source.dtypes) <= {"uint8", "uint16"}:
        raise PhotoError(f"{source.dtypes[0]} pixels; 8 or 16 bits are read")
    one_bit = "NBITS" in source.tags(1, ns="IMAGE_STRUCTURE")
    try:
        colours = tuple(source.colorinterp)
    except Exception as error:  # those of GDAL have no public class in common
        raise PhotoError(f"not a readable image ({_message(error)})") from None
    return colours in (GRAY, GRAY + ALPHA, RGB, RGB + ALPHA) and not one_bit


def _read_whole(file: Path) -> np.ndarray:
    try:
        with _unlimited(), Image.open(file) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"not a readable image ({_message(error)})") from None


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W, 3) in an EXIF orientation from 2 to 8, turned upright."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _message(error: Exception) -> str:
    return " ".join(str(error.__cause__ or error).split())
