"""Cracks of a mask in numbers: length, width, orientation and extent, as table and as GeoJSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from scipy.spatial import KDTree

from cssr.measurement.centreline import Branch, find_branches, path_length
from cssr.measurement.components import whole_cracks
from cssr.measurement.stretch import Stretch, measure_branch
from cssr.measurement.strips import Runs, Skeleton, read_bands

MIN_AREA = 16  # px; smaller specks are no cracks
SIDE = 512  # px of the windows in which a mask is skeletonised
TOLERANCE = 0.5  # px, by which a polyline may miss the centreline
CHUNK = 2**18  # pixels at a time whose nearest points are looked up
LENGTHS = ("length", "width_mean", "width_median", "width_max")


@dataclass(frozen=True)
class Crack:
    """One connected crack, in px of its mask; x to the right, y down, 0 at the mask's corner.

    Attributes:
        length: along the centreline from tip to tip, all branches together.
        width_mean: area over length, away from tips and junctions.
        width_median: of the local widths there.
        width_max: of the local widths there.
        orientation: of the centreline's principal axis, degrees in [0, 180); 0 is horizontal,
            growing counter-clockwise as seen.
        area: number of pixels.
        branches: number of stretches between tips and junctions; a ring is one.
        box: left, top, right and bottom; right and bottom are the first pixel outside.
        lines: centreline of each branch, x and y, (K, 2).
        local_widths: widths along the centreline, and the lengths of it that have them, (N, 2)
            float32; the lengths add up to `length`, tips and junctions are as the rest of their
            branch.
    """

    length: float
    width_mean: float
    width_median: float
    width_max: float
    orientation: float
    area: int
    branches: int
    box: tuple[int, int, int, int]
    lines: tuple[np.ndarray, ...]
    local_widths: np.ndarray


def measure(mask: np.ndarray, *, min_area: int = MIN_AREA) -> list[Crack]:
    """Measure each crack of a mask, in reading order of their topmost pixels.

    Args:
        mask: (H, W) bool or 0 and 1; touching pixels, diagonally too, are one crack.
        min_area: px; smaller ones are left out.
    """
    return measure_bands([mask], min_area=min_area)


def measure_bands(
    bands: Iterable[np.ndarray], *, min_area: int = MIN_AREA, side: int = SIDE
) -> list[Crack]:
    """Measure each crack of a mask that is too large to be held, in the same way.

    Args:
        bands: consecutive rows of the mask, (rows, W) each; read once.
        min_area: px; smaller cracks are left out.
        side: px of the windows in which the mask is skeletonised; a crack may cross them.

    Raises:
        ValueError: if a band is not two-dimensional or not as wide as the others.
    """
    found = {
        int(runs.start[0]): _measure_crack(runs, skeleton)
        for runs, skeleton in whole_cracks(read_bands(bands, side, min_area=min_area))
        if (runs.stop - runs.start).sum() >= min_area
    }
    return [found[first] for first in sorted(found)]


def crack_table(cracks: Sequence[Crack], *, mm_per_px: float | None = None) -> pd.DataFrame:
    """The measurements, one row per crack, with three decimals.

    Args:
        cracks: to list; they are numbered from 1.
        mm_per_px: mm per px of the mask; if given, lengths are also in mm and areas in mm².
    """
    columns: dict[str, Any] = {"crack": range(1, len(cracks) + 1)}
    columns |= {f"{name}_px": [getattr(crack, name) for crack in cracks] for name in LENGTHS}
    columns["orientation_deg"] = [crack.orientation for crack in cracks]
    columns["area_px"] = [crack.area for crack in cracks]
    columns["branches"] = [crack.branches for crack in cracks]
    for index, name in enumerate(("left", "top", "right", "bottom")):
        columns[name] = [crack.box[index] for crack in cracks]
    table = pd.DataFrame(columns)
    if mm_per_px is not None:
        for name in LENGTHS:
            table[f"{name}_mm"] = table[f"{name}_px"] * mm_per_px
        table["area_mm2"] = table["area_px"] * mm_per_px**2
    return table.round(3)


def geojson(cracks: Sequence[Crack], table: pd.DataFrame) -> dict[str, Any]:
    """The centrelines as a GeoJSON FeatureCollection, coordinates in px, y down.

    Args:
        cracks: one MultiLineString each.
        table: with a row for each crack, its properties.
    """
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    features = []
    for crack, row in zip(cracks, rows, strict=True):
        lines = [line.round(2).tolist() for line in crack.lines]
        geometry = {"type": "MultiLineString", "coordinates": lines}
        features.append({"type": "Feature", "geometry": geometry, "properties": row})
    return {"type": "FeatureCollection", "features": features}


def _pixels(runs: Runs) -> np.ndarray:
    """Centres of all pixels, x and y, (N, 2) float32, which holds them exactly."""
    count = runs.stop - runs.start
    pixel = np.repeat(runs.start - count.cumsum() + count, count) + np.arange(count.sum())
    row, column = np.divmod(pixel, runs.stride)
    return np.stack([column, row], axis=1).astype(np.float32) + np.float32(0.5)


def _box(runs: Runs) -> tuple[int, int, int, int]:
    """Left, top, right and bottom."""
    row, left = np.divmod(runs.start, runs.stride)
    right = runs.stop - row * runs.stride
    return int(left.min()), int(row[0]), int(right.max()), int(row[-1]) + 1


def _measure_crack(runs: Runs, skeleton: Skeleton) -> Crack:
    """Measure one crack.

    Note:
        An inscribed circle is stopped by the steps of a digital outline, so that local widths are
        a little too small (0.5 px of 12). The area has no such error; the local widths are shifted
        to the mean that it gives.
    """
    pixels = _pixels(runs)
    box = _box(runs)
    branches, nodes = find_branches(skeleton)
    pairs = zip(branches, _nearest_pixels(pixels, branches), strict=True)
    measured = [measure_branch(branch, nodes, *nearest) for branch, nearest in pairs]
    stretches = [stretch for stretch in measured if stretch is not None]
    if not stretches:
        return _speck(len(pixels), box)
    lines = [stretch.line for stretch in stretches]
    lengths = list(map(path_length, lines))
    length = sum(lengths)
    middle_length = sum(stretch.steps.sum() for stretch in stretches)
    widths = np.concatenate([stretch.widths for stretch in stretches])
    local_mean = widths.mean()
    if middle_length > local_mean:
        mean = sum(stretch.area for stretch in stretches) / middle_length
    else:
        mean = len(pixels) / length
    return Crack(
        length=length,
        width_mean=float(mean),
        width_median=float(np.median(widths) + mean - local_mean),
        width_max=float(widths.max() + mean - local_mean),
        orientation=_orientation(lines),
        area=len(pixels),
        branches=len(lines),
        box=box,
        lines=tuple(map(_simplify, lines)),
        local_widths=_local_widths(widths + mean - local_mean, stretches, lengths),
    )


def _local_widths(
    widths: np.ndarray, stretches: Sequence[Stretch], lengths: Sequence[float]
) -> np.ndarray:
    """Widths (N,), and the lengths of the branches spread over them, (N, 2) float32."""
    pairs = zip(stretches, lengths, strict=True)
    spread = [stretch.steps * (length / stretch.steps.sum()) for stretch, length in pairs]
    return np.stack([widths, np.concatenate(spread)], axis=1).astype(np.float32)


def _speck(area: int, box: tuple[int, int, int, int]) -> Crack:
    """A crack too small for a centreline: as long as the longer side of its box."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    length = max(right - left, bottom - top)
    upright = bottom - top > right - left
    line = np.array([[x, bottom], [x, top]] if upright else [[left, y], [right, y]], float)
    width = area / length
    widths = np.array([[width, length]], np.float32)
    return Crack(float(length), width, width, width, 90.0 * upright, area, 1, box, (line,), widths)


def _nearest_pixels(
    pixels: np.ndarray, branches: Sequence[Branch]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each branch, the pixels nearest to its points, and where those of each point start."""
    if not branches:
        return []
    points = np.concatenate([branch.points[:, :2] for branch in branches])
    tree = KDTree(points)
    chunks = np.split(pixels, range(CHUNK, len(pixels), CHUNK))
    nearest = np.concatenate([tree.query(chunk)[1].astype(np.int32) for chunk in chunks])
    pixels = pixels[np.argsort(nearest, kind="stable")]
    starts = np.concatenate([[0], np.bincount(nearest, minlength=len(points)).cumsum()])
    stops = np.cumsum([len(branch.points) for branch in branches])
    pairs = zip(branches, stops, strict=True)
    limits = [starts[stop - len(branch.points) : stop + 1] for branch, stop in pairs]
    return [(pixels[limit[0] : limit[-1]], limit - limit[0]) for limit in limits]


def _simplify(line: np.ndarray) -> np.ndarray:
    simple = shapely.simplify(shapely.linestrings(line), TOLERANCE, preserve_topology=False)
    return shapely.get_coordinates(simple)


def _orientation(lines: Sequence[np.ndarray]) -> float:
    """Direction of the principal axis of polylines, degrees in [0, 180)."""
    step = np.concatenate([np.diff(line, axis=0) for line in lines])
    middle = np.concatenate([(line[1:] + line[:-1]) / 2 for line in lines])
    weight = np.hypot(*step.T)
    middle -= np.average(middle, axis=0, weights=weight)
    moments = (middle.T * weight) @ middle + (step.T * weight) @ step / 12
    x, y = np.linalg.eigh(moments)[1][:, 1]
    return float(np.degrees(np.arctan2(-y, x)) % 180)
