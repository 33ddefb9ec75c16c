"""Image files of training data, read whole and upright."""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from cssr.sources.depth import count_values, find_depth
from cssr.sources.jpeg import jpeg_warning
from cssr.sources.jpeg_parts import EOI, SOI, without_strays
from cssr.sources.listing import UNREADABLE, DataError

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
COPIED = ("JPEG", "PNG")  # by the pipeline, byte for byte, if they have 8 bits


class Picture(NamedTuple):
    """An image of training data."""

    pixels: np.ndarray  # RGB, (H, W, 3) uint8
    content: bytes | None  # a JPEG or PNG of 8 bits that holds just these pixels; None if not so
    is_lossy: bool  # whether the file was a JPEG
    notes: tuple[str, ...]  # how it was read, for people


def read_picture(content: bytes) -> Picture:
    """Read an image, turned upright as its EXIF says; of 16 bits, those that are in use.

    A JPEG without an end marker, but with all pixels, gets one.

    Raises:
        DataError: if it is not an image of a known format, or pixels are missing.
    """
    form = image_form(content)
    try:
        warning = jpeg_warning(content) if form == "JPEG" else None
        pixels = _decode(content)
        if pixels is None and form == "JPEG":
            content += EOI  # without an end marker, OpenCV refuses the JPEG
            pixels = _decode(content)
    except (*UNREADABLE, ValueError, cv2.error):
        pixels = None
    if pixels is None:
        raise DataError("not a readable image")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{pixels.dtype} pixels; 8 or 16 bits are read")
    notes = (f"decoded with a warning, but all pixels are there: {warning}",) if warning else ()
    if pixels.dtype == np.uint16:
        depth = find_depth(count_values(pixels))
        return Picture(depth.levels[pixels], None, False, (*notes, *depth.notes))
    return Picture(pixels, content if form in COPIED else None, form == "JPEG", notes)


def image_form(content: bytes) -> str:
    """The format of an image, whole if it is no JPEG, by Pillow's name.

    Raises:
        DataError: if it is not one that is known, or pixels are missing.
    """
    is_jpeg = content.startswith(SOI)
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        whole = without_strays(content) if is_jpeg else content
        with Image.open(io.BytesIO(whole), formats=FORMATS) as image:
            if not is_jpeg:
                image.load()  # truncated files are refused; OpenCV fills them up with gray
            return image.format
    except (*UNREADABLE, SyntaxError, ValueError):
        raise DataError("not a readable image") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _decode(content: bytes) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
