import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from cssr.evaluation.reported import SEGMENTATION_METRICS, SR_METRICS, ssim
from cssr.validation.metrics import (
    THRESHOLDS,
    aiu,
    best_threshold,
    constant_aiu,
    iou_curve,
    psnr,
)


def image(*values: float) -> Tensor:
    """One image of one row, (1, 1, 1, W)."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def random_images(side: int = 40) -> tuple[Tensor, Tensor]:
    """An image and a noisy copy of it, (2, 3, side, side)."""
    generator = torch.Generator().manual_seed(0)
    hr, noise = torch.rand(2, 2, 3, side, side, generator=generator)
    return (hr + 0.3 * (noise - 0.5)).clamp(0, 1), hr


def probs_about_thresholds() -> Tensor:
    """Each threshold, its two neighbours in float32, 0, 1 and random values, (2, 1, 20, 20)."""
    rng = np.random.default_rng(0)
    below, above = np.nextafter(THRESHOLDS, np.float32([[0], [1]]))
    fixed = np.concatenate([THRESHOLDS, below, above, np.float32([0, 1])])
    values = np.concatenate([fixed, rng.random(800 - fixed.size)]).astype(np.float32)
    return torch.from_numpy(rng.permutation(values).reshape(2, 1, 20, 20))


def brute_force_iou(probs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """IoU of one image, compared threshold by threshold, (99,)."""
    predicted = [probs >= np.float32(i * 0.01) for i in range(1, 100)]
    return np.array([((p & mask).sum() + 1e-5) / ((p | mask).sum() + 1e-5) for p in predicted])


def best_constant(masks: np.ndarray) -> float:
    return constant_aiu(masks.reshape(len(masks), -1).sum(axis=1), masks[0].size)


def test_psnr_of_a_worked_example():
    assert psnr(image(0.5, 0.1), image(0.4, 0.2)).item() == pytest.approx(20, abs=1e-5)


def test_psnr_of_equal_images_is_infinite():
    assert psnr(image(0.5), image(0.5)).item() == math.inf


def test_psnr_of_black_against_white_is_0():
    assert psnr(image(0, 0), image(1, 1)).item() == 0


def test_psnr_agrees_with_scikit_image():
    sr, hr = random_images()
    pairs = zip(hr.numpy(), sr.numpy(), strict=True)
    expected = [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]
    assert psnr(sr, hr).tolist() == pytest.approx(expected, rel=1e-5)


of_sr = pytest.mark.parametrize("metric", SR_METRICS.values(), ids=SR_METRICS)
of_segmentation = pytest.mark.parametrize(
    "metric", SEGMENTATION_METRICS.values(), ids=SEGMENTATION_METRICS
)


@of_sr
def test_images_are_clipped_before_they_are_compared(metric):
    sr, hr = random_images()
    outside = torch.where(sr == 1, 1.7, torch.where(sr == 0, -0.4, sr))
    assert torch.equal(metric(outside, hr), metric(sr, hr))


@of_sr
def test_each_image_has_its_own_value(metric):
    sr, hr = random_images()
    alone = [metric(sr[i : i + 1], hr[i : i + 1]).item() for i in range(2)]
    assert metric(sr, hr).tolist() == pytest.approx(alone, rel=1e-5)


@of_segmentation
def test_each_segmentation_has_its_own_value(metric):
    probs = probs_about_thresholds()
    mask = (probs.flip(-1) > 0.7).to(torch.uint8)
    alone = [metric(probs[i : i + 1], mask[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(metric(probs, mask), torch.cat(alone))


def test_ssim_of_flat_images_far_from_the_border():
    # There the variances are 0 and the weights sum to 1; the ratio of luminances is left. At the
    # border the zeros beyond it make the window's mean smaller and bring in a variance.
    sr, hr = torch.full((1, 1, 400, 400), 0.5), torch.full((1, 1, 400, 400), 0.25)
    expected = (2 * 0.125 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    assert ssim(sr, hr).item() == pytest.approx(expected, abs=0.01)


def test_ssim_of_one_pixel_counts_the_zeros_beyond_the_border():
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    centre = (1 / weights.sum()) ** 2  # share of the pixel in its window
    x, y = 0.5, 0.25
    luminance = (2 * centre**2 * x * y + 1e-4) / (centre**2 * (x * x + y * y) + 1e-4)
    spread = centre - centre**2
    structure = (2 * spread * x * y + 9e-4) / (spread * (x * x + y * y) + 9e-4)
    assert ssim(image(x), image(y)).item() == pytest.approx(luminance * structure, rel=1e-5)


def test_ssim_of_equal_images_is_1():
    _, hr = random_images()
    assert ssim(hr, hr).tolist() == pytest.approx([1, 1])


def test_ssim_agrees_with_scikit_image_away_from_the_border():
    sr, hr = random_images()
    inner = torch.zeros_like(hr, dtype=torch.bool)
    inner[..., 10:-10, 10:-10] = True  # a window that reaches the border sees no difference
    sr = torch.where(inner, sr, hr)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5}
    options |= {"data_range": 1, "channel_axis": 0, "full": True}
    pairs = zip(sr.double().numpy(), hr.double().numpy(), strict=True)
    expected = [structural_similarity(*pair, **options)[1].mean() for pair in pairs]
    assert ssim(sr, hr).tolist() == pytest.approx(expected, rel=1e-5)


def test_iou_of_a_worked_example():
    curve = iou_curve(image(0.9, 0.5, 0.5, 0.1), image(1, 1, 0, 0))[0]
    assert curve[[9, 10, 49, 50, 98]].tolist() == pytest.approx(
        [2 / 4, 2 / 3, 2 / 3, 1 / 2, 0], abs=1e-5
    )


def test_iou_agrees_with_brute_force_on_and_beside_the_thresholds():
    probs = probs_about_thresholds()
    mask = torch.rand(probs.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    pairs = zip(probs.numpy(), mask.numpy(), strict=True)
    expected = [brute_force_iou(*pair).tolist() for pair in pairs]
    assert iou_curve(probs, mask).tolist() == expected


def test_iou_is_in_float64():
    assert iou_curve(image(0.5), image(1)).dtype == torch.float64


def test_iou_of_a_perfect_answer_is_1_at_every_threshold():
    mask = image(1, 0, 1)
    assert iou_curve(mask, mask).tolist() == [[1] * 99]


def test_iou_of_empty_against_empty_is_1():
    assert iou_curve(image(0, 0), image(0, 0)).tolist() == [[1] * 99]


def test_iou_of_an_image_of_crack_alone_found_is_1():
    assert iou_curve(image(1, 1), image(1, 1)).tolist() == [[1] * 99]


def test_iou_of_a_missed_crack_is_0():
    assert iou_curve(image(0, 0), image(1, 0)).max().item() == pytest.approx(0, abs=1e-4)


@of_segmentation
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float32])
def test_masks_may_be_of_any_type(metric, dtype):
    probs = probs_about_thresholds()
    mask = probs.flip(-1) > 0.7
    assert torch.equal(metric(probs, mask.to(dtype)), metric(probs, mask))


@pytest.mark.parametrize("value", [1.1, -0.1, math.nan])
def test_probabilities_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=r"in \[0, 1\] and not NaN"):
        iou_curve(image(0.5, value), image(1, 0))


@pytest.mark.parametrize("metric", [*SR_METRICS.values(), *SEGMENTATION_METRICS.values()])
def test_different_shapes_are_refused(metric):
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\) and \(1, 1, 4, 4\)"):
        metric(torch.zeros(2, 1, 4, 4), torch.zeros(1, 1, 4, 4))


def test_aiu_is_the_mean_over_thresholds():
    # found at 50 of 99 thresholds
    curve = iou_curve(image(0.505, 0.0), image(1, 0))
    assert aiu(curve).tolist() == pytest.approx([50 / 99], abs=1e-4)


def test_the_best_threshold_is_that_of_the_largest_iou():
    curve = torch.zeros(99)
    curve[34] = 0.75
    assert best_threshold(curve) == (0.75, 0.35)


def test_the_lowest_of_equally_good_thresholds_is_the_best():
    assert best_threshold(torch.full((99,), 0.5)) == (0.5, 0.01)


def test_the_best_constant_over_crack_images_has_the_mean_crack_ratio_as_aiu():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, 0], masks[1, :2] = 1, 1
    assert best_constant(masks) == pytest.approx((0.25 + 0.5) / 2, abs=1e-5)


def test_the_best_constant_over_images_without_crack_is_empty():
    assert best_constant(np.zeros((3, 4, 4), np.uint8)) == 1


def test_the_best_constant_over_mostly_empty_images_is_empty():
    masks = np.zeros((4, 4, 4), np.uint8)
    masks[0, 0] = 1
    assert best_constant(masks) == pytest.approx(0.75, abs=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.3, 0.7, 1.0])
def test_no_constant_answer_does_better(constant):
    masks = np.random.default_rng(0).integers(0, 2, (5, 1, 6, 6), np.uint8)
    masks[:3] = 0
    curve = iou_curve(torch.full(masks.shape, constant), torch.from_numpy(masks))
    assert aiu(curve).mean().item() <= best_constant(masks) + 1e-12
