"""What SS sees of a photo, some rows at a time."""

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from cssr.data.arrays import to_unit
from cssr.device import empty_pages
from cssr.inspection.backends import Network
from cssr.inspection.local_statistics import LocalStatistics
from cssr.inspection.photos import ArrayPhoto, FilePhoto
from cssr.inspection.tiles import Span

PIECE = 64  # rows whose statistics are found at a time
Each = Callable[[Callable, Iterable], Iterator]  # `map`, or that of a pool of threads


class SeenRows:
    """A window of rows on what SS sees: the SR image, or the photo itself.

    Sizes, rows and columns are in px of what SS sees. Beyond the photo its edge is repeated, to
    multiples of STRIDE.

    Args:
        photo: of any size.
        network: that enlarges it, by `scale`.
        scale: of what SS sees / of the photo.
        height: of what SS sees, with what is beyond the photo.
        columns: tiles of the photo that are enlarged at a time, with the overlap that this takes.
        overlap: likewise, of rows; px of the photo.
        statistics: of what SS sees.
        capacity: rows that are held at a time.
    """

    def __init__(
        self,
        photo: ArrayPhoto | FilePhoto,
        network: Network,
        *,
        scale: int,
        height: int,
        columns: list[Span],
        overlap: int,
        statistics: LocalStatistics,
        capacity: int,
    ) -> None:
        self.photo = photo
        self.network = network
        self.scale = scale
        self.columns = columns
        self.overlap = overlap
        self.statistics = statistics
        self.height = height
        self.width = columns[-1].stop * scale
        self.real_width = photo.width * scale
        self._held = empty_pages((capacity, self.width, 3), np.float32)
        self._valid = empty_pages((capacity, self.width), bool)
        self._top = self._stop = 0

    def read(self, stop: int, each: Each) -> Iterator[None]:
        """Read on until `stop`, one of the photo's tiles for each item."""
        start = self._stop
        self._stop = stop
        if start == stop:
            return
        first, last = start // self.scale, stop // self.scale
        top = max(0, first - self.overlap)
        bottom = min(self.height // self.scale, last + self.overlap)
        pixels, valid = self._photo_rows(top, bottom)
        area = slice(start - self._top, stop - self._top)
        core = slice(first - top, last - top)
        self._valid[area] = valid[core].repeat(self.scale, 0).repeat(self.scale, 1)

        def enlarge(column: Span) -> None:
            image = to_unit(torch.from_numpy(pixels[None, :, column.start : column.stop]))
            seen = self.network.ss_input(image)[0].movedim(0, -1).cpu().numpy()
            left, core_left, right = (
                side * self.scale for side in (column.start, column.core_start, column.core_stop)
            )
            rows = slice(core.start * self.scale, core.stop * self.scale)
            self._held[area, core_left:right] = seen[rows, core_left - left : right - left]

        for _ in each(enlarge, self.columns):
            yield
        for _ in each(self._add_to_statistics, range(start, stop, PIECE)):
            pass

    def tile(self, row: Span, column: Span) -> Tensor:
        """A tile as SS is to see it, normalised, (1, 3, h, w); zero where there is no data."""
        area = slice(row.start - self._top, row.stop - self._top), slice(column.start, column.stop)
        normalised = self.statistics.normalise(self._held[area], row.start, column.start)
        if not (valid := self._valid[area]).all():
            normalised *= valid[..., None]
        return torch.from_numpy(normalised).movedim(-1, 0)[None]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, not normalised, (rows, W, 3) float32."""
        return self._held[start - self._top : stop - self._top]

    def forget(self, start: int) -> None:
        """Forget rows above this one."""
        kept = slice(start - self._top, self._stop - self._top)
        for held in (self._held, self._valid):
            held[: self._stop - start] = held[kept]
        self._top = start
        self.statistics.forget(start)

    def _add_to_statistics(self, start: int) -> None:
        """Add the PIECE rows from `start` on, without what is beyond the photo."""
        last = min(start + PIECE, self._stop, self.photo.height * self.scale)
        area = slice(start - self._top, last - self._top), slice(self.real_width)
        self.statistics.add(start, self._held[area], self._valid[area])

    def _photo_rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (rows, W, 3) and which of them hold data (rows, W), of the photo and beyond it."""
        height = self.photo.height
        end = min(stop, height)
        radius = self.overlap if self.photo.has_gaps else 0
        first, last = max(0, start - radius), min(end + radius, height)
        pixels, valid = self.photo.rows(first, last), self.photo.valid(first, last)
        if not valid.all():
            pixels = _filled(pixels, valid, radius)
        rows = slice(start - first, end - first)
        beyond = (0, stop - end), (0, self.columns[-1].stop - self.photo.width)
        return (
            np.pad(pixels[rows], (*beyond, (0, 0)), mode="edge"),
            np.pad(valid[rows], beyond, mode="edge"),
        )


def _filled(pixels: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Pixels (h, W, 3) without data as the mean of those with data about them, 0 if there are none.

    So no edge of theirs is seen as far as SR looks, `radius`.
    """
    side = 2 * radius + 1
    sums, count = (
        cv2.boxFilter(values, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        for values in ((pixels * valid[..., None]).astype(np.float32), valid.astype(np.float32))
    )
    means = np.rint(sums / np.maximum(count, 1)[..., None]).astype(np.uint8)
    return np.where(valid[..., None], pixels, means)
