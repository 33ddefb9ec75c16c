"""What a pipeline is trained on: the losses of its variant, with their schedule."""

from functools import partial

from torch import Tensor, nn

from cssr.models.pipeline import Pipeline, normalise
from cssr.params import Objective
from cssr.training.batches import Batch
from cssr.training.losses import LOSSES, SegmentationLoss, joint_loss, l1_loss
from cssr.training.schedules import alpha_at

Parts = dict[str, Tensor]  # losses of each image of a batch, by name, (B,) each


class TrainingLosses(nn.Module):
    """A pipeline with its losses, as one module that data parallelism can wrap.

    Args:
        pipeline: to train.
        loss: segmentation loss, a key of `LOSSES`; None where no segmentation is trained.
        objective: coefficients of the segmentation loss; None likewise.
        beta: weight of the segmentation loss in Eq. 6; None unless both networks are trained.
        n_train: images of the training set.
        batch_size: images per iteration.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        loss: str | None = None,
        objective: Objective | None = None,
        beta: float | None = None,
        n_train: int,
        batch_size: int,
    ) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.loss = loss
        self.objective = objective
        self.beta = beta
        self.n_train = n_train
        self.batch_size = batch_size

    def forward(self, batch: Batch, iteration: int) -> Parts:
        """Losses of each image of a batch.

        Args:
            batch: training images.
            iteration: from 0.

        Returns:
            `loss`, which is to be minimised, and the parts that it is made of: `l1` of the SR
            network, `ss` of the SS network. Beside them, where there is a crack map, its mean
            `probability`, without gradient.
        """
        parts = self._parts(batch, self._ss_loss(iteration))
        if self.beta is None:
            (loss,) = (parts[name] for name in ("l1", "ss") if name in parts)
        else:
            loss = joint_loss(parts["l1"], parts["ss"], self.beta)
        return {"loss": loss, **parts}

    def _ss_loss(self, iteration: int) -> SegmentationLoss | None:
        """The segmentation loss with its coefficients at an iteration."""
        if self.loss is None:
            return None
        alpha = alpha_at(
            iteration,
            n_train=self.n_train,
            batch_size=self.batch_size,
            start=self.objective.alpha_start,
            per_epoch=self.objective.alpha_per_epoch,
        )
        return partial(LOSSES[self.loss], alpha=alpha, gamma=self.objective.gamma)

    def _parts(self, batch: Batch, ss_loss: SegmentationLoss | None) -> Parts:
        variant = self.pipeline.variant
        if variant.enlarges_probs:
            return self._parts_at_low_resolution(batch, ss_loss)
        parts = {}
        sr, probs = self.pipeline(batch.hr if variant.takes_hr else batch.lr)
        if "sr" in variant.trained:
            parts["l1"] = l1_loss(sr, batch.hr)
        if "ss" in variant.trained:
            parts["ss"] = ss_loss(probs, batch.mask, batch.phi)
        return parts if probs is None else {**parts, "probability": _mean(probs)}

    def _parts_at_low_resolution(self, batch: Batch, ss_loss: SegmentationLoss | None) -> Parts:
        """Losses where SS sees the LR image, and SR, if it is trained, enlarges probabilities."""
        variant = self.pipeline.variant
        parts = {}
        lr_probs = probs = self.pipeline.segment(normalise(batch.lr))
        if "sr" in variant.trained:
            probs = self.pipeline.enlarge(lr_probs)
            parts["l1"] = l1_loss(probs, batch.mask)
        if "ss" in variant.trained:
            parts["ss"] = ss_loss(lr_probs, batch.lr_mask, batch.lr_phi)
        return {**parts, "probability": _mean(probs)}


def _mean(probs: Tensor) -> Tensor:
    return probs.detach().flatten(1).mean(dim=1)
