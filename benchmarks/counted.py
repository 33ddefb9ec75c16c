"""What a training iteration computes and holds, counted without computing it."""

import re
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.step import build, iterate, new_losses
from cssr.params import Params
from cssr.training.augment import Augmentation
from cssr.training.batches import Drawn
from cssr.training.objective import Parts
from cssr.training.parallel import Alone
from cssr.training.step import new_optimiser, prepare_networks

CPU = torch.device("cpu")


def tera_flop(variant: str, params: Params) -> float:
    """Floating-point operations of an iteration, forward and backward, in TFLOP.

    What is recomputed counts again.
    """
    with FakeTensorMode(), FlopCounterMode(display=False) as flops:
        fake_step(variant, params)()
    return flops.get_total_flops() / 1e12


def tensor_gib(variant: str, params: Params) -> float:
    """The most GiB of tensors that are alive at a time in an iteration.

    These are weights, Adam's moments, the batch, activations and gradients, without compilation;
    not what the interpreter, the libraries and the device's allocator take for themselves.
    """
    with FakeTensorMode(), LiveTensors() as tensors:
        step = fake_step(variant, params)
        step()  # makes the moments
        step()
    return tensors.peak / 2**30


def moved_gb(variant: str, params: Params) -> float:
    """GB that the operations of an iteration read and write, one by one, without convolutions.

    A copy of half as many bytes is the floor of what is not convolution, unless it is compiled.
    """
    with FakeTensorMode():
        step = fake_step(variant, params)
        step()
        with MovedBytes() as moved:
            step()
    return moved.bytes / 1e9


def fake_step(variant: str, params: Params, device: torch.device = CPU) -> Callable[[], Parts]:
    """Iterations, under `FakeTensorMode`, of tensors that have a shape, a type and a device only.

    Args:
        variant: what is trained.
        params: the preset, perhaps changed; networks are not compiled.
        device: where the tensors say that they are; it need not be here.

    Returns:
        A function that takes one step and returns the losses. It raises where devices are mixed,
        or where a number is asked for, since there is none: on a GPU that would wait for it.
    """
    pipeline = build(variant, params)
    train = params.train
    for owner in pipeline.modules():
        for name, weight in list(owner.named_parameters(recurse=False)):
            there = torch.empty(weight.shape, device=device)
            setattr(owner, name, nn.Parameter(there, weight.requires_grad))
    prepare_networks(pipeline, compile=False, recompute=train.recompute)
    n = train.batch_size
    side = params.data.size
    losses = new_losses(pipeline, params, n_train=n)
    optimiser = new_optimiser(pipeline, train)

    def step() -> Parts:
        images = torch.empty(n, side, side, 3, dtype=torch.uint8)
        mask, phi = (torch.empty(n, side, side, dtype=t) for t in (torch.uint8, torch.float16))
        augmentation = Augmentation(*map(torch.empty, ((n, 2, 3), n, (n, 3, 3), n)))
        drawn = Drawn(images, mask, phi, augmentation).to(device)
        process = Alone(device)
        return iterate(losses, drawn, optimiser, params=params, process=process)

    return step


class Watched(TorchDispatchMode):
    """Shows each operation, with its tensors, to `see`."""

    def __torch_dispatch__(
        self,
        operation: OpOverload,
        types: Any,
        args: tuple = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call an operation and show it."""
        result = operation(*args, **(kwargs or {}))
        self.see(operation, _tensors((args, kwargs)), _tensors(result))
        return result

    def see(self, operation: OpOverload, inputs: list[Tensor], results: list[Tensor]) -> None:
        """Look at an operation, what it took and what it gave."""
        raise NotImplementedError


def _tensors(tree: Any) -> list[Tensor]:
    return [value for value in tree_leaves(tree) if isinstance(value, Tensor)]


class MovedBytes(Watched):
    """Adds up the bytes that operations read and write; those of convolutions and views apart."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def see(self, operation: OpOverload, inputs: list[Tensor], results: list[Tensor]) -> None:
        """Add up what it read and wrote."""
        computes = operation.namespace == "aten" and not operation.is_view
        if computes and not re.search("convolution|empty", operation.name()):
            self.bytes += sum(value.numel() * value.element_size() for value in inputs + results)


class LiveTensors(Watched):
    """Counts the bytes of the tensors that are alive, and the most there were at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}  # bytes of each storage
        self.bytes = self.peak = 0

    def see(self, operation: OpOverload, inputs: list[Tensor], results: list[Tensor]) -> None:
        """Count what it made."""
        for value in results:
            self._count(value.untyped_storage())

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self.alive:
            return
        self.alive[key] = storage.nbytes()
        weakref.finalize(storage, self._forget, key)
        self.bytes += storage.nbytes()
        self.peak = max(self.peak, self.bytes)

    def _forget(self, key: int) -> None:
        self.bytes -= self.alive.pop(key)
