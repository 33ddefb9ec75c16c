import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, blob_at, box_mask, coco, drawn, read

from cssr.sources.annotations.drawing import draw
from cssr.sources.annotations.reading import choose_labels, labels_of


def runs_by_columns(mask: np.ndarray) -> list[int]:
    runs, value = [0], False
    for pixel in mask.T.ravel():
        if pixel != value:
            runs.append(0)
            value = not value
        runs[-1] += 1
    return runs


def test_uncompressed_runs_of_coco_go_down_the_columns():
    runs = {"size": [HEIGHT, WIDTH], "counts": runs_by_columns(blob_at(4, 5))}
    (found,) = read("c.json", coco({"segmentation": runs, "iscrowd": 1}))
    np.testing.assert_array_equal(drawn(found), blob_at(4, 5))


Y, X = np.mgrid[:40, :60]
DISC = (Y - 20) ** 2 + (X - 30) ** 2 < 18**2
DISC_TEXT = "g`0;j06L2M4M2N2N2O0O2N2O000O2O00000000000000000001N10001N2N101N2N2N3L3N4Jd>"
ROWS = np.zeros((6, 8), bool)
ROWS[2:4, 1:7] = True
FIRST = np.zeros((6, 8), bool)
FIRST[0, 0] = True


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (ROWS, "8240000000004"),
        (FIRST, "01_1"),
        (np.ones((3, 4), bool), "0<"),
        (DISC, DISC_TEXT),
    ],
)
def test_compressed_runs_of_coco_are_what_pycocotools_made_of_the_mask(mask, text):
    height, width = mask.shape
    image = {"id": 1, "width": width, "height": height, "file_name": "1.jpg"}
    runs = {"size": [height, width], "counts": text}
    (found,) = read("c.json", coco({"segmentation": runs}, images=[image]))
    np.testing.assert_array_equal(draw(found, height, width, labels={"crack"}, line_width=1), mask)


def test_roboflows_placeholder_category_is_no_label():
    categories = [
        {"id": 0, "name": "cracks-abc", "supercategory": "none"},
        {"id": 1, "name": "spall", "supercategory": "cracks-abc"},
    ]
    outline = [[2, 3, 9, 3, 9, 8, 2, 8]]
    found = read("_annotations.coco.json", coco({"segmentation": outline}, categories=categories))
    assert labels_of(found) == {"spall": 1}
    assert choose_labels(labels_of(found)) == {"spall"}


def test_parts_of_a_coco_polygon_are_united_where_they_overlap():
    parts = [[2, 3, 9, 3, 9, 8, 2, 8], [5, 5, 12, 5, 12, 10, 5, 10]]
    (found,) = read("c.json", coco({"segmentation": parts}))
    np.testing.assert_array_equal(drawn(found), box_mask(2, 3, 9, 8) | box_mask(5, 5, 12, 10))
    assert labels_of([found]) == {"crack": 1}


def test_an_image_of_coco_without_objects_is_without_crack():
    (found,) = read("c.json", coco())
    assert not drawn(found).any()
