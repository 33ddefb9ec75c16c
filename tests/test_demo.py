"""The demo learns: read from the results of `make repro`, where they are there."""

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from shell import run
from skimage import data

from cssr.paper import MODELS


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    if Path("params.yaml").read_text() != Path("presets/demo.yaml").read_text():
        pytest.skip("params.yaml is not the demo preset")
    files = {model: Path("results/seed-0", model, "metrics.json") for model in MODELS}
    if not all(file.exists() for file in files.values()):
        pytest.skip("no results of the demo: run `make repro` first")
    return {model: json.loads(file.read_text())["test"] for model, file in files.items()}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_beats_the_best_constant_prediction_on_crack_images(scores, model):
    assert scores[model]["aiu_crack"] > scores[model]["aiu_constant_crack"]


def test_segmentation_of_hr_images_reaches_an_aiu_of_40_percent(scores):
    assert scores["ss_hr"]["aiu_crack"] >= 0.40


@pytest.mark.parametrize("metric", ["aiu", "aiu_crack"])
def test_cssr_is_above_bicubic_enlargement(scores, metric):
    assert scores["cssr"][metric] > scores["bicubic_ss"][metric]


def test_cssr_segment_works_at_once_with_the_demos_model(scores, tmp_path):
    Image.fromarray(data.gravel()[:96, :128]).save(tmp_path / "gravel.png")
    run(f"cssr segment {tmp_path / 'gravel.png'} --out {tmp_path / 'out'}", Path.cwd())
    assert len(pd.read_csv(tmp_path / "out/cracks.csv"))


def test_the_table_of_measurements_has_numbers_for_every_model(scores):
    for model in MODELS:
        assert {"length_error", "length_mae", "width_error", "width_mae"} <= scores[model].keys()
