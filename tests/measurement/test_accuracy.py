import numpy as np
import pytest

from cssr.measurement.accuracy import MeasuredImages, concatenate, measure_each, measurement_errors


def lines(*widths: int) -> np.ndarray:
    """Masks of one horizontal crack of 40 px each, none where the width is 0, (N, 32, 64)."""
    masks = np.zeros((len(widths), 32, 64), np.uint8)
    for mask, width in zip(masks, widths, strict=True):
        mask[10 : 10 + width, 12:52] = 1
    return masks


def measured(length: list[float], width: list[float]) -> MeasuredImages:
    return MeasuredImages(np.array(length, float), np.array(width, float))


def test_masks_have_their_lengths_and_widths():
    true = measure_each(lines(4, 0, 2))
    assert true.length.tolist() == pytest.approx([40, 0, 40], abs=0.5)
    assert true.width.tolist() == pytest.approx([4, np.nan, 2], abs=0.1, nan_ok=True)


def test_widths_of_several_cracks_are_weighted_by_their_lengths():
    mask = lines(4)
    mask[0, 24:26, 12:32] = 1
    assert measure_each(mask).width[0] == pytest.approx((40 * 4 + 20 * 2) / 60, abs=0.1)


def test_batches_are_measured_as_the_whole_is():
    masks = lines(4, 2, 0)
    parts = concatenate([measure_each(masks[:2]), measure_each(masks[2:])])
    assert all(map(np.array_equal, parts, measure_each(masks), (False, True)))


def test_the_ground_truth_has_no_errors():
    true = measure_each(lines(4, 0, 2))
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
