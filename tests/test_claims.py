from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.claims import Estimate, Scores, compare, estimate, preferred, render

ROOT = Path(__file__).parents[1]


def scores(*seeds: float, images: int = 50, spread: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, spread, images)
    return pd.DataFrame({seed: mean + noise - noise.mean() for seed, mean in enumerate(seeds)})


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem():
    found = estimate(scores(0.2, 0.4, images=400, spread=0.1))
    assert found.mean == pytest.approx(0.3)
    assert found.seeds == pytest.approx((0.2, 0.4))
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.1)


def test_images_are_paired_so_that_what_they_share_widens_no_interval():
    found = compare(scores(0.3, 0.4, spread=0.5), scores(0.2, 0.3, spread=0.5))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


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


def test_scores_of_a_cell_come_by_seed_and_without_those_of_variations(tmp_path):
    table = {"name": ["a"], "crack": [1], "seed-0/cssr": [0.1], "seed-2/cssr": [0.2]}
    table |= {"seed-0/sweep/bc2-0.1": [0.3], "phi_pixels-0/cssr": [0.4]}
    pd.DataFrame(table).to_csv(tmp_path / "aiu.csv", index=False)
    found = Scores(tmp_path / "aiu.csv")
    assert found.of("cssr").to_dict("records") == [{0: 0.1, 2: 0.2}]
    assert found.of("sweep/bc2-0.1").to_dict("records") == [{0: 0.3}]
    assert found.of("cssr", "phi_pixels").to_dict("records") == [{0: 0.4}]


def test_the_best_beta_is_that_of_the_first_seeds_validation():
    cells = pd.DataFrame(
        [
            ("seed-0", "sweep/bc2-0.1", "bc2", 0.1, 0.5),
            ("seed-0", "sweep/bc2-0.9", "bc2", 0.9, 0.6),
            ("seed-1", "sweep/bc2-0.1", "bc2", 0.1, 0.9),
            ("seed-0", "cssr", "bc2", 0.3, 0.9),
        ],
        columns=["place", "cell", "loss", "beta", "val_aiu"],
    )
    assert preferred(cells) == {"bc2": 0.9}


@pytest.mark.parametrize("file", sorted(ROOT.glob("docs/results/*/claims.md")), ids=str)
def test_the_committed_tables_follow_from_the_committed_numbers(file):
    assert file.read_text() == render(file.parent)
