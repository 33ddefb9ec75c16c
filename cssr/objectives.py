"""What each variant is trained on: its losses over a batch."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from cssr.losses import l1_loss
from cssr.models.variants import segment

SSLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # (probs, mask, phi) → (B,)
Parts = dict[str, Tensor]


class Batch(NamedTuple):
    """Training images at both resolutions.

    Attributes:
        hr: in [0, 1], (B, 3, H, W).
        mask: 0 or 1, (B, 1, H, W).
        phi: signed distance map, (B, 1, H, W).
        lr: in [0, 1], (B, 3, h, w).
        lr_mask: share of crack in [0, 1], (B, 1, h, w).
        lr_phi: signed distance map, (B, 1, h, w).
    """

    hr: Tensor
    mask: Tensor
    phi: Tensor
    lr: Tensor
    lr_mask: Tensor
    lr_phi: Tensor


def loss_parts(variant: str, pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    """Losses of a variant for each image: `l1` of the SR network, `ss` of the SS network.

    Args:
        variant: `sr`, or one of the seven of Table 1.
        pipeline: the variant's.
        batch: training images.
        ss_loss: segmentation loss, one of (A)–(F).

    Returns:
        `l1`, `ss` or both, (B,) each; both are trained jointly by Eq. 6.
    """
    return OBJECTIVES[variant](pipeline, batch, ss_loss)


def _super_resolution(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    return {"l1": l1_loss(pipeline(batch.lr)[0], batch.hr)}


def _segmentation_of_hr(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    return {"ss": ss_loss(pipeline(batch.hr)[1], batch.mask, batch.phi)}


def _segmentation(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    return {"ss": ss_loss(pipeline(batch.lr)[1], batch.mask, batch.phi)}


def _segmentation_of_lr(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    return {"ss": ss_loss(segment(pipeline.ss, batch.lr), batch.lr_mask, batch.lr_phi)}


def _joint(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    sr, probs = pipeline(batch.lr)
    return {"l1": l1_loss(sr, batch.hr), "ss": ss_loss(probs, batch.mask, batch.phi)}


def _inverse(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    lr_probs = segment(pipeline.ss, batch.lr)
    return {
        "l1": l1_loss(pipeline.sr(lr_probs).float(), batch.mask),
        "ss": ss_loss(lr_probs, batch.lr_mask, batch.lr_phi),
    }


def _mask_super_resolution(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    return {"l1": l1_loss(pipeline.sr(segment(pipeline.ss, batch.lr)).float(), batch.mask)}


OBJECTIVES = {
    "sr": _super_resolution,
    "ss_hr": _segmentation_of_hr,
    "bicubic_ss": _segmentation,
    "ss_bicubic": _segmentation_of_lr,
    "sr_ss": _segmentation,
    "ss_sr": _mask_super_resolution,
    "cssr": _joint,
    "inverse": _inverse,
}
