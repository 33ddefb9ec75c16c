import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.claims import render
from benchmarks.collect_cells import PHOTO
from benchmarks.paired import Estimate, Scores, compare, estimate
from benchmarks.results import Results

ROOT = Path(__file__).parents[1]


def scores(*seeds: float, images: int = 50, spread: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, spread, images)
    centred = noise - noise.mean()
    columns = {seed: mean + centred for seed, mean in enumerate(seeds)}
    return pd.DataFrame(columns, index=pd.Index(range(images), name="photo"))


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem():
    found = estimate(scores(0.2, 0.4, images=400, spread=0.1))
    assert found.mean == pytest.approx(0.3)
    assert found.seeds == pytest.approx((0.2, 0.4))
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.1)


def test_images_are_paired_so_that_what_they_share_widens_no_interval():
    found = compare(scores(0.3, 0.4, spread=0.5), scores(0.2, 0.3, spread=0.5))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_images_of_one_photo_count_as_one():
    alone = scores(0.3, images=100)
    copies = pd.concat([alone] * 4)
    assert estimate(copies)[:3] == pytest.approx(estimate(alone)[:3])


def test_only_seeds_that_both_have_are_compared():
    assert compare(scores(0.3, 0.4, 0.9), scores(0.2, 0.3)).mean == pytest.approx(0.1)


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


def test_scores_of_a_cell_come_by_seed_and_without_those_of_variations():
    table = {"name": ["a", "b"], "photo": ["a", "b"], "crack": [1, 0]}
    table |= {"seed-0/cssr": [0.1, 0.5], "seed-2/cssr": [0.2, 0.6]}
    table |= {"seed-0/sweep/bc2-0.1": [0.3, 0.7], "phi_pixels-0/cssr": [0.4, 0.8]}
    found = Scores(pd.DataFrame(table))
    assert found.of("cssr").to_dict("index") == {"a": {0: 0.1, 2: 0.2}, "b": {0: 0.5, 2: 0.6}}
    assert found.of("sweep/bc2-0.1").to_dict("index") == {"a": {0: 0.3}, "b": {0: 0.7}}
    assert found.with_crack().of("cssr", "phi_pixels").to_dict("index") == {"a": {0: 0.4}}


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("CFD_004_1.jpg", "CFD_004"),
        ("noncrack_CFD_205_1.jpg", "noncrack_CFD_205"),
        ("CRACK500_20160222_081031_1921_721_0.jpg", "CRACK500_20160222_0810"),
        ("DeepCrack_11215-14_0.jpg", "DeepCrack_11215"),
        ("DeepCrack_IMG_6514-1_0.jpg", "DeepCrack_IMG_6514"),
        ("Rissbilder_for_Florian_9S6A2831_1556_2396_0.jpg", "Rissbilder_for_Florian_9S6A2831"),
        ("Volker_DSC01623_32_1414_1144_1043_0.jpg", "Volker_DSC01623"),
        ("noncrack_concrete_wall_22_9_0.jpg", "noncrack_concrete_wall_22"),
        ("another-1.png", "another-1.png"),
    ],
)
def test_the_photo_of_an_image_is_told_by_its_name(name, photo):
    assert PHOTO.match(name)[0] == photo


@pytest.mark.parametrize("file", sorted(ROOT.glob("docs/results/*/claims.md")), ids=str)
def test_the_committed_tables_follow_from_the_committed_numbers(file):
    assert file.read_text() == render(Results(file.parent), file.parent.name)


@pytest.mark.parametrize("file", sorted(ROOT.glob("docs/results/*/claims.md")), ids=str)
def test_the_intervals_in_the_text_are_those_of_the_tables(file):
    text, tables = (ROOT / "docs/results/README.md").read_text(), file.read_text()
    intervals = re.findall(r"\[[^\[\]()]*\d, [^\[\]()]*\d\]", text)
    assert len(intervals) > 10
    assert [interval for interval in intervals if interval not in tables] == []
