import math

import pytest
import torch
from torch import Tensor

from cssr.paper import AS_PRINTED, CONVENTIONAL, PROPOSED
from cssr.training.losses import (
    LOSSES,
    boundary_loss,
    dice_loss,
    gdice_loss,
    joint_loss,
    l1_loss,
    normalise_phi,
    wce_loss,
)

WEIGHTS = {"alpha": 0.3, "gamma": 0.5}
W_POS = {"bc1": 0.95, "bc2": 0.5, "gbc1": 0.95, "gbc2": 0.5}
REGION = {"bc1": dice_loss, "bc2": dice_loss, "gbc1": gdice_loss, "gbc2": gdice_loss}
PAPERS = (*CONVENTIONAL, *PROPOSED, *AS_PRINTED)
TWO_MAPS = {
    "l1": l1_loss,
    "dice": dice_loss,
    "gdice": gdice_loss,
    "wce": lambda s, g: wce_loss(s, g, 0.95),
    "boundary": boundary_loss,
}


def image(*values: float) -> Tensor:
    """One image of one row, (1, 1, 1, W)."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def random_maps(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities within 0.1–0.9, a mask and a distance map of two images, (2, 1, 5, 4)."""
    generator = torch.Generator().manual_seed(0)
    probs, mask, phi = torch.rand(3, 2, 1, 5, 4, generator=generator, dtype=dtype)
    return 0.1 + 0.8 * probs, (mask > 0.6).to(dtype), 2 * phi - 1


def test_l1_of_a_worked_example():
    assert l1_loss(image(0.5, 1.5), image(0.25, 1.0)).item() == 0.375


def test_dice_of_a_worked_example():
    loss = dice_loss(image(1, 0.5, 0, 0), image(1, 0, 0, 0))
    assert loss.item() == pytest.approx(1 - 2 / 2.25, abs=1e-6)


def test_gdice_of_a_worked_example():
    loss = gdice_loss(image(1, 0.5, 0, 0.5), image(1, 1, 0, 0))
    # w = 1/4, the overlap 1.5, the sum of both areas 4
    assert loss.item() == pytest.approx(1 - 2 * (1.5 / 4 + 1e-5) / (1 + 1e-5), abs=1e-6)


def test_wce_of_a_worked_example():
    loss = wce_loss(image(0.5, 0.25), image(1, 0), 0.95)
    assert loss.item() == pytest.approx(-(0.95 * math.log(0.5) + 0.05 * math.log(0.75)) / 2)


def test_boundary_of_a_worked_example():
    assert boundary_loss(image(0.5, 1), image(4, -1)).item() == 0.5


def test_bc2_of_a_worked_example():
    loss = LOSSES["bc2"](image(1, 0.5), image(1, 0), image(0, 1), alpha=0.2, gamma=0.25)
    dice, wce, boundary = 1 - 2 / 2.25, -math.log(0.5) / 4, 0.25
    assert loss.item() == pytest.approx(0.2 * boundary + 0.8 * (0.75 * dice + 0.25 * wce))


def test_joint_of_a_worked_example():
    loss = joint_loss(torch.tensor([0.2, 0.0]), torch.tensor([1.0, 2.0]), beta=0.25)
    assert loss.tolist() == pytest.approx([0.4, 0.5])


def test_dice_of_a_perfect_answer_is_0():
    mask = image(1, 0, 1, 0)
    assert dice_loss(mask, mask).item() == 0


def test_dice_of_an_empty_answer_to_an_empty_mask_is_0():
    assert dice_loss(image(0, 0), image(0, 0)).item() == 0


def test_dice_of_a_missed_crack_is_1():
    assert dice_loss(image(0, 0), image(1, 0)).item() == pytest.approx(1, abs=1e-5)


def test_gdice_of_a_perfect_answer_is_just_below_0():
    mask = image(1, 0, 1, 0)
    assert gdice_loss(mask, mask).item() == pytest.approx(-2 / (2 + 2e5), abs=1e-7)


def test_gdice_of_an_empty_answer_to_an_empty_mask_is_minus_1():
    assert gdice_loss(image(0, 0), image(0, 0)).item() == -1


def test_gdice_of_any_answer_to_an_empty_mask_is_1():
    assert gdice_loss(image(0.1, 0), image(0, 0)).item() == 1


def test_wce_of_a_perfect_answer_is_0():
    assert wce_loss(image(1, 0), image(1, 0), 0.5).item() == pytest.approx(0, abs=1e-7)


def test_boundary_is_negative_for_a_perfect_answer():
    assert boundary_loss(image(1, 1, 1, 0), image(0, -1, 0, 1)).item() == -0.25


@pytest.mark.parametrize("name", LOSSES)
def test_an_image_of_crack_alone_prefers_crack(name):
    mask, phi = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    found = LOSSES[name](mask, mask, phi, **WEIGHTS)
    missed = LOSSES[name](torch.zeros_like(mask), mask, phi, **WEIGHTS)
    assert found < missed


@pytest.mark.parametrize("name", LOSSES)
def test_an_image_without_crack_prefers_none(name):
    mask = torch.zeros(1, 1, 4, 4)
    found = LOSSES[name](mask, mask, mask, **WEIGHTS)
    invented = LOSSES[name](torch.full_like(mask, 0.9), mask, mask, **WEIGHTS)
    assert found <= invented


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_where_probs_are_0_and_1(name):
    probs = image(0, 1, 0, 1).requires_grad_()
    LOSSES[name](probs, image(0, 0, 1, 1), image(1, 1, -1, 0), **WEIGHTS).sum().backward()
    assert probs.grad.isfinite().all()


def depends_on_phi(name: str) -> bool:
    probs, mask, phi = random_maps()
    losses = [LOSSES[name](probs, mask, each, **WEIGHTS) for each in (phi, -phi)]
    return not torch.equal(*losses)


WITH_BOUNDARY = [name for name in LOSSES if depends_on_phi(name)]


def test_of_the_papers_losses_dice_alone_has_no_boundary_loss():
    assert set(PAPERS) - set(WITH_BOUNDARY) == {"dice"}


@pytest.mark.parametrize("name", WITH_BOUNDARY)
def test_alpha_1_leaves_the_boundary_loss_and_0_as_printed(name):
    probs, mask, phi = random_maps()
    alpha = 0.0 if name == "boundary_gdice_printed" else 1.0
    loss = LOSSES[name](probs, mask, phi, alpha=alpha, gamma=0.5)
    assert torch.equal(loss, boundary_loss(probs, phi))


def test_loss_b_as_printed_has_the_weights_of_its_terms_exchanged():
    probs, mask, phi = random_maps()
    found = LOSSES["boundary_gdice_printed"](probs, mask, phi, alpha=0.2, gamma=0.5)
    expected = 0.8 * boundary_loss(probs, phi) + 0.2 * gdice_loss(probs, mask)
    assert torch.allclose(found, expected)


@pytest.mark.parametrize("name", REGION)
def test_alpha_0_and_gamma_0_leave_the_region_loss(name):
    probs, mask, phi = random_maps()
    loss = LOSSES[name](probs, mask, phi, alpha=0.0, gamma=0.0)
    assert torch.equal(loss, REGION[name](probs, mask))


@pytest.mark.parametrize("name", W_POS)
def test_alpha_0_and_gamma_1_leave_the_cross_entropy(name):
    probs, mask, phi = random_maps()
    loss = LOSSES[name](probs, mask, phi, alpha=0.0, gamma=1.0)
    assert torch.equal(loss, wce_loss(probs, mask, W_POS[name]))


def test_alpha_0_leaves_gdice_of_boundary_gdice():
    probs, mask, phi = random_maps()
    loss = LOSSES["boundary_gdice"](probs, mask, phi, alpha=0.0, gamma=0.5)
    assert torch.equal(loss, gdice_loss(probs, mask))


@pytest.mark.parametrize("name", LOSSES)
def test_each_image_has_its_own_loss(name):
    probs, mask, phi = random_maps()
    both = LOSSES[name](probs, mask, phi, **WEIGHTS)
    first = LOSSES[name](probs[:1], mask[:1], phi[:1], **WEIGHTS)
    second = LOSSES[name](probs[1:], mask[1:], phi[1:], **WEIGHTS)
    assert both.tolist() == pytest.approx([first.item(), second.item()])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_half_precision_are_computed_in_float32(name, dtype):
    probs, mask, phi = random_maps()
    loss = LOSSES[name](probs.to(dtype), mask, phi, **WEIGHTS)
    assert torch.equal(loss, LOSSES[name](probs.to(dtype).float(), mask, phi, **WEIGHTS))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_losses_are_right(name):
    probs, mask, phi = random_maps(torch.float64)
    loss = LOSSES[name]
    assert torch.autograd.gradcheck(lambda s: loss(s, mask, phi, **WEIGHTS), probs.requires_grad_())


@pytest.mark.parametrize("name", TWO_MAPS)
def test_gradients_of_parts_are_right(name):
    probs, mask, _ = random_maps(torch.float64)
    assert torch.autograd.gradcheck(lambda s: TWO_MAPS[name](s, mask), probs.requires_grad_())


@pytest.mark.parametrize("name", TWO_MAPS)
def test_different_shapes_are_refused(name):
    with pytest.raises(ValueError, match=r"\(1, 1, 4, 4\) and \(1, 1, 4, 2\)"):
        TWO_MAPS[name](torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 2))


def test_joint_refuses_different_shapes():
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        joint_loss(torch.zeros(2), torch.zeros(1), 0.5)


def test_each_part_of_phi_is_scaled_by_its_own_maximum():
    assert normalise_phi(image(4, 1, 0, -2, -1)).flatten().tolist() == [1, 0.25, 0, -1, -0.5]


def test_each_phi_is_scaled_by_its_own_maximum():
    phi = torch.cat([image(4, 2), image(1, 0.5)])
    assert normalise_phi(phi).flatten().tolist() == [1, 0.5, 1, 0.5]


def test_a_part_of_phi_that_is_0_stays_0():
    assert normalise_phi(image(2, 0)).flatten().tolist() == [1, 0]


def test_phi_of_an_image_without_crack_stays_0():
    assert normalise_phi(image(0, 0)).flatten().tolist() == [0, 0]


def test_phi_stored_in_half_precision_is_normalised_in_float32():
    assert normalise_phi(image(3, 1).half()).dtype == torch.float32
