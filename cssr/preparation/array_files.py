"""Image files turned into the arrays of one split, written once."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from cssr.data.degrade import bicubic, downscale
from cssr.preparation.distance import signed_distance
from cssr.sources.masks.crack_level import CRACK

CHUNK = 64  # images in memory at a time


def find_pairs(folder: Path, names: Iterable[str]) -> list[tuple[Path, Path]]:
    """Images and their masks, as `fetch` leaves them.

    Args:
        folder: with `images/` and `masks/`; a mask has its image's name, the suffix may differ.
        names: file names of the images.
    """
    masks = {file.stem: file for file in (folder / "masks").iterdir()}
    images = [folder / "images" / name for name in names]
    return [(image, masks[image.stem]) for image in images]


def write_arrays(
    folder: Path,
    pairs: Sequence[tuple[Path, Path]],
    *,
    size: int,
    scale: int,
    kernel: str = "bicubic",
) -> None:
    """Write the arrays of one split; memory use does not grow with the number of images.

    Larger images are reduced to `size`: images bicubic and antialiased, masks by area average,
    crack where at least half of the area is.

    Args:
        folder: an existing folder for hr.npy, lr.npy, mask.npy, phi.npy and names.txt.
        pairs: files of square images and of their masks, at least `size` px.
        size: side of the HR images, px, a multiple of the scale.
        scale: HR side / LR side.
        kernel: by which LR images are made, see `downscale`.
    """
    low = size // scale
    layout = {
        "hr": ((size, size, 3), np.uint8),
        "lr": ((low, low, 3), np.uint8),
        "mask": ((size, size), np.uint8),
        "phi": ((size, size), np.float16),
    }
    convert = partial(_convert, size=size, scale=scale, kernel=kernel)
    with ExitStack() as stack:
        files = {}
        for name, (shape, dtype) in layout.items():
            files[name] = stack.enter_context((folder / f"{name}.npy").open("wb"))
            header = {
                "descr": np.dtype(dtype).str,
                "fortran_order": False,
                "shape": (len(pairs), *shape),
            }
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


def _convert(
    pair: tuple[Path, Path], *, size: int, scale: int, kernel: str
) -> dict[str, np.ndarray]:
    """The four arrays of one image and its mask."""
    image = _read(pair[0], cv2.IMREAD_COLOR_RGB)
    mask = (_read(pair[1], cv2.IMREAD_GRAYSCALE) >= CRACK).astype(np.uint8)
    if len(image) > size:
        image = _to_uint8(bicubic(_to_float(image), (size, size)))
        area = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        mask = (area >= 0.5).astype(np.uint8)
    return {
        "hr": image,
        "lr": _to_uint8(downscale(_to_float(image), scale, kernel)),
        "mask": mask,
        "phi": signed_distance(mask).astype(np.float16),
    }


def _read(file: Path, flags: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), flags)


def _to_float(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) as float32 in [0, 255], (1, 3, H, W)."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def _to_uint8(image: torch.Tensor) -> np.ndarray:
    """The reverse: clipped, rounded, and contiguous in (H, W, 3)."""
    pixels = image[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())
