"""What each variant is trained on: its losses over a batch."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from cssr.training.loop.batches import Batch
from cssr.training.losses import LOSSES, l1_loss
from cssr.models.pipeline import segment
from cssr.params import Objective
from cssr.training.loop.schedules import alpha_at

SSLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # (probs, mask, phi) → (B,)
Parts = dict[str, Tensor]


def ss_loss_at(
    iteration: int, loss: str | None, objective: Objective | None, *, n_train: int, batch_size: int
) -> SSLoss | None:
    """The segmentation loss with its coefficients at an iteration; None where there is none.

    Args:
        iteration: from 0.
        loss: one of (A)–(F).
        objective: its coefficients.
        n_train: images of the training set.
        batch_size: images per iteration.
    """
    if loss is None or objective is None:
        return None
    alpha = alpha_at(
        iteration,
        n_train=n_train,
        batch_size=batch_size,
        start=objective.alpha_start,
        per_epoch=objective.alpha_per_epoch,
    )
    return partial(LOSSES[loss], alpha=alpha, gamma=objective.gamma)


class TrainingLosses(nn.Module):
    """A pipeline with its losses, as one module that data parallelism can wrap.

    Args:
        variant: `sr`, or one of the seven of Table 1.
        pipeline: the variant's.
    """

    def __init__(self, variant: str, pipeline: nn.Module) -> None:
        super().__init__()
        self.variant, self.pipeline = variant, pipeline

    def forward(self, batch: Batch, ss_loss: SSLoss | None) -> Parts:
        """Losses of each image of a batch: `l1` of the SR network, `ss` of the SS network.

        Args:
            batch: training images.
            ss_loss: segmentation loss, one of (A)–(F); None where no segmentation is trained.

        Returns:
            `l1`, `ss` or both, (B,) each; both are trained jointly by Eq. 6. Beside them, where
            there is a crack map, its mean `probability`, (B,), without gradient.
        """
        return OBJECTIVES[self.variant](self.pipeline, batch, ss_loss)


def _mean(probs: Tensor) -> Parts:
    return {"probability": probs.detach().flatten(1).mean(dim=1)}


def _super_resolution(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    return {"l1": l1_loss(pipeline(batch.lr)[0], batch.hr)}


def _segmentation_of_hr(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    probs = pipeline(batch.hr)[1]
    return {"ss": ss_loss(probs, batch.mask, batch.phi), **_mean(probs)}


def _segmentation(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    probs = pipeline(batch.lr)[1]
    return {"ss": ss_loss(probs, batch.mask, batch.phi), **_mean(probs)}


def _segmentation_of_lr(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    probs = segment(pipeline.ss, batch.lr)
    return {"ss": ss_loss(probs, batch.lr_mask, batch.lr_phi), **_mean(probs)}


def _joint(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    sr, probs = pipeline(batch.lr)
    ss = ss_loss(probs, batch.mask, batch.phi)
    return {"l1": l1_loss(sr, batch.hr), "ss": ss, **_mean(probs)}


def _inverse(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    lr_probs = segment(pipeline.ss, batch.lr)
    probs = pipeline.sr(lr_probs).float()
    ss = ss_loss(lr_probs, batch.lr_mask, batch.lr_phi)
    return {"l1": l1_loss(probs, batch.mask), "ss": ss, **_mean(probs)}


def _mask_super_resolution(pipeline: nn.Module, batch: Batch, ss_loss: SSLoss) -> Parts:
    probs = pipeline.sr(segment(pipeline.ss, batch.lr)).float()
    return {"l1": l1_loss(probs, batch.mask), **_mean(probs)}


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
