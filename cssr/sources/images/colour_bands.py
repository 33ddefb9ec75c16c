"""Which bands of a file are its colours, and which one tells where there are data."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from cssr.sources.images.photo_headers import PhotoError, message

ROWS = 256  # read at a time
RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
PLAIN = (*RGB, ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha)  # no palette, no CMYK


class Bands(NamedTuple):
    """The bands of a file, counted from 1."""

    colours: tuple[int, int, int]  # red, green and blue; three times the same if gray
    alpha: int | None
    bits: int | None  # that the file says its values of 16 bits have
    min_is_white: bool  # and the greatest value black
    notes: tuple[str, ...]


def find_bands(source: rasterio.DatasetReader) -> Bands | None:
    """Find the colours of a file, also where it does not name them.

    Files that call their first band gray and do not name the others, as rasterio writes them by
    default, have red, green and blue in the first three; a last band of zeros and greatest values
    alone is alpha. What is left (such as near infrared) is not read.

    Returns:
        None if the values are no light (palette, CMYK) or have fewer than 8 bits.

    Raises:
        PhotoError: if the values are not of 8 or 16 bits.
    """
    if not set(source.dtypes) <= {"uint8", "uint16"}:
        raise PhotoError(f"{source.dtypes[0]} pixels; 8 or 16 bits are read")
    try:
        kinds = list(source.colorinterp)
    except Exception as error:  # those of GDAL have no public class in common
        raise PhotoError(f"not a readable image ({message(error)})") from None
    bits = stored_bits(source)
    inverted = min_is_white(source)  # which GDAL calls a palette
    if not (inverted or set(kinds[:3]) <= set(PLAIN)) or (bits and bits < 8):
        return None
    has_alpha = ColorInterp.alpha in kinds[1:]
    alpha = kinds.index(ColorInterp.alpha, 1) + 1 if has_alpha else None
    light = [band for band in source.indexes if band != alpha]
    if set(RGB) <= set(kinds):
        colours = tuple(kinds.index(colour) + 1 for colour in RGB)
    else:
        colours = tuple(light[:3]) if len(light) >= 3 else (light[0],) * 3
    rest = [band for band in light if band not in colours]
    if alpha is None and len(rest) == 1 and _is_mask(source, rest[0]):
        alpha = rest[0]
        rest = []
    return Bands(colours, alpha, bits, inverted, _notes(colours, rest))


def min_is_white(source: rasterio.DatasetReader) -> bool:
    """Whether 0 is white, as in scans of drawings."""
    return source.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"


def stored_bits(source: rasterio.DatasetReader) -> int | None:
    """The bits of a value, where the file says that they are fewer than those of its type."""
    bits = source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    return int(bits) if bits else None


def row_windows(source: rasterio.DatasetReader) -> Iterator[Window]:
    """All rows of a file, some at a time."""
    for top in range(0, source.height, ROWS):
        yield Window(0, top, source.width, min(ROWS, source.height - top))


def _is_mask(source: rasterio.DatasetReader, band: int) -> bool:
    """Whether a band holds 0 and the greatest value alone, and not only 0."""
    top = np.iinfo(source.dtypes[band - 1]).max
    any_top = False
    for window in row_windows(source):
        values = source.read(band, window=window)
        if not ((values == 0) | (values == top)).all():
            return False
        any_top = any_top or bool(values.any())
    return any_top


def _notes(colours: tuple[int, ...], rest: list[int]) -> tuple[str, ...]:
    if not rest:
        return ()
    read = f"band {colours[0]} is read as gray"
    if colours[0] != colours[1]:
        read = f"bands {', '.join(map(str, colours))} are read as red, green and blue"
    left = f"band {rest[0]} is" if len(rest) == 1 else f"{len(rest)} bands are"
    return (f"{read}; {left} left out",)
