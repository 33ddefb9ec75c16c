"""LabelMe's annotations: one JSON per image."""

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from cssr.sources.annotations.bitmaps import bitmap_of_pixels, png_mask
from cssr.sources.annotations.shapes import (
    Annotation,
    AnnotationError,
    Point,
    Side,
    add_ellipse,
    add_line,
    add_polygon,
    add_rectangle,
    annotation,
    as_points,
    leave_out,
    parse,
)

POLYGONS = ("polygon", "oriented_rectangle")
LINES = ("line", "linestrip")
TWO_POINTS = ("rectangle", "circle", "mask")  # corners; centre and a point of the circle; corners


class _Shape(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    label: str
    points: list[Point]
    shape_type: str | None = None  # of the first versions
    mask: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    shapes: list[_Shape]
    image_path: str
    image_height: Side | None = None
    image_width: Side | None = None


def read_labelme(path: str, data: Any) -> list[Annotation] | None:
    """The annotation of a LabelMe file, or None if it is none.

    Raises:
        AnnotationError: if it breaks the format.
    """
    if not isinstance(data, dict) or not {"shapes", "imagePath"} <= data.keys():
        return None
    file = parse(_File, data, path)
    sides = (file.image_height, file.image_width)
    found = annotation(file.image_path, None if None in sides else sides)
    for i, shape in enumerate(file.shapes):
        _add(found, shape, f"{path}: shapes[{i}]")
    return [found]


def _add(found: Annotation, shape: _Shape, where: str) -> None:
    kind = shape.shape_type or "polygon"
    points = as_points(shape.points)
    if kind in TWO_POINTS and len(points) != 2:
        raise AnnotationError(
            f"{where}: a {kind} has two points, not {len(points)}: draw it again in LabelMe"
        )
    if kind in POLYGONS:
        add_polygon(found, shape.label, [points])
    elif kind in LINES:
        add_line(found, shape.label, points)
    elif kind == "rectangle":
        add_rectangle(found, shape.label, points.ravel())
    elif kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        add_ellipse(found, shape.label, points[0], (radius, radius))
    elif kind == "mask":
        _add_mask(found, shape, where)
    else:
        leave_out(found, kind)


def _add_mask(found: Annotation, shape: _Shape, where: str) -> None:
    """Add a mask whose points are its first and its last pixel."""
    (left, top), (right, bottom) = as_points(shape.points).astype(int).tolist()
    pixels = png_mask(shape.mask or "", where)
    size = (bottom - top + 1, right - left + 1)
    if pixels.shape != size:
        raise AnnotationError(
            f"{where}: its mask has {pixels.shape[1]}×{pixels.shape[0]} px, but its points span "
            f"{size[1]}×{size[0]} px: save the file again in LabelMe"
        )
    found.bitmaps.append(bitmap_of_pixels(shape.label, (top, left), pixels))
