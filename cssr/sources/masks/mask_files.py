"""Masks of any common format and convention, read whole: where there is crack, and where not."""

from typing import NamedTuple

import cv2
import numpy as np

from cssr.sources.images.jpeg_parts import SOI
from cssr.sources.masks.crack_level import CRACK
from cssr.sources.masks.mask_formats import PNG, Pixels, read_pixels
from cssr.sources.masks.mask_tally import CrackFinder
from cssr.sources.masks.mask_values import SHOWN, MaskError, Rule

BLOCK = 2**22  # pixels that are counted at a time


class Mask(NamedTuple):
    """Where there is crack."""

    crack: np.ndarray  # (H, W) bool
    values: tuple[float, ...]  # that decide, if there are ten at most, else none
    valid: np.ndarray | None = None  # where there are data, (H, W) bool; None for everywhere
    ignores_alpha: bool = False  # whether it may have alpha that does not tell where data are
    colour: tuple[int, ...] | None = None  # of crack, RGB, where it is not gray


def read_mask(content: bytes, name: str, *, crack_value: int | None = None) -> Mask:
    """Read a mask of whatever format and convention; the values of each file decide.

    - Two values: the greater one is crack, such as 255, 1, 65535, or 2 where background is 1.
    - One value: 0 is background, white is crack; others are refused.
    - JPEG and what else is lossy: the greatest channel, from 128 on.
    - Soft edges: from half of the range on. Other values, such as labels or a photo, are refused.
    - Palette: of two indices, the one that is not black is crack, or not 0.
    - Colours: shades of one colour on black are read by their greatest channel.
    - Alpha that varies: the image is colours times alpha. Where there is one colour alone, such as
      black everywhere, alpha is the mask. What is fully transparent has no colour there.

    Args:
        content: of the file.
        name: of the file, whose suffix helps where its content does not tell the format.
        crack_value: the one value of crack, or index of a palette; None to find it. A file without
            it has no crack. Black or white stand for their half of what is soft or lossy.

    Raises:
        MaskError: if the file cannot be read, or does not tell what is crack.
    """
    pixels = read_pixels(content, name, palette_index=crack_value is not None)
    finder = CrackFinder(
        lossy=pixels.lossy,
        palette=pixels.palette,
        crack_value=crack_value,
        background=pixels.background,
    )
    rows = _rows(pixels.values)
    for block in rows:
        finder.add(*_part(pixels, block))
    crack = _crack(pixels, finder, finder.rule(), rows)
    values = finder.tally.values
    return Mask(
        crack,
        tuple(values.tolist()) if len(values) <= SHOWN else (),
        _valid(pixels, finder),
        not finder.is_transparent and (pixels.alpha is not None or pixels.palette is not None),
        finder.tally.colour,
    )


def read_coloured_mask(content: bytes, name: str, colour: tuple[int, int, int]) -> Mask:
    """Read a mask of labels that are colours, one of which is crack.

    Args:
        content: of the file.
        name: of the file, whose suffix helps where its content does not tell the format.
        colour: of crack, RGB; where a pixel has another one, there is no crack.

    Raises:
        MaskError: if the file cannot be read, or does not keep colours.
    """
    pixels = read_pixels(content, name, palette_index=True)
    if pixels.lossy:
        raise MaskError("its compression does not keep colours; save the mask as PNG")
    values = pixels.values
    if pixels.palette is not None:
        values = pixels.palette[values[..., 0]]
    return Mask((values == np.array(colour)).all(axis=-1), values=())


def mask_size(content: bytes, name: str) -> tuple[int, int]:
    """Height and width of a mask, px.

    Raises:
        MaskError: if the file cannot be read.
    """
    height, width = read_pixels(content, name).values.shape[:2]
    return height, width


def is_canonical(content: bytes, crack: np.ndarray) -> bool:
    """Whether the pipeline finds the same in the very file: a PNG or JPEG, gray, cut at 128."""
    if not content.startswith((PNG, SOI)):
        return False
    try:
        gray = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        return False
    return gray is not None and np.array_equal(gray >= CRACK, crack)


def _rows(values: np.ndarray) -> list[slice]:
    """Rows that are looked at together."""
    step = max(BLOCK // values.shape[1], 1)
    return [slice(start, start + step) for start in range(0, len(values), step)]


def _part(pixels: Pixels, rows: slice) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Values, alpha and where there are data, of some rows."""
    alpha = None if pixels.alpha is None else pixels.alpha[rows]
    return pixels.values[rows], alpha, None if pixels.valid is None else pixels.valid[rows]


def _crack(pixels: Pixels, finder: CrackFinder, rule: Rule, rows: list[slice]) -> np.ndarray:
    crack = np.zeros(pixels.values.shape[:2], bool)
    for block in rows:
        values, alpha, valid = _part(pixels, block)
        found = rule.crack(finder.deciding(values, alpha))
        crack[block] = found if valid is None else found & valid
    return crack


def _valid(pixels: Pixels, finder: CrackFinder) -> np.ndarray | None:
    if pixels.alpha is None or not finder.is_transparent:
        return pixels.valid
    shown = pixels.alpha > 0
    return shown if pixels.valid is None else shown & pixels.valid
