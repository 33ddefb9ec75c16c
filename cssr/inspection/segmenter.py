"""Trained models that segment photos of any size, tile by tile and without seams."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cssr.data.arrays import to_bytes, to_unit
from cssr.device import choose_device, keep_freed_memory
from cssr.inspection.moments import Moments
from cssr.inspection.photos import ArrayPhoto, FilePhoto, Header, open_photo
from cssr.inspection.tiles import Span, batches, cut, kept
from cssr.models.pipeline import Statistics
from cssr.models.receptive_field import receptive_field
from cssr.models.saved import check_segments, load_model
from cssr.models.variants import VARIANTS

TILE = 1280  # side of what is kept of a tile by default, px of the results
ROOM = 2**32  # bytes of activations that a tile may take by default
BLOCK = 64  # cuts lie at multiples of it, px of the results
KEPT = 512 * 2**20  # bytes of SR images that may be kept between the two passes over a photo


class Network(Protocol):
    """A trained pipeline in two halves, on whatever runs it."""

    def ss_input(self, images: Tensor) -> Tensor:
        """What SS sees of tiles (B, 3, h, w); the SR image where there is one."""

    def probs(self, images: Tensor, seen: Tensor, statistics: Statistics) -> Tensor:
        """Crack probabilities (B, 1, H, W) of tiles and of what SS sees of them."""


class Torch:
    """A pipeline on a device."""

    def __init__(self, pipeline: nn.Module, device: torch.device) -> None:
        self.device = device
        self.pipeline = pipeline.to(device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def ss_input(self, images: Tensor) -> Tensor:
        """What SS sees of tiles (B, 3, h, w); the SR image where there is one."""
        images = images.to(self.device, memory_format=torch.channels_last)
        return self.pipeline.ss_input(images)

    @torch.inference_mode()
    def probs(self, images: Tensor, seen: Tensor, statistics: Statistics) -> Tensor:
        """Crack probabilities (B, 1, H, W) of what SS sees of tiles."""
        mean, variance = (value.to(self.device) for value in statistics)
        return self.pipeline.probs(seen, (mean, variance))


class Tiling(NamedTuple):
    """How a photo is computed, px of the photo.

    Attributes:
        tile: greatest side of a tile, overlap included.
        overlap: on each side of what is kept of a tile.
        batch: tiles at a time.
    """

    tile: int
    overlap: int
    batch: int = 1


class Band(NamedTuple):
    """Some rows of a photo, and what a model makes of them.

    Attributes:
        top: first row, px of the photo.
        photo: RGB, (h, W, 3) uint8.
        probs: crack probabilities in [0, 1], (scale·h, scale·W) float32.
        sr: super-resolved RGB, (scale·h, scale·W, 3) uint8, or None.
    """

    top: int
    photo: np.ndarray
    probs: np.ndarray
    sr: np.ndarray | None


class Segmentation(NamedTuple):
    """What a model makes of a photo.

    Attributes:
        probs: crack probabilities in [0, 1], (scale·H, scale·W) float32.
        mask: where they reach the threshold, (scale·H, scale·W) bool.
        sr: super-resolved RGB, (scale·H, scale·W, 3) uint8; None where the model has none.
    """

    probs: np.ndarray
    mask: np.ndarray
    sr: np.ndarray | None


class Segmenter:
    """A trained model with what is needed to run it on photos.

    Args:
        network: the trained pipeline.
        description: as in model.json, `variant`, `scale`, `sr`, `ss` and `threshold` of it.

    Attributes:
        scale: side of the results / side of the photo; 1 for `ss_hr`.
        has_sr: whether the results hold an SR image.
        threshold: of the probabilities, the best one on validation images; None if not stored.
        stride: alignment of tiles, px of the photo.
        overlap: that makes tiles equal to the whole photo, px of it.
        tile: side of the tiles by default, px of the photo.
    """

    def __init__(self, network: Network, description: Mapping[str, Any]) -> None:
        variant, sr = description["variant"], description["sr"]
        self.network, self.variant = network, variant
        self.scale = 1 if VARIANTS[variant].takes_hr else description["scale"]
        self.has_sr = VARIANTS[variant].has_sr
        self.threshold = description.get("threshold")
        self.stride, self.overlap = receptive_field(
            variant, scale=description["scale"], stages=sr and sr["stages"]
        )
        self.step = max(self.stride, BLOCK // self.scale)
        wanted = TILE // self.scale + 2 * self.overlap
        allowed = int((ROOM / 4 / _channels(sr, description["ss"])) ** 0.5) // self.scale
        self.tile = max(min(wanted, allowed), 2 * self.overlap + self.step)

    def tiling(self, tile: int | None = None, overlap: int | None = None, batch: int = 1) -> Tiling:
        """Tiles of this model; by default without seams, and within 4 GiB of memory.

        Raises:
            ValueError: if a tile is not larger than its overlap.
        """
        overlap = self.overlap if overlap is None else -(-overlap // self.stride) * self.stride
        tile = self.tile if tile is None else tile
        tiling = Tiling(tile // self.stride * self.stride, overlap, batch)
        self._cut(tiling.tile + self.stride, tiling)  # refuses a tile that is too small
        return tiling

    def segment(
        self,
        image: np.ndarray | str | Path,
        *,
        threshold: float | None = None,
        tiling: Tiling | None = None,
    ) -> Segmentation:
        """Segment a photo.

        Args:
            image: RGB (H, W, 3) or gray (H, W), uint8; or the file of a photo.
            threshold: of the mask, in [0, 1]; the model's own by default.
            tiling: how it is computed; `self.tiling()` by default.

        Raises:
            PhotoError: if the file is not a readable photo.
            ValueError: if the array is not such an image, or there is no threshold in [0, 1].
        """
        threshold = self.threshold if threshold is None else threshold
        if threshold is None:
            raise ValueError("the model has no threshold of its own: give one")
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold {threshold} is not in [0, 1]")
        is_file = isinstance(image, str | Path)
        opened = open_photo(Path(image)) if is_file else nullcontext(ArrayPhoto(_as_rgb(image)))
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
        wants_sr: bool = True,
        advance: Callable[[], None] = lambda: None,
    ) -> Iterator[Band]:
        """Segment a photo in bands of rows, from top to bottom.

        The photo is read twice: for the statistics with which SS normalises what it sees, and for
        the result. SR images of the first pass are kept for the second if all of them are small.

        Args:
            photo: of any size.
            tiling: how it is computed.
            wants_sr: give the SR image, where the model has one.
            advance: called after each of the `2 * steps(photo, tiling)` computations.

        Raises:
            PhotoError: if the photo is damaged.
        """
        size = photo.height, photo.width
        rows, columns = (self._cut(side, tiling) for side in size)
        keeps = 12 * self.scale**2 * photo.height * photo.width <= KEPT  # three float32
        moments, keys, held = Moments(), count(), {}
        for row in rows:
            for images, group in _tiles(photo, row, columns, tiling.batch):
                key, seen = next(keys), self.network.ss_input(images)
                for k, column in enumerate(group):
                    moments.add(kept(seen[k], row, column, size))
                if keeps:
                    held[key] = seen
                advance()
        statistics, keys = moments.statistics(), count()
        for row in rows:
            band = self._empty_band(photo, row, wants_sr=wants_sr)
            for images, group in _tiles(photo, row, columns, tiling.batch):
                key = next(keys)
                seen = held.pop(key) if key in held else self.network.ss_input(images)
                probs = self.network.probs(images, seen, statistics)
                for k, column in enumerate(group):
                    parts = (kept(values[k], row, column, size) for values in (probs[:, 0], seen))
                    self._fill(band, column, *parts)
                advance()
            yield band

    def steps(self, photo: ArrayPhoto | FilePhoto | Header, tiling: Tiling) -> int:
        """Computations of each of the two passes over a photo."""
        rows, columns = (self._cut(side, tiling) for side in (photo.height, photo.width))
        return len(rows) * len(list(batches(columns, tiling.batch)))

    def _cut(self, side: int, tiling: Tiling) -> list[Span]:
        padded = -(-side // self.stride) * self.stride
        return cut(padded, tile=tiling.tile, overlap=tiling.overlap, step=self.step)

    def _empty_band(self, photo: ArrayPhoto | FilePhoto, row: Span, *, wants_sr: bool) -> Band:
        pixels = photo.rows(row.first, min(row.last, photo.height))
        height, width = (side * self.scale for side in pixels.shape[:2])
        sr = np.empty((height, width, 3), np.uint8) if self.has_sr and wants_sr else None
        return Band(row.first, pixels, np.empty((height, width), np.float32), sr)

    def _fill(self, band: Band, column: Span, probs: Tensor, sr: Tensor) -> None:
        """Put what is kept of a tile into its band: probabilities (h, w) and SR image (3, h, w)."""
        left = column.first * self.scale
        area = slice(left, left + probs.shape[1])
        band.probs[:, area] = probs.cpu().numpy()
        if band.sr is not None:
            band.sr[:, area] = to_bytes(sr.clamp(0, 1))


def load(path: str | Path, *, device: str = "auto") -> Segmenter:
    """A trained model, to segment photos with; see `cssr.load`."""
    path, where = Path(path), choose_device(device)
    if path.suffix == ".onnx":
        if device.startswith("cuda"):
            raise ValueError(f"{path}: ONNX models run on the CPU here, not on {device}")
        from cssr.inspection.onnx import load_onnx  # needs packages that are not always installed

        network, description = load_onnx(path)
        _check(path, description)
        return Segmenter(network, description)
    pipeline, description = load_model(path)
    _check(path, description)
    keep_freed_memory()
    return Segmenter(Torch(pipeline, where), description)


def _check(path: Path, description: Mapping[str, Any]) -> None:
    """Raise ValueError if a model is not one of the seven, or its threshold is not one."""
    check_segments(path, description)
    try:
        threshold = description.get("threshold")
        usable = threshold is None or 0 <= threshold <= 1
        receptive_field(description["variant"], scale=description["scale"], stages=1)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: its description is of another version ({error})") from None
    if not usable:
        raise ValueError(f"{path}: its threshold {threshold} is not in [0, 1]")


def _channels(sr: Mapping[str, int] | None, ss: Mapping[str, Any]) -> int:
    """About how many numbers the networks hold at once for each pixel of the results."""
    return max(sr["width"] * (2 * sr["stages"] + 3) if sr else 0, 4 * ss["encoder"][0])


def _tiles(
    photo: ArrayPhoto | FilePhoto, row: Span, columns: list[Span], batch: int
) -> Iterator[tuple[Tensor, list[Span]]]:
    """Tiles of a row as the networks take them, (B, 3, h, w), and their places in it.

    Beyond the photo its edge is repeated.
    """
    pixels = photo.rows(row.start, min(row.stop, photo.height))
    below, right = row.stop - row.start - len(pixels), columns[-1].stop - photo.width
    pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
    for group in batches(columns, batch):
        images = np.stack([pixels[:, column.start : column.stop] for column in group])
        yield to_unit(torch.from_numpy(images)), group


def _as_rgb(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"an image is uint8 (H, W, 3) or (H, W), not {image.dtype} {image.shape}")
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    if image.shape[2] != 3:
        raise ValueError(f"an image has 3 channels, RGB, not {image.shape[2]}")
    return image
