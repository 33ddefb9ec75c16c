"""Draw what is annotated in an image as a mask.

A pixel is crack where its centre lies in a polygon, so that a mask has a polygon's area and not,
as where outlines are drawn too, about a pixel more on all sides. A polygon narrower than a pixel
has few centres in it: it grows to a mean width of 1 px, so that a hairline crack stays whole.
A line has round ends and is at least 1 px wide.
"""

import warnings
from collections.abc import Collection, Iterable
from typing import Any

import cv2
import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from rasterio.features import rasterize
from shapely import LineString, Polygon

from cssr.sources.annotations.bitmaps import pixels_of
from cssr.sources.annotations.shapes import Annotation, AnnotationError, Bitmap, Shape

# for good, since `catch_warnings` does not work in threads
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

THINNEST = 1.0  # px, of what is drawn
OUTSIDE = 5  # px beyond an image, as a hand may draw
DECIMALS = 6  # of px; GEOS fails on differences that are near the smallest number


def draw(
    annotation: Annotation,
    height: int,
    width: int,
    *,
    labels: Collection[str],
    line_width: float,
) -> np.ndarray:
    """Mask of the shapes that have one of the labels; what lies outside the image is cut off.

    Args:
        annotation: of the image.
        height: of the image, px; if it differs from the annotation's, the shapes are scaled.
        width: of the image, px.
        labels: that are crack.
        line_width: of lines, px of this mask.

    Returns:
        Crack or not, (height, width), bool.

    Raises:
        AnnotationError: if the proportions of the annotation and of the image differ.
    """
    scale = _scale(annotation, height, width)
    mask = np.zeros((height, width), bool)
    areas = []
    for shape in annotation.shapes:
        if shape.label not in labels:
            continue
        if shape.holes:
            mask |= _with_holes(shape, scale, mask.shape)
        elif shape.closed:
            areas += _filled(shape.rings, shape.margin, scale)
        else:
            areas += [_line(_placed(points, scale), line_width) for points in shape.rings]
    mask |= _burn(areas, mask.shape)
    bitmaps = [bitmap for bitmap in annotation.bitmaps if bitmap.label in labels]
    if bitmaps:
        mask |= _pasted(bitmaps, annotation.size or mask.shape, mask.shape)
    return mask


def check_inside(annotation: Annotation, height: int, width: int) -> None:
    """Refuse shapes far outside of an image whose size the annotation does not say.

    Raises:
        AnnotationError: if there is one; it was drawn in an image of another size.
    """
    if annotation.size is not None or annotation.relative:
        return
    for shape in annotation.shapes:
        for ring in shape.rings:
            x, y = ring.max(axis=0)
            if x > width + OUTSIDE or y > height + OUTSIDE:
                raise AnnotationError(
                    f"a shape reaches to {x:.0f}, {y:.0f} in an image of {width}×{height} px; "
                    "annotate it at its size"
                )


def _scale(annotation: Annotation, height: int, width: int) -> np.ndarray:
    """What x and y are multiplied by, (2,).

    The smaller of the two images may be off by what rounding its sides makes, one pixel.
    """
    if annotation.relative:
        return np.array([width, height], float)
    if annotation.size is None:
        return np.ones(2)
    told_height, told_width = annotation.size
    scale = np.array([width / told_width, height / told_height])
    if not _same_proportions((told_height, told_width), (height, width)):
        turned = _same_proportions((told_width, told_height), (height, width))
        hint = "; one of them is turned by 90°: turn it as the other" if turned else ""
        raise AnnotationError(
            f"{annotation.image}: annotated at {told_width}×{told_height} px, but the image has "
            f"{width}×{height} px, of other proportions{hint}"
        )
    return scale


def _same_proportions(first: tuple[int, int], second: tuple[int, int]) -> bool:
    small, large = sorted((first, second), key=lambda size: size[0] * size[1])
    factor = max(large) / max(small)
    return bool(np.abs(np.array(large) / factor - small).max() <= 1)


def _placed(points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.round(points * scale, DECIMALS)


def _line(points: np.ndarray, line_width: float) -> Polygon:
    return LineString(points).buffer(max(line_width, THINNEST) / 2)


def _filled(
    rings: Iterable[np.ndarray], margin: float, scale: np.ndarray, thinnest: float = THINNEST
) -> list[Any]:
    """Rings (n, 2), and what they grow by: a margin, and what they lack to a mean width, px."""
    areas: list[Any] = []
    for ring in rings:
        closed = _placed(np.concatenate([ring, ring[:1]]), scale)
        areas.append({"type": "Polygon", "coordinates": [closed.tolist()]})
        growth = max(margin * float(scale.mean()), (thinnest - _mean_width(closed)) / 2)
        if growth > 0.1**DECIMALS:
            areas.append(LineString(closed).buffer(growth))
    return areas


def _mean_width(closed: np.ndarray) -> float:
    """Width, px, of the rectangle with a ring's area and perimeter; its last point is its first.

    Note:
        Where a ring crosses itself, areas cancel: it counts as thinner than it is.
    """
    x, y = (closed - closed[0]).T
    area = abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2
    half = float(np.hypot(*np.diff(closed, axis=0).T).sum()) / 2
    return (half - np.sqrt(max(half**2 - 4 * area, 0.0))) / 2


def _with_holes(shape: Shape, scale: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = _burn(_filled(shape.rings, shape.margin, scale), size)
    return mask & ~_burn(_filled(shape.holes, shape.margin, scale, thinnest=0.0), size)


def _burn(areas: list[Any], size: tuple[int, int]) -> np.ndarray:
    """Mask of the pixels whose centres lie in one of the areas, GeoJSON or shapely's."""
    if not areas:
        return np.zeros(size, bool)
    return rasterize(areas, out_shape=size, dtype=np.uint8) > 0


def _pasted(bitmaps: Iterable[Bitmap], told: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Bitmaps in an image of the size that was annotated, scaled to another: nearest pixels."""
    canvas = np.zeros(told, np.uint8)
    for bitmap in bitmaps:
        (top, left), pixels = bitmap.corner, pixels_of(bitmap)
        inside = pixels[max(-top, 0) :, max(-left, 0) :]
        part = canvas[max(top, 0) :, max(left, 0) :][: inside.shape[0], : inside.shape[1]]
        part |= inside[: part.shape[0], : part.shape[1]]
    if told != size:
        canvas = cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return canvas > 0
