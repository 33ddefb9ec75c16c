import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from cssr.preparation.distance import signed_distance


def crack_mask(width: int, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    """A random walk from left to right, `width` px wide."""
    rng = np.random.default_rng(width)
    rows = shape[0] // 2 + np.cumsum(rng.integers(-1, 2, shape[1]))
    mask = np.zeros(shape, np.uint8)
    for column, row in enumerate(rows):
        mask[row : row + width, column] = 1
    return mask


def test_a_worked_example():
    mask = np.array([[0, 0, 1, 1, 1, 1, 1, 0]], np.uint8)
    # the ends of the crack are 1 px from the background, its middle pixel is 3 px from it
    assert signed_distance(mask).tolist() == [[2, 1, 0, -2, -3, -2, 0, 1]]


def test_distances_are_euclidean():
    mask = np.zeros((5, 4), np.uint8)
    mask[0, 0] = 1
    assert signed_distance(mask)[4, 3] == 5


@pytest.mark.parametrize("shape", [(60, 80), (448, 448)])
@pytest.mark.parametrize("width", [1, 2, 5, 12])
def test_phi_is_scipys_exact_distance_rounded_to_float32(width, shape):
    mask = crack_mask(width, shape)
    inside = distance_transform_edt(mask)
    expected = distance_transform_edt(1 - mask) - np.where(inside == 1, 0, inside)
    np.testing.assert_array_equal(signed_distance(mask), expected.astype(np.float32))


def test_a_crack_one_pixel_wide_is_0():
    mask = crack_mask(1)
    assert not signed_distance(mask)[mask == 1].any()


def test_phi_is_positive_outside_the_crack():
    mask = crack_mask(4)
    assert (signed_distance(mask)[mask == 0] >= 1).all()


def test_the_border_of_the_image_is_not_background():
    mask = np.ones((9, 5), np.uint8)
    mask[-1] = 0
    assert signed_distance(mask)[:, 0].tolist() == [-8, -7, -6, -5, -4, -3, -2, 0, 1]


@pytest.mark.parametrize("value", [0, 1])
def test_phi_is_0_without_crack_or_without_background(value):
    assert not signed_distance(np.full((4, 6), value, np.uint8)).any()


def test_phi_is_float32_of_the_masks_shape():
    phi = signed_distance(crack_mask(3))
    assert (phi.shape, phi.dtype) == ((60, 80), np.float32)


def test_phi_is_the_same_bytes_wherever_in_memory_the_mask_lies():
    mask, between = crack_mask(3), []
    seen = set()
    for size in range(1, 400):
        between.append(np.empty(size, np.uint8))  # moves what is allocated next
        seen.add(signed_distance(mask).tobytes())
    assert len(seen) == 1


def test_boolean_masks_are_taken():
    mask = crack_mask(3)
    np.testing.assert_array_equal(signed_distance(mask.astype(bool)), signed_distance(mask))


def test_a_mask_is_left_as_it_is():
    mask = crack_mask(3)
    before = mask.copy()
    signed_distance(mask)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize(
    "mask",
    [
        np.full((4, 4), 255, np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros((1, 4, 4), np.uint8),
    ],
    ids=["0 and 255", "float", "batch"],
)
def test_other_arrays_are_refused(mask):
    with pytest.raises(ValueError, match="binarise it first"):
        signed_distance(mask)
