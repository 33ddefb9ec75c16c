from collections import Counter

import pytest

from cssr.sources.listing import DataError, File
from cssr.sources.pairing import layout_lines, pair_up


def pairing(*paths, **patterns):
    return pair_up([File(path, bytes) for path in sorted(paths)], **patterns)


def found(*paths, **patterns):
    """Split, image and mask of each pair; there are no problems."""
    result = pairing(*paths, **patterns)
    assert result.problems == []
    return [(pair.split, pair.image.path, pair.mask and pair.mask.path) for pair in result.pairs]


LAYOUTS = {
    "images and masks": ("train", "train/images/a.jpg", "train/masks/a.png"),
    "deeper": ("train", "x/some set/train/images/a.jpg", "x/some set/train/masks/a.png"),
    "splits inside": ("test", "images/test/a.png", "labels/test/a.png"),
    "of Roboflow": ("val", "valid/a.jpg", "valid/a_mask.png"),
    "of YOLO": ("val", "images/val/a.jpg", "masks/val/a.png"),
    "of DeepCrack": ("train", "train_img/7Q3A9060-1.jpg", "train_lab/7Q3A9060-1.png"),
    "of CRACK500": ("train", "traincrop/2016_1.jpg", "traincrop/2016_1.png"),
    "of CrackForest": (None, "image/001.jpg", "groundTruth/001.mat"),
    "of CrackTree260": (None, "image/6192.jpg", "gt/6192.bmp"),
    "of GAPs384": (None, "croppedimg/train_0541_541_1.jpg", "croppedgt/train_0541_541_1.png"),
    "of VOC": (None, "JPEGImages/a.jpg", "Segmentation/a.png"),
    "of nnU-Net": ("train", "imagesTr/crack_7_0000.png", "labelsTr/crack_7.png"),
    "of S2DS": ("train", "train/011.png", "train/011_lab.png"),
    "of SUT-Crack": (None, "Segmentation/Original Image/1.jpg", "Segmentation/Ground Truth/1.png"),
    "suffix in a folder": ("train", "train/images/IMG_7.jpg", "train/masks/IMG_7_mask.png"),
    "prefix": (None, "images/wall-7.jpg", "masks/mask_wall-7.png"),
    "both named": (None, "wall_image.jpg", "wall_label.png"),
    "beside": (None, "IMG_0012.JPG", "IMG_0012.png"),
    "dots": (None, "a.b.jpg", "a.b.mask.png"),
    "capitals": ("train", "Train/Images/A.JPG", "Train/Masks/A.PNG"),
    "not English": (None, "images/Straße ü 1.jpg", "masks/Straße ü 1.png"),
    "an array": (None, "images/a.tif", "masks/a.npy"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_usual_layouts_are_known(layout):
    split, image, mask = LAYOUTS[layout]
    assert found(image, mask) == [(split, image, mask)]


def test_a_word_of_a_longer_name_is_no_layout():
    paths = "crack_segmentation_dataset/a.jpg", "crack_segmentation_dataset/a_mask.png"
    assert found(*paths) == [(None, *paths)]
    paths = "training day photos/x/a.jpg", "training day photos/x/a_mask.png"
    assert found(*paths) == [(None, *paths)]


def test_the_mask_of_the_same_split_and_folder_is_taken():
    paths = [
        f"{split}/{kind}/{folder}/a.{suffix}"
        for split in ("train", "test")
        for kind, suffix in (("images", "jpg"), ("masks", "png"))
        for folder in ("one", "two")
    ]
    for split, image, mask in found(*paths):
        assert image.replace("images", "masks").replace("jpg", "png") == mask
        assert image.startswith(split)


def test_an_image_without_mask_and_a_mask_without_image_are_told():
    result = pairing("images/a.jpg", "images/b.jpg", "masks/a.png", "masks/c.png")
    assert [pair.image.path for pair in result.without_mask] == ["images/b.jpg"]
    assert result.problems == ["masks/c.png (no image)"]


def test_two_masks_of_an_image_are_refused():
    result = pairing("images/a.jpg", "masks/a.png", "labels/a.png")
    assert result.problems[0] == "masks/a.png (the same name as labels/a.png)"
    assert result.without_mask


@pytest.mark.parametrize(
    "paths",
    [
        ("A/images/1.jpg", "A/masks/1.png", "A/images/3.jpg", "B/images/4.jpg", "B/masks/3.png"),
        ("train/images/3.jpg", "test/masks/3.png"),
    ],
)
def test_a_mask_of_another_folder_or_split_is_not_taken(paths):
    result = pairing(*paths)
    assert f"{paths[-1]} (no image)" in result.problems
    assert "3" in {pair.name for pair in result.without_mask}


def test_patterns_settle_what_names_do_not():
    paths = "p/a1.jpg", "p/a2.jpg", "q/crack_a1.png", "q/crack_a2.png", "q/other_a1.png"
    result = pairing(*paths, images="p/*.jpg", masks="q/crack_*.png")
    assert [(p.image.path, p.mask.path) for p in result.pairs] == [
        ("p/a1.jpg", "q/crack_a1.png"),
        ("p/a2.jpg", "q/crack_a2.png"),
    ]
    assert result.others == Counter({".png": 1})
    assert layout_lines(result) == ["2 × p/*.jpg with q/crack_*.png"]


def test_patterns_leave_the_folders_their_splits():
    paths = "train/p/a.jpg", "train/q/a.png", "test/p/b.jpg", "test/q/b.png"
    pairs = found(*paths, images="*/p/*", masks="*/q/*")
    assert [split for split, *_ in pairs] == ["test", "train"]


def test_patterns_know_classes_and_no_capitals():
    paths = "p/A1.JPG", "p/b2.jpg", "q/A1_m.PNG", "q/b2_m.png"
    found = pairing(*paths, images="p/[ab]*.jpg", masks="q/[ab]*_m.png").pairs
    assert [(pair.name, pair.mask.path) for pair in found] == [
        ("1", "q/A1_m.PNG"),
        ("2", "q/b2_m.png"),
    ]


def test_a_pattern_of_masks_needs_one_of_images():
    with pytest.raises(DataError, match="--masks needs --images"):
        pairing("a.png", masks="*.png")


def test_a_pattern_of_images_alone_finds_no_masks():
    (pair,) = pairing("p/a.jpg", "p/a.png", "q/b.jpg", images="p/*.jpg").pairs
    assert (pair.name, pair.mask) == ("a", None)


def test_annotations_and_other_files_are_set_apart():
    result = pairing("images/a.jpg", "labels/a.txt", "data.yaml", "notes.pdf", "b.pdf")
    assert [file.path for file in result.annotations] == ["data.yaml", "labels/a.txt"]
    assert result.others == Counter({".pdf": 2})
