"""A training iteration with the networks of a preset."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from cssr.data.arrays import Arrays
from cssr.training.batches import Drawn, make_batch
from cssr.training.losses import LOSSES
from cssr.models.pipeline import build_pipeline
from cssr.training.objective import OBJECTIVES, Parts, TrainingLosses
from cssr.training.parallel import Alone
from cssr.params import Params, Train, parse_params
from cssr.training.step import train_step
from stages.train import new_sr, new_ss

VARIANTS = tuple(OBJECTIVES)

Mark = Callable[[str], None]


def build(variant: str, params: Params) -> nn.Module:
    """A variant's pipeline with the preset's networks and random weights."""
    channels = 1 if variant in ("ss_sr", "inverse") else 3
    sr = new_sr(params.model.sr, None, channels=channels, scale=params.data.scale, seed=0)
    ss = new_ss(params.model.ss.model_copy(update={"pretrained": False}), seed=0)
    sr.requires_grad_(variant != "sr_ss")
    ss.requires_grad_(variant != "ss_sr")
    return build_pipeline(variant, sr=sr, ss=ss, scale=params.data.scale)


def changed_train(params: Params, changes: Mapping[str, Any]) -> Train:
    """A preset's training with some values changed, validated as a whole params file is."""
    values = params.model_dump()
    return parse_params({**values, "train": {**values["train"], **changes}}).train


def random_arrays(size: int, scale: int, images: int = 48) -> Arrays:
    """Images of noise, each with a few vertical cracks."""
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (images, size, size, 3), np.uint8)
    mask = np.zeros((images, size, size), np.uint8)
    mask[:, :, :: size // 4] = 1
    phi = rng.uniform(0, size / 8, (images, size, size)).astype(np.float16)
    return Arrays(hr, hr[:, ::scale, ::scale].copy(), mask, phi, [str(k) for k in range(images)])


def iterate(
    losses: TrainingLosses,
    drawn: Drawn,
    optimiser: torch.optim.Optimizer,
    *,
    params: Params,
    train: Train,
    process: Alone,
    mark: Mark = lambda part: None,
) -> Parts:
    """One iteration at half of the boundary loss's weight; its losses of each image.

    Args:
        losses: of a variant, around its networks.
        drawn: images as they are stored.
        optimiser: of what is trained.
        params: the preset.
        train: its training, or another.
        process: that the networks are in.
        mark: called with the name of each part that ends here.
    """
    batch = make_batch(drawn, scale=params.data.scale, phi=params.objective.phi)
    mark("data and augmentation")
    parts = train_step(
        losses,
        batch,
        optimiser,
        ss_loss=partial(LOSSES[params.loss], alpha=0.5, gamma=params.objective.gamma),
        beta=params.beta,
        train=train,
        processes=process,
    )
    mark("optimiser")
    return parts
