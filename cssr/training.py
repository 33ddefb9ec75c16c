"""The training loop."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cssr.checkpoint import load_state, save_state
from cssr.data.arrays import Arrays
from cssr.data.augment import Distortion, distort, draw_distortion
from cssr.data.degrade import downscale, lr_mask, lr_phi
from cssr.evaluation import evaluate, images_to_tensor, summarise
from cssr.losses import LOSSES, joint_loss, normalise_phi
from cssr.objectives import Batch, Parts, SSLoss, loss_parts
from cssr.params import Objective, Train
from cssr.schedules import alpha_at, epoch_at

Row = dict[str, float]
State = dict[str, Any]


def batch_indices(iteration: int, n: int, batch_size: int, seed: int) -> np.ndarray:
    """Indices of the images of an iteration's batch, (batch_size,).

    Every epoch is a seeded permutation of the n images; its last batch is filled up from its
    beginning. A pure function, so that a resumed training sees the same images.
    """
    epoch = epoch_at(iteration, n_train=n, batch_size=batch_size)
    order = np.random.default_rng([seed, 0, epoch]).permutation(n)
    position = iteration % -(-n // batch_size) * batch_size
    return np.resize(order, position + batch_size)[position:]


def make_batch(
    arrays: Arrays, indices: np.ndarray, distortion: Distortion, *, phi: str, device: torch.device
) -> Batch:
    """Distort images and derive the LR ones, on the device.

    Args:
        arrays: the training set.
        indices: of the images, (B,).
        distortion: one per image.
        phi: unit of the signed distance maps, `normalised` or `pixels`.
        device: where the batch is wanted.
    """
    scale = arrays.hr.shape[1] // arrays.lr.shape[1]
    hr = images_to_tensor(arrays.hr[indices], device)
    mask = torch.from_numpy(arrays.mask[indices, None]).to(device).float()
    px = torch.from_numpy(arrays.phi[indices, None]).to(device).float()
    hr, mask, px = distort(hr, mask, px, Distortion(*(value.to(device) for value in distortion)))
    lr = downscale(hr, scale).clamp(0, 1)
    low_px = lr_phi(px, scale)
    if phi == "normalised":
        px, low_px = normalise_phi(px), normalise_phi(low_px)
    return Batch(hr, mask, px, lr, lr_mask(mask, scale), low_px)


def total_loss(parts: Parts, beta: float | None) -> Tensor:
    """Loss of each image, (B,): Eq. 6 where both networks are trained, else the one part."""
    if len(parts) == 2:
        return joint_loss(parts["l1"], parts["ss"], beta)
    return next(iter(parts.values()))


def fit(
    pipeline: nn.Module,
    variant: str,
    arrays: tuple[Arrays, Arrays],
    *,
    train: Train,
    objective: Objective | None,
    loss: str | None,
    beta: float | None,
    seed: int,
    device: torch.device,
    state_file: Path,
    log: Callable[[int, Row], None],
    progress: Callable[[int, Row], None],
) -> list[Row]:
    """Train a pipeline in place, going on from `state_file` if it is there.

    Whatever is random in an iteration is drawn from a generator of the seed and the iteration's
    number, so that an interrupted training ends with the weights of an uninterrupted one.

    Args:
        pipeline: what is trained of it requires gradients.
        variant: `sr`, or one of the seven of Table 1.
        arrays: training and validation set.
        train: budget and optimiser.
        objective: coefficients of the losses; None where no segmentation is trained.
        loss: segmentation loss, one of (A)–(F); None likewise.
        beta: weight of the segmentation loss in Eq. 6; None where only one part is trained.
        seed: of batches and distortions.
        device: where to train.
        state_file: checkpoint, in an existing folder.
        log: called with each logged iteration and its row; again for rows before a resumption.
        progress: called after each iteration, with its row where one is logged, else with {}.

    Returns:
        The rows: mean losses since the last, learning rate, images/s, validation's PSNR and AIU.
    """
    training, validation = arrays
    pipeline.to(device, memory_format=torch.channels_last)
    trained = [parameter for parameter in pipeline.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=train.learning_rate, fused=True)
    state = _resume(state_file, pipeline, optimiser)
    for row in state["rows"]:
        log(int(row["iteration"]), row)
    speed = Speed(train.batch_size)
    for iteration in range(state["iteration"], train.iterations):
        batch = make_batch(
            training,
            batch_indices(iteration, len(training.names), train.batch_size, seed),
            draw_distortion(train.batch_size, np.random.default_rng([seed, 1, iteration])),
            phi=objective.phi if objective else "pixels",
            device=device,
        )
        ss_loss = _ss_loss(loss, objective, iteration, len(training.names), train.batch_size)
        parts = train_step(
            pipeline,
            variant,
            batch,
            optimiser,
            ss_loss=ss_loss,
            beta=beta,
            precision=train.precision,
        )
        _accumulate(state, parts)
        speed.count()
        state["iteration"] = done = iteration + 1
        last = done == train.iterations
        validate = last or done % train.validate_every == 0
        row: Row = {}
        if validate or done % train.log_every == 0:
            row = {"iteration": done, **_means(state), "learning_rate": train.learning_rate}
            row["images_per_second"] = speed.images_per_second()
            if validate:
                row |= _validate(pipeline, variant, validation, train.batch_size, device)
                speed = Speed(train.batch_size)
            state["rows"].append(row)
            log(done, row)
        progress(done, row)
        if not last and done % train.checkpoint_every == 0:
            weights, moments = pipeline.state_dict(), optimiser.state_dict()
            save_state(state_file, {**state, "weights": weights, "optimiser": moments})
    return state["rows"]


def train_step(
    pipeline: nn.Module,
    variant: str,
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    *,
    ss_loss: SSLoss | None,
    beta: float | None,
    precision: str,
) -> Parts:
    """Forward, loss, backward, step.

    Args:
        pipeline: the variant's, trained in place.
        variant: `sr`, or one of the seven of Table 1.
        batch: training images.
        optimiser: of what is trained.
        ss_loss: segmentation loss; None where no segmentation is trained.
        beta: weight of the segmentation loss in Eq. 6; None where only one part is trained.
        precision: `bfloat16` runs the networks under autocast; losses are float32.

    Returns:
        Mean `loss` over the batch, and its parts.
    """
    with torch.autocast(batch.hr.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        parts = loss_parts(variant, pipeline, batch, ss_loss)
    loss = total_loss(parts, beta).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return {"loss": loss, **parts}


class Speed:
    """Images per second since it was made, or since the last validation."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size, self.batches, self.started = batch_size, 0, time.perf_counter()

    def count(self) -> None:
        """Count one batch."""
        self.batches += 1

    def images_per_second(self) -> float:
        """The mean speed."""
        return self.batches * self.batch_size / (time.perf_counter() - self.started)


def _resume(state_file: Path, pipeline: nn.Module, optimiser: torch.optim.Optimizer) -> State:
    """The state to go on from, its weights and moments put in their places."""
    state = load_state(state_file)
    if state is None:
        return {"iteration": 0, "sums": {}, "since": 0, "rows": []}
    pipeline.load_state_dict(state.pop("weights"))
    optimiser.load_state_dict(state.pop("optimiser"))
    return state


def _ss_loss(
    loss: str | None, objective: Objective | None, iteration: int, n: int, batch_size: int
) -> SSLoss | None:
    """The segmentation loss with its coefficients at an iteration."""
    if loss is None or objective is None:
        return None
    alpha = alpha_at(
        iteration,
        n_train=n,
        batch_size=batch_size,
        start=objective.alpha_start,
        per_epoch=objective.alpha_per_epoch,
    )
    gamma = objective.gamma
    return lambda probs, mask, phi: LOSSES[loss](probs, mask, phi, alpha=alpha, gamma=gamma)


def _accumulate(state: State, values: Parts) -> None:
    sums = state["sums"]
    for name, value in values.items():
        sums[name] = sums.get(name, 0) + value.detach().mean()
    state["since"] += 1


def _means(state: State) -> Row:
    """Mean losses since the last row; starts the next mean."""
    means = {name: float(value) / state["since"] for name, value in state["sums"].items()}
    state["sums"], state["since"] = {}, 0
    return means


def _validate(
    pipeline: nn.Module, variant: str, arrays: Arrays, batch_size: int, device: torch.device
) -> Row:
    scores = evaluate(
        pipeline, arrays, takes_hr=variant == "ss_hr", batch_size=batch_size, device=device
    )
    summary = summarise(scores, arrays.mask)
    return {f"val_{name}": summary[name] for name in ("psnr", "aiu") if name in summary}
