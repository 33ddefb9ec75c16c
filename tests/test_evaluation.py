import numpy as np
import pytest

from cssr.evaluation import Scores, choose_examples, crack_images, mean_width, summarise


def test_examples_go_from_thin_to_wide():
    widths = np.random.default_rng(0).uniform(1, 8, 50)
    chosen = choose_examples(widths, 5, np.random.default_rng(1))
    assert sorted(widths[chosen]) == list(widths[chosen])
    assert len(set(chosen)) == 5


def test_examples_hold_crack():
    assert choose_examples([0, 2.0, 0, 1.0], 3, np.random.default_rng(0)) == [3, 1]


def test_examples_are_the_seeds_and_nobodys():
    widths = np.arange(1, 40)
    first, second, other = (choose_examples(widths, 4, np.random.default_rng(s)) for s in (0, 0, 1))
    assert first == second != other


@pytest.mark.parametrize("width", [1, 3, 6])
def test_the_mean_width_of_a_straight_band_is_its_width(width):
    mask = np.zeros((100, 100), np.uint8)
    mask[40 : 40 + width] = 1
    assert mean_width(mask) == pytest.approx(width, rel=0.1)


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
