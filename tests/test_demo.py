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

SHADOW, BORDER = 460, 304  # where they end, px of the results


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    if Path("params.yaml").read_text() != Path("presets/demo.yaml").read_text():
        pytest.skip("params.yaml is not the demo preset")
    files = {model: Path("results/seed-0", model, "metrics.json") for model in MODELS}
    if not all(file.exists() for file in files.values()):
        pytest.skip("no results of the demo: run `make repro` first")
    return {model: json.loads(file.read_text())["test"] for model, file in files.items()}


@pytest.fixture(scope="module")
def segmented(scores) -> list[list[np.ndarray]]:
    """Crack of some photos, and masks of each: plain, part in shadow, with a transparent border."""
    segmenter, found = load(Path("runs/seed-0/cssr")), []
    for k in (0, 2, 8, 10):
        photo, crack = synthesize(k, seed=3, size=384, crack_width=(2.0, 4.0))
        shadow, border = photo.copy(), np.dstack([photo, np.full((384, 384), 255, np.uint8)])
        shadow[:, : SHADOW // 4] //= 3
        border[:, : BORDER // 4] = 0
        photos = photo, shadow, Image.fromarray(border)
        masks = [segmenter.segment(each).mask for each in photos]
        found.append([(crack > 0).repeat(4, 0).repeat(4, 1), *masks])
    return found


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


def test_a_shadow_and_a_border_without_data_leave_the_crack_elsewhere(segmented):
    for number, edge in ((2, SHADOW), (3, BORDER)):
        masks = [(each[0], each[1] & each[0], each[number] & each[0]) for each in segmented]
        there, in_plain, found = np.sum([[m[:, edge:].sum() for m in each] for each in masks], 0)
        assert in_plain >= 0.2 * there
        assert found >= 0.9 * in_plain


def test_the_edge_of_a_border_without_data_makes_no_crack(segmented):
    edge = np.s_[:, BORDER - 32 : BORDER + 32]
    false = [[(mask & ~crack)[edge].sum() for mask in masks] for crack, *masks in segmented]
    in_plain, _, at_border = np.sum(false, axis=0)
    assert at_border <= in_plain


def test_the_table_of_measurements_has_numbers_for_every_model(scores):
    for model in MODELS:
        assert {"length_error", "length_mae", "width_error", "width_mae"} <= scores[model].keys()
