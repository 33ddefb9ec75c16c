"""Photos cut into squares, many at a time."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from cssr.dataset.crops import Square, resized, squares
from cssr.dataset.gathering import Gathered, Photo
from cssr.dataset.spool import Piece, Spool
from cssr.sources.listing import DataError, refuse

TOO_SMALL = ", less than a square"
QUALITY = 95  # of JPEGs that are cut out of JPEGs
TORN = 0.75  # share of a crack that is left, below which it is told
AHEAD = 2  # photos that wait for each core


@dataclass(frozen=True)
class Making:
    """How photos become squares."""

    size: int = 448  # side of the squares, px
    fit: bool = False  # squash whole photos instead of cutting
    scale: float = 1.0  # of the photos, before they are cut
    empty: float = 0.2  # greatest share of squares without crack
    test: float | None = None  # share of photos to test on; None: as folders tell, else 0.15
    seed: int = 0
    allow_dense: bool = False  # more crack than background


class CutSquare(NamedTuple):
    """A square that was cut."""

    place: str
    image: Piece
    mask: Piece
    crack: float  # share of it


class CutPhoto(NamedTuple):
    """A photo that was cut."""

    photo: Photo
    height: int  # as it came, px
    width: int
    crack: float  # share of it, in [0, 1]
    digest: bytes  # of its pixels
    label_digest: bytes  # of its mask
    values: Sequence[float]  # of its mask, if they are few
    colour: tuple[int, ...] | None  # of crack in its mask, RGB, where it is not gray
    suffix: str  # of its squares
    squares: list[CutSquare]
    surplus: int  # squares without crack that are not among them
    notes: list[str]


def cut_all(gathered: Gathered, spool: Spool, making: Making) -> Iterator[CutPhoto]:
    """Cut photos on all cores, a few of them in memory at a time."""
    problems = []
    cut = partial(_cut, spool=spool, making=making)
    cores = os.cpu_count() or 1
    photos = gathered.photos
    remaining = iter(enumerate(photos))
    with (
        ThreadPoolExecutor(cores) as pool,
        tqdm(total=len(photos), unit="photo", disable=None) as bar,
    ):
        waiting = deque(pool.submit(cut, *item) for item in islice(remaining, cores * AHEAD))
        while waiting:
            result = waiting.popleft().result()
            waiting += [pool.submit(cut, *item) for item in islice(remaining, 1)]
            bar.update()
            if isinstance(result, str):
                problems.append(result)
            else:
                yield result
    hint = "; --size, --fit or --scale fit squares to them" if TOO_SMALL in str(problems) else ""
    refuse(problems, len(photos), gathered.where, "images are not usable", hint=hint)


def _cut(number: int, photo: Photo, *, spool: Spool, making: Making) -> CutPhoto | str:
    """Cut a photo; why not, if it cannot be used."""
    try:
        picture, label, notes = photo.read()
        height, width = label.crack.shape
        pixels, mask = _resized(photo, picture.pixels, label.crack, making)
        notes += _torn(photo, label.crack, mask)
    except DataError as error:
        return str(error)
    whole = picture.content if (height, width) == mask.shape == (making.size,) * 2 else None
    suffix = ".jpg" if picture.is_lossy else ".png"
    found = list(squares(pixels, mask, making.size))
    chosen = _wanted([square.mask.any() for square in found], number, making)
    cut = []
    for square in (found[k] for k in chosen):
        image = spool.write(whole or _encoded(square, suffix))
        of_mask = spool.write(_encoded_mask(square.mask))
        cut.append(CutSquare(square.place, image, of_mask, _share(square.mask)))
    of_label = hashlib.sha256(np.packbits(label.crack).data).digest()
    surplus = len(found) - len(cut)
    size = height, width, _share(mask)
    digests = picture.digest, of_label
    decides = label.values, label.colour
    return CutPhoto(photo, *size, *digests, *decides, suffix, cut, surplus, notes)


def _wanted(cracked: Sequence[bool], number: int, making: Making) -> list[int]:
    """The squares of a photo that may be kept: with crack, and of the others a number.

    No photo gives more of them than if each square of it had crack, so that most of them need not
    be written.
    """
    empty = [k for k, crack in enumerate(cracked) if not crack]
    most = ceil(making.empty / (1 - making.empty) * len(cracked))
    drawn = np.random.default_rng((making.seed, number)).permutation(len(empty))[:most]
    kept = {empty[k] for k in drawn}
    return [k for k, crack in enumerate(cracked) if crack or k in kept]


def _resized(
    photo: Photo, pixels: np.ndarray, mask: np.ndarray, making: Making
) -> tuple[np.ndarray, np.ndarray]:
    """A photo and its mask in the size in which they are cut."""
    height, width = (max(round(side * making.scale), 1) for side in mask.shape)
    if making.fit:
        height = width = making.size
    if min(height, width) < making.size:
        reduced = "" if making.scale == 1 else f" by --scale {making.scale:g}"
        raise DataError(f"{photo.image.path} ({width}×{height} px{reduced}{TOO_SMALL})")
    smaller = resized(pixels, mask, height, width)
    if mask.any() and not smaller[1].any():
        raise DataError(f"{photo.image.path} (its crack is too thin for that size)")
    return smaller


def _torn(photo: Photo, before: np.ndarray, after: np.ndarray) -> list[str]:
    """What to say of a crack that loses much of its area as it is reduced."""
    if before.shape == after.shape or not before.any():
        return []
    left = _share(after) / _share(before)
    return [f"{photo.image.path} (reduced, {left:.0%} of its crack is left)"] if left < TORN else []


def _share(mask: np.ndarray) -> float:
    return np.count_nonzero(mask) / mask.size


def _encoded(square: Square, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if suffix == ".jpg" else []
    bgr = cv2.cvtColor(square.pixels, cv2.COLOR_RGB2BGR)  # five times as fast as by a step of −1
    return cv2.imencode(suffix, bgr, options)[1].tobytes()


def _encoded_mask(mask: np.ndarray) -> bytes:
    options = [cv2.IMWRITE_PNG_BILEVEL, 1]
    return cv2.imencode(".png", mask * np.uint8(255), options)[1].tobytes()
