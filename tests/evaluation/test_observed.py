"""What `evaluate` keeps of the predictions for the test images."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from cssr.data.arrays import Arrays
from cssr.evaluation.observed import Observed
from cssr.evaluation.score_tables import iou_at
from cssr.validation.predictor import Prediction


@pytest.fixture
def arrays() -> Arrays:
    """Five images; the second and the fourth have a crack, of 3 and 2 px."""
    mask = np.zeros((5, 32, 32), np.uint8)
    mask[1, 10:13, 4:28] = 1
    mask[3, 20:22, 4:28] = 1
    hr = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2).repeat(3, 3)
    return Arrays(hr, hr[:, ::4, ::4], mask, mask.astype(np.float16), list("abcde"))


def observe(arrays: Arrays, batch_size: int, threshold: float = 0.4) -> Observed:
    """Perfect predictions of 0.4 on crack, with an SR image of the image's number."""
    observed = Observed(arrays, threshold=threshold, seed=0, examples=2)
    for start in range(0, 5, batch_size):
        chosen = slice(start, start + batch_size)
        probs = torch.from_numpy(arrays.mask[chosen, None] * np.float32(0.4))
        sr = torch.from_numpy(arrays.hr[chosen]).permute(0, 3, 1, 2).float() / 255
        observed.add(Prediction(chosen, sr, probs))
    return observed


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_cracks_are_measured_image_by_image_without_a_width_where_there_is_none(
    arrays, batch_size, tmp_path
):
    errors = observe(arrays, batch_size).write_measurements(tmp_path / "measurement.csv")
    table = pd.read_csv(tmp_path / "measurement.csv")
    assert list(table) == ["name", "true_length", "length", "true_width", "width"]
    assert table["true_width"].isna().tolist() == [True, False, True, False, True]
    assert table["length"].tolist() == pytest.approx([0, 24, 0, 24, 0], abs=0.5)
    assert set(errors.values()) == {0}


def test_a_pixel_is_crack_from_the_threshold_on_in_float32(arrays, tmp_path):
    higher = observe(arrays, 2, threshold=0.41)
    higher.write_measurements(tmp_path / "measurement.csv")
    assert pd.read_csv(tmp_path / "measurement.csv")["length"].tolist() == [0] * 5


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_examples_are_the_images_and_predictions_of_their_names(arrays, batch_size, tmp_path):
    observe(arrays, batch_size).write_examples(tmp_path / "examples")
    table = pd.read_csv(tmp_path / "examples/examples.csv")
    assert table["name"].tolist() == ["d", "b"]  # thin to wide
    assert table["width"].tolist() == pytest.approx([2, 3], rel=0.1)
    for index, k in enumerate((3, 1)):
        read = {
            kind: cv2.imread(
                str(tmp_path / f"examples/{index:02}_{kind}.png"), cv2.IMREAD_UNCHANGED
            )
            for kind in ("lr", "hr", "sr", "mask", "probs")
        }
        assert set(np.unique(read["hr"])) == set(np.unique(read["sr"])) == {k}
        assert np.array_equal(read["mask"], 255 * arrays.mask[k])
        assert np.array_equal(read["probs"], 102 * arrays.mask[k])


def test_the_iou_at_a_threshold_is_read_off_the_curve():
    curve = np.tile(np.arange(99) / 100, (5, 1))
    assert iou_at(0.42, {"curve": curve}).tolist() == [0.41] * 5
