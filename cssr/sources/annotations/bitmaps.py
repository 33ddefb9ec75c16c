"""Masks that annotations hold as pixels: PNG, and the runs of COCO and CVAT."""

import base64
import binascii
import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cssr.sources.annotations.shapes import FARTHEST, AnnotationError, Bitmap

MAX_BYTES = 64 * 2**20  # of a PNG, unpacked
MAX_PIXELS = 2**30  # of a bitmap
_FIRST = ord("0")  # character of the digit 0 in COCO's text
_LAST = _FIRST + 63
_DAMAGED = "damaged; save the file again with the tool that made it"


def bitmap_of_pixels(label: str, corner: tuple[int, int], pixels: np.ndarray) -> Bitmap:
    """A bitmap of a mask (h, w), of which the first pixel lies at a row and column."""
    flat = np.concatenate([[False], pixels.ravel()])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(ends, prepend=0, append=pixels.size)
    return Bitmap(label, corner, pixels.shape, runs, by_columns=False)


def bitmap_of_runs(
    label: str,
    corner: tuple[int, int],
    size: tuple[int, int],
    runs: Sequence[int] | np.ndarray,
    *,
    by_columns: bool,
    where: str,
) -> Bitmap:
    """A bitmap of runs that a file has.

    Raises:
        AnnotationError: if the runs do not fill the bitmap, or if it is too large.
    """
    lengths = np.asarray(runs, np.int64)
    height, width = size
    if height * width > MAX_PIXELS:
        raise AnnotationError(f"{where}: {width:,}×{height:,} px are more than {MAX_PIXELS:,}")
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise AnnotationError(
            f"{where}: its runs cover {lengths.sum():,} px, but {width}×{height} px are "
            f"{height * width:,}: {_DAMAGED}"
        )
    return Bitmap(label, corner, size, lengths, by_columns)


def pixels_of(bitmap: Bitmap) -> np.ndarray:
    """The mask (h, w) of a bitmap."""
    height, width = bitmap.size
    flat = np.repeat(np.arange(len(bitmap.runs)) % 2 == 1, bitmap.runs)
    return flat.reshape(width, height).T if bitmap.by_columns else flat.reshape(height, width)


def coco_runs(text: str, where: str) -> np.ndarray:
    """Lengths of the runs that COCO's compressed text stands for.

    A character has five bits of a number, least significant first, and a sixth that says whether
    more follow; the last of the five is the sign. From the fourth run on, a number is the
    difference to the run before the previous one. This is what maskApi.c of the COCO API writes.

    Raises:
        AnnotationError: if the text is none of these.
    """
    values = np.frombuffer(text.encode(errors="replace"), np.uint8).astype(np.int64)
    if not len(values) or values.min() < _FIRST or values.max() > _LAST:
        raise AnnotationError(f"{where}: counts is not COCO's compressed text: {_DAMAGED}")
    runs: list[int] = []
    number = shift = 0
    for value in (values - _FIRST).tolist():
        number |= (value & 31) << shift
        shift += 5
        if value & 32:
            continue
        if value & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift or max(map(abs, runs)) > FARTHEST**2:
        raise AnnotationError(f"{where}: counts ends early or is too large: {_DAMAGED}")
    return np.array(runs, np.int64)


def png_mask(text: str, where: str, *, compressed: bool = False) -> np.ndarray:
    """Mask (h, w) of a PNG in base64: where it is opaque, or not black if it has no transparency.

    Args:
        text: base64.
        where: it stands, for messages.
        compressed: the PNG is packed by zlib, as Supervisely does.

    Raises:
        AnnotationError: if it cannot be decoded.
    """
    try:
        content = base64.b64decode(text, validate=True)
        if compressed:
            content = zlib.decompressobj().decompress(content, MAX_BYTES)
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.has_transparency_data:
                return np.asarray(image.convert("RGBA"))[..., 3] > 0
            return np.asarray(image.convert("RGB")).any(axis=2)
    except (
        *(binascii.Error, zlib.error, struct.error, OSError, SyntaxError, ValueError),
        Image.DecompressionBombError,
    ):
        raise AnnotationError(f"{where}: its mask is not a readable PNG: {_DAMAGED}") from None
