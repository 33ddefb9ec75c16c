"""Pictures of a photo with its cracks marked."""

import cv2
import numpy as np

COLOUR = (255, 0, 90)  # of cracks; neither walls nor roads have it
STRENGTH = 0.7
LARGEST = 8192  # side of a picture, px


class Overlay:
    """A photo, reduced if it is very large, and where it shows crack; filled band by band.

    Args:
        height: of the photo, px.
        width: likewise.
        scale: side of the mask / side of the photo.
    """

    def __init__(self, height: int, width: int, scale: int) -> None:
        self.factor, self.scale = 1, scale
        while max(height, width) > LARGEST * self.factor:
            self.factor *= 2  # bands begin at multiples of it
        self.photo = np.zeros((height // self.factor, width // self.factor, 3), np.uint8)
        self.crack = np.zeros(self.photo.shape[:2], bool)

    def add(self, top: int, photo: np.ndarray, mask: np.ndarray) -> None:
        """Put a band into its place.

        Args:
            top: its first row, px of the photo.
            photo: RGB, (h, W, 3) uint8.
            mask: (scale·h, scale·W) bool.
        """
        rows, width = len(photo) // self.factor, self.photo.shape[1]
        place = slice(top // self.factor, top // self.factor + rows)
        whole = photo[: rows * self.factor, : width * self.factor]
        if rows:
            self.photo[place] = cv2.resize(whole, (width, rows), interpolation=cv2.INTER_AREA)
        self.crack[place] = any_in_blocks(mask, self.factor * self.scale)[:rows, :width]

    def picture(self, largest: int = LARGEST) -> tuple[np.ndarray, np.ndarray]:
        """The photo without and with its cracks marked, RGB uint8, at most so many px a side."""
        factor = max(1, -(-max(self.crack.shape) // largest))
        crack = any_in_blocks(self.crack, factor)
        size = (crack.shape[1], crack.shape[0])
        photo = cv2.resize(self.photo, size, interpolation=cv2.INTER_AREA)
        marked = photo.copy()
        mixed = (1 - STRENGTH) * photo[crack] + STRENGTH * np.array(COLOUR)
        marked[crack] = mixed.round().astype(np.uint8)
        return photo, marked


def any_in_blocks(mask: np.ndarray, side: int) -> np.ndarray:
    """Whether any pixel of each square block is set; the blocks cover the mask, (⌈H/side⌉, …)."""
    height, width = (-(-length // side) for length in mask.shape)
    rows = np.arange(height) * side
    columns = np.arange(width) * side
    return np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1)
