"""COCO's instances: one JSON of many images, as also CVAT and Roboflow export it."""

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from cssr.sources.annotations.bitmaps import bitmap_of_runs, coco_runs
from cssr.sources.annotations.shapes import (
    Annotation,
    AnnotationError,
    Number,
    Run,
    Side,
    add_polygon,
    annotation,
    as_points,
    leave_out,
    parse,
)

Id = int | str


class _Image(BaseModel):
    id: Id
    file_name: str
    height: Side
    width: Side


class _Category(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: Id
    name: str


class _Object(BaseModel):
    image_id: Id
    category_id: Id
    segmentation: Any = None


class _File(BaseModel):
    images: list[_Image]
    annotations: list[_Object]
    categories: list[_Category]


class _Runs(BaseModel):
    size: tuple[Side, Side]
    counts: Any


def read_coco(path: str, data: Any) -> list[Annotation] | None:
    """The annotations of all images of a COCO file, or None if it is none.

    Raises:
        AnnotationError: if it breaks the format.
    """
    if not isinstance(data, dict) or not {"images", "annotations"} <= data.keys():
        return None
    file = parse(_File, data, path)
    labels = {category.id: category.name for category in file.categories}
    images = {
        image.id: annotation(image.file_name, (image.height, image.width)) for image in file.images
    }
    if len(images) < len(file.images):
        raise AnnotationError(f"{path}: images: two have the same id: export the file again")
    for i, item in enumerate(file.annotations):
        where = f"{path}: annotations[{i}]"
        if item.image_id not in images:
            raise AnnotationError(f"{where}: image_id: no image has {item.image_id}: export again")
        if item.category_id not in labels:
            raise AnnotationError(
                f"{where}: category_id: no category has {item.category_id}: export again"
            )
        _add(images[item.image_id], labels[item.category_id], item.segmentation, where)
    return list(images.values())


def _add(found: Annotation, label: str, segmentation: Any, where: str) -> None:
    where += ": segmentation"
    if isinstance(segmentation, dict):
        _add_runs(found, label, parse(_Runs, segmentation, where), where)
    elif not segmentation:
        leave_out(found, "box without a mask")
    else:
        rings = parse(list[list[Number]], segmentation, where)
        for ring in rings:
            if len(ring) % 2:
                raise AnnotationError(
                    f"{where}: {len(ring)} numbers are no pairs of x and y: export again"
                )
        add_polygon(found, label, [as_points(ring) for ring in rings])


def _add_runs(found: Annotation, label: str, rle: _Runs, where: str) -> None:
    if rle.size != found.size:
        raise AnnotationError(
            f"{where}: its size is {rle.size[1]}×{rle.size[0]} px, its image's "
            f"{found.size[1]}×{found.size[0]} px: export again"
        )
    if isinstance(rle.counts, str):
        runs = coco_runs(rle.counts, where)
    else:
        runs = np.array(parse(list[Run], rle.counts, f"{where}.counts"), np.int64)
    bitmap = bitmap_of_runs(label, (0, 0), rle.size, runs, by_columns=True, where=where)
    found.bitmaps.append(bitmap)
