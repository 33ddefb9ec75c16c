import math

import pytest
import torch

from cssr.training.guards import FiniteWatch, NotFiniteError, turned_black


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_loss_that_is_not_finite_is_named_with_its_parts(bad):
    watch = FiniteWatch()
    for iteration, ss in [(1, 0.5), (2, bad), (3, bad)]:
        watch.see(iteration, {"loss": torch.tensor(ss), "l1": torch.tensor(0.25)})
    with pytest.raises(NotFiniteError, match=rf"not finite at iteration 2: loss {bad}, l1 0.25"):
        watch.check()


def test_finite_losses_pass():
    watch = FiniteWatch()
    watch.check()
    watch.see(1, {"loss": torch.tensor(1e30)})
    watch.check()


def test_black_answers_are_those_of_five_rows():
    black, seen = {"probability": 1e-4}, {"probability": 0.02}
    assert turned_black([seen] + [black] * 5)
    assert not turned_black([black] * 4)
    assert not turned_black([black] * 4 + [seen])
    assert not turned_black([{"loss": 0.1}] * 5)
