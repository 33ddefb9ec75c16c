import numpy as np
import pytest

import cssr.inspection.overlay
from cssr.inspection.overlay import COLOUR, Overlay, any_in_blocks


def test_cracks_are_marked_in_the_masks_resolution():
    overlay = Overlay(4, 6, scale=4)
    mask = np.zeros((16, 24), bool)
    mask[5, 7] = True
    overlay.add(0, np.full((4, 6, 3), 100, np.uint8), mask)
    photo, marked = overlay.picture()
    assert photo.shape == marked.shape == (16, 24, 3)
    assert np.array_equal(np.argwhere((photo != marked).any(axis=2)), [[5, 7]])
    expected = 0.3 * 100 + 0.7 * np.array(COLOUR)
    np.testing.assert_allclose(marked[5, 7], expected, atol=0.51)


def test_bands_give_what_the_whole_gives(monkeypatch):
    monkeypatch.setattr(cssr.inspection.overlay, "LARGEST", 64)
    rng = np.random.default_rng(0)
    photo, mask = rng.integers(0, 256, (150, 70, 3), np.uint8), rng.random((600, 280)) > 0.999
    whole, parts = Overlay(150, 70, scale=4), Overlay(150, 70, scale=4)
    whole.add(0, photo, mask)
    for top in range(0, 150, 64):
        parts.add(top, photo[top : top + 64], mask[4 * top : 4 * top + 256])
    for one, two in zip(whole.picture(), parts.picture(), strict=True):
        assert max(one.shape) <= 64
        assert np.array_equal(one, two)


@pytest.mark.parametrize("size", [(1, 20000), (40000, 2)])
def test_a_thin_photo_has_a_picture_too(size):
    overlay = Overlay(*size, scale=4)
    overlay.add(0, np.zeros((*size, 3), np.uint8), np.ones((4 * size[0], 4 * size[1]), bool))
    photo, marked = overlay.picture()
    assert photo.shape == marked.shape
    assert 4096 < max(photo.shape) <= 8192


@pytest.mark.parametrize("side", [1, 2, 5])
def test_a_crack_of_one_pixel_is_not_lost_by_reducing(side):
    mask = np.zeros((11, 13), bool)
    mask[10, 12] = True
    small = any_in_blocks(mask, side)
    assert small.shape == (-(-11 // side), -(-13 // side))
    assert small.sum() == 1
    assert small[10 // side, 12 // side]
