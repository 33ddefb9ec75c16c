"""Small annotation files in the form of each tool, and what is drawn of them."""

import base64
import io
import json
import zlib

import numpy as np
from PIL import Image

from cssr.sources.annotations.drawing import draw
from cssr.sources.annotations.reading import labels_of, read_annotations

HEIGHT, WIDTH = 12, 16
BLOB = np.array([[0, 1, 1], [1, 1, 0]], bool)


def as_json(data) -> bytes:
    return json.dumps(data).encode()


def read(path: str, content, names=()):
    """The annotations of a file, which is a text or what a JSON holds."""
    if not isinstance(content, (bytes, str)):
        content = as_json(content)
    return read_annotations(
        path, content if isinstance(content, bytes) else content.encode(), names=names
    )


def drawn(found, line_width: float = 1.0) -> np.ndarray:
    """All that is annotated in an image."""
    return draw(found, HEIGHT, WIDTH, labels=set(labels_of([found])), line_width=line_width)


def box_mask(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def blob_at(left: int, top: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + 2, left : left + 3] = BLOB
    return mask


def png(mask: np.ndarray, mode: str = "L") -> bytes:
    stream = io.BytesIO()
    if mode == "RGBA":
        pixels = np.zeros((*mask.shape, 4), np.uint8)
        pixels[..., 3] = mask * 255
        Image.fromarray(pixels).save(stream, "PNG")
    else:
        Image.fromarray(mask.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def labelme(*shapes, **changes) -> dict:
    """A file of LabelMe 5."""
    of_all = {"group_id": None, "description": "", "flags": {}, "mask": None}
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{"label": "crack", **of_all, **shape} for shape in shapes],
        "imagePath": "..\\photos\\IMG_1.jpg",
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        **changes,
    }


def coco(*objects, **changes) -> dict:
    """What CVAT exports as instances_default.json."""
    of_all = {"image_id": 1, "category_id": 1, "area": 1.0, "bbox": [0, 0, 1, 1], "iscrowd": 0}
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "url": "", "version": "", "year": ""},
        "categories": [{"id": 1, "name": "crack", "supercategory": ""}],
        "images": [
            {"id": 1, "width": WIDTH, "height": HEIGHT, "file_name": "a/1.jpg", "license": 0}
        ],
        "annotations": [{"id": i, **of_all, **item} for i, item in enumerate(objects, start=1)],
        **changes,
    }


def supervisely(*objects) -> dict:
    of_all = {"id": 1, "classId": 1, "description": "", "tags": [], "classTitle": "crack"}
    return {
        "description": "",
        "tags": [],
        "size": {"height": HEIGHT, "width": WIDTH},
        "objects": [{**of_all, **item} for item in objects],
    }


def via(*shapes, attributes=None) -> dict:
    """A project of VIA 2."""
    named = {"type": "crack"} if attributes is None else attributes
    regions = [{"shape_attributes": shape, "region_attributes": named} for shape in shapes]
    image = {"filename": "1.jpg", "size": 4711, "regions": regions, "file_attributes": {}}
    return {
        "_via_settings": {"ui": {}, "core": {}, "project": {"name": "cracks"}},
        "_via_img_metadata": {"1.jpg4711": image},
        "_via_attributes": {"region": {"type": {"type": "text"}}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": ["1.jpg4711"],
    }


def cvat(*shapes: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        "<meta><task><id>1</id><size>1</size><labels><label><name>crack</name></label></labels>"
        f'</task></meta><image id="0" name="a/1.jpg" width="{WIDTH}" height="{HEIGHT}">'
        f"{''.join(shapes)}</image></annotations>"
    )


RECTANGLE = [[2, 3], [9, 3], [9, 8], [2, 8]]
POLYGON = "2.00,3.00;9.00,3.00;9.00,8.00;2.00,8.00"
CVAT = 'label="crack" source="manual" occluded="0" z_order="0"'
BLOB_PNG = base64.b64encode(png(BLOB)).decode()
BLOB_PACKED = base64.b64encode(zlib.compress(png(BLOB, "RGBA"))).decode()


def point_list(points) -> dict:
    x, y = zip(*points, strict=True)
    return {"all_points_x": x, "all_points_y": y}
