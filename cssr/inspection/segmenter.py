"""Trained models that segment photos of any size, tile by tile and without seams."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image

from cssr.device import empty_pages
from cssr.inspection.array_photos import ArrayPhoto, as_photo
from cssr.inspection.backends import Network, load_network
from cssr.inspection.local_statistics import LocalStatistics
from cssr.inspection.photos import FilePhoto, open_photo
from cssr.inspection.receptive_field import receptive_field
from cssr.inspection.seen import Each, SeenRows
from cssr.inspection.tiles import Span, cut
from cssr.models.variants import VARIANTS
from cssr.paper import SIDE
from cssr.sources.images.photo_headers import Header

CORE = 832  # side of a tile without overlap by default, px of what SS sees
BAND = 16 * 2**20  # px of what SS sees that a band holds by default
TILE_MEMORY = 2**32  # bytes of activations that tiles may take by default, all threads together
CUT_STEP = 64  # cores begin at multiples of it, px of what SS sees
NO_SIDE = (
    f"the side of its training images is not known; light is evened out over {SIDE} px, the paper's"
)


class Band(NamedTuple):
    """Some rows of a photo, and their results as in `Segmentation`."""

    top: int  # first row, px of the photo
    photo: np.ndarray  # RGB, (h, W, 3) uint8
    valid: np.ndarray  # where the photo holds data, (h, W) bool; elsewhere `probs` is 0
    probs: np.ndarray
    sr: np.ndarray | None

    def with_data(self) -> np.ndarray:
        """Where the photo holds data, at the size of the results, (scale·h, scale·W) bool."""
        scale = len(self.probs) // len(self.valid)
        return self.valid.repeat(scale, 0).repeat(scale, 1)

    def mask(self, threshold: float) -> np.ndarray:
        """Where the probabilities reach a threshold and the photo holds data, like `probs`."""
        mask = self.probs >= np.float32(threshold)
        return mask if self.valid.all() else mask & self.with_data()


class Segmentation(NamedTuple):
    """What a model makes of a photo."""

    probs: np.ndarray  # crack probabilities in [0, 1], (scale·H, scale·W) float32
    mask: np.ndarray  # where they reach the threshold and there are data, (scale·H, scale·W) bool
    sr: np.ndarray | None  # super-resolved RGB, (scale·H, scale·W, 3) uint8
    valid: np.ndarray  # where the photo holds data, (H, W) bool; elsewhere `probs` is 0
    notes: tuple[str, ...]  # how the photo was read, such as the range of its 16 bits


class Segmenter:
    """A trained model that runs on photos.

    Args:
        network: the trained pipeline.
        description: as in model.json; `variant`, `scale`, `side`, `sr`, `ss` and `threshold` are
            used.

    Attributes:
        scale: side of the results / side of the photo; 1 for `ss_hr`.
        has_sr: whether the results hold an SR image.
        threshold: of the probabilities, the best one on validation images; None if not stored.
        overlap: of tiles, px of what SS sees: its receptive field, so that no seam shows.
        notes: what its user should know of the model.
        tile: greatest side of a tile by default, px of the photo.
    """

    def __init__(self, network: Network, description: Mapping[str, Any]) -> None:
        variant, scale, sr = (description[key] for key in ("variant", "scale", "sr"))
        variant = VARIANTS[variant]
        self.network = network
        self.has_sr = variant.enlarges_image
        self.threshold = description.get("threshold")
        self.notes = () if "side" in description else (NO_SIDE,)
        self.scale = 1 if variant.takes_hr else scale  # result / photo
        self.enlarged = scale if variant.enlarges_image else 1  # what SS sees / photo
        side = description.get("side", SIDE)  # px of the result
        self.window = side // (self.scale // self.enlarged)  # px of what SS sees
        fields = {"scale": scale, "stages": sr and sr["stages"]}
        before, after = variant.steps_before_ss, variant.steps_from_ss
        self.stride, self.overlap = receptive_field(after, **fields)  # px of what SS sees
        self.sr_overlap = receptive_field(before, **fields)[1] if before else 0  # px of the photo
        self.step = max(self.stride, CUT_STEP)  # px of what SS sees; of the photo for SR's tiles
        channels = _channels(sr, description["ss"])  # float32 per px of the result
        memory = TILE_MEMORY / 4 / channels / network.threads  # px of the result
        allowed = int(memory**0.5) * self.enlarged // self.scale  # side, px of what SS sees
        wanted = min(CORE + 2 * self.overlap, allowed)  # side, px of what SS sees
        self.tile = max(wanted // self.enlarged, self._least_tile())  # px of the photo

    def checked_tile(self, tile: int | None) -> int:
        """Greatest side of a tile, px of the photo, by default the model's; ValueError if small."""
        tile = tile or self.tile
        if tile < (least := self._least_tile()):
            raise ValueError(f"a tile of {tile} px is too small; {least} px or more are needed")
        return tile

    def checked_threshold(self, threshold: float | None) -> float:
        """The threshold, by default the model's own; ValueError if there is none in [0, 1]."""
        threshold = self.threshold if threshold is None else threshold
        if threshold is None:
            raise ValueError("the model has no threshold of its own; give one (--threshold)")
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold {threshold} is not in [0, 1]")
        return threshold

    def segment(
        self,
        image: np.ndarray | Image.Image | str | Path,
        *,
        threshold: float | None = None,
        tile: int | None = None,
    ) -> Segmentation:
        """Segment a photo.

        Args:
            image: RGB (H, W, 3) or gray (H, W), uint8; or a PIL image; or the file of a photo.
            threshold: of the mask, in [0, 1]; the model's own by default.
            tile: see `bands`.

        Raises:
            PhotoError: if the file is not a readable photo.
            ValueError: if it is not such an image, there is no threshold in [0, 1], or the tile is
                too small.
        """
        threshold = self.checked_threshold(threshold)
        is_file = isinstance(image, str | Path)
        opened = open_photo(Path(image)) if is_file else nullcontext(as_photo(image))
        with opened as photo:
            bands = list(self.bands(photo, tile=tile))
        probs = np.concatenate([band.probs for band in bands])
        sr = np.concatenate([band.sr for band in bands]) if self.has_sr else None
        mask = np.concatenate([band.mask(threshold) for band in bands])
        valid = np.concatenate([band.valid for band in bands])
        return Segmentation(probs, mask, sr, valid, photo.notes)

    def bands(
        self,
        photo: ArrayPhoto | FilePhoto,
        *,
        tile: int | None = None,
        sr: bool = True,
        advance: Callable[[], None] = lambda: None,
    ) -> Iterator[Band]:
        """Segment a photo in bands of rows, from top to bottom, in one pass.

        Args:
            photo: of any size.
            tile: greatest side of the tiles that the networks see at a time, px of the photo; by
                default within 4 GiB of memory. It does not change the results.
            sr: whether to give the SR image, where the model has one.
            advance: called after each of the `steps(photo, tile)` computations; an exception that
                it raises ends them.

        Raises:
            PhotoError: if the photo is damaged.
            ValueError: if the tile is too small.
        """
        rows, columns, photo_columns = self._cuts(photo, tile)
        height, width = photo.height * self.enlarged, photo.width * self.enlarged
        statistics = LocalStatistics(height, width, self.window)
        ends = [self._read_for(row, rows, statistics) for row in rows]
        seen = SeenRows(
            photo,
            self.network,
            scale=self.enlarged,
            height=rows[-1].stop,
            columns=photo_columns,
            overlap=self.sr_overlap,
            statistics=statistics,
            capacity=max(end - row.start for row, end in zip(rows, ends, strict=True)),
        )
        with in_threads(self.network.threads) as each:
            for row, end in zip(rows, ends, strict=True):
                seen.forget(row.start)
                for _ in seen.read(end, each):
                    advance()
                band = self._empty_band(photo, row, sr=sr)
                for _ in each(partial(self._fill, band, seen, row), columns):
                    advance()
                yield band

    def steps(self, photo: ArrayPhoto | FilePhoto | Header, tile: int | None = None) -> int:
        """Number of computations of a photo."""
        rows, columns, photo_columns = self._cuts(photo, tile)
        height = photo.height * self.enlarged
        statistics = LocalStatistics(height, photo.width * self.enlarged, self.window)
        ends = {self._read_for(row, rows, statistics) for row in rows}
        return len(rows) * len(columns) + len(ends) * len(photo_columns)

    def _cuts(
        self, photo: ArrayPhoto | FilePhoto | Header, tile: int | None
    ) -> tuple[list[Span], list[Span], list[Span]]:
        """Rows and columns of tiles of what SS sees, and columns of tiles of the photo."""
        side = self.checked_tile(tile)
        height, width = (
            -(-length * self.enlarged // self.stride) * self.stride
            for length in (photo.height, photo.width)
        )
        seen_side = side * self.enlarged
        low = max(self._least_tile() * self.enlarged, BAND // width + 2 * self.overlap)
        rows, columns = (
            cut(length, tile=most, overlap=self.overlap, step=self.step)
            for length, most in ((height, min(seen_side, low)), (width, seen_side))
        )
        photo_columns = cut(
            width // self.enlarged, tile=side, overlap=self.sr_overlap, step=self.step
        )
        return rows, columns, photo_columns

    def _least_tile(self) -> int:
        """Least side of a tile, px of the photo."""
        return -(-(2 * self.overlap + self.step) // self.enlarged)

    def _read_for(self, row: Span, rows: list[Span], statistics: LocalStatistics) -> int:
        """Rows of what SS sees that a band needs, to be normalised too."""
        end = statistics.needs(min(row.stop, statistics.height))
        whole = rows[-1].stop
        return whole if end == statistics.height else end

    def _empty_band(self, photo: ArrayPhoto | FilePhoto, row: Span, *, sr: bool) -> Band:
        top, stop = row.core_start // self.enlarged, row.core_stop // self.enlarged
        stop = min(stop, photo.height)
        pixels = photo.rows(top, stop)
        height, width = (side * self.scale for side in pixels.shape[:2])
        sr_image = empty_pages((height, width, 3), np.uint8) if self.has_sr and sr else None
        probs = empty_pages((height, width), np.float32)
        return Band(top, pixels, photo.valid(top, stop), probs, sr_image)

    def _fill(self, band: Band, seen: SeenRows, row: Span, column: Span) -> None:
        """Put the core of a tile into its band."""
        margins = *column.margins(), *row.margins()
        probs = self.network.probs(seen.tile(row, column), margins)[0, 0].cpu().numpy()
        left = column.core_start * self.scale // self.enlarged
        height, width = band.probs.shape
        found = probs[:height, : width - left]  # without what is beyond the photo
        area = slice(left, left + found.shape[1])
        valid = band.valid[:, left // self.scale : (left + found.shape[1]) // self.scale]
        band.probs[:, area] = found
        if not valid.all():
            band.probs[:, area] *= valid.repeat(self.scale, 0).repeat(self.scale, 1)
        if band.sr is not None:
            stop = row.core_start + len(band.photo) * self.enlarged
            pixels = seen.rows(row.core_start, stop)[:, area]
            band.sr[:, area] = cv2.multiply(pixels, (255.0,) * 4, dtype=cv2.CV_8U)  # saturates


@contextmanager
def in_threads(number: int) -> Iterator[Each]:
    """`map` that many threads at a time, in each of which PyTorch takes no more than one."""
    if number == 1:
        yield map
        return
    before = torch.get_num_threads()
    alone = partial(torch.set_num_threads, 1)
    try:
        with ThreadPoolExecutor(number, initializer=alone) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(before)


def load(path: str | Path, *, device: str = "auto") -> Segmenter:
    """Load a trained model; see `cssr.load`."""
    return Segmenter(*load_network(Path(path), device))


def _channels(sr: Mapping[str, int] | None, ss: Mapping[str, Any]) -> int:
    """About how many numbers the networks hold at once for each pixel of the results."""
    return max(sr["width"] * (2 * sr["stages"] + 3) if sr else 0, 4 * ss["encoder"][0])
