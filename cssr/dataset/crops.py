"""Squares of photos and their masks."""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np

HALF = 0.5  # share of a pixel's area from which it is crack, as in `prepare`


class Square(NamedTuple):
    """A square of a photo."""

    place: str  # behind the photo's name; empty for the whole photo
    pixels: np.ndarray  # RGB, (side, side, 3) uint8
    mask: np.ndarray  # (side, side) bool


def resized(
    pixels: np.ndarray, mask: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """A photo and its mask in another size: reduced by area average, enlarged bicubically.

    A pixel is crack where at least half of its area is.
    """
    if mask.shape == (height, width):
        return pixels, mask
    reduces = height * width < mask.size
    size = width, height
    photo = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if reduces else cv2.INTER_CUBIC)
    method = cv2.INTER_AREA if reduces else cv2.INTER_LINEAR
    share = cv2.resize(mask.astype(np.float32), size, interpolation=method)
    return photo, share >= HALF - 1e-6


def squares(pixels: np.ndarray, mask: np.ndarray, side: int) -> Iterator[Square]:
    """Cut a photo, no side of which is shorter than `side`, into squares that cover it.

    They overlap as little and as evenly as possible.
    """
    tops, lefts = (starts(length, side) for length in mask.shape)
    is_whole = len(tops) == len(lefts) == 1
    for top in tops:
        for left in lefts:
            area = slice(top, top + side), slice(left, left + side)
            place = "" if is_whole else f"__{top}_{left}"
            yield Square(place, pixels[area], mask[area])


def starts(length: int, side: int) -> list[int]:
    """Where squares begin along a length, from 0 to length − side."""
    count = ceil(length / side)
    return [round(k * (length - side) / max(count - 1, 1)) for k in range(count)]
