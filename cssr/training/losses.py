"""Losses of the paper (Sec. 3.2 and 3.3): one value per image, (B,); the caller takes the mean.

They compute in float32 if given half precision, and keep float64. None holds state: alpha comes
from `cssr.training.schedules`, phi from `cssr.preparation.distance` by way of the training set.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from cssr.validation.metrics import check_same_shape

DICE_SMOOTH = 1e-6
GDICE_SMOOTH = 1e-5
GDICE_EPSILON = 1e-10
PROBS_MIN = 1e-8
SegmentationLoss = Callable[..., Tensor]


def _at_least_float32(x: Tensor) -> Tensor:
    """Widen integers and half precision to float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _same_shaped_floats(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Check two tensors for equal shapes and widen both."""
    check_same_shape(first, second)
    return _at_least_float32(first), _at_least_float32(second)


def _sum(x: Tensor) -> Tensor:
    """Sum over each image, (B, 1, H, W) -> (B,)."""
    return x.flatten(1).sum(dim=1)


def l1_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """L1 loss of each image, Eq. 5.

    Args:
        sr: super-resolved images, unclipped, (B, C, H, W).
        hr: true images in [0, 1], (B, C, H, W).

    Returns:
        Mean absolute difference over pixels and channels, (B,).

    Raises:
        ValueError: if the shapes differ.

    Note:
        Eq. 5 divides by the number of pixels; here the channels are averaged too.
    """
    sr, hr = _same_shaped_floats(sr, hr)
    return (sr - hr).abs().flatten(1).mean(dim=1)


def dice_loss(probs: Tensor, mask: Tensor) -> Tensor:
    """Dice loss of each image (Milletari et al., 2016).

    1 - (2 sum(s g) + 1e-6) / (sum(s^2) + sum(g^2) + 1e-6).

    Args:
        probs: crack probabilities s in [0, 1], (B, 1, H, W).
        mask: true crack g in [0, 1], soft at low resolution, (B, 1, H, W).

    Returns:
        One value per image in [0, 1], (B,).

    Raises:
        ValueError: if the shapes differ.
    """
    probs, mask = _same_shaped_floats(probs, mask)
    overlap, squares = _sum(probs * mask), _sum(probs * probs) + _sum(mask * mask)
    return 1 - (2 * overlap + DICE_SMOOTH) / (squares + DICE_SMOOTH)


def gdice_loss(probs: Tensor, mask: Tensor) -> Tensor:
    """Generalised Dice loss of each image, of the crack class only (Sudre et al., 2017).

    1 - 2 (w sum(s g) + 1e-5) / (w (sum(s) + sum(g)) + 1e-5) with w = 1 / (sum(g) + 1e-10)^2.

    Args:
        probs: crack probabilities s in [0, 1], (B, 1, H, W).
        mask: true crack g in [0, 1], soft at low resolution, (B, 1, H, W).

    Returns:
        One value per image, at most 1, (B,).

    Raises:
        ValueError: if the shapes differ.

    Note:
        The smoothing term is doubled in the numerator, as published. So the loss of a perfect
        prediction of n crack pixels is -n / (n + 2e5), not 0, and -1 for an image without crack.
    """
    probs, mask = _same_shaped_floats(probs, mask)
    weight = 1 / (_sum(mask) + GDICE_EPSILON).square()
    overlap, total = weight * _sum(probs * mask), weight * (_sum(probs) + _sum(mask))
    return 1 - 2 * (overlap + GDICE_SMOOTH) / (total + GDICE_SMOOTH)


def wce_loss(probs: Tensor, mask: Tensor, w_pos: float) -> Tensor:
    """Weighted cross-entropy of each image (Ronneberger et al., 2015).

    -mean[w_pos g log(s + 1e-8) + (1 - w_pos) (1 - g) log(1 - s + 1e-8)], with s at least 1e-8.

    Args:
        probs: crack probabilities s in [0, 1], (B, 1, H, W).
        mask: true crack g in [0, 1], soft at low resolution, (B, 1, H, W).
        w_pos: weight of the crack class in [0, 1]; the background's is 1 - w_pos.

    Returns:
        One value per image, (B,).

    Raises:
        ValueError: if the shapes differ.
    """
    probs, mask = _same_shaped_floats(probs, mask)
    probs = probs.clamp(min=PROBS_MIN)
    crack = w_pos * mask * torch.log(probs + PROBS_MIN)
    background = (1 - w_pos) * (1 - mask) * torch.log(1 - probs + PROBS_MIN)
    return -(crack + background).flatten(1).mean(dim=1)


def boundary_loss(probs: Tensor, phi: Tensor) -> Tensor:
    """Boundary loss of each image, Eq. 2 divided by the number of pixels (Kervadec et al., 2019).

    Args:
        probs: crack probabilities in [0, 1], (B, 1, H, W).
        phi: signed distance map, normalised or in pixels, negative inside, (B, 1, H, W).

    Returns:
        One value per image, (B,); can be negative.

    Raises:
        ValueError: if the shapes differ.
    """
    probs, phi = _same_shaped_floats(probs, phi)
    return (probs * phi).flatten(1).mean(dim=1)


def normalise_phi(phi: Tensor) -> Tensor:
    """Scale the positive and the negative part of each distance map to 1, each by its own maximum.

    Args:
        phi: signed distance map in pixels, negative inside, (B, 1, H, W).

    Returns:
        phi_norm in [-1, 1], (B, 1, H, W); a part that is 0 everywhere stays 0.
    """
    phi = _at_least_float32(phi)
    outside, inside = phi.clamp(min=0), (-phi).clamp(min=0)
    tiny = torch.finfo(phi.dtype).tiny
    largest = [part.amax(dim=(1, 2, 3), keepdim=True).clamp(min=tiny) for part in (outside, inside)]
    return outside / largest[0] - inside / largest[1]


def dice_only(probs: Tensor, mask: Tensor, phi: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Loss (A), `dice_loss` with the signature of `LOSSES`; only probs and mask play a part."""
    return dice_loss(probs, mask)


def boundary_gdice_loss(
    probs: Tensor, mask: Tensor, phi: Tensor, *, alpha: float, gamma: float
) -> Tensor:
    """Loss (B), alpha L_B + (1 - alpha) L_GDice (Sec. 4.1); gamma plays no part. See `LOSSES`.

    Note:
        The paper prints (1 - alpha) L_B + alpha L_GDice, against its Eqs. 3 and 4: see
        `boundary_gdice_printed`.
    """
    probs = _at_least_float32(probs).clamp(min=PROBS_MIN)
    return alpha * boundary_loss(probs, phi) + (1 - alpha) * gdice_loss(probs, mask)


def boundary_gdice_printed(
    probs: Tensor, mask: Tensor, phi: Tensor, *, alpha: float, gamma: float
) -> Tensor:
    """Loss (B) as Sec. 4.1 prints it: `boundary_gdice_loss` with the weights exchanged."""
    return boundary_gdice_loss(probs, mask, phi, alpha=1 - alpha, gamma=gamma)


def boundary_combo_loss(
    probs: Tensor,
    mask: Tensor,
    phi: Tensor,
    *,
    alpha: float,
    gamma: float,
    region_loss: Callable[[Tensor, Tensor], Tensor],
    w_pos: float,
) -> Tensor:
    """Losses (C) to (F): Eq. 3 with `dice_loss` as the region loss, Eq. 4 with `gdice_loss`.

    alpha L_B + (1 - alpha) [(1 - gamma) L_region + gamma L_WCE(w_pos)]. See `LOSSES`.
    """
    probs = _at_least_float32(probs).clamp(min=PROBS_MIN)
    combo = (1 - gamma) * region_loss(probs, mask) + gamma * wce_loss(probs, mask, w_pos)
    return alpha * boundary_loss(probs, phi) + (1 - alpha) * combo


# Losses (A) to (F) of Sec. 4.1, and (B) as it is printed there, called as
# loss(probs, mask, phi, *, alpha, gamma) -> (B,), with
#   probs: crack probabilities in [0, 1], (B, 1, H, W);
#   mask: true crack in [0, 1], soft at low resolution, (B, 1, H, W);
#   phi: signed distance map, normalised or in pixels, negative inside, (B, 1, H, W);
#   alpha: weight of the boundary loss, in [0, 1];
#   gamma: weight of the cross-entropy against the region loss, in [0, 1].
LOSSES: dict[str, SegmentationLoss] = {
    "dice": dice_only,
    "boundary_gdice": boundary_gdice_loss,
    "bc1": partial(boundary_combo_loss, region_loss=dice_loss, w_pos=19 / 20),
    "bc2": partial(boundary_combo_loss, region_loss=dice_loss, w_pos=1 / 2),
    "gbc1": partial(boundary_combo_loss, region_loss=gdice_loss, w_pos=19 / 20),
    "gbc2": partial(boundary_combo_loss, region_loss=gdice_loss, w_pos=1 / 2),
    "boundary_gdice_printed": boundary_gdice_printed,
}


def joint_loss(l1: Tensor, ss: Tensor, beta: float) -> Tensor:
    """Loss of a whole pipeline, (1 - beta) L_SR + beta L_SS, Eq. 6.

    Args:
        l1: `l1_loss` of each image, (B,).
        ss: one of `LOSSES` of each image, (B,).
        beta: weight of the segmentation, in [0, 1].

    Returns:
        One value per image, (B,).

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape(l1, ss)
    return (1 - beta) * l1 + beta * ss
