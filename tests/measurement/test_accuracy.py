import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cssr.data.arrays import Arrays
from cssr.measurement.accuracy import (
    Measured,
    measure_predictions,
    measure_truth,
    measurement_errors,
)

CPU = torch.device("cpu")


class Red(nn.Module):
    """The red of an image as its probability."""

    def forward(self, image: Tensor) -> tuple[None, Tensor]:
        return None, image[:, :1]


def lines(*widths: int) -> np.ndarray:
    """Masks of one horizontal crack of 40 px each, none where the width is 0, (N, 32, 64)."""
    masks = np.zeros((len(widths), 32, 64), np.uint8)
    for mask, width in zip(masks, widths, strict=True):
        mask[10 : 10 + width, 12:52] = 1
    return masks


def measured(length: list[float], width: list[float]) -> Measured:
    return Measured(np.array(length, float), np.array(width, float))


def test_the_truth_has_its_lengths_and_widths():
    true = measure_truth(lines(4, 0, 2))
    assert true.length.tolist() == pytest.approx([40, 0, 40], abs=0.5)
    assert true.width.tolist() == pytest.approx([4, np.nan, 2], abs=0.1, nan_ok=True)


def test_widths_of_several_cracks_are_weighted_by_their_lengths():
    mask = lines(4)
    mask[0, 24:26, 12:32] = 1
    assert measure_truth(mask).width[0] == pytest.approx((40 * 4 + 20 * 2) / 60, abs=0.1)


@pytest.mark.parametrize("takes_hr", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_predictions_are_measured_at_the_threshold_image_by_image(takes_hr, batch_size):
    masks = lines(4, 2, 0)
    image = np.repeat(102 * masks[..., None], 3, axis=-1)  # 102 is 0.4
    hr, lr = (image, np.zeros_like(image)) if takes_hr else (np.zeros_like(image), image)
    arrays = Arrays(hr, lr, masks, masks.astype(np.float16), list("abc"))
    options = {"takes_hr": takes_hr, "batch_size": batch_size, "device": CPU}
    found = measure_predictions(Red(), arrays, threshold=np.float32(0.4), **options)
    assert all(map(np.array_equal, found, measure_truth(masks), (False, True)))
    higher = measure_predictions(Red(), arrays, threshold=np.float32(0.41), **options)
    assert higher.length.tolist() == [0, 0, 0]


def test_the_truth_has_no_errors():
    true = measure_truth(lines(4, 0, 2))
    assert set(measurement_errors(true, true).values()) == {0}


def test_errors_of_a_worked_example():
    true = measured([100, 50, 0, 50], [4, 2, np.nan, 3])
    found = measured([90, 70, 20, 0], [5, 1.5, 2, np.nan])
    assert measurement_errors(found, true) == pytest.approx(
        {
            "length_error": 180 / 200 - 1,
            "length_mae": (10 + 20 + 50) / 200,
            "width_error": (1 - 0.5) / 2,
            "width_mae": (1 + 0.5) / 2,
        }
    )


def test_without_a_crack_found_there_is_no_error_of_width():
    errors = measurement_errors(measured([0], [np.nan]), measured([10], [2]))
    assert errors == {"length_error": -1, "length_mae": 1}


def test_without_true_cracks_there_are_no_errors():
    assert measurement_errors(measured([5], [1]), measured([0], [np.nan])) == {}
