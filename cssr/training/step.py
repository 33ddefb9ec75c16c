"""One iteration of a training: forward, loss, backward, step."""

import os
from functools import partial
from inspect import unwrap

import torch
from torch import nn

from cssr.models.pipeline import Pipeline
from cssr.params import Train
from cssr.training.batches import Batch
from cssr.training.objective import Parts
from cssr.training.parallel import Processes


def compute_deterministically() -> None:
    """Let PyTorch use, on a GPU too, only algorithms that give the same bits each time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by cuBLAS
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


class Adam(torch.optim.Adam):
    """PyTorch's, without what it tells the compiler, whose import takes seconds.

    Networks are compiled here, steps of the optimiser are not.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


def new_optimiser(pipeline: nn.Module, train: Train) -> Adam:
    """Adam over what requires gradients, in one fused kernel."""
    trained = [parameter for parameter in pipeline.parameters() if parameter.requires_grad]
    return Adam(trained, lr=train.learning_rate, fused=True)


def prepare_networks(pipeline: Pipeline, *, compile: bool, recompute: bool) -> None:
    """Compile the networks and let them recompute activations, where that is wanted."""
    for network in filter(None, (pipeline.sr, pipeline.ss)):
        network.recompute = recompute
        if compile:
            network.compile()


def train_step(
    losses: nn.Module,
    batch: Batch,
    iteration: int,
    optimiser: torch.optim.Optimizer,
    *,
    train: Train,
    processes: Processes,
) -> Parts:
    """Forward, loss and backward of each part of a batch; then one step.

    Args:
        losses: `TrainingLosses`, trained in place.
        batch: training images of this process.
        iteration: from 0.
        optimiser: of what is trained.
        train: `micro_batch` images are computed at a time; `bfloat16` runs the networks under
            autocast, losses are float32.
        processes: those that share the batch.

    Returns:
        `loss` and its parts, of each image, (B,), without gradient.
    """
    optimiser.zero_grad()
    precision = partial(torch.autocast, batch.hr.device.type, torch.bfloat16)
    micros = list(batch.split(train.micro_batch))
    collected: list[Parts] = []
    for micro in micros:
        with processes.no_backward_sync(losses, enabled=micro is not micros[-1]):
            with precision(enabled=train.precision == "bfloat16"):
                parts = losses(micro, iteration)
            processes.backward(parts["loss"].sum() / len(batch.hr))
        collected.append({name: value.detach() for name, value in parts.items()})
    optimiser.step()
    return {name: torch.cat([parts[name] for parts in collected]) for name in collected[0]}
