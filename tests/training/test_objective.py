"""What each variant is trained on."""

import pytest
import torch
from networks import CPU, losses_of, pipeline, striped_arrays

from cssr.data.arrays import Arrays
from cssr.models.variants import VARIANTS, Variant
from cssr.training.batches import Batch, draw_batches, make_batch
from cssr.training.losses import LOSSES, joint_loss


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return striped_arrays()


@pytest.fixture(scope="module")
def batch(arrays) -> Batch:
    drawn = next(draw_batches(arrays, range(1), batch_size=2, seed=0, device=CPU))
    return make_batch(drawn, scale=4, phi="normalised")


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_trained_network_has_its_loss(variant, batch):
    found = losses_of(pipeline(variant))(batch, 0)
    named = {"sr": "l1", "ss": "ss"}
    assert set(found) - {"loss", "probability"} == {named[n] for n in VARIANTS[variant].trained}
    assert ("probability" in found) == VARIANTS[variant].segments
    assert all(value.shape == (2,) for value in found.values())


def test_a_frozen_segmentation_has_its_probability_and_no_loss(batch, monkeypatch):
    monkeypatch.setitem(VARIANTS, "frozen", Variant(("sr", "ss"), trained=("sr",)))
    assert list(losses_of(pipeline("frozen"))(batch, 0)) == ["loss", "l1", "probability"]


@pytest.mark.parametrize("variant", ["cssr", "inverse"])
def test_two_losses_are_weighed_by_eq_6(variant, batch):
    found = losses_of(pipeline(variant))(batch, 0)
    assert torch.equal(found["loss"], joint_loss(found["l1"], found["ss"], 0.3))


def test_a_single_loss_is_minimised_as_it_is(batch):
    found = losses_of(pipeline("ss_hr"))(batch, 0)
    assert torch.equal(found["loss"], found["ss"])


@pytest.mark.parametrize("variant", ["ss_bicubic", "inverse"])
def test_what_sees_the_lr_image_is_compared_at_low_resolution(variant, batch, monkeypatch):
    seen = []

    def loss(*given, alpha, gamma):
        seen.append(given)
        return torch.zeros(2)

    monkeypatch.setitem(LOSSES, "bc2", loss)
    losses_of(pipeline(variant))(batch, 0)
    ((probs, mask, phi),) = seen
    assert probs.shape == (2, 1, 16, 16)
    assert mask is batch.lr_mask
    assert phi is batch.lr_phi


def test_alpha_grows_with_the_epoch(batch, monkeypatch):
    seen = []

    def loss(*given, alpha, gamma):
        seen.append(alpha)
        return torch.zeros(2)

    monkeypatch.setitem(LOSSES, "bc2", loss)
    losses = losses_of(pipeline("ss_hr"), n_train=6, batch_size=2)
    for iteration in (0, 2, 3, 6):
        losses(batch, iteration)
    assert seen == pytest.approx([0.01, 0.01, 0.11, 0.21])
