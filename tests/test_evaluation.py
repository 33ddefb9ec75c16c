import numpy as np
import pytest

from cssr.evaluation import Scores, crack_images, summarise


def test_means_are_taken_over_all_images_and_over_crack_images():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, 0] = 1
    curve = np.stack([np.full(99, 0.2), np.full(99, 1.0)])
    summary = summarise(Scores(curve, None, None), masks)
    assert (summary["aiu"], summary["aiu_crack"]) == pytest.approx((0.6, 0.2))
    assert summary["aiu_constant_crack"] == pytest.approx(0.25, abs=1e-6)
    assert "psnr" not in summary


def test_an_image_with_one_crack_pixel_is_a_crack_image():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[1, 3, 3] = 1
    assert crack_images(masks).tolist() == [False, True]
