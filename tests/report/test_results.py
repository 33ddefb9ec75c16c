import copy
import shutil

import numpy as np
import pytest

from cssr.models.variants import VARIANTS
from cssr.paper import MODELS
from cssr.report.results import (
    Result,
    check_trained_with,
    read_examples,
    read_result,
    read_results,
)


@pytest.fixture
def folder(fake):
    """Results of one model, with examples."""
    written = fake.write_result("cssr", level=0.5, beta=0.3)
    fake.write_examples("cssr")
    return written


def test_a_curve_has_one_value_per_threshold(folder):
    curve = read_result(folder).curve
    assert len(curve["threshold"]) == len(curve["iou"]) == 99


def test_a_result_trained_with_another_beta_is_refused(folder):
    with pytest.raises(ValueError, match=r"run.json: beta is 0.3, the parameters say 0.7"):
        check_trained_with(Result({0: read_result(folder)}), loss="bc2", beta=0.7)


def test_a_result_of_another_seed_is_refused(folder):
    with pytest.raises(ValueError, match=r"run.json: seed is 0, the parameters say 1"):
        check_trained_with(Result({1: read_result(folder)}), loss="bc2", beta=0.3)


def test_a_result_has_the_means_of_its_seeds(of_three_seeds):
    result = of_three_seeds.models["cssr"]
    assert result.test["aiu"] == np.mean([seed.test["aiu"] for seed in result.seeds.values()])
    curves = [seed.curve["iou"] for seed in result.seeds.values()]
    assert np.array_equal(result.curve["iou"], np.mean(curves, axis=0))


def test_what_one_seed_lacks_has_no_mean(of_three_seeds):
    result = Result(copy.deepcopy(of_three_seeds.models["cssr"].seeds))
    del result.seeds[2].test["width_mae"]  # it found no crack
    assert "width_mae" not in result.test


def test_best_beta_is_chosen_on_validation_and_not_on_test(results):
    for beta, (test, val) in {0.1: (0.6, 0.2), 0.5: (0.4, 0.3)}.items():
        results.sweep["bc2", beta].test["aiu"] = test
        results.sweep["bc2", beta].val["aiu"] = val
    assert results.best_betas["bc2"] == 0.5


def test_of_equal_betas_the_first_is_the_best(results):
    for result in results.sweep.values():
        result.val["aiu"] = 0.5
    assert results.best_betas == {"dice": 0.1, "bc2": 0.1}


def test_examples_come_thinnest_first(fake, folder):
    rows = [(0, "wide.png", 4), (1, "thin.png", 2)]
    fake.write_csv(folder / "examples/examples.csv", ["index", "name", "width"], rows)
    assert [example.name for example in read_examples(folder)] == ["thin.png", "wide.png"]


def test_results_without_examples_are_refused(fake, folder):
    fake.write_csv(folder / "examples/examples.csv", ["index", "name", "width"], [])
    with pytest.raises(ValueError, match=r"cssr: no examples; Figs. 1 and 7 need a test image"):
        read_examples(folder)


def test_only_a_model_with_an_sr_image_has_one(results):
    with_sr = {name for name, shown in results.examples.items() if shown[0].sr is not None}
    assert with_sr == {name for name in MODELS if VARIANTS[name].enlarges_image}
    assert with_sr >= {"bicubic_ss", "sr_ss", "cssr"}


def test_examples_of_different_images_are_refused(rendered, tmp_path):
    results = shutil.copytree(rendered / "results", tmp_path / "results")
    file = results / "seed-0/inverse/examples/examples.csv"
    file.write_text(file.read_text().replace("fake_1", "other"))
    with pytest.raises(ValueError, match=r"inverse and .*ss_hr hold examples of different images"):
        read_results(results, seeds=[0], losses=[], betas=[])
