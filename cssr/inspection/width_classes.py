"""Classes of crack width, between bounds in mm that belong to the class below them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from cssr.measurement.cracks import Crack

DECIMALS = 3  # of mm; as in the tables


def class_names(bounds: Sequence[float]) -> list[str]:
    """Names of the classes, such as `up to 0.1`, `0.1 to 0.3`, `over 0.3`."""
    numbers = [f"{bound:g}" for bound in bounds]
    inner = [f"{low} to {high}" for low, high in pairwise(numbers)]
    return [f"up to {numbers[0]}", *inner, f"over {numbers[-1]}"]


def classify(widths: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    """Index of the class of each width, mm."""
    return np.searchsorted(bounds, np.round(widths, DECIMALS), side="left")


def crack_classes(table: pd.DataFrame, bounds: Sequence[float]) -> list[str]:
    """The class of each crack of a table in mm, by its greatest width: codes limit that."""
    names = class_names(bounds)
    return [names[index] for index in classify(table["width_max_mm"].to_numpy(), bounds)]


def length_by_class(
    cracks: Iterable[Crack], bounds: Sequence[float], *, mm_per_px: float
) -> dict[str, float]:
    """Length of cracks whose local width is in each class, mm, by name of the class.

    Args:
        cracks: to sum up; the lengths add up to theirs.
        bounds: of the classes, mm.
        mm_per_px: mm per px of the mask.
    """
    names = class_names(bounds)
    lengths = np.zeros(len(names))
    for crack in cracks:
        widths, own = crack.local_widths.T * np.float64(mm_per_px)
        lengths += np.bincount(classify(widths, bounds), weights=own, minlength=len(names))
    return dict(zip(names, lengths.round(DECIMALS).tolist(), strict=True))
