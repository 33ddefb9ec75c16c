"""Trained models that segment photos of any size, tile by tile and without seams."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cssr.data.arrays import to_bytes, to_unit
from cssr.inspection.array_photos import as_photo
from cssr.inspection.backends import Network, load_network
from cssr.inspection.photos import ArrayPhoto, FilePhoto, Header, open_photo
from cssr.inspection.tiles import Span, Tiling, batches, core, cut
from cssr.models.pipeline import Statistics
from cssr.models.receptive_field import receptive_field
from cssr.models.variants import VARIANTS

CORE = 1280  # side of a tile without overlap by default, px of the results
TILE_MEMORY = 2**32  # bytes of activations that a tile may take by default
CUT_STEP = 64  # cores begin at multiples of it, px of the results
CACHE = 512 * 2**20  # bytes of a photo's SR images that are kept for the second pass


class Band(NamedTuple):
    """Some rows of a photo, and their results as in `Segmentation`."""

    top: int  # first row, px of the photo
    photo: np.ndarray  # RGB, (h, W, 3) uint8
    probs: np.ndarray
    sr: np.ndarray | None


class Segmentation(NamedTuple):
    """What a model makes of a photo."""

    probs: np.ndarray  # crack probabilities in [0, 1], (scale·H, scale·W) float32
    mask: np.ndarray  # where they reach the threshold, (scale·H, scale·W) bool
    sr: np.ndarray | None  # super-resolved RGB, (scale·H, scale·W, 3) uint8


class Segmenter:
    """A trained model that runs on photos.

    Args:
        network: the trained pipeline.
        description: as in model.json; `variant`, `scale`, `sr`, `ss` and `threshold` are used.

    Attributes:
        scale: side of the results / side of the photo; 1 for `ss_hr`.
        has_sr: whether the results hold an SR image.
        threshold: of the probabilities, the best one on validation images; None if not stored.
        stride: tiles begin at multiples of it, px of the photo.
        overlap: of tiles by default, px of the photo: the receptive field, so that no seam shows.
        tile: side of the tiles by default, px of the photo.
    """

    def __init__(self, network: Network, description: Mapping[str, Any]) -> None:
        variant = VARIANTS[description["variant"]]
        sr = description["sr"]
        self.network = network
        self.scale = 1 if variant.takes_hr else description["scale"]
        self.has_sr = variant.has_sr
        self.threshold = description.get("threshold")
        self.stride, self.overlap = receptive_field(
            description["variant"], scale=description["scale"], stages=sr and sr["stages"]
        )
        self.step = max(self.stride, CUT_STEP // self.scale)
        wanted = CORE // self.scale + 2 * self.overlap
        allowed = int((TILE_MEMORY / 4 / _channels(sr, description["ss"])) ** 0.5) // self.scale
        self.tile = max(min(wanted, allowed), 2 * self.overlap + self.step)

    def tiling(self, tile: int | None = None, overlap: int | None = None, batch: int = 1) -> Tiling:
        """Tiles of this model; by default without seams, and within 4 GiB of memory.

        Raises:
            ValueError: if a tile is too small for its overlap.
        """
        overlap = self.overlap if overlap is None else -(-overlap // self.stride) * self.stride
        tile = self.tile if tile is None else tile
        tiling = Tiling(tile // self.stride * self.stride, overlap, batch)
        self._cut(tiling.tile + self.stride, tiling)  # raises the error
        return tiling

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
        tiling: Tiling | None = None,
    ) -> Segmentation:
        """Segment a photo.

        Args:
            image: RGB (H, W, 3) or gray (H, W), uint8; or a PIL image; or the file of a photo.
            threshold: of the mask, in [0, 1]; the model's own by default.
            tiling: how the photo is cut; `self.tiling()` by default.

        Raises:
            PhotoError: if the file is not a readable photo.
            ValueError: if it is not such an image, or there is no threshold in [0, 1].
        """
        threshold = self.checked_threshold(threshold)
        is_file = isinstance(image, str | Path)
        opened = open_photo(Path(image)) if is_file else nullcontext(as_photo(image))
        with opened as photo:
            bands = list(self.bands(photo, tiling or self.tiling()))
        probs = np.concatenate([band.probs for band in bands])
        sr = np.concatenate([band.sr for band in bands]) if self.has_sr else None
        return Segmentation(probs, probs >= np.float32(threshold), sr)

    def bands(
        self,
        photo: ArrayPhoto | FilePhoto,
        tiling: Tiling,
        *,
        sr: bool = True,
        advance: Callable[[], None] = lambda: None,
    ) -> Iterator[Band]:
        """Segment a photo in bands of rows, from top to bottom.

        The photo is read twice: for the statistics with which SS normalises its input, and for the
        results. SR images of the first pass are kept for the second if all of them are small.

        Args:
            photo: of any size.
            tiling: how it is cut.
            sr: whether to give the SR image, where the model has one.
            advance: called after each of the `2 * steps(photo, tiling)` computations.

        Raises:
            PhotoError: if the photo is damaged.
        """
        size = photo.height, photo.width
        rows, columns = (self._cut(side, tiling) for side in size)
        caches = 12 * self.scale**2 * photo.height * photo.width <= CACHE  # three float32
        cache = {}
        sums = torch.zeros(2, 3, dtype=torch.float64)
        for row in rows:
            for images, group in _tiles(photo, row, columns, tiling.batch):
                ss_input = self.network.ss_input(images)
                for k, column in enumerate(group):
                    sums += _sums(core(ss_input[k], row, column, size))
                if caches:
                    cache[row, group[0]] = ss_input
                advance()
        enlarged = self.scale**2 if self.has_sr else 1
        statistics = _statistics(sums, photo.height * photo.width * enlarged)
        for row in rows:
            band = self._empty_band(photo, row, sr=sr)
            for images, group in _tiles(photo, row, columns, tiling.batch):
                key = row, group[0]
                ss_input = cache.pop(key) if caches else self.network.ss_input(images)
                probs = self.network.probs(images, ss_input, statistics)[:, 0]
                for k, column in enumerate(group):
                    cores = (core(values[k], row, column, size) for values in (probs, ss_input))
                    self._fill(band, column, *cores)
                advance()
            yield band

    def steps(self, photo: ArrayPhoto | FilePhoto | Header, tiling: Tiling) -> int:
        """Number of computations in each of the two passes over a photo."""
        rows, columns = (self._cut(side, tiling) for side in (photo.height, photo.width))
        return len(rows) * len(list(batches(columns, tiling.batch)))

    def _cut(self, side: int, tiling: Tiling) -> list[Span]:
        padded = -(-side // self.stride) * self.stride
        return cut(padded, tile=tiling.tile, overlap=tiling.overlap, step=self.step)

    def _empty_band(self, photo: ArrayPhoto | FilePhoto, row: Span, *, sr: bool) -> Band:
        pixels = photo.rows(row.core_start, min(row.core_stop, photo.height))
        height, width = (side * self.scale for side in pixels.shape[:2])
        sr_image = np.empty((height, width, 3), np.uint8) if self.has_sr and sr else None
        return Band(row.core_start, pixels, np.empty((height, width), np.float32), sr_image)

    def _fill(self, band: Band, column: Span, probs: Tensor, ss_input: Tensor) -> None:
        """Put the core of a tile into its band: probabilities (h, w) and SS input (3, h, w)."""
        left = column.core_start * self.scale
        area = slice(left, left + probs.shape[1])
        band.probs[:, area] = probs.cpu().numpy()
        if band.sr is not None:
            band.sr[:, area] = to_bytes(ss_input.clamp(0, 1))


def load(path: str | Path, *, device: str = "auto") -> Segmenter:
    """Load a trained model; see `cssr.load`."""
    return Segmenter(*load_network(Path(path), device))


def _channels(sr: Mapping[str, int] | None, ss: Mapping[str, Any]) -> int:
    """About how many numbers the networks hold at once for each pixel of the results."""
    return max(sr["width"] * (2 * sr["stages"] + 3) if sr else 0, 4 * ss["encoder"][0])


def _tiles(
    photo: ArrayPhoto | FilePhoto, row: Span, columns: list[Span], batch: int
) -> Iterator[tuple[Tensor, list[Span]]]:
    """Tiles of a row as the networks take them, (B, 3, h, w), with their columns.

    Beyond the photo its edge is repeated.
    """
    pixels = photo.rows(row.start, min(row.stop, photo.height))
    below = row.stop - row.start - len(pixels)
    right = columns[-1].stop - photo.width
    pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
    for group in batches(columns, batch):
        images = np.stack([pixels[:, column.start : column.stop] for column in group])
        yield to_unit(torch.from_numpy(images)), group


def _sums(values: Tensor) -> Tensor:
    """Sums of values and of their squares over the pixels of (3, h, w), (2, 3) float64."""
    values = values.double().flatten(1)
    return torch.stack([values.sum(1), values.square().sum(1)]).cpu()


def _statistics(sums: Tensor, pixels: int) -> Statistics:
    """Mean and variance, (1, 3, 1, 1) float32 each, from sums (2, 3) over so many pixels."""
    mean, square = sums / pixels
    variance = (square - mean.square()).clamp(min=0)
    return mean.float().view(1, 3, 1, 1), variance.float().view(1, 3, 1, 1)
