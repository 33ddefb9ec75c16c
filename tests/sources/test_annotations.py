import json

import numpy as np
import pytest
from annotated import (
    BLOB,
    BLOB_PACKED,
    BLOB_PNG,
    CVAT,
    HEIGHT,
    POLYGON,
    RECTANGLE,
    WIDTH,
    box_mask,
    coco,
    cvat,
    drawn,
    labelme,
    point_list,
    read,
    supervisely,
    via,
)

from cssr.sources.annotations.reading import labels_of, notes_of, read_annotations
from cssr.sources.annotations.yolo import read_names


@pytest.mark.parametrize(
    ("path", "content", "image"),
    [
        ("1.json", labelme({"points": RECTANGLE, "shape_type": "polygon"}), "../photos/IMG_1.jpg"),
        ("1.json", labelme({"points": RECTANGLE}, imageHeight=None), "../photos/IMG_1.jpg"),
        ("c.json", coco({"segmentation": [[2, 3, 9, 3, 9, 8, 2, 8]]}), "a/1.jpg"),
        ("labels/1.txt", "0 0.125 0.25 0.5625 0.25 0.5625 0.6666667 0.125 0.6666667\n", "1"),
        ("annotations.xml", cvat(f'<polygon {CVAT} points="{POLYGON}"></polygon>'), "a/1.jpg"),
        ("via.json", via({"name": "polygon", **point_list(RECTANGLE)}), "1.jpg"),
        (
            "via_export.json",
            via({"name": "polygon", **point_list(RECTANGLE)})["_via_img_metadata"],
            "1.jpg",
        ),
    ],
)
def test_a_polygon_is_the_same_area_in_each_format(path, content, image):
    (found,) = read(path, content)
    assert found.image == image
    np.testing.assert_array_equal(drawn(found), box_mask(2, 3, 9, 8))
    assert not notes_of([found])


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("1.json", labelme({"points": [[2, 4.5], [9, 4.5]], "shape_type": "linestrip"})),
        ("1.json", labelme({"points": [[2, 4.5], [9, 4.5]], "shape_type": "line"})),
        ("a.xml", cvat(f'<polyline {CVAT} points="2.00,4.50;9.00,4.50"></polyline>')),
        ("v.json", via({"name": "polyline", **point_list([(2, 4.5), (9, 4.5)])})),
    ],
)
def test_a_line_has_its_width_and_round_ends_in_each_format(path, content):
    (found,) = read(path, content)
    np.testing.assert_array_equal(drawn(found, line_width=2.8), box_mask(1, 3, 10, 6))


@pytest.mark.parametrize(
    ("path", "content", "left", "top"),
    [
        (
            "1.json",
            labelme({"points": [[4, 5], [6, 6]], "shape_type": "mask", "mask": BLOB_PNG}),
            4,
            5,
        ),
        (
            "a.xml",
            cvat(
                f'<mask {CVAT} rle="1, 4, 1" left="4" top="5" width="3" height="2"></mask>',
            ),
            4,
            5,
        ),
        (
            "1.jpg.json",
            supervisely(
                {"geometryType": "bitmap", "bitmap": {"data": BLOB_PACKED, "origin": [4, 5]}}
            ),
            4,
            5,
        ),
        (
            "1.jpg.json",
            supervisely(
                {"geometryType": "bitmap", "bitmap": {"data": BLOB_PACKED, "origin": [-1, 11]}}
            ),
            -1,
            11,
        ),
    ],
)
def test_a_mask_lies_where_its_format_says_and_is_cut_off_at_the_borders(path, content, left, top):
    (found,) = read(path, content)
    expected = np.zeros((HEIGHT + 2, WIDTH + 2), bool)
    expected[top + 1 : top + 3, left + 1 : left + 4] = BLOB
    np.testing.assert_array_equal(drawn(found), expected[1:-1, 1:-1])


def test_a_polygon_of_supervisely_holds_the_pixels_of_its_outline_but_not_its_holes():
    outline = {
        "exterior": [[2, 2], [10, 2], [10, 9], [2, 9]],
        "interior": [[[4, 4], [7, 4], [7, 6], [4, 6]]],
    }
    (found,) = read(
        "ds/ann/1.jpg.json", supervisely({"geometryType": "polygon", "points": outline})
    )
    assert found.image == "1.jpg"
    np.testing.assert_array_equal(drawn(found), box_mask(2, 2, 11, 10) & ~box_mask(4, 4, 8, 7))


def test_a_line_of_supervisely_goes_through_pixels():
    line = {"exterior": [[2, 4], [9, 4]], "interior": []}
    (found,) = read("1.jpg.json", supervisely({"geometryType": "line", "points": line}))
    np.testing.assert_array_equal(drawn(found), box_mask(2, 4, 10, 5))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("1.json", labelme({"points": [[8, 6], [4, 2]], "shape_type": "rectangle"})),
        ("a.xml", cvat(f'<box {CVAT} xtl="4.00" ytl="2.00" xbr="8.00" ybr="6.00"></box>')),
        (
            "a.xml",
            cvat(f'<box {CVAT} xtl="4" ytl="2" xbr="8" ybr="6" rotation="90.00"></box>'),
        ),
        (
            "1.jpg.json",
            supervisely(
                {"geometryType": "rectangle", "points": {"exterior": [[4, 2], [7, 5]]}},
            ),
        ),
        ("v.json", via({"name": "rect", "x": 4, "y": 2, "width": 4, "height": 4})),
    ],
)
def test_a_rectangle_is_filled_and_noted_in_each_format(path, content):
    (found,) = read(path, content)
    np.testing.assert_array_equal(drawn(found), box_mask(4, 2, 8, 6))
    assert notes_of([found]) == ["drawn filled: 1 × rectangle"]


def test_a_turned_rectangle_turns_clockwise():
    box = f'<box {CVAT} xtl="4" ytl="5" xbr="12" ybr="7" rotation="30"></box>'
    (found,) = read("a.xml", cvat(box))
    mask = drawn(found)
    assert mask[7, 10]  # y goes down: its right end is lower
    assert mask[4, 5]
    assert not mask[4, 10]
    assert not mask[7, 5]


@pytest.mark.parametrize(
    ("path", "content", "radii"),
    [
        ("1.json", labelme({"points": [[8, 6], [8, 2]], "shape_type": "circle"}), (4, 4)),
        ("v.json", via({"name": "circle", "cx": 8, "cy": 6, "r": 4}), (4, 4)),
        ("v.json", via({"name": "ellipse", "cx": 8, "cy": 6, "rx": 6, "ry": 3}), (6, 3)),
        (
            "v.json",
            via({"name": "ellipse", "cx": 8, "cy": 6, "rx": 3, "ry": 6, "theta": np.pi / 2}),
            (6, 3),
        ),
        ("a.xml", cvat(f'<ellipse {CVAT} cx="8" cy="6" rx="6" ry="3"></ellipse>'), (6, 3)),
    ],
)
def test_a_circle_or_ellipse_is_filled_and_noted_in_each_format(path, content, radii):
    (found,) = read(path, content)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = ((x - 8) / radii[0]) ** 2 + ((y - 6) / radii[1]) ** 2 < 1
    np.testing.assert_array_equal(drawn(found), inside)
    assert notes_of([found]) == ["drawn filled: 1 × circle or ellipse"]


@pytest.mark.parametrize(
    ("path", "content", "note"),
    [
        ("1.json", labelme({"points": [[1, 1]], "shape_type": "point"}), "1 × point"),
        ("1.json", labelme({"points": [], "shape_type": "magic"}), "1 × magic"),
        (
            "1.json",
            labelme({"points": [[1, 1]], "shape_type": "polygon"}),
            "1 × polygon of fewer than 2 points",
        ),
        (
            "1.json",
            labelme({"points": [[1, 1]], "shape_type": "linestrip"}),
            "1 × line of fewer than 2 points",
        ),
        ("c.json", coco({"segmentation": []}, {}), "2 × box without a mask"),
        ("a.xml", cvat(f'<points {CVAT} points="1,1"></points>', "<tag/>"), "1 × points, 1 × tag"),
        ("a.xml", cvat(f'<polygon {CVAT} points=""/>'), "1 × polygon of fewer than 2 points"),
        ("1.jpg.json", supervisely({"geometryType": "cuboid"}), "1 × cuboid"),
        (
            "1.jpg.json",
            supervisely(
                {
                    "geometryType": "polygon",
                    "points": {"exterior": RECTANGLE, "interior": [[[1, 1]]]},
                }
            ),
            "1 × hole of fewer than 3 points",
        ),
        ("v.json", via({"name": "point", "cx": 1, "cy": 1}), "1 × point"),
    ],
)
def test_what_has_no_area_is_left_out_and_noted(path, content, note):
    assert notes_of(read(path, content)) == [f"left out: {note}"]


def test_a_polygon_of_two_points_is_a_line_and_noted():
    found = read("1.json", labelme({"points": [[2, 4.5], [9, 4.5]], "shape_type": "polygon"}))
    np.testing.assert_array_equal(drawn(found[0], line_width=2.8), box_mask(1, 3, 10, 6))
    assert notes_of(found) == ["drawn as a line: 1 × polygon of 2 points"]


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"type": "crack"}, "crack"),
        ({"type": {"crack": True, "spall": False}}, "crack"),
        ({"note": "", "type": "crack"}, "crack"),
        ({}, "without a label"),
    ],
)
def test_the_label_of_via_is_the_attribute_that_has_values(attributes, label):
    shape = {"name": "polygon", **point_list(RECTANGLE)}
    assert labels_of(read("v.json", via(shape, attributes=attributes))) == {label: 1}


def test_other_attributes_of_via_are_noted():
    shape = {"name": "polygon", **point_list(RECTANGLE)}
    found = read("v.json", via(shape, attributes={"type": "crack", "quality": "good"}))
    assert notes_of(found) == ["labelled by type: 1 × region, not by quality"]


def test_a_list_of_names_labels_the_classes_of_yolo():
    line = "1 0.1 0.1 0.5 0.1 0.5 0.5"
    assert labels_of(read("1.txt", line)) == {"1": 1}
    assert labels_of(read("1.txt", line, names=["joint", "crack"])) == {"crack": 1}


def test_an_empty_file_of_yolo_is_an_image_without_crack():
    (found,) = read("1.txt", "")
    assert found.image == "1"
    assert not drawn(found).any()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("data.yaml", "train: images\nnc: 2\nnames: [joint, crack]\n"),
        ("data.yaml", "names:\n  1: crack\n  0: joint\n"),
        ("set/classes.txt", "joint\ncrack\n"),
        ("obj.names", "joint\r\ncrack\r\n\r\n"),
    ],
)
def test_names_of_classes_are_found(path, content):
    assert read_names(path, content.encode()) == ["joint", "crack"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("1.jpg", b"\xff\xd8"),
        ("meta.json", {"classes": [{"title": "crack"}], "tags": []}),
        ("list.json", [1, 2]),
        ("empty.json", {}),
        ("notes.txt", "12 cracks in 4 photos"),
        ("classes.txt", "crack\n"),
        ("1.xml", "<annotation><object/></annotation>"),
        ("1.xml", "not XML"),
    ],
)
def test_other_files_are_no_annotations(path, content):
    assert read(path, content) is None


def test_a_file_may_begin_with_a_byte_order_mark():
    content = json.dumps(labelme({"points": RECTANGLE})).encode("utf-8-sig")
    assert read_annotations("1.json", content)
    assert read("1.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5".encode("utf-8-sig"))
