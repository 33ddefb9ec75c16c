"""Means of scores of images with their intervals, and differences of two models' scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

RESAMPLES = 9999


class Estimate(NamedTuple):
    """A mean over images and seeds, with its interval and the mean of each seed."""

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


class Scores:
    """One metric of each test image and cell.

    Args:
        table: a row for each image: its photo, whether it shows crack, and its score by each cell,
            in columns such as `seed-0/cssr`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def read(cls, file: Path) -> "Scores":
        """Read a metric's table, such as aiu.csv of a preset."""
        return cls(pd.read_csv(file))

    def with_crack(self) -> "Scores":
        """Those of the images that show crack."""
        return Scores(self.table[self.table["crack"] == 1])

    def of(self, cell: str, place: str = "seed") -> pd.DataFrame:
        """A row for each image, by its photo; a column for each seed of a cell.

        Args:
            cell: its name, such as `cssr` or `sweep/bc2-0.1`.
            place: `seed`, or the variation in whose workplaces it was run.
        """
        found = {}
        for title in self.table.columns:
            workplace, _, name = title.partition("/")
            variation, _, seed = workplace.rpartition("-")
            if (variation, name) == (place, cell):
                found[int(seed)] = self.table[title].to_numpy()
        return pd.DataFrame(found, index=self.table["photo"])


def estimate(scores: pd.DataFrame) -> Estimate:
    """The mean of scores or of differences of scores, with a 95 % interval over photos.

    Images of one photo are drawn together, since they resemble each other.

    Args:
        scores: a row for each image, by its photo; a column for each seed.
    """
    photos = scores.mean(axis=1).groupby(level=0).agg(["sum", "size"])

    def mean(sums: np.ndarray, sizes: np.ndarray, axis: int) -> np.ndarray:
        return sums.sum(axis=axis) / sizes.sum(axis=axis)

    found = bootstrap(
        (photos["sum"].to_numpy(), photos["size"].to_numpy()),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=0,
    )
    interval = found.confidence_interval
    return Estimate(scores.to_numpy().mean(), interval.low, interval.high, tuple(scores.mean()))


def compare(one: pd.DataFrame, other: pd.DataFrame) -> Estimate:
    """The difference of two cells' scores on the seeds that both have."""
    seeds: Sequence[int] = one.columns.intersection(other.columns)
    return estimate(one[seeds] - other[seeds])
