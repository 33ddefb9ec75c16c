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
    """Memory-map the arrays of one split."""
    text = (folder / "names.txt").read_text(encoding="utf-8")
    names = text.removesuffix("\n").split("\n")
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in Arrays._fields[:4]]
    return Arrays(*arrays, names)


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """Stored images, uint8 (N, H, W, 3), as the networks take them: (N, 3, H, W) in [0, 1]."""
    return images.permute(0, 3, 1, 2).contiguous().float() / 255


def to_bytes(image: torch.Tensor) -> np.ndarray:
    """An image in [0, 1], (C, H, W) on any device, as files store it: uint8 (H, W, C)."""
    return (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
