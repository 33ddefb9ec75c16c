"""Images that are stored turned or mirrored, as EXIF says."""

from typing import Any

import numpy as np

ORIENTATION = 274  # EXIF tag


def orientation_of(value: Any) -> int:
    """An EXIF orientation, from 1 (as stored) to 8; 1 where the value is none."""
    return int(value) if value in range(1, 9) else 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W, …) in an EXIF orientation, turned upright."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
