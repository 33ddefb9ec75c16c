import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from cssr.sources.synthetic import synthesize, write_synthetic

RANGES = {64: (1.0, 4.0), 128: (1.5, 6.0), 448: (1.0, 8.0)}


def draw(index, size=128, seed=3, split="train"):
    return synthesize(index, seed=seed, size=size, crack_width=RANGES[size], split=split)


@pytest.fixture(scope="module")
def pairs():
    return [draw(index) for index in range(40)]


def digest(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.mark.parametrize("size", RANGES)
def test_image_and_mask_have_the_size_asked_for(size):
    image, mask = draw(1, size)
    assert (image.shape, image.dtype) == ((size, size, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((size, size), np.uint8)


@pytest.mark.parametrize("size", RANGES)
def test_an_image_is_the_same_twice(size):
    assert digest(*draw(4, size)) == digest(*draw(4, size))


def test_an_image_is_the_same_in_another_process():
    code = (
        "import sys; from cssr.sources.synthetic import synthesize\n"
        "pair = synthesize(5, seed=3, size=128, crack_width=(1.5, 6.0), split='train')\n"
        "sys.stdout.buffer.write(b''.join(array.tobytes() for array in pair))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert hashlib.sha256(run.stdout).hexdigest() == digest(*draw(5))


def test_no_two_images_are_equal(pairs):
    assert len({digest(image) for image, _ in pairs}) == len(pairs)


def test_the_splits_differ():
    assert digest(*draw(1, split="train")) != digest(*draw(1, split="test"))


def test_the_seeds_differ():
    assert digest(*draw(1, seed=3)) != digest(*draw(1, seed=4))


def test_one_image_in_ten_has_no_crack(pairs):
    assert sum(not mask.any() for _, mask in pairs) == len(pairs) // 10


def test_masks_are_0_or_1(pairs):
    assert set(np.unique([mask for _, mask in pairs])) == {0, 1}


@pytest.mark.parametrize("limits", [(2.0, 3.0), (6.0, 8.0)])
def test_the_median_crack_width_lies_in_the_range(limits):
    widths = []
    for index in range(1, 9):
        _, mask = synthesize(index, seed=0, size=448, crack_width=limits)
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        ridge = (mask > 0) & (distance >= cv2.dilate(distance, np.ones((3, 3))))
        widths += (2 * distance[ridge] - 1).tolist()
    assert limits[0] - 1 <= np.median(widths) <= limits[1] + 1


def test_cracks_are_darker_than_what_is_beside_them(pairs):
    for image, mask in pairs:
        if mask.any():
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            beside = (cv2.dilate(mask, np.ones((15, 15))) > 0) & (mask == 0)
            assert grey[mask > 0].mean() < grey[beside].mean() - 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, train=10, test=3, size=64, crack_width=RANGES[64], seed=3)
    return folder


@pytest.mark.parametrize(("split", "count"), [("train", 10), ("test", 3)])
def test_each_written_image_has_a_mask_of_its_name(folder, split, count):
    images = sorted(file.stem for file in (folder / split / "images").glob("*.jpg"))
    masks = sorted(file.stem for file in (folder / split / "masks").glob("*.png"))
    assert len(images) == count
    assert images == masks


def test_written_masks_are_the_drawn_ones(folder):
    (file,) = (folder / "test" / "masks").glob("*_0001.png")
    written = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(written, 255 * draw(1, 64, split="test")[1])


def test_written_images_are_the_drawn_ones_but_for_jpeg(folder):
    (file,) = (folder / "test" / "images").glob("*_0001.jpg")
    written = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
    assert np.abs(written.astype(float) - draw(1, 64, split="test")[0]).mean() < 6


def test_names_of_images_without_crack_say_so(folder):
    for file in (folder / "train" / "masks").glob("*.png"):
        cracked = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE).any()
        assert file.name.startswith("noncrack_") != cracked
