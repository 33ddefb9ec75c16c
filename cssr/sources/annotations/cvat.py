"""CVAT's own XML, «CVAT for images 1.1»: one file of many images."""

from typing import Annotated
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from pydantic import BaseModel, Field

from cssr.sources.annotations.bitmaps import bitmap_of_runs
from cssr.sources.annotations.shapes import (
    FARTHEST,
    Annotation,
    AnnotationError,
    Number,
    Point,
    Run,
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

Offset = Annotated[int, Field(ge=-FARTHEST, le=FARTHEST)]


class _Image(BaseModel):
    name: str
    width: Side
    height: Side


class _Points(BaseModel):
    label: str
    points: str  # x,y;x,y;…


class _Box(BaseModel):
    label: str
    xtl: Number
    ytl: Number
    xbr: Number
    ybr: Number
    rotation: Number = 0.0  # degrees, clockwise


class _Ellipse(BaseModel):
    label: str
    cx: Number
    cy: Number
    rx: Number
    ry: Number
    rotation: Number = 0.0  # degrees, clockwise


class _Mask(BaseModel):
    label: str
    rle: str  # lengths of runs along the rows of the box, off and on in turn
    left: Offset
    top: Offset
    width: Side
    height: Side


def read_cvat(path: str, content: bytes) -> list[Annotation] | None:
    """The annotations of all images of a CVAT file, or None if it is another XML.

    Raises:
        AnnotationError: if it breaks the format, or if it is of a video.
    """
    try:
        root = ElementTree.fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        if b"<annotations" not in content:
            return None
        raise AnnotationError(f"{path}: not a readable XML ({error}): export it again") from None
    if root.tag != "annotations":
        return None
    if root.find("track") is not None:
        raise AnnotationError(f"{path}: it is of a video: export it as «CVAT for images 1.1»")
    return [_read(element, path) for element in root.iter("image")]


def _read(element: Element, path: str) -> Annotation:
    image = parse(_Image, element.attrib, f"{path}: <image>")
    found = annotation(image.name, (image.height, image.width))
    for i, shape in enumerate(element, start=1):
        _add(found, shape, f"{path}: {image.name}: shape {i}, <{shape.tag}>")
    return found


def _add(found: Annotation, shape: Element, where: str) -> None:
    if shape.tag in ("polygon", "polyline"):
        line = parse(_Points, shape.attrib, where)
        pairs = [pair.split(",") for pair in line.points.split(";")] if line.points else []
        points = as_points(parse(list[Point], pairs, f"{where}: points"))
        if shape.tag == "polygon":
            add_polygon(found, line.label, [points])
        else:
            add_line(found, line.label, points)
    elif shape.tag == "box":
        box = parse(_Box, shape.attrib, where)
        corners = (box.xtl, box.ytl, box.xbr, box.ybr)
        add_rectangle(found, box.label, corners, rotation=box.rotation)
    elif shape.tag == "ellipse":
        ellipse = parse(_Ellipse, shape.attrib, where)
        centre, radii = (ellipse.cx, ellipse.cy), (ellipse.rx, ellipse.ry)
        add_ellipse(found, ellipse.label, centre, radii, rotation=ellipse.rotation)
    elif shape.tag == "mask":
        _add_mask(found, parse(_Mask, shape.attrib, where), where)
    else:
        leave_out(found, shape.tag)


def _add_mask(found: Annotation, mask: _Mask, where: str) -> None:
    runs = parse(list[Run], mask.rle.split(","), f"{where}: rle")
    corner, size = (mask.top, mask.left), (mask.height, mask.width)
    bitmap = bitmap_of_runs(mask.label, corner, size, runs, by_columns=False, where=where)
    found.bitmaps.append(bitmap)
