"""Photos on maps: where their results lie, and how large a pixel is on the ground."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform as transform_points

from cssr.inspection.georeference import Georeference

TOLERANCE = 0.01  # by which the sides of a pixel, or a metre of the map and of the ground, differ
EQUATOR = 6378137.0  # radius of WGS 84, m
ECCENTRICITY = 0.00669437999014  # squared


class MapScale(NamedTuple):
    """The size of a photo's pixels on a map."""

    mm_per_px: float | None  # None if it is unknown
    note: str | None  # why it is


def result_georeference(photo: Georeference | None, scale: int) -> Georeference | None:
    """Where the results of a photo lie, whose sides have `scale` times as many px."""
    return photo and Georeference(photo.crs, photo.transform @ Affine.scale(1 / scale))


def describe(georeference: Georeference | None) -> Mapping[str, Any] | None:
    """A georeference for photo.json: `crs` as EPSG code or WKT, the six numbers of `transform`."""
    if georeference is None:
        return None
    crs = georeference.crs and georeference.crs.to_string()
    return {"crs": crs, "transform": list(georeference.transform)[:6]}


def map_scale(georeference: Georeference, height: int, width: int) -> MapScale:
    """The size of a pixel on the ground, from that on the map.

    Args:
        georeference: of the photo.
        height: of the photo, px.
        width: likewise.

    Returns:
        None with a note if the coordinates are degrees or of an unknown unit, if the pixels are
        not square, or if a metre of the map is not one on the ground (as in Web Mercator).
    """
    crs, transform = georeference
    if crs is None:
        return MapScale(None, "no scale: its world file names no coordinate system, nor a unit")
    if crs.is_geographic:
        return MapScale(None, "no scale: its coordinates are degrees")
    try:
        unit = crs.linear_units_factor[1]
    except CRSError:
        return MapScale(None, "no scale: the unit of its coordinates is unknown")
    if not _is_square(transform):
        return MapScale(None, "no scale: its pixels are not square on the map")
    side = abs(transform.determinant) ** 0.5
    middle = transform @ (width / 2, height / 2)
    ground = _ground_metres(crs, middle, step=10 / unit)
    if ground is not None and abs(ground / 10 - 1) > TOLERANCE:
        name = crs.to_string() if crs.to_epsg() else "its coordinate system"
        return MapScale(None, f"no scale: a metre of {name} is {ground / 10:.3g} m on the ground")
    return MapScale(float(f"{side * unit * 1000:.9g}"), None)


def _is_square(transform: Affine) -> bool:
    """Whether a pixel, which may be turned, is a square on the map."""
    a, b, _, d, e, _ = transform[:6]
    across, down = np.hypot(a, d), np.hypot(b, e)
    sides_differ = abs(across / down - 1) > TOLERANCE
    return not sides_differ and abs(a * b + d * e) <= TOLERANCE * across * down


def _ground_metres(crs: CRS, middle: tuple[float, float], step: float) -> float | None:
    """Length on the ground of a step on the map, from the area of its square; None if unknown."""
    x, y = middle
    try:
        longitude, latitude = transform_points(
            crs, CRS.from_epsg(4326), [x, x + step, x], [y, y, y + step]
        )
    except RasterioError:
        return None
    if not np.isfinite([longitude, latitude]).all():
        return None
    lon, lat = np.radians(longitude), np.radians(latitude)
    curved = 1 - ECCENTRICITY * np.sin(lat[0]) ** 2
    east = np.diff(lon[[0, 1]])[0], lon[2] - lon[0]
    north = lat[1] - lat[0], lat[2] - lat[0]
    metres = EQUATOR / curved**0.5 * np.cos(lat[0]), EQUATOR * (1 - ECCENTRICITY) / curved**1.5
    area = (east[0] * north[1] - east[1] * north[0]) * metres[0] * metres[1]
    return float(abs(area) ** 0.5)
