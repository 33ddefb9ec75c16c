"""Centrelines of cracks as files: GeoJSON in px, and a GeoPackage on the map."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from cssr.inspection.georeference import Georeference
from cssr.measurement.cracks import Crack, geojson

LAYER = "cracks"


def write_geojson(file: Path, cracks: Sequence[Crack], table: pd.DataFrame) -> None:
    """Write a feature for each crack, with its row of the table; coordinates in px."""
    file.write_text(json.dumps(geojson(cracks, table)), encoding="utf-8")


def write_geopackage(
    file: Path, cracks: Sequence[Crack], table: pd.DataFrame, georeference: Georeference
) -> None:
    """Write a feature for each crack, with its row of the table, on the map.

    Args:
        file: to write.
        cracks: of a mask.
        table: with a row for each.
        georeference: of the mask.
    """
    import pyogrio  # with a GDAL of its own: only where it is needed

    crs = georeference.crs
    lines = [
        shapely.multilinestrings(
            [shapely.linestrings(_on_map(line, georeference)) for line in c.lines]
        )
        for c in cracks
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")
        pyogrio.raw.write(
            file,
            geometry=shapely.to_wkb(np.array(lines, dtype=object)),
            field_data=[table[name].to_numpy() for name in table],
            fields=np.array(table.columns, dtype=object),
            layer=LAYER,
            driver="GPKG",
            geometry_type="MultiLineString",
            crs=crs and crs.to_wkt(),
        )


def _on_map(line: np.ndarray, georeference: Georeference) -> np.ndarray:
    """A line in px, (K, 2), in the coordinates of the map."""
    a, b, c, d, e, f = georeference.transform[:6]
    return line @ np.array([[a, d], [b, e]]) + [c, f]
