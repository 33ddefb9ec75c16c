import cv2
import numpy as np
import pytest

from cssr.dataset.crops import resized, squares, starts


@pytest.mark.parametrize("length", [448, 449, 896, 897, 1080, 1920, 4000])
def test_squares_cover_a_length_evenly_and_as_few_as_possible(length):
    at = starts(length, 448)
    assert at[0] == 0
    assert at[-1] == length - 448
    assert len(at) == -(-length // 448)
    steps = np.diff(at)
    assert (steps <= 448).all()
    assert np.ptp(steps) <= 1 if len(steps) else length == 448


def test_squares_hold_each_pixel_and_tell_their_place():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 100, 3), np.uint8)
    mask = pixels[..., 0] > 128
    seen = np.zeros((70, 100), bool)
    for square in squares(pixels, mask, 32):
        top, left = map(int, square.place.removeprefix("__").split("_"))
        area = slice(top, top + 32), slice(left, left + 32)
        assert np.array_equal(square.pixels, pixels[area])
        assert np.array_equal(square.mask, mask[area])
        seen[area] = True
    assert seen.all()


def test_a_photo_of_the_size_is_one_square_without_a_place():
    (square,) = squares(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), bool), 32)
    assert square.place == ""


def test_a_reduced_mask_is_crack_where_half_of_the_area_is():
    mask = np.zeros((8, 8), bool)
    mask[:4, :3] = True  # of a pixel of 4 × 4: three quarters
    mask[4:, :1] = True  # a quarter
    mask[4:, 4:6] = True  # half
    pixels = np.zeros((8, 8, 3), np.uint8)
    assert resized(pixels, mask, 2, 2)[1].tolist() == [[True, False], [False, True]]


def test_a_reduced_photo_is_the_mean_of_its_area_and_its_own_size_is_left():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    mask = np.zeros((8, 12), bool)
    small = resized(pixels, mask, 2, 3)[0]
    means = pixels.reshape(2, 4, 3, 4, 3).mean((1, 3))
    assert np.abs(small - means).max() <= 0.5 + 1e-6
    assert resized(pixels, mask, 8, 12)[0] is pixels


def test_an_enlarged_crack_keeps_its_place():
    mask = np.zeros((40, 40), np.uint8)
    cv2.line(mask, (0, 20), (39, 20), 1, 4)
    large = resized(np.zeros((40, 40, 3), np.uint8), mask > 0, 80, 80)[1]
    assert np.flatnonzero(large[:, 40]).tolist() == list(range(37, 45)) or (
        large[:, 40].sum() == 2 * (mask[:, 20] > 0).sum()
    )
