import base64
import json

import numpy as np
import pytest
from annotated import (
    BLOB,
    BLOB_PNG,
    CVAT,
    HEIGHT,
    WIDTH,
    coco,
    cvat,
    drawn,
    labelme,
    png,
    read,
    supervisely,
    via,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cssr.sources.annotations.bitmaps import coco_runs
from cssr.sources.annotations.reading import read_annotations
from cssr.sources.annotations.shapes import AnnotationError
from cssr.sources.annotations.yolo import read_names

NAN = [[1, 1], [float("nan"), 2], [3, 3]]
MASK = {"points": [[4, 5], [6, 6]], "shape_type": "mask"}


def runs(counts) -> dict:
    return coco({"segmentation": {"size": [12, 16], "counts": counts}})


@pytest.mark.parametrize(
    ("path", "content", "line"),
    [
        (
            "1.json",
            b'{"shapes": [',
            "1.json: not a readable JSON (Expecting value: line 1 column 13 (char 12)): "
            "export it again",
        ),
        ("1.json", b"[" * 100_000, "1.json: not a readable JSON (nested too deeply): export"),
        ("1.json", b'{"a": "\xd6l"}', "1.json: not a readable JSON ('utf-8' codec can't decode"),
        (
            "1.json",
            labelme({"points": NAN}),
            "1.json: shapes[0].points[1][0]: input should be a finite number, not nan",
        ),
        (
            "1.json",
            labelme({"points": [[1, 1], ["a", 2]]}),
            "1.json: shapes[0].points[1][0]: input should be a valid number, unable to parse "
            "string as a number, not 'a'",
        ),
        (
            "1.json",
            labelme({"points": [[1, 1e9]]}),
            "1.json: shapes[0].points[0][1]: input should be less than or equal to 100000",
        ),
        ("1.json", labelme({"points": [[1]]}), "1.json: shapes[0].points[0][1]: missing"),
        ("1.json", labelme({}), "1.json: shapes[0].points: missing"),
        (
            "1.json",
            labelme(imageHeight=0),
            "1.json: imageHeight: input should be greater than 0, not 0",
        ),
        (
            "1.json",
            labelme({"points": [[1, 1]], "shape_type": "circle"}),
            "1.json: shapes[0]: a circle has two points, not 1: draw it again in LabelMe",
        ),
        (
            "1.json",
            labelme({**MASK, "mask": "?"}),
            "1.json: shapes[0]: its mask is not a readable PNG: damaged; save the file again "
            "with the tool that made it",
        ),
        (
            "1.json",
            labelme({**MASK, "mask": base64.b64encode(png(BLOB)[:50]).decode()}),
            "1.json: shapes[0]: its mask is not a readable PNG",
        ),
        (
            "1.json",
            labelme({**MASK, "points": [[4, 5], [9, 9]], "mask": BLOB_PNG}),
            "1.json: shapes[0]: its mask has 3×2 px, but its points span 6×5 px: "
            "save the file again in LabelMe",
        ),
        (
            "c.json",
            coco({"segmentation": [[1, 2, 3]]}),
            "c.json: annotations[0]: segmentation: 3 numbers are no pairs of x and y: export again",
        ),
        (
            "c.json",
            coco({"segmentation": [1, 2, 3, 4]}),
            "c.json: annotations[0]: segmentation: [0]: input should be a valid list, not 1",
        ),
        (
            "c.json",
            coco({"image_id": 7}),
            "c.json: annotations[0]: image_id: no image has 7: export again",
        ),
        (
            "c.json",
            coco({"category_id": 7}),
            "c.json: annotations[0]: category_id: no category has 7: export again",
        ),
        (
            "c.json",
            coco({"segmentation": {"size": [3, 4], "counts": "0<"}}),
            "c.json: annotations[0]: segmentation: its size is 4×3 px, its image's 16×12 px: "
            "export again",
        ),
        (
            "c.json",
            runs([100, 20]),
            "c.json: annotations[0]: segmentation: its runs cover 120 px, but 16×12 px are 192: "
            "damaged; save the file again with the tool that made it",
        ),
        (
            "c.json",
            runs([-1, 193]),
            "c.json: annotations[0]: segmentation.counts: [0]: input should be greater than or",
        ),
        ("c.json", runs("0"), "c.json: annotations[0]: segmentation: its runs cover 0 px"),
        (
            "c.json",
            runs("zzz"),
            "c.json: annotations[0]: segmentation: counts is not COCO's compressed text",
        ),
        ("c.json", runs("P"), "c.json: annotations[0]: segmentation: counts ends early or is too"),
        (
            "1.txt",
            "0 0.5 0.5 0.2 0.1\n",
            "1.txt: line 1: a box (class x y width height), not an outline: export the set for "
            "segmentation, or draw outlines",
        ),
        (
            "1.txt",
            "0 .1 .1 .5 .1 .5 .5\n\n0 .1 .1 .5 .1 .5\n",
            "1.txt: line 3: 5 numbers after the class are no pairs of x and y",
        ),
        (
            "1.txt",
            "0 10 20 30 40 50 60",
            "1.txt: line 1: x, y as parts of the image: [0]: input should be less than or equal "
            "to 2, not '10'",
        ),
        (
            "1.txt",
            "0 .1 .1 .5 .1 .5 .5\ncrack\n",
            "1.txt: line 2: input should be a valid integer",
        ),
        (
            "1.txt",
            "0 .1 .1 nan .1 .5 .5",
            "1.txt: line 1: x, y as parts of the image: [2]: input should be a finite number",
        ),
        (
            "a.xml",
            "<annotations><image>",
            "a.xml: not a readable XML (no element found: line 1, column 20): export it again",
        ),
        (
            "a.xml",
            '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>',
            "a.xml: not a readable XML (EntitiesForbidden(name='b'",
        ),
        (
            "a.xml",
            '<annotations><track id="0" label="crack"/></annotations>',
            "a.xml: it is of a video: export it as «CVAT for images 1.1»",
        ),
        (
            "a.xml",
            cvat(f'<polygon {CVAT} points="1,2;3"/>'),
            "a.xml: a/1.jpg: shape 1, <polygon>: points: [1][1]: missing",
        ),
        (
            "a.xml",
            cvat('<polygon points="1,2;3,4"/>'),
            "a.xml: a/1.jpg: shape 1, <polygon>: label: missing",
        ),
        (
            "a.xml",
            cvat(f'<mask {CVAT} rle="1, 4" left="4" top="5" width="3" height="2"/>'),
            "a.xml: a/1.jpg: shape 1, <mask>: its runs cover 5 px, but 3×2 px are 6",
        ),
        (
            "a.xml",
            cvat(f'<mask {CVAT} rle="1" left="4" top="5" width="99999" height="99999"/>'),
            "a.xml: a/1.jpg: shape 1, <mask>: 99,999×99,999 px are more than 1,073,741,824",
        ),
        (
            "1.jpg.json",
            supervisely({"geometryType": "polygon"}),
            "1.jpg.json: objects[0].points: input should be a valid dictionary",
        ),
        (
            "1.jpg.json",
            supervisely({"geometryType": "rectangle", "points": {"exterior": [[1, 1]]}}),
            "1.jpg.json: objects[0]: a rectangle has two points, not 1: export the project again",
        ),
        (
            "1.jpg.json",
            supervisely({"geometryType": "bitmap", "bitmap": {"data": BLOB_PNG, "origin": [0, 0]}}),
            "1.jpg.json: objects[0]: its mask is not a readable PNG",
        ),
        (
            "v.json",
            via({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}),
            "v.json: 1.jpg: regions[0].shape_attributes: 3 x, but 2 y: export the project again",
        ),
        (
            "v.json",
            via({"name": "circle", "cx": 1, "cy": 1}),
            "v.json: 1.jpg: regions[0].shape_attributes: r: missing",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_one_line(path, content, line):
    with pytest.raises(AnnotationError) as refused:
        read(path, content)
    assert str(refused.value).startswith(line)
    assert len(str(refused.value).splitlines()) == 1


def test_a_class_of_yolo_without_a_name_is_refused():
    line = r"1.txt: line 1: class 2, but there are names of 2: complete the list"
    with pytest.raises(AnnotationError, match=line):
        read("1.txt", "2 .1 .1 .5 .1 .5 .5", names=["crack", "joint"])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("names: [crack", "data.yaml: not a readable YAML"),
        ("names: {0: a, 2: b}", "data.yaml: names: the classes are not 0 to 1"),
        ("names: 5", "data.yaml: names: input should be a valid list, not 5"),
    ],
)
def test_names_that_cannot_be_read_are_refused(content, line):
    with pytest.raises(AnnotationError, match=f"^{line}"):
        read_names("data.yaml", content.encode())


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12))
def test_any_text_of_runs_is_read_or_refused(text):
    try:
        found = coco_runs(text, "c.json")
    except AnnotationError:
        return
    assert found.dtype == np.int64


FILES = [
    ("1.json", json.dumps(labelme({**MASK, "mask": BLOB_PNG}, {"points": [[1, 2], [3, 4]]}))),
    ("c.json", json.dumps(coco({"segmentation": [[1, 2, 3, 4, 5, 6]]}))),
    ("1.jpg.json", json.dumps(supervisely({"geometryType": "point"}))),
    ("v.json", json.dumps(via({"name": "circle", "cx": 1, "cy": 1, "r": 3}))),
    ("1.txt", "0 .1 .1 .5 .1 .5 .5"),
    ("a.xml", cvat(f'<polygon {CVAT} points="1,2;3,4;5,6"/>')),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FILES), st.integers(0, 2000), st.binary(max_size=4), st.integers(0, 5))
def test_a_file_with_damage_anywhere_is_read_or_refused(file, at, bytes_there, removed):
    path, text = file
    content = text.encode()
    at %= len(content)
    damaged = content[:at] + bytes_there + content[at + removed :]
    try:
        found = read_annotations(path, damaged) or []
    except AnnotationError:
        return
    for one in found:
        if one.size in (None, (HEIGHT, WIDTH)):
            assert drawn(one).shape == (HEIGHT, WIDTH)
