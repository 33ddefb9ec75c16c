"""How an image is cut into tiles that overlap."""

from collections.abc import Iterator
from itertools import groupby, islice, pairwise
from typing import NamedTuple

from torch import Tensor


class Span(NamedTuple):
    """A piece of one side of an image, px.

    Attributes:
        start: first pixel that is computed.
        stop: the one after the last.
        first: first pixel that is kept of it.
        last: the one after the last.
    """

    start: int
    stop: int
    first: int
    last: int

    def kept(self, side: int, scale: int) -> slice:
        """What is kept, counted from `start` in px of `scale` times as many.

        Args:
            side: of the image; what lies beyond is padding, and not kept.
            scale: pixels for each of the image's.
        """
        stop = min(self.last, side)
        return slice((self.first - self.start) * scale, (stop - self.start) * scale)


def cut(side: int, *, tile: int, overlap: int, step: int) -> list[Span]:
    """Cut a side into spans of about equal length; the kept pieces cover it once.

    Args:
        side: px.
        tile: greatest length that is computed at once, px.
        overlap: computed beyond what is kept, but not beyond the image, px.
        step: cuts lie at multiples of it, px.

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
        Span(max(0, first - overlap), min(side, last + overlap), first, last)
        for first, last in pairwise(cuts)
    ]


def batches(spans: list[Span], size: int) -> Iterator[list[Span]]:
    """Neighbouring spans of the same length, at most `size` at a time."""
    for _, same in groupby(spans, key=lambda span: span.stop - span.start):
        while batch := list(islice(same, size)):
            yield batch


def kept(values: Tensor, row: Span, column: Span, size: tuple[int, int]) -> Tensor:
    """What is kept of a tile, as far as it lies on the image.

    Args:
        values: of the tile, (…, H, W), at the image's resolution or a multiple of it.
        row: where the tile lies.
        column: likewise.
        size: height and width of the image, px.
    """
    scale = values.shape[-1] // (column.stop - column.start)
    return values[..., row.kept(size[0], scale), column.kept(size[1], scale)]
