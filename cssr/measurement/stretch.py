"""One branch of a crack in numbers: its line from tip to tip, and the widths along it."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cssr.measurement.centreline import FREE, Branch, tail_size

SIGMA = 5.0  # of the smoothing along a branch, in steps of half a px


class Stretch(NamedTuple):
    """A measured branch; its middle is what lies away from tips and junctions.

    Attributes:
        line: from tip to tip, (K, 2).
        area: of the middle, px.
        steps: length about each point of the middle, px, (N,).
        widths: local widths there, px, (N,), smoothed like the line.
    """

    line: np.ndarray
    area: float
    steps: np.ndarray
    widths: np.ndarray


def measure_branch(
    branch: Branch, nodes: np.ndarray, pixels: np.ndarray, limits: np.ndarray
) -> Stretch | None:
    """Measure one branch; None if it has nothing but tips.

    Args:
        branch: to measure, K points.
        nodes: x, y and width of all nodes, (M, 3).
        pixels: those nearest to the branch, from its first point to its last, (N, 2).
        limits: where those of each point start and the last ones stop, (K + 1,).
    """
    start = tail_size(branch.points) if branch.ends[0] == FREE else 0
    stop = len(branch.points) - (tail_size(branch.points[::-1]) if branch.ends[1] == FREE else 0)
    points = branch.points[start:stop]
    if stop - start < 2 or np.isnan(points[:, 2]).all():
        return None
    line = _smooth(points[:, :2])
    chosen = _middle(points, nodes[[end for end in branch.ends if end != FREE]])
    steps = np.hypot(*np.gradient(line, axis=0).T)
    area = np.diff(limits)[start:stop][chosen].sum()
    if branch.ends[0] == FREE:
        ahead = pixels[: limits[start + 1]]
        line = np.concatenate([[_tip(line[::-1], points[0, 2], ahead)], line])
    if branch.ends[1] == FREE:
        ahead = pixels[limits[stop - 1] :]
        line = np.concatenate([line, [_tip(line, points[-1, 2], ahead)]])
    widths = gaussian_filter1d(points[chosen, 2], SIGMA, mode="nearest")
    return Stretch(line, area, steps[chosen], widths)


def _smooth(line: np.ndarray) -> np.ndarray:
    """Smooth a polyline (K, 2) along itself; its ends stay where they are."""
    margin = int(4 * SIGMA)
    padded = np.pad(line, ((margin, margin), (0, 0)), mode="reflect", reflect_type="odd")
    return gaussian_filter1d(padded, SIGMA, axis=0)[margin:-margin]


def _middle(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Which points lie outside the discs of the nodes, (K,) bool; all of known width if none."""
    known = np.isfinite(points[:, 2])
    distance = np.hypot(*(points[:, None, :2] - nodes[:, :2]).T)
    away = known & (distance > nodes[:, None, 2]).all(axis=0)
    return away if away.any() else known


def _tip(line: np.ndarray, width: float, ahead: np.ndarray) -> np.ndarray:
    """Where a line, extended straight ahead, leaves the crack.

    Args:
        line: polyline towards the tip, (K, 2).
        width: of the crack at its last point, px.
        ahead: centres of the crack's pixels about its end, (N, 2).
    """
    back = np.hypot(*(line - line[-1]).T) >= max(width, 4)
    direction = line[-1] - line[np.flatnonzero(back)[-1] if back.any() else 0]
    direction = direction / np.hypot(*direction)
    along = (ahead - line[-1]) @ direction
    across = (ahead - line[-1]) @ [-direction[1], direction[0]]
    near = np.abs(across) <= max(width / 4, 1)
    return line[-1] + direction * (along[near].max(initial=0) + 0.5)  # the pixel's own half
