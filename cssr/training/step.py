"""One iteration of a training: forward, loss, backward, step."""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cssr.training.loop.batches import Batch
from cssr.training.losses import joint_loss
from cssr.training.loop.objective import Parts, SSLoss
from cssr.training.loop.parallel import Alone
from cssr.params import Train

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def new_optimiser(pipeline: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Adam over what requires gradients, in one fused kernel."""
    trained = [parameter for parameter in pipeline.parameters() if parameter.requires_grad]
    return torch.optim.Adam(trained, lr=train.learning_rate, fused=True)


def prepare_networks(pipeline: nn.Module, train: Train) -> None:
    """Compile the networks and let them recompute activations, where the parameters say so."""
    for network in (getattr(pipeline, name, None) for name in ("sr", "ss")):
        if network is not None:
            network.recompute = train.recompute
            if train.compile:
                network.compile()


def total_loss(parts: Parts, beta: float | None) -> Tensor:
    """Loss of each image, (B,): Eq. 6 where both networks are trained, else the one part."""
    if "l1" in parts and "ss" in parts:
        return joint_loss(parts["l1"], parts["ss"], beta)
    return parts["l1"] if "l1" in parts else parts["ss"]


def train_step(
    losses: nn.Module,
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    *,
    ss_loss: SSLoss | None,
    beta: float | None,
    train: Train,
    processes: "Alone | Fabric",
) -> Parts:
    """Forward, loss and backward of each part of a batch; then one step.

    Args:
        losses: `TrainingLosses`, trained in place.
        batch: training images of this process.
        optimiser: of what is trained.
        ss_loss: segmentation loss; None where no segmentation is trained.
        beta: weight of the segmentation loss in Eq. 6; None where only one part is trained.
        train: `micro_batch` images are computed at a time; `bfloat16` runs the networks under
            autocast, losses are float32.
        processes: those that share the batch.

    Returns:
        `loss` and its parts, of each image, (B,).
    """
    optimiser.zero_grad()
    precision = partial(torch.autocast, batch.hr.device.type, torch.bfloat16)
    micros, collected = list(batch.split(train.micro_batch)), []
    for micro in micros:
        with processes.no_backward_sync(losses, enabled=micro is not micros[-1]):
            with precision(enabled=train.precision == "bfloat16"):
                parts = losses(micro, ss_loss)
            loss = total_loss(parts, beta)
            processes.backward(loss.sum() / len(batch.hr))
        collected.append({"loss": loss.detach(), **_detached(parts)})
    optimiser.step()
    return {name: torch.cat([parts[name] for parts in collected]) for name in collected[0]}


def _detached(parts: Parts) -> Parts:
    return {name: value.detach() for name, value in parts.items()}
