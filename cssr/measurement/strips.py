"""A mask read band by band: its crack pixels, and the skeleton found in windows of it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from skimage.morphology import skeletonize

HALO = 64  # px about a window; narrower cracks come out as if the window were the whole mask


class Runs(NamedTuple):
    """Stretches of crack pixels within a row, in reading order.

    Attributes:
        start: first pixel of each, row * stride + column, (N,) int64.
        stop: the pixel after the last one, likewise.
        stride: more than the columns of the mask, so that no run touches the next row's.
    """

    start: np.ndarray
    stop: np.ndarray
    stride: int


class Skeleton(NamedTuple):
    """Pixels of the skeleton of the mask at twice its resolution.

    Attributes:
        row: in the doubled mask, (N,) int64.
        column: likewise.
        width: of the crack there, in px of the mask itself, (N,) float32.
    """

    row: np.ndarray
    column: np.ndarray
    width: np.ndarray


NOTHING = Skeleton(*np.empty((2, 0), np.int64), np.empty(0, np.float32))


def read_bands(
    bands: Iterable[np.ndarray], side: int, *, min_area: int
) -> Iterator[tuple[Runs, Skeleton, int]]:
    """Read a mask once, forward, holding little more than `side` of its rows.

    Args:
        bands: consecutive rows of the mask, each (rows, W) of bool or of 0 and 1.
        side: of the windows in which the skeleton is found, px.
        min_area: px; the skeletons of smaller cracks may be left out.

    Yields:
        Runs and skeleton of the next rows, counted as the whole mask's, and the last of these
        rows; in the end those of an empty row below the mask.

    Raises:
        ValueError: if a band is not two-dimensional or not as wide as the others.
    """
    last_row, stride = -1, 1
    for top, strip in _strips(bands, side):
        core = strip[HALO:-HALO]
        last_row, stride = top + len(core) - 1, core.shape[1] + 1
        runs = Runs(*(_run_ends(core) + top * stride), stride)
        yield runs, joined(_strip_skeletons(strip, top, side, min_area)), last_row
    yield Runs(*np.empty((2, 0), np.int64), stride), NOTHING, last_row + 1


def _strips(bands: Iterable[np.ndarray], side: int) -> Iterator[tuple[int, np.ndarray]]:
    """Up to `side` rows with HALO more above and below, and the number of their first row."""
    held = []
    top = 0
    for band in _with_margins(bands):
        held.append(band)
        if sum(map(len, held)) < side + 2 * HALO:
            continue
        rows = np.concatenate(held)
        while len(rows) >= side + 2 * HALO:
            yield top, rows[: side + 2 * HALO]
            rows = rows[side:]
            top += side
        held = [rows]
    if sum(map(len, held)) > 2 * HALO:
        yield top, np.concatenate(held)


def _with_margins(bands: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The bands, with HALO rows without crack before and after them."""
    margin = None
    for band in bands:
        if band.ndim != 2 or (margin is not None and band.shape[1] != margin.shape[1]):
            raise ValueError(f"a band must be (rows, W), all of one width, got {band.shape}")
        if margin is None:
            margin = np.zeros((HALO, band.shape[1]), bool)
            yield margin
        yield np.array(band, bool)  # a copy, since the caller may use the memory again
    if margin is not None:
        yield margin


def _run_ends(mask: np.ndarray) -> np.ndarray:
    """Start and stop of each run of a mask (H, W), as row * (W + 1) + column, (2, N)."""
    rows = np.pad(mask, ((0, 0), (0, 1))).ravel()
    edges = np.flatnonzero(np.diff(rows.view(np.int8), prepend=0))
    return edges.reshape(-1, 2).T


def _strip_skeletons(strip: np.ndarray, top: int, side: int, min_area: int) -> Iterator[Skeleton]:
    """Skeletons of the windows of a strip that hold crack; `top` is the row below its halo."""
    padded = np.pad(strip, ((0, 0), (HALO, HALO)))
    for left in range(0, strip.shape[1], side):
        window = padded[:, left : left + side + 2 * HALO]
        if window[HALO:-HALO, HALO:-HALO].any():
            row, column, width = _window_skeleton(window, min_area)
            yield Skeleton(row + 2 * top, column + 2 * left, width)


def _window_skeleton(window: np.ndarray, min_area: int) -> Skeleton:
    """Skeleton of a window without its halo, counted from the corner inside the halo."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(window.astype(np.uint8))
    parts = []
    for k, (x, y, w, h, area) in enumerate(boxes):
        right, bottom = x + w, y + h
        whole = min(x, y) > 0 and right < window.shape[1] and bottom < window.shape[0]
        if k and not (whole and area < min_area):
            parts.append(_component_skeleton(labels[y:bottom, x:right] == k, y, x))
    row, column, width = joined(parts)
    rows, columns = (2 * (size - 2 * HALO) for size in window.shape)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return Skeleton(row[inside], column[inside], width[inside])


def _component_skeleton(mask: np.ndarray, top: int, left: int) -> Skeleton:
    """Skeleton of a component whose box is there in a window, counted as the window's."""
    height, width = mask.shape
    doubled = np.zeros((2 * height + 2, 2 * width + 2), bool)
    doubled[1:-1, 1:-1] = mask.repeat(2, axis=0).repeat(2, axis=1)  # even widths get a middle
    row, column = np.nonzero(skeletonize(doubled))
    precise = cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    distance = cv2.distanceTransform(doubled.view(np.uint8), *precise)[row, column]
    exact = np.sqrt(np.rint(np.square(distance, dtype=np.float64))).astype(np.float32)
    return Skeleton(row + 2 * (top - HALO) - 1, column + 2 * (left - HALO) - 1, exact)


def joined(parts: Iterable[Skeleton]) -> Skeleton:
    """The pixels of all parts, in their order."""
    return Skeleton(*map(np.concatenate, zip(NOTHING, *parts, strict=True)))
