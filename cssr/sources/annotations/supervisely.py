"""Supervisely's annotations: one NAME.jpg.json per image.

Its points are pixels, and the pixels of an outline belong to the polygon: they are taken as the
centres of pixels, and a polygon reaches half a pixel beyond them.
"""

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from cssr.sources.annotations.bitmaps import bitmap_of_pixels, png_mask
from cssr.sources.annotations.shapes import (
    Annotation,
    AnnotationError,
    Point,
    Side,
    add_line,
    add_polygon,
    add_rectangle,
    annotation,
    as_points,
    leave_out,
    parse,
)

HALF = 0.5  # px


class _Size(BaseModel):
    height: Side
    width: Side


class _Points(BaseModel):
    exterior: list[Point]
    interior: list[list[Point]] = Field(default_factory=list)


class _Bitmap(BaseModel):
    data: str
    origin: tuple[int, int]  # x, y


class _Object(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    class_title: str
    geometry_type: str
    points: Any = None
    bitmap: Any = None


class _File(BaseModel):
    size: _Size
    objects: list[_Object]


def read_supervisely(path: str, data: Any) -> list[Annotation] | None:
    """The annotation of a Supervisely file, or None if it is none.

    Raises:
        AnnotationError: if it breaks the format.
    """
    if not isinstance(data, dict) or not {"size", "objects"} <= data.keys():
        return None
    file = parse(_File, data, path)
    name = PurePosixPath(path.replace("\\", "/")).stem
    found = annotation(name, (file.size.height, file.size.width))
    for i, item in enumerate(file.objects):
        _add(found, item, f"{path}: objects[{i}]")
    return [found]


def _add(found: Annotation, item: _Object, where: str) -> None:
    label = item.class_title
    if item.geometry_type == "bitmap":
        bitmap = parse(_Bitmap, item.bitmap, f"{where}.bitmap")
        pixels = png_mask(bitmap.data, where, compressed=True)
        found.bitmaps.append(bitmap_of_pixels(label, bitmap.origin[::-1], pixels))
    elif item.geometry_type in ("polygon", "line", "rectangle"):
        _add_points(found, label, item, where)
    else:
        leave_out(found, item.geometry_type)


def _add_points(found: Annotation, label: str, item: _Object, where: str) -> None:
    points = parse(_Points, item.points, f"{where}.points")
    centres = as_points(points.exterior) + HALF
    if item.geometry_type == "polygon":
        holes = [as_points(hole) + HALF for hole in points.interior]
        add_polygon(found, label, [centres], holes=holes, margin=HALF)
    elif item.geometry_type == "line":
        add_line(found, label, centres)
    elif len(centres) == 2:
        first, last = centres.min(axis=0), centres.max(axis=0)
        add_rectangle(found, label, np.concatenate([first - HALF, last + HALF]))
    else:
        raise AnnotationError(
            f"{where}: a rectangle has two points, not {len(centres)}: export the project again"
        )
