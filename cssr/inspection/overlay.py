"""Pictures of a photo with its cracks marked."""

from pathlib import Path

import cv2
import numpy as np

from cssr.inspection.summary import PREVIEWS

COLOUR = (255, 0, 90)  # of cracks; neither walls nor roads have it
STRENGTH = 0.7
LARGEST = 8192  # side of a picture, px
PREVIEW_SIDE = 800  # of the pictures for the page, px


class Overlay:
    """A photo and its crack mask, filled band by band; both are reduced if they are very large.

    Args:
        height: of the photo, px.
        width: likewise.
        scale: side of the mask / side of the photo.
    """

    def __init__(self, height: int, width: int, scale: int) -> None:
        self.scale = scale
        self.photo_factor = _reduction(max(height, width))
        self.mask_factor = _reduction(max(height, width) * scale)
        low = [-(-side // self.photo_factor) for side in (height, width)]
        high = [-(-side * scale // self.mask_factor) for side in (height, width)]
        self.photo = np.zeros((*low, 3), np.uint8)
        self.crack = np.zeros(high, bool)

    def add(self, top: int, photo: np.ndarray, mask: np.ndarray) -> None:
        """Add a band.

        Args:
            top: its first row, px of the photo; a multiple of both reduction factors.
            photo: RGB, (h, W, 3) uint8.
            mask: (scale·h, scale·W) bool.
        """
        place = _rows(top, len(photo), self.photo_factor)
        size = (self.photo.shape[1], place.stop - place.start)
        below, right = (-side % self.photo_factor for side in photo.shape[:2])
        whole = cv2.copyMakeBorder(photo, 0, below, 0, right, cv2.BORDER_REPLICATE)
        self.photo[place] = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        place = _rows(top * self.scale, len(mask), self.mask_factor)
        self.crack[place] = any_in_blocks(mask, self.mask_factor)

    def picture(self, largest: int = LARGEST) -> tuple[np.ndarray, np.ndarray]:
        """The photo at the size of the mask, without and with its cracks marked.

        Both are RGB, (H, W, 3) uint8; no side is longer than `largest`.
        """
        crack = any_in_blocks(self.crack, -(-max(self.crack.shape) // largest))
        reduces = len(crack) <= len(self.photo)
        method = cv2.INTER_AREA if reduces else cv2.INTER_CUBIC
        photo = cv2.resize(self.photo, crack.shape[::-1], interpolation=method)
        marked = photo.copy()
        mixed = (1 - STRENGTH) * photo[crack] + STRENGTH * np.array(COLOUR)
        marked[crack] = mixed.round().astype(np.uint8)
        return photo, marked


def write_pictures(folder: Path, overlay: Overlay) -> None:
    """Write overlay.jpg, and the previews for the page."""
    previews = overlay.picture(PREVIEW_SIDE)
    _write_jpeg(folder / "overlay.jpg", overlay.picture()[1], quality=92)
    for name, picture in zip(PREVIEWS, previews, strict=True):
        _write_jpeg(folder / name, picture, quality=80)


def any_in_blocks(mask: np.ndarray, side: int) -> np.ndarray:
    """Whether any pixel of each square block of a mask is set, (⌈H/side⌉, ⌈W/side⌉) bool."""
    block = np.ones((side, side), np.uint8)
    return cv2.dilate(mask.view(np.uint8), block, anchor=(0, 0))[::side, ::side] > 0


def _reduction(side: int) -> int:
    """The power of two that reduces a side to LARGEST or less."""
    factor = 1
    while side > LARGEST * factor:
        factor *= 2
    return factor


def _rows(top: int, rows: int, factor: int) -> slice:
    return slice(top // factor, -(-(top + rows) // factor))


def _write_jpeg(file: Path, picture: np.ndarray, *, quality: int) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    file.write_bytes(cv2.imencode(".jpg", bgr, options)[1])
