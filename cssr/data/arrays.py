"""The images of one split as a few large arrays, written once and memory-mapped by the readers."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from cssr.data.degrade import bicubic, downscale
from cssr.data.distance import signed_distance
from cssr.masks import CRACK

CHUNK = 64  # images in memory at a time


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


def find_pairs(folder: Path, names: Iterable[str]) -> list[tuple[Path, Path]]:
    """Images and their masks.

    Args:
        folder: with `images/` and `masks/`; a mask has its image's name, the suffix may differ.
        names: file names of the images.

    Raises:
        ValueError: if an image has no mask.
    """
    masks = {file.stem: file for file in (folder / "masks").iterdir()}
    pairs = []
    for name in names:
        image = folder / "images" / name
        if image.stem not in masks:
            raise ValueError(f"{image}: no mask of this name in {folder / 'masks'}")
        pairs.append((image, masks[image.stem]))
    return pairs


def write_arrays(
    folder: Path, pairs: Sequence[tuple[Path, Path]], *, size: int, scale: int
) -> None:
    """Write the arrays of one split; memory use does not grow with the number of images.

    Larger images are reduced to `size`: images bicubic and antialiased, masks by area average,
    crack where at least half of the area is.

    Args:
        folder: an existing folder for hr.npy, lr.npy, mask.npy, phi.npy and names.txt.
        pairs: files of square images and of their masks, at least `size` px.
        size: side of the HR images, px.
        scale: HR side / LR side.

    Raises:
        ValueError: if a file is no image, is too small, or is not of its partner's size; if the
            scale does not divide the size.
    """
    if size % scale:
        raise ValueError(f"size {size} is not a multiple of the scale {scale}")
    convert = partial(_convert, size=size, scale=scale)
    with ExitStack() as stack:
        files = {}
        for name, (shape, dtype) in _layout(len(pairs), size, size // scale).items():
            files[name] = stack.enter_context((folder / f"{name}.npy").open("wb"))
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(files[name], header)
        # one thread per image is faster than many threads in one image
        workers = ThreadPoolExecutor(
            os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)
        )
        pool = stack.enter_context(workers)
        remaining = iter(pairs)
        while chunk := list(islice(remaining, CHUNK)):
            for images in pool.map(convert, chunk):
                for name, image in images.items():
                    files[name].write(image.data)
    names = "".join(f"{image.name}\n" for image, _ in pairs)
    (folder / "names.txt").write_text(names, encoding="utf-8")


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
    layout = _layout(len(names), arrays["hr"].shape[1], arrays["lr"].shape[1])
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


def _layout(count: int, size: int, low: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of each array."""
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


def _convert(pair: tuple[Path, Path], *, size: int, scale: int) -> dict[str, np.ndarray]:
    """The four arrays of one image and its mask."""
    image = _read(pair[0], cv2.IMREAD_COLOR_RGB)
    mask = (_read(pair[1], cv2.IMREAD_GRAYSCALE) >= CRACK).astype(np.uint8)
    height, width = image.shape[:2]
    if mask.shape != (height, width) or height != width or height < size:
        raise ValueError(
            f"{pair[0]}: {width}×{height} px with a mask of {mask.shape[1]}×{mask.shape[0]} px; "
            f"both must be squares of the same size, {size} px or more"
        )
    if height > size:
        image = _to_uint8(bicubic(_to_float(image), (size, size)))
        area = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        mask = (area >= 0.5).astype(np.uint8)
    return {
        "hr": image,
        "lr": _to_uint8(downscale(_to_float(image), scale)),
        "mask": mask,
        "phi": signed_distance(mask).astype(np.float16),
    }


def _read(file: Path, flags: int) -> np.ndarray:
    content = np.frombuffer(file.read_bytes(), np.uint8)
    pixels = cv2.imdecode(content, flags) if content.size else None
    if pixels is None:
        raise ValueError(f"{file}: not a readable image")
    return pixels


def _to_float(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) as float32 in [0, 255], (1, 3, H, W)."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def _to_uint8(image: torch.Tensor) -> np.ndarray:
    """The reverse: clipped, rounded, and contiguous in (H, W, 3)."""
    pixels = image[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())
