"""Annotations of the VGG Image Annotator, version 2: its project, or what it exports as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

from cssr.sources.annotations.shapes import (
    Annotation,
    AnnotationError,
    Number,
    add_ellipse,
    add_line,
    add_polygon,
    add_rectangle,
    annotation,
    as_points,
    leave_out,
    parse,
)

IMAGES = "_via_img_metadata"  # key of a project
NO_LABEL = "without a label"


class _Region(BaseModel):
    shape_attributes: dict[str, Any]
    region_attributes: dict[str, Any] = Field(default_factory=dict)


def _listed(regions: Any) -> Any:
    """Version 1 numbers the regions instead of listing them."""
    return list(regions.values()) if isinstance(regions, dict) else regions


class _Image(BaseModel):
    filename: str
    regions: Annotated[list[_Region], BeforeValidator(_listed)]


class _Points(BaseModel):
    all_points_x: list[Number]
    all_points_y: list[Number]


class _Rectangle(BaseModel):
    x: Number
    y: Number
    width: Number
    height: Number


class _Circle(BaseModel):
    cx: Number
    cy: Number
    r: Number


class _Ellipse(BaseModel):
    cx: Number
    cy: Number
    rx: Number
    ry: Number
    theta: Number = 0.0  # rad, clockwise


def read_via(path: str, data: Any) -> list[Annotation] | None:
    """The annotations of all images of a VIA file, or None if it is none.

    Raises:
        AnnotationError: if it breaks the format.
    """
    entries = data.get(IMAGES, data) if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not (IMAGES in data or _are_images(entries)):
        return None
    images = [parse(_Image, entry, f"{path}: {key}") for key, entry in entries.items()]
    attribute, others = _label_attribute([region for image in images for region in image.regions])
    return [_read(image, attribute, others, f"{path}: {image.filename}") for image in images]


def _are_images(entries: dict[str, Any]) -> bool:
    """Whether each value describes an image, as in an export."""
    return bool(entries) and all(
        isinstance(entry, dict) and {"filename", "regions"} <= entry.keys()
        for entry in entries.values()
    )


def _label_attribute(regions: Sequence[_Region]) -> tuple[str | None, list[str]]:
    """The attribute that most regions have a value of, the first of several; and the others."""
    counts = Counter(
        name
        for region in regions
        for name, value in region.region_attributes.items()
        if _text(value)
    )
    names = [name for name, _ in counts.most_common()]
    return (names[0], names[1:]) if names else (None, [])


def _text(value: Any) -> str:
    """The value of an attribute; of a checkbox, the options that are set."""
    if isinstance(value, dict):
        return ", ".join(option for option, is_set in value.items() if is_set)
    return "" if value is None else str(value).strip()


def _read(image: _Image, attribute: str | None, others: list[str], where: str) -> Annotation:
    found = annotation(image.filename)
    for i, region in enumerate(image.regions):
        label = _text(region.region_attributes.get(attribute, "")) or NO_LABEL
        _add(found, label, region.shape_attributes, f"{where}: regions[{i}].shape_attributes")
    if others and image.regions:
        what = f"region, not by {', '.join(others)}"
        found.notes[f"labelled by {attribute}", what] += len(image.regions)
    return found


def _add(found: Annotation, label: str, attributes: dict[str, Any], where: str) -> None:
    kind = attributes.get("name")
    if kind in ("polygon", "polyline"):
        _add_points(found, label, attributes, where)
    elif kind == "rect":
        box = parse(_Rectangle, attributes, where)
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        add_rectangle(found, label, corners)
    elif kind == "circle":
        circle = parse(_Circle, attributes, where)
        add_ellipse(found, label, (circle.cx, circle.cy), (circle.r, circle.r))
    elif kind == "ellipse":
        ellipse = parse(_Ellipse, attributes, where)
        turned = float(np.degrees(ellipse.theta))
        centre, radii = (ellipse.cx, ellipse.cy), (ellipse.rx, ellipse.ry)
        add_ellipse(found, label, centre, radii, rotation=turned)
    else:
        leave_out(found, str(kind))


def _add_points(found: Annotation, label: str, attributes: dict[str, Any], where: str) -> None:
    points = parse(_Points, attributes, where)
    x, y = points.all_points_x, points.all_points_y
    if len(x) != len(y):
        raise AnnotationError(f"{where}: {len(x)} x, but {len(y)} y: export the project again")
    pairs = as_points(list(zip(x, y, strict=True)))
    if attributes["name"] == "polygon":
        add_polygon(found, label, [pairs])
    else:
        add_line(found, label, pairs)
