"""Where photos lie on maps: from GeoTIFFs, and from world files beside photos."""

from collections.abc import Sequence
from math import hypot, isfinite
from pathlib import Path
from typing import NamedTuple

import rasterio
from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import from_gcps

FIT = 1.0  # px by which a transform may miss a ground control point
PRJ = (".prj", ".PRJ")  # ESRI's, beside a world file


class Georeference(NamedTuple):
    """Where a photo lies on a map."""

    crs: CRS | None  # None if only a world file is there
    transform: Affine  # from px of the upright photo, x and y from its corner, to the map


def georeference_of(source: rasterio.DatasetReader, orientation: int) -> Georeference | None:
    """The georeference of an open file.

    Args:
        source: opened by rasterio, so that world files and .aux.xml are read.
        orientation: of EXIF, in which the photo is turned upright.

    Returns:
        None if the file has none that is a transform, or that ground control points fit.
    """
    crs = source.crs or _crs_beside(Path(source.name))
    transform = source.transform
    if transform == Affine.identity():
        points, crs = source.gcps
        transform = _fitted(points)
    if not transform or transform.is_degenerate or not all(map(isfinite, transform)):
        return None
    return Georeference(crs, transform @ _from_upright(source, orientation))


def place_notes(source: rasterio.DatasetReader) -> tuple[str, ...]:
    """What an open file says of its place that is not used."""
    if georeference_of(source, orientation=1) is not None:
        return ()
    if points := source.gcps[0]:
        why = f"no affine transform meets all {len(points)} of them within {FIT:g} px"
        return (f"its ground control points are not used: {why}",)
    if source.crs:
        return ("its coordinate system is not used: no transform says where in it the photo lies",)
    file = _world_file(Path(source.name))
    return (f"{file.name} is not used: it does not say where the photo lies",) if file else ()


def _world_file(photo: Path) -> Path | None:
    """A photo's world file, of which there are three names: .jgw, .jpgw, .wld."""
    suffix = photo.suffix
    for name in (f"{suffix[:2]}{suffix[-1:]}w", f"{suffix}w", ".wld"):
        if (file := photo.with_suffix(name)).is_file():
            return file
    return None


def _fitted(points: Sequence[GroundControlPoint]) -> Affine | None:
    """The transform of ground control points; None if they are too few, or it misses one."""
    transform = from_gcps(points) if len(points) >= 3 else Affine(0, 0, 0, 0, 0, 0)
    if transform.is_degenerate:
        return None
    back = ~transform
    met = (back @ (point.x, point.y) for point in points)
    misses = [hypot(x - p.col, y - p.row) for (x, y), p in zip(met, points, strict=True)]
    return transform if max(misses) < FIT else None


def _crs_beside(file: Path) -> CRS | None:
    for suffix in PRJ:
        try:
            wkt = file.with_suffix(suffix).read_text(encoding="utf-8", errors="replace")
            return CRS.from_wkt(wkt, morph_from_esri_dialect=True)
        except (OSError, ValueError, CRSError):
            continue
    return None


def _from_upright(source: rasterio.DatasetReader, orientation: int) -> Affine:
    """From px of the upright photo to those of the file, x and y."""
    turn = Affine.identity()
    if orientation >= 5:
        turn = Affine(0, 1, 0, 1, 0, 0)
    height, width = source.shape[::-1] if orientation >= 5 else source.shape
    if orientation in (3, 4, 7, 8):
        turn = turn @ Affine(1, 0, 0, 0, -1, height)
    if orientation in (2, 3, 6, 7):
        turn = turn @ Affine(-1, 0, width, 0, 1, 0)
    return turn
