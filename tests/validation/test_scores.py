import numpy as np
import pytest
import torch
from networks import CPU, pipeline, striped_arrays

from cssr.data.arrays import Arrays, to_unit
from cssr.evaluation.reported import REPORTED, SR_METRICS, ssim
from cssr.validation.metrics import iou_curve, psnr
from cssr.validation.predictor import Predictor
from cssr.validation.scores import crack_pixels, evaluate, summarise


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return striped_arrays()


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("variant", ["ss_hr", "cssr"])
def test_each_image_is_scored_against_its_own_ground_truth(arrays, variant, batch_size):
    model = pipeline(variant)
    found = evaluate(Predictor(model, device=CPU, batch_size=batch_size), arrays, **REPORTED)
    hr, mask = to_unit(torch.from_numpy(arrays.hr)), torch.from_numpy(arrays.mask[:, None])
    image = hr if variant == "ss_hr" else to_unit(torch.from_numpy(arrays.lr))
    with torch.inference_mode():
        sr, probs = model(image)
    np.testing.assert_allclose(found["curve"], iou_curve(probs, mask).numpy(), atol=2e-3)
    if sr is not None:
        assert found["psnr"] == pytest.approx(psnr(sr.clamp(0, 1), hr).numpy(), rel=1e-5)
        assert found["ssim"] == pytest.approx(ssim(sr.clamp(0, 1), hr).numpy(), abs=1e-5)
    assert ("psnr" in found) == (sr is not None)


def test_super_resolution_alone_has_no_scores_of_segmentation(arrays):
    found = evaluate(Predictor(pipeline("sr"), device=CPU, batch_size=4), arrays, **REPORTED)
    assert set(found) == set(SR_METRICS)


@pytest.mark.parametrize(
    ("batch_size", "line"),
    [(4, r"metric f1: one value per image, \(4,\), not \(\)"), (1, r"\(1,\), not \(\)")],
)
def test_a_metric_of_the_whole_batch_is_refused(arrays, batch_size, line):
    predictor = Predictor(pipeline("cssr"), device=CPU, batch_size=batch_size)
    metrics = {"f1": lambda probs, mask: (probs * mask).mean()}
    with pytest.raises(ValueError, match=line):
        evaluate(predictor, arrays, segmentation_metrics=metrics)


def test_a_metric_of_each_pixel_is_refused(arrays):
    predictor = Predictor(pipeline("cssr"), device=CPU, batch_size=6)
    metrics = {"error": lambda sr, hr: (sr - hr).abs()}
    with pytest.raises(ValueError, match=r"metric error: .*\(6,\), not \(6, 3, 64, 64\)"):
        evaluate(predictor, arrays, sr_metrics=metrics)


def test_each_prediction_is_observed_once(arrays):
    seen = []
    predictor = Predictor(pipeline("cssr"), device=CPU, batch_size=4)
    evaluate(predictor, arrays, observe=seen.append)
    assert [(one.chosen.start, len(one.probs)) for one in seen] == [(0, 4), (4, 2)]
    assert all(0 <= one.sr.min() <= one.sr.max() <= 1 for one in seen)


def test_an_evaluation_that_is_asked_to_stop_does_so_before_the_next_batch(arrays):
    answers, seen = iter([False, True]), []
    predictor = Predictor(pipeline("cssr"), device=CPU, batch_size=2)
    options = {"observe": seen.append, "stop_asked": lambda: next(answers)}
    assert evaluate(predictor, arrays, **options) is None
    assert len(seen) == 1


def test_means_are_taken_over_all_images_and_over_crack_images():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, 0] = 1
    curve = np.stack([np.full(99, 0.2), np.full(99, 1.0)])
    summary = summarise({"curve": curve, "psnr": np.array([20.0, 30.0])}, masks)
    assert (summary["aiu"], summary["aiu_crack"]) == pytest.approx((0.6, 0.2))
    assert summary["aiu_constant_crack"] == pytest.approx(0.25, abs=1e-6)
    assert summary["psnr"] == 25


def test_crack_pixels_are_counted_image_by_image():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[1, 3, 3] = 1
    assert crack_pixels(masks).tolist() == [0, 1]
