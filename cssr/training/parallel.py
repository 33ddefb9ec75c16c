"""Data parallelism: one process per device, through Lightning Fabric."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Processes: TypeAlias = "Alone | Fabric"  # those that share a training


class Alone:
    """A single process, with the part of Fabric's interface that the training uses."""

    global_rank = 0
    world_size = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def setup(
        self, module: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The module and the optimiser as they are."""
        return module, optimiser

    def backward(self, loss: Tensor) -> None:
        """Compute gradients."""
        loss.backward()

    def no_backward_sync(self, module: nn.Module, enabled: bool) -> AbstractContextManager:
        """No context: there are no gradients of others."""
        return nullcontext()

    def all_reduce(self, value: Tensor) -> Tensor:
        """The mean over all processes."""
        return value


def launch(devices: int, device: torch.device) -> Processes:
    """Start the other processes, which run the same command, if there is more than one device.

    Args:
        devices: processes, each with a device of its own.
        device: its kind.

    Returns:
        Where this process stands among them.

    Raises:
        ValueError: if there are not that many GPUs, or if `device` is one of them.
    """
    if devices == 1:
        return Alone(device)
    if device.index is not None:
        raise ValueError(f"train.devices: {devices} is not for one GPU ({device}); device: cuda is")
    if device.type == "cuda" and devices > torch.cuda.device_count():
        raise ValueError(
            f"train.devices: {devices} is more than the CUDA devices here "
            f"({torch.cuda.device_count()})"
        )
    from lightning_fabric import Fabric  # takes a second to import, seldom needed

    fabric = Fabric(accelerator=device.type, devices=devices, strategy="ddp")
    fabric.launch()
    return fabric
