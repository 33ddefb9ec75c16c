"""What an annotation holds, whatever tool wrote it, and the checks that all formats share.

Coordinates are x, y in px; (0, 0) is the outer corner of the first pixel, (0.5, 0.5) its centre.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from cssr.errors import shown

FARTHEST = 100_000  # px, of a side of an image and of a point from its corner
DIVISIONS = 180  # straight lines that stand for an ellipse
SCALARS = (str, int, float, bool, type(None))

Number = Annotated[float, Field(allow_inf_nan=False, ge=-FARTHEST, le=FARTHEST)]
Point = tuple[Number, Number]
Side = Annotated[int, Field(gt=0, le=FARTHEST)]
Run = Annotated[int, Field(ge=0, le=FARTHEST**2)]  # px


class AnnotationError(ValueError):
    """An annotation file is damaged, or says what cannot be drawn; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Shape(NamedTuple):
    """A polygon, which is filled, or a line, which is drawn with a width."""

    label: str
    rings: Sequence[np.ndarray]  # x, y (n, 2): the parts of a polygon, or one line
    closed: bool  # a polygon
    holes: Sequence[np.ndarray] = ()  # of a polygon
    margin: float = 0.0  # px by which a polygon reaches beyond its rings


class Bitmap(NamedTuple):
    """A mask of a part of an image, as lengths of runs that are in turn off and on."""

    label: str
    corner: tuple[int, int]  # row and column of its first pixel in the image
    size: tuple[int, int]  # height and width
    runs: np.ndarray  # (n,), px; their sum is height·width
    by_columns: bool  # runs go down the columns, else along the rows


class Annotation(NamedTuple):
    """What is annotated in one image."""

    image: str  # its name as the annotation has it, with /; of YOLO, without a suffix
    size: tuple[int, int] | None  # height and width that the annotation says, px
    shapes: list[Shape]
    bitmaps: list[Bitmap]
    notes: Counter[tuple[str, str]]  # what was done with which things, beyond drawing them
    relative: bool = False  # x, y are parts of the image's width and height, not px


def annotation(
    image: str, size: tuple[int, int] | None = None, *, relative: bool = False
) -> Annotation:
    """An annotation without shapes."""
    return Annotation(image.replace("\\", "/"), size, [], [], Counter(), relative)


def add_polygon(
    found: Annotation,
    label: str,
    rings: Sequence[np.ndarray],
    *,
    holes: Sequence[np.ndarray] = (),
    margin: float = 0.0,
) -> None:
    """Add a polygon of one or more parts; a part of two points is a line."""
    parts = [ring for ring in rings if len(ring) > 2]
    inner = [hole for hole in holes if len(hole) > 2]
    if parts:
        found.shapes.append(Shape(label, parts, True, inner, margin))
    for ring in rings:
        if len(ring) == 2:
            found.notes["drawn as a line", "polygon of 2 points"] += 1
            add_line(found, label, ring)
        elif len(ring) < 2:
            leave_out(found, "polygon of fewer than 2 points")
    if len(inner) < len(holes):
        leave_out(found, "hole of fewer than 3 points", len(holes) - len(inner))


def add_line(found: Annotation, label: str, points: np.ndarray) -> None:
    """Add a line through two or more points."""
    if len(points) > 1:
        found.shapes.append(Shape(label, [points], closed=False))
    else:
        leave_out(found, "line of fewer than 2 points")


def add_rectangle(
    found: Annotation, label: str, corners: Sequence[float], *, rotation: float = 0.0
) -> None:
    """Add a filled rectangle, and note it: it may be meant as a box around something.

    Args:
        found: the annotation to add to.
        label: of the rectangle.
        corners: x, y of two opposite corners.
        rotation: about the centre, clockwise as seen in the image, degrees.
    """
    left, top, right, bottom = corners
    ring = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    found.notes["drawn filled", "rectangle"] += 1
    found.shapes.append(Shape(label, [_turned(ring, np.radians(rotation))], closed=True))


def add_ellipse(
    found: Annotation,
    label: str,
    centre: Sequence[float],
    radii: Sequence[float],
    *,
    rotation: float = 0.0,
) -> None:
    """Add a filled ellipse.

    Args:
        found: the annotation to add to.
        label: of the ellipse.
        centre: x, y.
        radii: along x and y before it is turned, px.
        rotation: about the centre, clockwise as seen in the image, degrees.
    """
    angles = np.arange(DIVISIONS) * (2 * np.pi / DIVISIONS)
    ring = np.stack([radii[0] * np.cos(angles), radii[1] * np.sin(angles)], axis=1)
    found.notes["drawn filled", "circle or ellipse"] += 1
    turned = _turned(ring, np.radians(rotation)) + np.array(centre, float)
    found.shapes.append(Shape(label, [turned], closed=True))


def leave_out(found: Annotation, what: str, number: int = 1) -> None:
    """Note what has no area that could be drawn."""
    found.notes["left out", what] += number


def as_points(points: Sequence[Sequence[float]]) -> np.ndarray:
    """Points as x, y (n, 2)."""
    return np.array(points, float).reshape(-1, 2)


def parse(kind: Any, value: Any, where: str) -> Any:
    """A value as pydantic validates it.

    Args:
        kind: a type or a model.
        value: what a file has.
        where: it stands, for messages.

    Raises:
        AnnotationError: with the first problem and where it is.
    """
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
    at = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem["loc"])
    said = problem["msg"][0].lower() + problem["msg"][1:]
    found = problem["input"]
    if problem["type"] == "missing":
        said = "missing"
    elif isinstance(found, SCALARS):
        said += f", not {shown(found)}"
    said_of = [where, at.removeprefix("."), said]
    raise AnnotationError(": ".join(part for part in said_of if part))


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def _turned(ring: np.ndarray, angle: float) -> np.ndarray:
    """Points (n, 2) turned about their mean; y goes down, so that a positive angle is clockwise."""
    cosine, sine = np.cos(angle), np.sin(angle)
    centre = ring.mean(axis=0)
    return (ring - centre) @ np.array([[cosine, sine], [-sine, cosine]]) + centre
