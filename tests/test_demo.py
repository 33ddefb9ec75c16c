"""The demo learns: read from the results of `make repro`, where they are there."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shell import run
from skimage import data

from cssr.inspection.segmenter import load
from cssr.paper import MODELS
from cssr.sources.synthetic import synthesize


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


def test_a_shadow_and_a_border_without_data_leave_the_crack_elsewhere(scores):
    segmenter = load(Path("runs/seed-0/cssr"))
    counts = np.zeros((2, 3), int)  # for shadow and border: crack, found in the plain photo, here
    for k in (0, 2, 8, 10):
        photo, crack = synthesize(k, seed=3, size=384, crack_width=(2.0, 4.0))
        crack = (crack > 0).repeat(4, 0).repeat(4, 1)
        edges = 384 * 3 // 10, 384 * 2 // 10
        shadow, border = photo.copy(), np.dstack([photo, np.full((384, 384), 255, np.uint8)])
        shadow[:, : edges[0]] //= 3
        border[:, : edges[1]] = 0
        plain = segmenter.segment(photo).mask & crack
        for row, edge, uneven in zip(counts, edges, (shadow, Image.fromarray(border)), strict=True):
            found = segmenter.segment(uneven).mask & crack
            row += [each[:, edge * 4 :].sum() for each in (crack, plain, found)]
    there, in_plain, found = counts.T
    assert (in_plain >= 0.2 * there).all()
    assert (found >= 0.9 * in_plain).all()


def test_the_table_of_measurements_has_numbers_for_every_model(scores):
    for model in MODELS:
        assert {"length_error", "length_mae", "width_error", "width_mae"} <= scores[model].keys()
