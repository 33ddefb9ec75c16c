"""Photos on maps: where their results lie, and how large a pixel is on the ground."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_points
from tifffile import TiffFile

from cssr.inspection.georeference import Georeference

TOLERANCE = 0.01  # by which the sides of a pixel, or a metre of the map and of the ground, differ
LOCAL = ("LOCAL_CS", "COMPD_CS")  # how the WKT of a site's own coordinates begins
PROJECTED, METRE = 1, 9001  # in GeoTIFF
NO_LENGTHS = ("unknown", "degree")  # as units
NO_KEYS: Mapping[str, Any] = {}
UNCHECKED = "whether a metre of its coordinates is one on the ground cannot be checked"
STEP = 10.0  # m of the map, whose length on the ground is computed
EQUATOR = 6378137.0  # radius of WGS 84, m
ECCENTRICITY = 0.00669437999014  # squared


class MapScale(NamedTuple):
    """The size of a photo's pixels on a map."""

    mm_per_px: float | None  # None if it is unknown
    note: str | None  # why it is, or why it could not be checked


def result_georeference(photo: Georeference | None, scale: int) -> Georeference | None:
    """Where the results of a photo lie, whose sides have `scale` times as many px."""
    return photo and Georeference(photo.crs, photo.transform @ Affine.scale(1 / scale))


def describe(georeference: Georeference | None) -> Mapping[str, Any] | None:
    """A georeference for photo.json: `crs` as EPSG code or WKT, the six numbers of `transform`."""
    if georeference is None:
        return None
    crs = georeference.crs and georeference.crs.to_string()
    return {"crs": crs, "transform": list(georeference.transform)[:6]}


def map_scale(
    georeference: Georeference, height: int, width: int, keys: Mapping[str, Any] = NO_KEYS
) -> MapScale:
    """The size of a pixel on the ground, from that on the map.

    Args:
        georeference: of the photo.
        height: of the photo, px.
        width: likewise.
        keys: of the GeoTIFF, if it is one.

    Returns:
        None with a note if the coordinates are degrees or of an unknown unit, if the pixels are
        not square, or if a metre of the map is not one on the ground in all directions (as in Web
        Mercator, or where areas are kept). A size with a note if that cannot be checked.
    """
    crs, transform = georeference
    if crs is None:
        return _none("its world file names no coordinate system, nor a unit")
    if crs.is_geographic:
        return _none("its coordinates are degrees")
    unit = _unit_metres(crs, keys)
    if unit is None:
        return _none("the unit of its coordinates is unknown")
    if not _is_square(transform):
        return _none("its pixels are not square on the map")
    size = float(f"{abs(transform.determinant) ** 0.5 * unit * 1000:.9g}")
    middle = transform @ (width / 2, height / 2)
    ground = _ground_metres(crs, middle, unit=unit)
    if ground is None:
        return MapScale(size, UNCHECKED)
    if max(abs(metres - 1) for metres in ground) > TOLERANCE:
        name = crs.to_string() if crs.to_epsg() else "its coordinate system"
        least, greatest = (f"{metres:.3g}" for metres in ground)
        metres = least if least == greatest else f"{least} to {greatest}"
        return _none(f"a metre of {name} is {metres} m on the ground")
    return MapScale(size, None)


def _none(reason: str) -> MapScale:
    return MapScale(None, f"no scale: {reason}; give --mm-per-px")


def geo_keys(file: Path) -> Mapping[str, Any]:
    """The keys of a GeoTIFF."""
    try:
        with TiffFile(file) as tiff:
            return tiff.geotiff_metadata or NO_KEYS
    except Exception:  # those of tifffile have no class in common
        return NO_KEYS


def _unit_metres(crs: CRS, keys: Mapping[str, Any]) -> float | None:
    """The unit of coordinates that are no degrees, m; None if it is unknown."""
    try:
        name, metres = crs.units_factor
    except CRSError:
        return None
    if crs.is_projected:
        return metres
    # GDAL takes a projection that is not named for metres, whatever unit is
    is_open = keys.get("GTModelTypeGeoKey") == PROJECTED
    is_open &= keys.get("ProjLinearUnitsGeoKey") != METRE
    is_local = crs.to_wkt().startswith(LOCAL) and name not in NO_LENGTHS
    return metres if is_local and not is_open else None


def _is_square(transform: Affine) -> bool:
    """Whether a pixel, which may be turned, is a square on the map."""
    a, b, _, d, e, _ = transform[:6]
    across, down = np.hypot(a, d), np.hypot(b, e)
    sides_differ = abs(across / down - 1) > TOLERANCE
    return not sides_differ and abs(a * b + d * e) <= TOLERANCE * across * down


def _ground_metres(
    crs: CRS, middle: tuple[float, float], *, unit: float
) -> tuple[float, float] | None:
    """Least and greatest length on the ground of a metre of the map; None if they are unknown."""
    x, y = middle
    step = STEP / unit
    try:
        longitude, latitude = transform_points(
            crs, CRS.from_epsg(4326), [x, x + step, x], [y, y, y + step]
        )
    except Exception:  # PROJ's errors have no public class
        return None
    if not np.isfinite([longitude, latitude]).all():
        return None
    lon, lat = np.radians(longitude), np.radians(latitude)
    curved = 1 - ECCENTRICITY * np.sin(lat[0]) ** 2
    east = (lon[1:] - lon[0]) * EQUATOR / curved**0.5 * np.cos(lat[0])
    north = (lat[1:] - lat[0]) * EQUATOR * (1 - ECCENTRICITY) / curved**1.5
    greatest, least = np.linalg.svd(np.array([east, north]) / STEP, compute_uv=False)
    return float(least), float(greatest)
