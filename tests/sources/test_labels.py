"""Which annotation is whose, and which masks are refused."""

import json

import pytest

from cssr.sources.annotations.shapes import AnnotationError
from cssr.sources.labels import Annotations, Reading, choose_crack, refuse_mixed
from cssr.sources.listing import DataError, File

SIZE = (40, 60)
BOX = [[5, 5], [25, 5], [25, 9], [5, 9]]


def labelme(image: str, label: str = "crack", points=BOX, kind: str = "polygon", **more) -> bytes:
    shape = {"label": label, "points": points, "shape_type": kind}
    facts = {"version": "5", "imagePath": image, "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    return json.dumps({**facts, "shapes": [shape], **more}).encode()


def coco(*objects: dict, names=("a.jpg", "b.jpg"), labels=("crack",)) -> bytes:
    images = [
        {"id": k, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
        for k, name in enumerate(names)
    ]
    categories = [{"id": k, "name": name} for k, name in enumerate(labels)]
    content = {"images": images, "categories": categories, "annotations": objects}
    return json.dumps(content).encode()


def annotations(images, **files: bytes) -> Annotations:
    """`day1__a__json` stands for day1/a.json."""
    named = {
        "/".join(parts[:-1]) + "." + parts[-1]: content
        for name, content in files.items()
        for parts in [name.split("__")]
    }
    files = [File(path, lambda content=content: content) for path, content in named.items()]
    found = Annotations(files, images, Reading())
    choose_crack([found], Reading())
    return found


def test_an_annotation_is_that_of_the_image_beside_it():
    images = "day1/a.jpg", "day2/a.jpg"
    found = annotations(images, day1__a__json=labelme("a.jpg"))
    assert found.of("day1/a.jpg")(SIZE).crack.sum() == 20 * 4
    assert found.of("day2/a.jpg") is None
    found = annotations(images, day1__a__json=labelme("a.jpg"), day2__a__json=labelme("a.jpg"))
    assert found.of("day2/a.jpg")


def test_an_annotation_that_names_another_image_is_refused():
    with pytest.raises(DataError, match=r"new.json \(it names another image, old.jpg\)"):
        annotations(["new.jpg", "old.jpg"], new__json=labelme("old.jpg"))


def test_an_annotation_of_a_name_that_several_images_have_is_refused():
    with pytest.raises(DataError, match=r"x/a.json \(several images of this name: day1"):
        annotations(["day1/a.jpg", "day2/a.jpg"], x__a__json=labelme("a.jpg"))


def test_two_annotations_of_an_image_are_refused():
    with pytest.raises(DataError, match=r"a.jpg \(annotated twice: a.json, all.json\)"):
        annotations(["a.jpg"], a__json=labelme("a.jpg"), all__json=coco(names=["a.jpg"]))


def test_names_of_yolo_may_have_dots():
    text = b"0 0.1 0.1 0.5 0.1 0.5 0.2 0.1 0.2"
    images = ["train/images/x_jpg.rf.0a1b.jpg", "train/images/x.jpg"]
    files = {"train__labels__x_jpg.rf.0a1b__txt": text, "data__yaml": b"names: [crack]"}
    found = annotations(images, **files)
    assert found.of(images[0])(SIZE).crack.any()
    assert found.of(images[1]) is None


def test_the_nearest_names_of_yolo_count():
    text = b"1 0.1 0.1 0.5 0.1 0.5 0.2 0.1 0.2"
    found = annotations(
        ["p/images/a.jpg", "q/images/b.jpg"],
        p__labels__a__txt=text,
        p__data__yaml=b"names: [spall, crack]",
        q__labels__b__txt=text,
        q__data__yaml=b"names: [crack, spall]",
    )
    assert found.of("p/images/a.jpg")(SIZE).crack.any()
    assert not found.of("q/images/b.jpg")(SIZE).crack.any()


def test_images_that_a_file_lists_without_shapes_have_no_crack():
    ring = [5, 5, 25, 5, 25, 9, 5, 9]
    found = annotations(
        ["a.jpg", "b.jpg"],
        all__json=coco({"image_id": 0, "category_id": 0, "segmentation": [ring]}),
    )
    assert found.of("a.jpg")(SIZE).crack.sum() == 80
    assert not found.of("b.jpg")(SIZE).crack.any()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (coco({"image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}), "box without a mask"),
        (labelme("a.jpg", points=[[5, 5]], kind="point"), "point"),
    ],
)
def test_an_image_whose_annotation_cannot_be_drawn_is_refused_not_without_crack(content, says):
    with pytest.raises(DataError, match=rf"a.json \(nothing to draw; left out: 1 × {says}"):
        annotations(["a.jpg"], a__json=content).of("a.jpg")(SIZE)


def test_a_crack_outside_of_its_image_is_refused():
    far = [[x + 100, y] for x, y in BOX]
    with pytest.raises(DataError, match="its crack lies outside of its image"):
        annotations(["a.jpg"], a__json=labelme("a.jpg", points=far)).of("a.jpg")(SIZE)


def test_shapes_of_an_image_of_another_size_are_refused_where_no_size_is_said():
    region = {
        "shape_attributes": {
            "name": "polygon",
            "all_points_x": [10, 110, 110],
            "all_points_y": [5, 5, 30],
        },
        "region_attributes": {"kind": "crack"},
    }
    via = {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [region], "file_attributes": {}}}
    with pytest.raises(DataError, match=r"a shape reaches to 110, 30 in an image of 60×40 px"):
        annotations(["a.jpg"], all__json=json.dumps(via).encode()).of("a.jpg")(SIZE)


@pytest.mark.parametrize("label", ["no crack", "Uncracked"])
def test_a_single_label_that_denies_crack_is_not_crack(label):
    with pytest.raises(AnnotationError, match="no label says crack"):
        annotations(["a.jpg"], a__json=labelme("a.jpg", label))


def test_a_single_label_is_crack_and_labels_are_chosen_together():
    found = annotations(["a.jpg"], a__json=labelme("a.jpg", "Riss"))
    assert found.crack == {"Riss"}
    other = annotations(["b.jpg"], b__json=labelme("b.jpg", "crack"))
    choose_crack([found, other], Reading())
    assert found.crack == other.crack == {"crack"}
    assert not found.of("a.jpg")(SIZE).crack.any()


def test_masks_with_different_labels_of_crack_are_refused():
    says = r"photos: crack has different values: 1 in a.png, 2 in c.png; --crack-value N says which"
    with pytest.raises(DataError, match=says):
        refuse_mixed({"a.png": (0, 1), "b.png": (0, 1), "c.png": (0, 2)}, "photos")


def test_masks_of_different_conventions_are_not():
    refuse_mixed({"a.png": (0, 1), "b.png": (0, 255), "c.png": (0, 65535), "d.jpg": ()}, "photos")
    refuse_mixed({"a.mat": (1, 2), "b.mat": (1, 2), "c.png": (0,)}, "photos")
