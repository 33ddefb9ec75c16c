"""The images of one split as a few large arrays, memory-mapped."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch


class Arrays(NamedTuple):
    """N images of one split, memory-mapped.

    Attributes:
        hr: RGB, uint8 (N, H, W, 3).
        lr: bicubic copies, uint8 (N, h, w, 3).
        mask: 1 on crack, uint8 (N, H, W).
        phi: signed distance map, px, negative inside, float16 (N, H, W).
        names: file names of the images, N.
    """

    hr: np.ndarray
    lr: np.ndarray
    mask: np.ndarray
    phi: np.ndarray
    names: list[str]


def load_arrays(folder: Path) -> Arrays:
    """Memory-map the arrays of one split.

    Raises:
        ValueError: naming the file that is unreadable or does not fit the others.
    """
    text = (folder / "names.txt").read_text(encoding="utf-8")
    names = text.removesuffix("\n").split("\n")
    arrays = {name: _load(folder / f"{name}.npy") for name in ("hr", "lr", "mask", "phi")}
    if arrays["hr"].ndim != 4 or arrays["lr"].ndim != 4:
        raise ValueError(f"{folder}: hr.npy and lr.npy do not both hold images (N, H, W, 3)")
    layout = layout_of(len(names), arrays["hr"].shape[1], arrays["lr"].shape[1])
    for name, (shape, dtype) in layout.items():
        found = arrays[name]
        if found.shape != shape or found.dtype != dtype:
            raise ValueError(
                f"{folder / name}.npy: {found.dtype} {found.shape} is not {np.dtype(dtype)} "
                f"{shape}, as its {len(names)} names and the other arrays want"
            )
    return Arrays(**arrays, names=names)


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """Stored images, uint8 (N, H, W, 3), as the networks take them: (N, 3, H, W) in [0, 1]."""
    return images.permute(0, 3, 1, 2).contiguous().float() / 255


def to_bytes(image: torch.Tensor) -> np.ndarray:
    """An image in [0, 1], (C, H, W) on any device, as files store it: uint8 (H, W, C)."""
    return (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def layout_of(count: int, size: int, low: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of each array.

    Args:
        count: images.
        size: side of the HR images, px.
        low: side of the LR images, px.
    """
    return {
        "hr": ((count, size, size, 3), np.uint8),
        "lr": ((count, low, low, 3), np.uint8),
        "mask": ((count, size, size), np.uint8),
        "phi": ((count, size, size), np.float16),
    }


def _load(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file}: not a readable array ({error})") from None
