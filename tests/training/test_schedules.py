import pytest

from cssr.training.schedules import alpha_at, epoch_at

PAPER = {"n_train": 9122, "batch_size": 6, "start": 0.01, "per_epoch": 0.01}


def test_an_epoch_ends_with_its_last_smaller_batch():
    epochs = [epoch_at(iteration, n_train=5, batch_size=2) for iteration in range(7)]
    assert epochs == [0, 0, 0, 1, 1, 1, 2]


def test_a_batch_larger_than_the_set_is_an_epoch():
    assert epoch_at(3, n_train=5, batch_size=8) == 3


def test_alpha_starts_at_start():
    assert alpha_at(0, **PAPER) == 0.01


def test_alpha_of_the_papers_run_ends_at_066():
    assert alpha_at(99_999, **PAPER) == pytest.approx(0.66)


def test_alpha_is_constant_within_an_epoch():
    assert alpha_at(0, **PAPER) == alpha_at(1520, **PAPER) < alpha_at(1521, **PAPER)


def test_alpha_stops_at_099():
    assert alpha_at(10**7, **PAPER) == 0.99


def test_alpha_that_falls_stops_at_0():
    falling = {"n_train": 8, "batch_size": 4, "start": 0.5, "per_epoch": -0.2}
    found = [alpha_at(iteration, **falling) for iteration in (0, 2, 4, 6)]
    assert found == pytest.approx([0.5, 0.3, 0.1, 0.0])
