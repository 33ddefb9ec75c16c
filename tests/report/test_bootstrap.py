import copy

import numpy as np
import pytest
from scipy.stats import bootstrap

from cssr.report.bootstrap import RESAMPLES, Bootstrap, Estimate, interval
from cssr.report.results import Result

NAMES = [f"image_{k}.png" for k in range(60)]


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(1).gamma(2, size=60)
    found = interval(Bootstrap(NAMES).means(values))
    theirs = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=2)
    assert found == pytest.approx(theirs.confidence_interval, rel=0.01)


def test_images_of_one_photo_count_as_one():
    values = np.random.default_rng(1).random(60)
    alone = interval(Bootstrap(NAMES).means(values))
    crops = [f"CFD_{k // 4:03}_{k % 4}.png" for k in range(240)]
    photos = Bootstrap(crops)
    assert photos.counts.shape == (RESAMPLES, 60)
    assert interval(photos.means(values.repeat(4))) == pytest.approx(alone)


def test_one_photo_has_no_interval_and_few_are_told():
    one = Bootstrap(["a__1.png", "a__2.png"])
    low, high = interval(one.means(np.array([0.0, 1.0])))
    assert np.isnan([low, high]).all()
    estimate = Estimate(0.5, low, high, (0.5,))
    assert (estimate.verdict, estimate.bracketed(".3f")) == ("undecided", "[one photo]")
    few = "; with fewer than 20, intervals are too narrow"
    assert one.note == f"The 2 test images show 1 photos{few}."
    assert Bootstrap([f"{k}.png" for k in range(20)]).note == "The 20 test images show 20 photos."


def test_samples_without_a_crack_are_left_out():
    photos = Bootstrap([f"{k}.png" for k in range(6)])
    low, high = interval(photos.means(np.array([0.0, 1, 0, 0, 0, 0]), np.array([0, 1])))
    assert (low, high) == (0, 1)


def test_a_mean_over_some_images_leaves_the_others_out():
    values = np.where(np.arange(60) < 30, 0.5, np.nan)
    assert Bootstrap(NAMES).means(values, np.arange(30)) == pytest.approx(0.5)


def test_the_samples_of_a_curve_are_those_of_each_threshold():
    values = np.random.default_rng(1).random((60, 3))
    draws = Bootstrap(NAMES)
    found = draws.means(values)
    assert found.shape == (RESAMPLES, 3)
    assert found[:, 1] == pytest.approx(draws.means(values[:, 1]))


@pytest.mark.parametrize(
    ("low", "high", "seeds", "verdict"),
    [
        (0.01, 0.03, (0.01, 0.03), "better"),
        (-0.03, -0.01, (-0.01, -0.03), "worse"),
        (-0.01, 0.03, (0.01, 0.01), "undecided"),
        (0.01, 0.03, (-0.01, 0.05), "undecided"),
    ],
)
def test_better_means_beyond_the_interval_and_on_every_seed(low, high, seeds, verdict):
    assert Estimate(np.mean(seeds), low, high, seeds).verdict == verdict


def test_images_are_paired_so_that_what_they_share_widens_no_interval(of_three_seeds):
    one, other = (of_three_seeds.models[name] for name in ("cssr", "ss_hr"))
    found = of_three_seeds.estimate("aiu", one, other)  # the noise of both is the same
    assert (found.low, found.high) == pytest.approx((found.mean, found.mean))
    alone = of_three_seeds.estimate("aiu", one)
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * 0.05 / np.sqrt(3 * 60), rel=0.2)


@pytest.mark.parametrize("metric", ["aiu", "aiu_crack", "iou_max", "iou_at_val_threshold", "psnr"])
def test_every_measure_lies_in_its_interval(of_three_seeds, metric):
    found = of_three_seeds.estimate(metric, of_three_seeds.models["cssr"])
    assert found.low < found.mean < found.high
    assert len(found.seeds) == 3


def test_what_a_model_does_not_have_has_no_estimate(of_three_seeds):
    models = of_three_seeds.models
    assert of_three_seeds.estimate("psnr", models["ss_hr"]) is None
    assert of_three_seeds.estimate("psnr", models["cssr"], models["ss_hr"]) is None


def test_only_seeds_that_both_have_are_compared(of_three_seeds):
    result = of_three_seeds.models["cssr"]
    fewer = Result({seed: copy.deepcopy(result.seeds[seed]) for seed in (0, 2)})
    assert of_three_seeds.estimate("aiu", result, fewer).seeds == (0, 0)


def test_the_band_of_a_curve_holds_it(of_three_seeds):
    result = of_three_seeds.models["cssr"]
    low, high = of_three_seeds.curve_interval(result)
    assert (low < result.curve["iou"]).all()
    assert (result.curve["iou"] < high).all()
