"""What the headers of photos say; what is none, and what only looks like one, is named."""

import logging
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError
from tifffile import TiffFile, TiffPage

from cssr.sources.images.jpeg_parts import SOI, without_strays
from cssr.sources.images.large import open_of_any_size
from cssr.sources.images.orientation import ORIENTATION, orientation_of
from cssr.sources.images.photo_kinds import (
    RAW,
    TO_READ_HEIC,
    TO_READ_RAW,
    heif_kind,
    raw_kind,
    register_heif,
)

# GDAL's names of Pillow's formats; an MPO is a phone's JPEG with a second image behind it
DRIVERS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "BMP": "BMP", "WEBP": "WEBP"}
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # an MPO is opened as JPEG
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how such a file begins; the last two: BigTIFF
DNG_VERSION = 50706  # EXIF tag
SENSOR_PIXELS = (32803, 34892)  # photometric interpretations: filter mosaic, linear raw
REDUCED_OR_MASK = 1 | 4  # bits of a TIFF's NewSubfileType
LAB = (8, 9, 10)  # photometric interpretations: CIELab, ICCLab, ITULab
ASSOCIATED_ALPHA = 1  # of a TIFF's ExtraSamples
START = 64  # bytes of a file that show its kind

# tifffile reports damaged tags to this logger; they are no matter if the image can be read
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class Header(NamedTuple):
    """What the header of a photo says."""

    height: int  # of the upright photo, px
    width: int
    orientation: int  # of EXIF, from 1 (as stored) to 8
    driver: str | None  # GDAL's name of the format; None for those that Pillow alone reads
    premultiplied: bool = False  # whether its colours are stored times alpha, as TIFFs may say


class PhotoError(ValueError):
    """A file that cannot be read as a photo; the message does not name it."""


def read_header(file: Path) -> Header:
    """Read the header of a photo, without decoding a pixel.

    Raises:
        PhotoError: if it is not a JPEG, PNG, TIFF, BMP, WebP, AVIF or HEIC, or a raw file of a
            camera, or a HEIC without the library that reads it.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(START)
        if (kind := raw_kind(start)) or file.suffix.lower() in RAW:
            raise PhotoError(_raw(file.suffix.lower(), kind))
        if start.startswith(TIFF):
            return tiff_header(file)
        try:
            return _pillow_header(file)
        except UnidentifiedImageError:
            if not start.startswith(SOI):
                raise
            return _pillow_header(file, clean=True)
    except UnidentifiedImageError:
        formats = heif_kind(start) or "JPEG, PNG, TIFF, BMP or WebP"
        raise PhotoError(f"not a readable {formats}") from None
    except PhotoError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"cannot be read ({message(error)})") from None


@contextmanager
def open_with_pillow(file: Path, *, clean: bool = False) -> Iterator[Image.Image]:
    """Open an image of any size, of the formats that photos have.

    Args:
        file: the image.
        clean: if it is a JPEG, leave out stray bytes, which Pillow refuses.

    Raises:
        PhotoError: if it is a HEIC, and the library that reads it is not installed.
    """
    with file.open("rb") as stream:
        start = stream.read(START)
        stream.seek(0)
        is_jpeg = clean and start.startswith(SOI)
        opened = BytesIO(without_strays(stream.read())) if is_jpeg else file
    kind = heif_kind(start)
    if kind == "HEIC" and not register_heif():
        raise PhotoError(f"a HEIC; {TO_READ_HEIC}")
    formats = {"HEIC": ("HEIF",), "AVIF": ("AVIF",)}.get(kind, (*FORMATS, "TIFF"))
    with open_of_any_size(opened, formats) as image:
        yield image


def read_metadata(file: Path) -> tuple[Mapping[int, Any], Mapping[str, Any]]:
    """Read what the camera has written into a photo.

    Returns:
        EXIF values by tag, and XMP as nested dictionaries, names without their name spaces.

    Raises:
        PhotoError: if it is not a photo that Pillow opens, or its XMP is broken.
    """
    try:
        with warnings.catch_warnings(action="ignore"), open_with_pillow(file, clean=True) as image:
            exif = _exif(image, file)
            return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}, image.getxmp()
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"its EXIF or XMP cannot be read ({message(error)})") from None


def message(error: Exception) -> str:
    """What an error, or the one that it came from, says, on one line."""
    return " ".join(str(error.__cause__ or error).split())


def _pillow_header(file: Path, *, clean: bool = False) -> Header:
    with (
        warnings.catch_warnings(action="ignore"),
        open_with_pillow(file, clean=clean) as image,
    ):
        orientation = orientation_of(_exif(image, file).get(ORIENTATION))
        width, height = image.size[::-1] if orientation >= 5 else image.size
        return Header(height, width, orientation, DRIVERS.get(image.format))


def _raw(suffix: str, kind: str | None) -> str:
    kind = kind or (suffix[1:].upper() if suffix in RAW else None)
    named = f"raw file ({kind})" if kind else "raw file"
    return f"a camera's {named}, of which only a preview could be read; {TO_READ_RAW}"


def tiff_header(file: Path | BinaryIO) -> Header:
    """Read the header of a TIFF.

    Raises:
        PhotoError: if it is damaged, a camera's raw file, begins with a preview, or has colours
            that are not RGB.
    """
    try:
        with TiffFile(file) as tiff:
            first = tiff.pages.first
            kind = "DNG" if DNG_VERSION in first.tags else None
            is_raw = kind or _holds_sensor_pixels(tiff, first)
            whole = None if is_raw else _whole_behind_preview(tiff, first)
            orientation = orientation_of(first.tags.valueof(ORIENTATION))
            height, width, colours = first.imagelength, first.imagewidth, first.photometric
            premultiplied = ASSOCIATED_ALPHA in first.extrasamples
    except OSError:
        raise
    except Exception as error:  # those of tifffile for a damaged file have no class in common
        raise PhotoError(f"cannot be read ({message(error)})") from None
    if is_raw:
        raise PhotoError(_raw(".tif", kind))
    if whole:
        raise PhotoError(
            "its first image is a reduced preview; to read the whole one: "
            f"gdal_translate GTIFF_DIR:off:{whole}:FILE whole.tif"
        )
    if colours in LAB:
        raise PhotoError("CIELab colours; convert it to RGB")
    if orientation >= 5:
        height, width = width, height
    return Header(height, width, orientation, "GTiff", premultiplied)


def _holds_sensor_pixels(tiff: TiffFile, first: TiffPage) -> bool:
    """Whether a TIFF holds what a sensor gave, perhaps behind a preview."""
    pages = [first, *(first.pages or ())]
    if first.is_reduced:  # a preview
        pages += tiff.pages[1:]
    return any(page.photometric in SENSOR_PIXELS for page in pages)


def _whole_behind_preview(tiff: TiffFile, first: TiffPage) -> int | None:
    """Where in the file the whole image stands whose preview comes first; None if none does."""
    if not first.is_reduced:
        return None
    others = [*(first.pages or ()), *tiff.pages[1:]]
    return next((page.offset for page in others if not page.subfiletype & REDUCED_OR_MASK), None)


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
