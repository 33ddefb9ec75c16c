"""Overlapping tiles of an image."""

from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """A tile along one side of an image, px; its core is the part that no other tile has."""

    start: int
    stop: int
    core_start: int  # counted like `start` and `stop`
    core_stop: int

    def margins(self) -> tuple[int, int]:
        """What lies before and after the core."""
        return self.core_start - self.start, self.stop - self.core_stop


def cut(side: int, *, tile: int, overlap: int, step: int) -> list[Span]:
    """Cut a side into tiles of about equal length, whose cores cover it once.

    Args:
        side: px.
        tile: greatest length of a tile, px.
        overlap: of a tile beyond its core, but not beyond the image, px.
        step: cores begin at multiples of it, px.

    Raises:
        ValueError: if the tile is too small for its overlap.
    """
    if side <= tile:
        return [Span(0, side, 0, side)]
    room = (tile - 2 * overlap) // step * step
    if room < step:
        raise ValueError(
            f"a tile of {tile} px is too small: the overlap takes {overlap} px on both sides, "
            f"so {2 * overlap + step} px or more are needed"
        )
    pieces = -(-side // room)
    length = -(-side // (pieces * step)) * step
    cuts = [*range(0, side, length), side]
    return [
        Span(max(0, start - overlap), min(side, stop + overlap), start, stop)
        for start, stop in pairwise(cuts)
    ]
