"""How accurately cracks are measured on a model's predictions instead of the ground truth."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from cssr.measurement.cracks import measure


class MeasuredImages(NamedTuple):
    """Cracks of N images, each image as a whole.

    Attributes:
        length: of all cracks together, px, (N,).
        width: mean over them, weighted by length, px, (N,); NaN where there is none.
    """

    length: np.ndarray
    width: np.ndarray


def measure_each(masks: np.ndarray) -> MeasuredImages:
    """Measure the cracks of some images, several images at a time.

    Args:
        masks: 0 or 1, (N, H, W).
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(_length_and_width, masks))
    return MeasuredImages(*np.array(rows, float).reshape(-1, 2).T)


def concatenate(parts: Iterable[MeasuredImages]) -> MeasuredImages:
    """The measurements of several batches as one."""
    return MeasuredImages(*map(np.concatenate, zip(*parts, strict=True)))


def measurement_errors(predicted: MeasuredImages, true: MeasuredImages) -> dict[str, float]:
    """Errors of length and width; a key is missing where no image has what it compares.

    Args:
        predicted: measured on the predictions.
        true: measured on the ground truth.

    Returns:
        `length_error`, total length over the true total, minus 1; `length_mae`, mean absolute
        error over the images with crack, over their mean length; `width_error` and `width_mae`,
        mean error and mean absolute error over the images where both have a crack, px.
    """
    errors = {}
    cracked = true.length > 0
    if cracked.any():
        total = true.length.sum()
        errors["length_error"] = float(predicted.length.sum() / total - 1)
        away = np.abs(predicted.length - true.length)[cracked]
        errors["length_mae"] = float(away.sum() / total)
    width = predicted.width - true.width
    width = width[np.isfinite(width)]
    if len(width):
        errors["width_error"] = float(width.mean())
        errors["width_mae"] = float(np.abs(width).mean())
    return errors


def _length_and_width(mask: np.ndarray) -> tuple[float, float]:
    """Total length and mean width of the cracks of one mask, px."""
    cracks = measure(mask)
    lengths = [crack.length for crack in cracks]
    if not cracks:
        return 0.0, np.nan
    return sum(lengths), float(np.average([crack.width_mean for crack in cracks], weights=lengths))
