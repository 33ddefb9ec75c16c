import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from cssr.data.arrays import Arrays
from cssr.data.distance import signed_distance
from cssr.evaluation.scores import Scores, crack_pixels, evaluate, summarise
from cssr.evaluation.metrics import iou_curve, psnr, ssim
from stages.evaluate import metrics, write_measurement

CPU = torch.device("cpu")


class Enlarge(nn.Module):
    """Nearest enlargement to 32 px as the SR image, its red as the probability."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        sr = nn.functional.interpolate(image, size=(32, 32))
        return 1.5 * sr, sr[:, :1]


@pytest.fixture
def arrays() -> Arrays:
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (5, 32, 32, 3), np.uint8)
    lr = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    mask = (rng.random((5, 32, 32)) < 0.2).astype(np.uint8)
    phi = np.stack([signed_distance(one) for one in mask]).astype(np.float16)
    return Arrays(hr, lr, mask, phi, list("abcde"))


def as_images(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("batch_size", [1, 2, 5, 16])
@pytest.mark.parametrize("takes_hr", [False, True])
def test_each_image_is_scored_against_its_own_truth(arrays, batch_size, takes_hr):
    found = evaluate(Enlarge(), arrays, takes_hr=takes_hr, batch_size=batch_size, device=CPU)
    sr, probs = Enlarge()(as_images(arrays.hr if takes_hr else arrays.lr))
    hr, mask = as_images(arrays.hr), torch.from_numpy(arrays.mask[:, None])
    sr = sr.clamp(0, 1)
    assert found.psnr == pytest.approx(psnr(sr, hr).numpy(), rel=1e-6)
    assert found.ssim == pytest.approx(ssim(sr, hr).numpy(), abs=1e-6)
    assert np.array_equal(found.curve, iou_curve(probs, mask).numpy())


def test_the_iou_at_validations_threshold_is_read_off_the_test_curve(arrays):
    test_curve = np.tile(np.arange(99) / 100, (5, 1))
    val_curve = np.zeros((5, 99))
    val_curve[:, 41] = 1  # the threshold 0.42
    found = metrics(Scores(test_curve, None, None), Scores(val_curve, None, None), arrays, arrays)
    assert found["test"]["val_threshold"] == 0.42
    assert found["test"]["iou_at_val_threshold"] == pytest.approx(0.41)


def test_means_are_taken_over_all_images_and_over_crack_images():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, 0] = 1
    curve = np.stack([np.full(99, 0.2), np.full(99, 1.0)])
    summary = summarise(Scores(curve, None, None), masks)
    assert (summary["aiu"], summary["aiu_crack"]) == pytest.approx((0.6, 0.2))
    assert summary["aiu_constant_crack"] == pytest.approx(0.25, abs=1e-6)
    assert "psnr" not in summary


def test_crack_pixels_are_counted_image_by_image():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[1, 3, 3] = 1
    assert crack_pixels(masks).tolist() == [0, 1]


def test_the_measurement_of_an_image_without_crack_has_no_width(arrays, tmp_path):
    arrays.mask[:] = 0
    arrays.mask[1, 10:13, 4:28] = 1
    file, options = tmp_path / "measurement.csv", {"batch_size": 2, "device": CPU}
    errors = write_measurement(file, Enlarge(), arrays, takes_hr=True, threshold=0.99, **options)
    table = pd.read_csv(file)
    assert list(table) == ["name", "true_length", "length", "true_width", "width"]
    assert table["true_width"].isna().tolist() == [True, False, True, True, True]
    assert table["true_length"][1] == pytest.approx(24, abs=0.5)
    assert {"length_error", "length_mae"} <= set(errors)
