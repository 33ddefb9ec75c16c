"""Photos in memory: from arrays, and from whatever Pillow opens."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from cssr.sources.images.depth import Depth, count_values, find_depth, upper_bits
from cssr.sources.images.no_data import least_alpha
from cssr.sources.images.orientation import ORIENTATION, orientation_of, turned
from cssr.sources.images.photo_headers import PhotoError, message

WANTED = "an image is a file, a PIL image, or an array of uint8, (H, W, 3) or (H, W)"


class ArrayPhoto:
    """A photo in memory.

    Args:
        pixels: RGB, (H, W, 3) uint8.
        mask: where there are data, (H, W) bool; None for everywhere.
        notes: how it was read, for its user.
        no_data: the value of pixels without data, if the file had one.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        notes: Sequence[str] = (),
        no_data: float | None = None,
    ) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self.mask = None if mask is None or mask.all() else mask
        self.has_gaps = self.mask is not None
        self.notes = tuple(notes)
        self.no_data = no_data

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3)."""
        return self.pixels[start:stop]

    def valid(self, start: int, stop: int) -> np.ndarray:
        """Where rows start … stop − 1 hold data, (rows, W) bool."""
        if self.mask is None:
            return np.ones((stop - start, self.width), bool)
        return self.mask[start:stop]


def as_photo(image: np.ndarray | Image.Image) -> ArrayPhoto:
    """A photo from an array, or from a PIL image: upright as its EXIF says.

    Where alpha is below half of its greatest value, there are no data.

    Args:
        image: an array of uint8, RGB (H, W, 3) or gray (H, W); or a PIL image of any mode of 8 or
            16 bits.

    Raises:
        ValueError: if it is something else.
    """
    if isinstance(image, Image.Image):
        if 0 in image.size:
            raise ValueError(f"{WANTED}, not an empty one")
        image.load()  # of a PNG, EXIF data may stand behind the pixels
        return pillow_photo(image, orientation_of(image.getexif().get(ORIENTATION)))
    if not isinstance(image, np.ndarray):
        raise ValueError(f"{WANTED}, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"{WANTED}, not {image.dtype} {image.shape}")
    if image.ndim == 2:
        return ArrayPhoto(np.repeat(image[..., None], 3, axis=2))
    if image.shape[2] != 3:
        raise ValueError(f"an image has 3 channels, RGB, not {image.shape[2]}")
    return ArrayPhoto(image)


def pillow_photo(image: Image.Image, orientation: int, *, as_mask: bool = False) -> ArrayPhoto:
    """A photo from a PIL image: turned upright.

    Where alpha is below half of its greatest value, there are no data.

    Args:
        image: of any mode of 8 or 16 bits.
        orientation: of EXIF, from 1 to 8.
        as_mask: take the upper 8 of 16 bits, and any alpha above 0 as data.

    Raises:
        PhotoError: if it is of another mode, or cannot be decoded.
    """
    try:
        if image.mode.startswith("I;16"):
            values = turned(np.asarray(image), orientation).astype(np.uint16)
            return _of_16_bits(values, as_mask=as_mask)
        if image.mode in ("I", "F"):
            kind = {"I": "int32", "F": "float32"}[image.mode]
            raise PhotoError(f"{kind} pixels; 8 or 16 bits are read")
        if not image.has_transparency_data:
            return ArrayPhoto(turned(np.asarray(image.convert("RGB")), orientation))
        pixels = turned(np.asarray(image.convert("RGBA")), orientation)
        alpha = pixels[..., 3]
        least = 1 if as_mask else least_alpha(int(alpha.max(initial=0)))
        return ArrayPhoto(np.ascontiguousarray(pixels[..., :3]), alpha >= least)
    except PhotoError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"not a readable image ({message(error)})") from None


def _of_16_bits(values: np.ndarray, *, as_mask: bool) -> ArrayPhoto:
    """A photo from gray values, (H, W) uint16."""
    depth = Depth(upper_bits(16), ()) if as_mask else find_depth(count_values(values))
    pixels = np.repeat(depth.levels[values][..., None], 3, axis=2)
    return ArrayPhoto(pixels, notes=depth.notes)
