"""The normalisation of a photo by its surroundings, a window of the training's side."""

import cv2
import numpy as np

from cssr.models.pipeline import EPSILON
from cssr.paper import STRIDE

CENTRE = 0.5  # of the values; squares lose fewer digits about it


class LocalStatistics:
    """Mean and standard deviation of an image, in a window around each pixel.

    In training and evaluation SS sees images that are normalised by their own mean and variance.
    Photos are larger, and light on them is not even: of a photo, SS sees each pixel as it would be
    in an image of the training's side around it. The window moves back into the photo where it
    would leave it, so that an image of that side has one window, itself. Windows lie on a grid of
    STRIDE px; in between, means and deviations are interpolated.

    Args:
        height: of the image, px.
        width: likewise.
        side: of the window, px.
    """

    def __init__(self, height: int, width: int, side: int) -> None:
        self.height = height
        self.blocks = -(-height // STRIDE), -(-width // STRIDE)
        self.window = [max(1, min(side // STRIDE, blocks)) for blocks in self.blocks]
        self._lefts = np.array([self._start(k, 1) for k in range(self.blocks[1] + 1)])
        self._sums: dict[int, np.ndarray] = {}  # of rows of blocks, (blocks, 7)
        self._corners: dict[int, np.ndarray] = {}  # of rows of corners, (corners, 6)

    def needs(self, stop: int) -> int:
        """Rows that must be added before those above `stop` can be normalised."""
        return min((self._start(-(-stop // STRIDE), 0) + self.window[0]) * STRIDE, self.height)

    def add(self, top: int, pixels: np.ndarray, valid: np.ndarray) -> None:
        """Take up rows.

        Args:
            top: the first one, a multiple of STRIDE.
            pixels: (h, W, 3) float32; h is a multiple of STRIDE, or they are the last ones.
            valid: which of them hold data, (h, W) bool.
        """
        values = pixels - CENTRE
        if not valid.all():
            values *= valid[..., None]
        parts = values, np.square(values), valid.astype(np.float32)[..., None]
        rows = np.concatenate([self._block_means(part) for part in parts], axis=-1)
        self._sums |= {top // STRIDE + k: row for k, row in enumerate(rows)}

    def normalise(self, pixels: np.ndarray, row: int, column: int) -> np.ndarray:
        """Zero mean and unit variance for pixels (h, W, 3) float32 from a row and column on.

        Sides and places are multiples of STRIDE.
        """
        rows, columns = (side // STRIDE + 1 for side in pixels.shape[:2])
        first, left = row // STRIDE, column // STRIDE
        grid = np.stack([self._corner_row(first + k)[left : left + columns] for k in range(rows)])
        size = columns * STRIDE, rows * STRIDE
        half = STRIDE // 2
        mean, factor = (
            cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)[half:-half, half:-half]
            for values in (grid[..., :3], grid[..., 3:])
        )
        return (pixels - mean) * factor

    def forget(self, row: int) -> None:
        """Forget what is not needed for rows from this one on."""
        first = row // STRIDE
        for known, oldest in ((self._corners, first), (self._sums, self._start(first, 0))):
            for k in [k for k in known if k < oldest]:
                del known[k]

    def _start(self, corner: int, axis: int) -> int:
        """First block of a corner's window."""
        last = self.blocks[axis] - self.window[axis]
        return min(max(corner - self.window[axis] // 2, 0), last)

    def _block_means(self, values: np.ndarray) -> np.ndarray:
        """Means of blocks of STRIDE × STRIDE of rows (h, W, C), zero beyond the image."""
        below, right = -len(values) % STRIDE, self.blocks[1] * STRIDE - values.shape[1]
        whole = cv2.copyMakeBorder(values, 0, below, 0, right, cv2.BORDER_CONSTANT)
        size = self.blocks[1], len(whole) // STRIDE
        means = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        return means.reshape(*size[::-1], -1)  # OpenCV drops a single channel

    def _corner_row(self, corner: int) -> np.ndarray:
        """Means, and one by the standard deviations, of a row of corners, (corners, 6)."""
        if corner not in self._corners:
            top = self._start(corner, 0)
            summed = sum(self._sums[k].astype(np.float64) for k in range(top, top + self.window[0]))
            running = np.pad(summed.cumsum(axis=0), ((1, 0), (0, 0)))
            sums = running[self._lefts + self.window[1]] - running[self._lefts]
            mean, square = np.split(sums[:, :6] / np.maximum(sums[:, 6:], 1e-9), 2, axis=1)
            factor = 1 / np.sqrt((square - mean**2).clip(0) + EPSILON)
            values = np.concatenate([mean + CENTRE, factor], axis=1)
            self._corners[corner] = values.astype(np.float32)
        return self._corners[corner]
