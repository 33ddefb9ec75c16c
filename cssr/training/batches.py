"""Training batches: drawn from a seed, augmented and degraded on the device."""

import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cssr.data.arrays import Arrays, to_unit
from cssr.data.degrade import downscale, lr_mask, lr_phi
from cssr.training.augment import Augmentation, augment, draw_augmentation
from cssr.training.losses import normalise_phi
from cssr.training.schedules import epoch_at

DEVICE_SHARE = 0.3  # of the free memory of a GPU that a training set may take
WORKERS = 2  # processes that read batches ahead where it does not fit

Take = Callable[[np.ndarray], tuple[Tensor, Tensor, Tensor]]


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

    def split(self, size: int) -> Iterator["Batch"]:
        """Parts of at most `size` images."""
        return map(Batch._make, zip(*(value.split(size) for value in self), strict=True))


class Drawn(NamedTuple):
    """Images of a batch as they are stored, and the augmentation drawn for each.

    Attributes:
        hr: uint8, (B, H, W, 3).
        mask: uint8, (B, H, W).
        phi: float16, (B, H, W).
        augmentation: one per image.
    """

    hr: Tensor
    mask: Tensor
    phi: Tensor
    augmentation: Augmentation

    def to(self, device: torch.device) -> "Drawn":
        """The same on a device, without waiting for copies from pinned memory."""
        images = (value.to(device, non_blocking=True) for value in self[:3])
        numbers = (value.to(device, non_blocking=True) for value in self.augmentation)
        return Drawn(*images, Augmentation(*numbers))


def batch_indices(iteration: int, n: int, batch_size: int, seed: int) -> np.ndarray:
    """Indices of the images of an iteration's batch, (batch_size,).

    Every epoch is a seeded permutation of the n images; its last batch is filled up from its
    beginning. A pure function, so that a resumed training sees the same images.
    """
    epoch = epoch_at(iteration, n_train=n, batch_size=batch_size)
    order = np.random.default_rng([seed, 0, epoch]).permutation(n)
    position = iteration % -(-n // batch_size) * batch_size
    return np.resize(order, position + batch_size)[position:]


class DrawnBatches(Dataset):
    """The batch of each iteration, a pure function of the seed and the iteration's number.

    Args:
        take: reads images, masks and φ at some indices.
        n: images of the training set.
        batch_size: images per iteration, over all processes.
        seed: of batches and augmentations.
        share: which of a batch's images this process takes.
    """

    def __init__(self, take: Take, n: int, *, batch_size: int, seed: int, share: slice) -> None:
        self.take = take
        self.n = n
        self.batch_size = batch_size
        self.seed = seed
        self.share = share

    def __getitem__(self, iteration: int) -> Drawn:
        """The batch of an iteration, from 0."""
        indices = batch_indices(iteration, self.n, self.batch_size, self.seed)
        rng = np.random.default_rng([self.seed, 1, iteration])
        augmentation = (values[self.share] for values in draw_augmentation(self.batch_size, rng))
        return Drawn(*self.take(indices[self.share]), Augmentation(*augmentation))


def draw_batches(
    arrays: Arrays,
    iterations: range,
    *,
    batch_size: int,
    seed: int,
    device: torch.device,
    share: slice = slice(None),
    device_share: float = DEVICE_SHARE,
) -> Iterator[Drawn]:
    """The batches of some iterations, on the device.

    The images are read from the memory-mapped files on a CPU. On a GPU they are read from its
    memory if the training set fits there, else by processes that work ahead, into pinned memory.

    Args:
        arrays: the training set.
        iterations: their numbers, from 0.
        batch_size: images per iteration, over all processes.
        seed: of batches and augmentations.
        device: where the batches are wanted.
        share: which of a batch's images this process takes.
        device_share: of the free memory of a GPU that the training set may take.
    """
    resident = device.type == "cuda" and _fits(arrays, device, device_share)
    take = _from_device(arrays, device) if resident else _from_files(arrays)
    batches = DrawnBatches(take, len(arrays.names), batch_size=batch_size, seed=seed, share=share)
    ahead = device.type == "cuda" and not resident
    for drawn in read_batches(batches, iterations, workers=WORKERS if ahead else 0, pinned=ahead):
        yield drawn.to(device)


def read_batches(
    batches: DrawnBatches, iterations: range, *, workers: int, pinned: bool
) -> DataLoader:
    """The batches of some iterations in their order.

    Args:
        batches: of every iteration.
        iterations: those wanted.
        workers: processes that read ahead; 0 reads in this one.
        pinned: whether they end in pinned memory, from which a GPU copies while it computes.
    """
    context = "fork" if workers else None  # a memory map is shared by a fork, pickled by a spawn
    return DataLoader(
        batches,
        batch_size=None,
        sampler=iterations,
        num_workers=workers,
        pin_memory=pinned,
        multiprocessing_context=context,
        worker_init_fn=_ignore_signals if workers else None,
    )


def _ignore_signals(worker: int) -> None:
    """Leave Ctrl-C and SIGTERM to the training, which saves its state and ends the workers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def make_batch(drawn: Drawn, *, scale: int, phi: str, kernel: str = "bicubic") -> Batch:
    """Augment images and derive the LR ones, on their device.

    Args:
        drawn: images as they are stored, with augmentations.
        scale: HR side / LR side.
        phi: unit of the signed distance maps, `normalised` or `pixels`.
        kernel: by which LR images are made, see `downscale`.
    """
    hr = to_unit(drawn.hr)
    mask = drawn.mask[:, None].float()
    px = drawn.phi[:, None].float()
    hr, mask, px = augment(hr, mask, px, drawn.augmentation)
    lr = downscale(hr, scale, kernel).clamp(0, 1)
    low_px = lr_phi(px, scale)
    if phi == "normalised":
        px, low_px = normalise_phi(px), normalise_phi(low_px)
    return Batch(hr, mask, px, lr, lr_mask(mask, scale), low_px)


def _fits(arrays: Arrays, device: torch.device, share: float) -> bool:
    needed = arrays.hr.nbytes + arrays.mask.nbytes + arrays.phi.nbytes
    return needed <= share * torch.cuda.mem_get_info(device)[0]


def _from_files(arrays: Arrays) -> Take:
    stored = (arrays.hr, arrays.mask, arrays.phi)
    return lambda indices: tuple(torch.from_numpy(array[indices]) for array in stored)


def _from_device(arrays: Arrays, device: torch.device) -> Take:
    stored = [_upload(array, device) for array in (arrays.hr, arrays.mask, arrays.phi)]

    def take(indices: np.ndarray) -> tuple[Tensor, ...]:
        at = torch.from_numpy(indices).to(device, non_blocking=True)
        return tuple(tensor[at] for tensor in stored)

    return take


def _upload(array: np.ndarray, device: torch.device, images: int = 256) -> Tensor:
    """An array on the device, copied some images at a time so that the host holds no second one."""
    whole = torch.empty(array.shape, dtype=torch.from_numpy(array[:0].copy()).dtype, device=device)
    for start in range(0, len(array), images):
        whole[start : start + images] = torch.from_numpy(array[start : start + images].copy())
    return whole
