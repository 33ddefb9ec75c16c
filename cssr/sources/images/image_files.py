"""Image files of training data, read whole and upright."""

import hashlib
import io
import struct
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from cssr.sources.images.depth import count_values, find_depth
from cssr.sources.images.jpeg import jpeg_warning
from cssr.sources.images.jpeg_parts import EOI, SOI, without_strays
from cssr.sources.images.large import open_of_any_size
from cssr.sources.images.orientation import ORIENTATION, orientation_of
from cssr.sources.images.photo_headers import PhotoError, tiff_header
from cssr.sources.listing import UNREADABLE, DataError

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
NOT_READABLE = "not a readable image"
EXIF_TURNS = "turned as its EXIF says; its label has to show it upright, too"
KEEPS_SIZE = (2, 3, 4)  # orientations of the same height and width
COPIED = ("JPEG", "PNG")  # by the pipeline, byte for byte, if they have 8 bits


class Stored(NamedTuple):
    """What the header of an image tells."""

    format: str  # by Pillow's name
    size: tuple[int, int]  # height and width as stored, px
    orientation: int  # of EXIF, 1 to 8


class Picture(NamedTuple):
    """An image of training data."""

    pixels: np.ndarray  # RGB, (H, W, 3) uint8
    content: bytes | None  # a JPEG or PNG of 8 bits that holds just these pixels; None if not so
    is_lossy: bool  # whether the file was a JPEG
    warning: str | None  # of libjpeg, by which no pixel is lost
    notes: tuple[str, ...]  # on values of 16 bits, and on EXIF
    is_turned: bool = False  # by EXIF

    @property
    def digest(self) -> bytes:
        """The same for images of the same pixels, whatever their files are."""
        digest = hashlib.sha256(self.pixels.data)
        digest.update(str(self.pixels.shape).encode())
        return digest.digest()


def read_picture(content: bytes) -> Picture:
    """Read an image, turned upright as its EXIF says; of 16 bits, those that are in use.

    A JPEG without an end marker, but with all pixels, gets one.

    Raises:
        DataError: if it is not an image of a known format, or pixels are missing.
    """
    form, size, orientation = read_header(content)
    warning = None
    try:
        if form == "TIFF":
            tiff_header(io.BytesIO(content))
    except PhotoError as error:
        raise DataError(str(error)) from None
    try:
        if form == "JPEG":
            warning = jpeg_warning(content)
        else:
            _check_whole(content)
        pixels = _decode(content)
        if pixels is None and form == "JPEG":
            content += EOI  # without an end marker, OpenCV refuses the JPEG
            pixels = _decode(content)
    except (*UNREADABLE, SyntaxError, ValueError, cv2.error):
        pixels = None
    if pixels is None:
        raise DataError(NOT_READABLE)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{pixels.dtype} pixels; 8 or 16 bits are read")
    is_turned = orientation > 1
    keeps_size = orientation in KEEPS_SIZE or (is_turned and size[0] == size[1])
    notes = (EXIF_TURNS,) if keeps_size else ()  # else a label that is not has another size
    if pixels.dtype == np.uint16:
        depth = find_depth(count_values(pixels))
        notes += depth.notes
        return Picture(depth.levels[pixels], None, False, warning, notes, is_turned)
    kept = content if form in COPIED else None
    return Picture(pixels, kept, form == "JPEG", warning, notes, is_turned)


def read_header(content: bytes) -> Stored:
    """The header of an image.

    Raises:
        DataError: if it is not an image of a known format.
    """
    try:
        with _opened(content) as image:
            return Stored(image.format, image.size[::-1], _orientation(image))
    except (*UNREADABLE, SyntaxError, ValueError):
        raise DataError(NOT_READABLE) from None


def _orientation(image: Image.Image) -> int:
    """How an image is turned, by EXIF that stands before its pixels; 1 if that is damaged."""
    try:
        return orientation_of(image.getexif().get(ORIENTATION)) if "exif" in image.info else 1
    except (SyntaxError, ValueError, struct.error):
        return 1


def _check_whole(content: bytes) -> None:
    """Decode an image by Pillow, which refuses truncated ones; OpenCV fills them up with gray."""
    with _opened(content) as image:
        image.load()


def _opened(content: bytes) -> Image.Image:
    """Open an image, without stray bytes if it is a JPEG."""
    whole = without_strays(content) if content.startswith(SOI) else content
    return open_of_any_size(io.BytesIO(whole), FORMATS)


def _decode(content: bytes) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
