"""The device that networks run on."""

import ctypes
import math
import mmap
import os
import re

import numpy as np
import torch

from cssr.params import DEVICE

# of mallopt in glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def choose_device(name: str) -> torch.device:
    """The device that a parameter names; `auto` is CUDA when there is one, else the CPU.

    A GPU that is named by its number becomes PyTorch's current one.

    Raises:
        ValueError: if there is no such device.
    """
    if not re.fullmatch(DEVICE, name):
        raise ValueError(f"device: {name} is not auto, cpu, cuda or cuda:N")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device: {name} is not here ({torch.cuda.device_count()} CUDA devices)")
    if device.index is not None:
        torch.cuda.set_device(device)
    return device


def device_name(device: torch.device) -> str:
    """What the device calls itself: `cpu`, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def empty_pages(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An empty array in pages of its own, which go back to the system with it.

    For the few large arrays of a process that keeps freed memory: else smaller ones, which live
    longer, come to lie where large ones were, and the next large one needs more memory.

    Raises:
        MemoryError: if there are no such pages left.
    """
    try:
        pages = mmap.mmap(-1, math.prod(shape) * np.dtype(dtype).itemsize)
    except OSError as error:
        raise MemoryError(*error.args) from None
    return np.frombuffer(pages, dtype).reshape(shape)


def keep_freed_memory() -> None:
    """Let the process reuse memory that it has freed, instead of asking the system for more.

    glibc gives large blocks back at once, and the system has to clear each page of a new one:
    with activations of tens of MB that can take longer than to compute them. Elsewhere, no change.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)
        mallopt(_ARENA_MAX, 1)  # those of other threads give memory back
