"""Which pixels of a mask are crack: its pixels are counted first, some at a time."""

import cv2
import numpy as np

from cssr.sources.masks.mask_values import (
    SHOWN,
    MaskError,
    Rule,
    find_palette_rule,
    find_rule,
    listed,
)

MANY = 4096  # colours that are counted; soft edges of one colour have 65,536 only in 16 bits
ROUNDING = 2 / 255  # of white, by which a colour may miss another one's hue
TO_DO = "draw crack in white on black"


class Tally:
    """Counts the values of a mask, and its colours.

    Args:
        colours: whether colours count; else only the greatest channel.

    Attributes:
        values: that the greatest channel has, ascending, (N,).
        counts: how often, (N,).
    """

    def __init__(self, *, colours: bool = True) -> None:
        self.values = np.zeros(0, np.uint8)
        self.counts = np.zeros(0, np.int64)
        self._counts_colours = colours
        self._grays = np.zeros((0, 1), np.uint8)
        self._colours = np.zeros((0, 3), np.uint8)  # but for grays

    def add(self, pixels: np.ndarray, lengths: np.ndarray | None = None) -> None:
        """Count pixels.

        Args:
            pixels: (N, C) of any type.
            lengths: how many pixels each of them stands for, (N,); None for one.

        Raises:
            MaskError: if some are no numbers.
        """
        if not len(pixels):
            return
        values, counts = _count(greatest(pixels), lengths)
        if len(self.counts):
            values, inverse = np.unique(np.concatenate([self.values, values]), return_inverse=True)
            counts = np.bincount(inverse, np.concatenate([self.counts, counts])).astype(np.int64)
        self.values, self.counts = values, counts
        if self._counts_colours and pixels.shape[1] > 1 and len(self._colours) <= MANY:
            self._add_colours(pixels)

    @property
    def is_one_colour(self) -> bool:
        """Whether all pixels have the same colour."""
        return len(self.values) <= 1 and len(self._grays) + len(self._colours) <= 1

    @property
    def colour(self) -> tuple[int, ...] | None:
        """The hue of the pixels that are not gray, RGB of 255 at most; None if there are none."""
        if not len(self._colours):
            return None
        light = self._colours.max(axis=1)
        purest = self._colours[light.argmax()] / light.max()
        return tuple((255 * purest).round().astype(int).tolist())

    def rule(self, *, lossy: bool, crack_value: int | None, background: int = 0) -> Rule:
        """Which values of the greatest channel are crack; see `find_rule`.

        Raises:
            MaskError: if it is ambiguous.
        """
        if len(self._colours):
            self._check_hue()
        return find_rule(
            self.values, self.counts, lossy=lossy, crack_value=crack_value, background=background
        )

    def _add_colours(self, pixels: np.ndarray) -> None:
        runs = np.unique(pixels[_starts(pixels)], axis=0)
        is_gray = (runs == runs[:, :1]).all(axis=1)
        self._grays = _union(self._grays, runs[is_gray, :1])
        self._colours = _union(self._colours, runs[~is_gray])

    def _check_hue(self) -> None:
        """Refuse colours other than black and shades of one."""
        if len(self._colours) > MANY:
            raise MaskError(f"it holds over {MANY:,} colours; is it a photo? Else {TO_DO}")
        grays = np.repeat(self._grays, 3, axis=1)
        colours = np.unique(np.concatenate([grays, self._colours]), axis=0)
        light = colours.max(axis=1).astype(np.float64)
        purest = colours[light.argmax()] / light.max()
        white = next((white for white in (1, 255, 65535) if light.max() <= white), light.max())
        misses = np.abs(colours - light[:, None] * purest).max()
        if light[0] == 0 and misses <= ROUNDING * white:
            return
        if len(colours) > SHOWN:
            raise MaskError(f"it holds {len(colours):,} colours; is it a photo? Else {TO_DO}")
        named = listed(f"({', '.join(map(str, colour))})" for colour in colours.tolist())
        number = "colours" if len(colours) > 1 else "only the colour"
        raise MaskError(f"it holds {number} {named}; {TO_DO}")


class CrackFinder:
    """Tells the crack of a mask from its values, once all of these have been counted.

    Where alpha varies, and there is one colour alone (what is fully transparent has none), alpha is
    the mask. That is how drawing programs export a layer, and crack is in alpha only. With more
    colours, the image is colours times alpha. Alpha that is the same everywhere tells nothing.

    Args:
        lossy: whether compression has changed the values, of 8 bits.
        palette: colours by index, (256, 3); None if the values are no indices.
        crack_value: the value of crack; None to find it.
        background: what a mask without crack holds besides 0.
    """

    def __init__(
        self,
        *,
        lossy: bool = False,
        palette: np.ndarray | None = None,
        crack_value: int | None = None,
        background: int = 0,
    ) -> None:
        self.lossy = lossy
        self.palette = palette
        self.crack_value = crack_value
        self.background = background
        self._plain = Tally(colours=not lossy)
        self._shown = Tally(colours=not lossy)  # where alpha is above 0
        self._product = Tally(colours=not lossy)
        self._alpha = Tally()

    def add(
        self, values: np.ndarray, alpha: np.ndarray | None = None, valid: np.ndarray | None = None
    ) -> None:
        """Count some rows of a mask.

        Args:
            values: (rows, W, C).
            alpha: (rows, W), of the same type; None if there is none.
            valid: where there are data, (rows, W) bool; None for everywhere.

        Raises:
            MaskError: if some are no numbers.
        """
        pixels = values.reshape(-1, values.shape[2]) if valid is None else values[valid]
        if alpha is None:
            self._plain.add(pixels)
        elif len(pixels):
            shown = alpha.reshape(-1) if valid is None else alpha[valid]
            self._add_with_alpha(pixels, shown[:, None])

    def _add_with_alpha(self, pixels: np.ndarray, alpha: np.ndarray) -> None:
        """Count pixels (N, C) with alpha (N, 1), by runs of the same ones."""
        starts = _starts(np.concatenate([pixels, alpha], axis=1))
        lengths = np.diff(starts, append=len(pixels))
        pixels, alpha = pixels[starts], alpha[starts]
        shown = alpha[:, 0] > 0
        self._plain.add(pixels, lengths)
        self._shown.add(pixels[shown], lengths[shown])
        self._product.add(times_alpha(pixels, alpha[:, 0]), lengths)
        self._alpha.add(alpha, lengths)

    @property
    def is_by_alpha(self) -> bool:
        """Whether alpha is the mask."""
        return self._alpha_varies and self._shown.is_one_colour

    @property
    def is_transparent(self) -> bool:
        """Whether there are no data where alpha is 0."""
        return self._alpha_varies and not self._shown.is_one_colour

    @property
    def tally(self) -> Tally:
        """Of what decides."""
        if self.is_by_alpha:
            return self._alpha
        return self._product if self.is_transparent else self._plain

    def rule(self) -> Rule:
        """Which values are crack.

        Raises:
            MaskError: if it is ambiguous.
        """
        tally = self.tally
        if self.palette is not None:
            return find_palette_rule(
                tally.values, tally.counts, self.palette, crack_value=self.crack_value
            )
        return tally.rule(
            lossy=self.lossy and not self.is_by_alpha,
            crack_value=self.crack_value,
            background=self.background,
        )

    def deciding(self, values: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
        """What the rule is for, (rows, W), of values (rows, W, C) and alpha (rows, W)."""
        if alpha is not None and self.is_by_alpha:
            return alpha
        is_product = alpha is not None and self.is_transparent
        return greatest(times_alpha(values, alpha) if is_product else values)

    @property
    def _alpha_varies(self) -> bool:
        return len(self._alpha.values) > 1


def greatest(pixels: np.ndarray) -> np.ndarray:
    """The greatest channel of pixels (…, C)."""
    return pixels.max(axis=-1) if pixels.shape[-1] > 1 else pixels[..., 0]


def times_alpha(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (…, C) times alpha (…), both of the same unsigned type."""
    full = np.iinfo(values.dtype).max
    product = values.astype(np.uint32) * alpha[..., None]
    return ((product + full // 2) // full).astype(values.dtype)


def _count(values: np.ndarray, lengths: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Values (N,) that occur, ascending, and how often; MaskError if some are no numbers."""
    if values.dtype == np.uint8 and lengths is None:  # OpenCV counts ten times faster
        histogram = cv2.calcHist([np.ascontiguousarray(values)], [0], None, [256], (0, 256))
        counts = histogram.ravel().astype(np.int64)
        found = np.flatnonzero(counts)
        return found.astype(np.uint8), counts[found]
    if values.dtype in (bool, np.uint8, np.uint16):
        counts = np.bincount(values, lengths).astype(np.int64)
        found = np.flatnonzero(counts)
        return found.astype(values.dtype), counts[found]
    if not np.isfinite(values).all():
        raise MaskError("it holds values that are no numbers (NaN or infinite)")
    found, inverse = np.unique(values, return_inverse=True)
    return found, np.bincount(inverse, lengths).astype(np.int64)


def _starts(pixels: np.ndarray) -> np.ndarray:
    """Where runs of the same pixels (N, C) start."""
    changes = (pixels[1:] != pixels[:-1]).any(axis=1)
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _union(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([one, other]), axis=0) if len(one) else other
