"""Pixels of 16 bits as 8: of many cameras, they fill 10, 12 or 14 only, or a part of these."""

from typing import NamedTuple

import numpy as np

DEPTHS = (8, 10, 12, 14, 16)  # that cameras and scanners have
VALUES = 1 << 16
TAIL = 0.001  # share of the values at either end that is no matter: hot and dead pixels
MOST = 0.95  # share of the values
NARROW = 1 / 8  # share of a depth below which the values do not fill it


class Depth(NamedTuple):
    """How values of 16 bits become 8."""

    levels: np.ndarray  # by value, (65536,) uint8
    notes: tuple[str, ...]  # what the user is told of it


def upper_bits(bits: int) -> np.ndarray:
    """The upper 8 of so many bits, by value, (65536,) uint8; what is above 0 stays above 0."""
    values = np.arange(VALUES)
    return np.minimum(np.maximum(values >> (bits - 8), values > 0), 255).astype(np.uint8)


def count_values(values: np.ndarray) -> np.ndarray:
    """How often each value occurs in uint16, (65536,)."""
    return np.bincount(values.ravel(), minlength=VALUES)


def find_depth(counts: np.ndarray) -> Depth:
    """Find the range of a photo's values, without the tails.

    That is the least depth that holds them, from 0; or, where they fill less than 1/8 of it, from
    their least to their greatest, but no fewer than 256 values, so that none gets two levels. 0
    and 65535 have no say, since they are what borders and overexposed pixels have.

    Args:
        counts: how often each value occurs in pixels with data, (65536,).
    """
    sums = np.cumsum(counts[1:-1])
    if not sums[-1]:
        return Depth(upper_bits(16), ())
    tail = TAIL * sums[-1]
    least = int(np.searchsorted(sums, tail, side="right")) + 1
    greatest = int(np.searchsorted(sums, sums[-1] - tail)) + 1
    bits = next(bits for bits in DEPTHS if greatest >> bits == 0)
    width = max(greatest - least, 255)
    if greatest > least and width < NARROW * (1 << bits):
        low = (least + greatest - width) / 2
        levels = np.clip((np.arange(VALUES) - low) * (255 / width) + 0.5, 0, 255)
        note = f"values from {low:,.0f} to {low + width:,.0f} are scaled from black to white"
        return Depth(levels.astype(np.uint8), (note,))
    most = int(np.searchsorted(sums, MOST * sums[-1])) + 1
    dark = f"{MOST:.0%} of its values are below {most + 1:,}, which may be too dark to tell cracks"
    above = int(counts[1 << bits :].sum())
    cut = f", but for {above:,} that are cut off" if above else ""
    notes = (f"values fill {bits} of 16 bits{cut}; scaled",) if bits < 16 else ()
    return Depth(upper_bits(bits), (*notes, dark) if most < NARROW * (1 << bits) else notes)
