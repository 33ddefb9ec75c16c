"""The connected cracks of a mask that is read in bands, each as soon as it is whole."""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cssr.measurement.strips import NOTHING, Runs, Skeleton, joined


def whole_cracks(
    parts: Iterable[tuple[Runs, Skeleton, int]],
) -> Iterator[tuple[Runs, Skeleton]]:
    """The runs and the skeleton of each crack, once no further row can touch it.

    Args:
        parts: runs, skeleton and last row of each, from top to bottom; the last part is empty.
    """
    open_runs, open_skeleton = np.empty((2, 0), np.int64), NOTHING
    for part_runs, part_skeleton, last_row in parts:
        stride = part_runs.stride
        runs = Runs(*np.concatenate([open_runs, part_runs[:2]], axis=1), stride)
        skeleton = joined([open_skeleton, part_skeleton])
        label = connected_runs(runs)
        is_open = np.isin(label, label[runs.stop > last_row * stride])
        label[is_open] = -1  # before all others
        run = _run_of_pixels(skeleton, runs)
        yield from _split(runs, skeleton, label, label[run])
        open_runs = np.stack(runs[:2])[:, is_open]
        open_skeleton = Skeleton(*(column[is_open[run]] for column in skeleton))


def connected_runs(runs: Runs) -> np.ndarray:
    """Number of the 8-connected component that each run belongs to, (N,)."""
    start, stop, stride = runs
    first = np.searchsorted(stop, start + stride)  # run of the next row that touches
    touching = np.searchsorted(start, stop + stride, side="right") - first
    above = np.repeat(np.arange(len(start)), touching)
    nth = np.arange(len(above)) - np.repeat(touching.cumsum() - touching, touching)
    below = np.repeat(first, touching) + nth
    edges = coo_array((np.ones(len(above), bool), (above, below)), shape=[len(start)] * 2)
    return connected_components(edges, directed=False)[1]


def _run_of_pixels(skeleton: Skeleton, runs: Runs) -> np.ndarray:
    """Index of the run in which each pixel of the skeleton lies."""
    pixel = skeleton.row // 2 * runs.stride + skeleton.column // 2
    return np.searchsorted(runs.start, pixel, side="right") - 1


def _split(
    runs: Runs, skeleton: Skeleton, label: np.ndarray, pixel_label: np.ndarray
) -> Iterator[tuple[Runs, Skeleton]]:
    """The runs and the pixels of each label from 0 on, in reading order."""
    by_run = np.argsort(label, kind="stable")
    by_pixel = np.lexsort((skeleton.column, skeleton.row, pixel_label))
    numbers = np.unique(label[label >= 0])
    run_groups = np.split(by_run, np.searchsorted(label[by_run], numbers))[1:]
    pixel_groups = np.split(by_pixel, np.searchsorted(pixel_label[by_pixel], numbers))[1:]
    for own, part in zip(run_groups, pixel_groups, strict=True):
        own_runs = Runs(runs.start[own], runs.stop[own], runs.stride)
        yield own_runs, Skeleton(*(column[part] for column in skeleton))
