import numpy as np
import pytest

from cssr.measurement.examples import choose_examples, mean_width


def test_examples_go_from_thin_to_wide():
    widths = np.random.default_rng(0).uniform(1, 8, 50)
    chosen = choose_examples(widths, 5, np.random.default_rng(1))
    assert sorted(widths[chosen]) == list(widths[chosen])
    assert len(set(chosen)) == 5


def test_examples_hold_crack():
    assert choose_examples([0, 2.0, 0, 1.0], 3, np.random.default_rng(0)) == [3, 1]


def test_examples_are_the_seeds_and_nobodys():
    widths = np.arange(1, 40)
    first, second, other = (choose_examples(widths, 4, np.random.default_rng(s)) for s in (0, 0, 1))
    assert first == second != other


@pytest.mark.parametrize("width", [1, 3, 6])
def test_the_mean_width_of_a_straight_band_is_its_width(width):
    mask = np.zeros((100, 100), np.uint8)
    mask[40 : 40 + width] = 1
    assert mean_width(mask) == pytest.approx(width, rel=0.1)
