"""Errors of a pipeline where the cracks that it finds are measured, as an inspection does."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from cssr.data.arrays import Arrays
from cssr.evaluation.scores import predict
from cssr.measurement.cracks import measure


class Measured(NamedTuple):
    """Cracks of N images, each image as a whole.

    Attributes:
        length: of all cracks together, px, (N,).
        width: mean over them, weighted by length, px, (N,); NaN where there is none.
    """

    length: np.ndarray
    width: np.ndarray


def measure_truth(masks: np.ndarray) -> Measured:
    """Measure the true cracks.

    Args:
        masks: 0 or 1, (N, H, W).
    """
    return _measure_batches([masks])


def measure_predictions(
    pipeline: nn.Module,
    arrays: Arrays,
    *,
    takes_hr: bool,
    threshold: np.float32,
    batch_size: int,
    device: torch.device,
) -> Measured:
    """Measure the cracks that a pipeline finds, batch by batch.

    Args:
        pipeline: on `device`.
        arrays: the set.
        takes_hr: whether the pipeline segments HR images; else it gets the LR ones.
        threshold: probability from which on a pixel is crack, compared in float32.
        batch_size: images per batch.
        device: where the pipeline is.
    """
    images = arrays.hr if takes_hr else arrays.lr
    results = predict(pipeline, images, batch_size=batch_size, device=device)
    masks = (probs[:, 0].float().cpu().numpy() >= threshold for _, probs in results)
    return _measure_batches(masks)


def measurement_errors(found: Measured, true: Measured) -> dict[str, float]:
    """Errors of length and width; a key is missing where no image has what it compares.

    Args:
        found: what the pipeline finds.
        true: what there is.

    Returns:
        `length_error`, total length over the true total, minus 1; `length_mae`, mean absolute
        error over the images with crack, over their mean length; `width_error` and `width_mae`,
        mean error and mean absolute error over the images where both have a crack, px.
    """
    errors = {}
    cracked = true.length > 0
    if cracked.any():
        total = true.length.sum()
        errors["length_error"] = float(found.length.sum() / total - 1)
        away = np.abs(found.length - true.length)[cracked]
        errors["length_mae"] = float(away.sum() / total)
    width = found.width - true.width
    width = width[np.isfinite(width)]
    if len(width):
        errors["width_error"] = float(width.mean())
        errors["width_mae"] = float(np.abs(width).mean())
    return errors


def _measure_batches(batches: Iterable[np.ndarray]) -> Measured:
    """Measure the images of some batches, (B, H, W) each, several at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = [row for batch in batches for row in pool.map(_measure_image, batch)]
    return Measured(*np.array(rows, float).reshape(-1, 2).T)


def _measure_image(mask: np.ndarray) -> tuple[float, float]:
    """Total length and mean width of the cracks of one mask, px."""
    cracks = measure(mask)
    lengths = [crack.length for crack in cracks]
    if not cracks:
        return 0.0, np.nan
    return sum(lengths), float(np.average([crack.width_mean for crack in cracks], weights=lengths))
