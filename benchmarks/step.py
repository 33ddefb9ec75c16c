"""A training iteration with the networks of a preset."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from cssr.data.arrays import Arrays
from cssr.models.building import new_sr, new_ss
from cssr.models.pipeline import Pipeline
from cssr.models.variants import VARIANTS
from cssr.params import Params, parse_params
from cssr.training.batches import Drawn, make_batch
from cssr.training.objective import Parts, TrainingLosses
from cssr.training.parallel import Alone
from cssr.training.step import train_step
from stages.preset import merge

Mark = Callable[[str], None]


def build(variant: str, params: Params) -> Pipeline:
    """A variant's pipeline with the preset's networks and random weights, trained or frozen."""
    record = VARIANTS[variant]
    model = params.model
    scale = params.data.scale
    sr = ss = None
    if "sr" in record.steps:
        sr = new_sr(model.sr.model_dump(), channels=record.sr_channels, scale=scale, seed=0)
        sr.requires_grad_("sr" in record.trained)
    if "ss" in record.steps:
        ss = new_ss({**model.ss.model_dump(), "pretrained": False}, seed=0)
        ss.requires_grad_("ss" in record.trained)
    return Pipeline(variant, sr=sr, ss=ss, scale=scale)


def new_losses(pipeline: Pipeline, params: Params, *, n_train: int) -> TrainingLosses:
    """What the preset trains a pipeline on.

    Args:
        pipeline: of any variant.
        params: the preset.
        n_train: images of the training set.
    """
    trained = pipeline.variant.trained
    return TrainingLosses(
        pipeline,
        loss=params.loss if "ss" in trained else None,
        objective=params.objective if "ss" in trained else None,
        beta=params.beta if pipeline.variant.joint else None,
        n_train=n_train,
        batch_size=params.train.batch_size,
    )


def changed(params: Params, changes: Mapping[str, Any]) -> Params:
    """A preset with some values changed, sections nested, validated as a params file is."""
    return parse_params(merge(params.model_dump(), changes))


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
    process: Alone,
    mark: Mark = lambda part: None,
) -> Parts:
    """The first iteration of a training; its losses of each image.

    Args:
        losses: of a variant, around its networks.
        drawn: images as they are stored.
        optimiser: of what is trained.
        params: the preset, perhaps changed.
        process: that the networks are in.
        mark: called with the name of each part that ends here.
    """
    batch = make_batch(drawn, scale=params.data.scale, phi=params.objective.phi)
    mark("data and augmentation")
    parts = train_step(losses, batch, 0, optimiser, train=params.train, processes=process)
    mark("optimiser")
    return parts
