"""Intervals of means over the test images, by bootstrap over photos."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cssr.preparation.photo_names import photo_of

RESAMPLES = 9999
WITHIN = (2.5, 97.5)  # percentiles: 95 %
FEW = 20  # photos, below which these intervals are clearly too narrow


class Estimate(NamedTuple):
    """A mean over images and seeds, or a difference of two, with its 95 % interval.

    Attributes:
        mean: over the seeds.
        low: end of the interval; NaN if there is one photo only.
        high: its other end.
        seeds: the value of each seed.
    """

    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """Of a difference: better, worse or undecided."""
        if self.low > 0 and min(self.seeds) > 0:
            return "better"
        if self.high < 0 and max(self.seeds) < 0:
            return "worse"
        return "undecided"

    def bracketed(self, form: str) -> str:
        """The interval as text, its ends in a format such as `.3f`."""
        return "[one photo]" if np.isnan(self.low) else f"[{self.low:{form}}, {self.high:{form}}]"


class Bootstrap:
    """Resamples of the test photos, the same ones for all that is estimated.

    Images of one photo are drawn together, since they resemble each other.

    Args:
        names: of the test images.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.photos, photos = pd.factorize(np.array([photo_of(name) for name in names]))
        rng = np.random.default_rng(0)
        share = np.full(len(photos), 1 / len(photos))
        self.counts = rng.multinomial(len(photos), share, size=RESAMPLES).astype(float)

    def means(self, values: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The mean over the images in each resample.

        Args:
            values: of each image, (N, …).
            chosen: indices of the images to take; all by default.

        Returns:
            (RESAMPLES, …); NaN where a resample has none of them, and if they are of one photo.
        """
        photos = self.photos[chosen]
        if len(np.unique(photos)) < 2:
            return np.full((RESAMPLES, *values.shape[1:]), np.nan)
        sums = np.zeros((self.counts.shape[1], *values.shape[1:]))
        np.add.at(sums, photos, values[chosen])
        sizes = self.counts @ np.bincount(photos, minlength=len(sums))
        with np.errstate(invalid="ignore"):
            return ((self.counts @ sums).T / sizes).T

    @property
    def note(self) -> str:
        """What to say of the number of photos."""
        number = self.counts.shape[1]
        few = f"; with fewer than {FEW}, intervals are too narrow" if number < FEW else ""
        return f"The {len(self.photos):,} test images show {number:,} photos{few}."


def interval(samples: np.ndarray) -> np.ndarray:
    """The ends of the 95 % interval of what was resampled: (RESAMPLES, …) to (2, …)."""
    known = samples[~np.isnan(samples.reshape(len(samples), -1)).any(axis=1)]
    if not len(known):
        return np.full((2, *samples.shape[1:]), np.nan)
    return np.percentile(known, WITHIN, axis=0)
