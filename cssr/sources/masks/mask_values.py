"""Which values of a mask are crack: the rules, on counts, for whole masks and for bands of them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from cssr.sources.masks.crack_level import CRACK

FULL = (1, 255, 65535)  # what white may be
SHOWN = 10  # values or colours that a message names
MAX_PIXELS = 2**30  # of a mask that is read whole; OpenCV reads no more either
LABELS = 32  # values that a file of labels may have
MOSTLY_CRACK = 0.5  # share of a mask from which it may be inverted, or none

# A soft edge is narrow, so there is little between the ends of the range, and it has both ends. Of
# drawn cracks resized by 0.3 to 2 (bilinear, area, bicubic), what lies between the outer eighths is
# up to 23 % of the pixels and 7 times the rarer end (an area of 0.3 on lines of 1 px apart). Of
# photos it is 70 % and more, and over 50 times the rarer end. Labels have fewer values.
END = 1 / 8  # of the range, at both ends
BETWEEN = 1 / 4  # greatest share of the pixels between the ends
PER_END = 8  # greatest number of these for each pixel of the rarer end
SOFT_VALUES = 5  # fewest; halving a mask gives 0, 64, 128, 191 and 255

HINT = "--crack-value N says which value is crack"


class MaskError(ValueError):
    """A file that cannot be read as a mask; the message does not name it."""


class Rule(NamedTuple):
    """The least and the greatest value of crack; without crack, the least is above the greatest."""

    least: float
    greatest: float

    def crack(self, values: np.ndarray) -> np.ndarray:
        """Where values of any shape are crack, bool."""
        if self.least == self.greatest:
            return values == self.least
        return (values >= self.least) & (values <= self.greatest)


NO_CRACK = Rule(1, 0)


def find_rule(
    values: np.ndarray,
    counts: np.ndarray,
    *,
    lossy: bool = False,
    crack_value: int | None = None,
    background: int = 0,
) -> Rule:
    """Find which values of a mask are crack.

    Of two values it is the greater one. Of more it is the upper half of the range, if the file is
    lossy or has soft edges. A given value that is an end of such a range stands for its half.

    Args:
        values: that occur in the mask, ascending, (N,).
        counts: how often, (N,).
        lossy: whether compression has changed the values, of 8 bits.
        crack_value: the value of crack; None to find it.
        background: what a mask without crack holds besides 0.

    Raises:
        MaskError: if it is ambiguous.
    """
    if not len(values):
        return NO_CRACK
    if lossy:
        check_lossy(int(values[-1]))
        if len(values) > 1 and not _is_black_and_white(values, counts, 255):
            raise MaskError(
                "it holds more than black, white and soft edges; is it a photo? Else save the "
                "mask as PNG, or draw crack in white (255) on black"
            )
        return lossy_rule(crack_value)
    if crack_value is not None:
        return _given_rule(values, counts, crack_value)
    if len(values) == 1:
        return _constant_rule(values, background)
    if len(values) == 2:
        return _exactly(values[1])
    if _is_soft(values, counts):
        return _half(values, upper=True)
    doubt = "is it a photo? Else " if len(values) > LABELS else ""
    raise MaskError(f"{holds(values)}; {doubt}{HINT}")


def lossy_rule(crack_value: int | None = None) -> Rule:
    """The rule for masks of 8 bits whose values lossy compression has changed.

    Raises:
        MaskError: if the value of crack is neither black nor white.
    """
    if crack_value not in (None, 0, 255):
        raise MaskError(
            f"its compression does not keep the value {crack_value}; "
            f"save the mask as PNG, or draw crack in white (255) on black"
        )
    return Rule(0, CRACK - 1) if crack_value == 0 else Rule(CRACK, 255)


def check_lossy(greatest: int) -> None:
    """Refuse a lossy mask that has no white, but is not black; MaskError says so."""
    if 0 < greatest < CRACK:
        raise MaskError(f"values up to {greatest}; those of crack are {CRACK} to 255")


def find_palette_rule(
    indices: np.ndarray, counts: np.ndarray, palette: np.ndarray, *, crack_value: int | None = None
) -> Rule:
    """Find which indices of a palette are crack.

    Of two it is the one that is not background. That is the black one; else index 0; else the
    darker one.

    Args:
        indices: that occur in the mask, ascending, (N,).
        counts: how often, (N,).
        palette: colours by index, (256, 3).
        crack_value: the index of crack; None to find it.

    Raises:
        MaskError: if it is ambiguous.
    """
    colours = palette[indices]
    is_ramp = (colours == indices[:, None]).all()
    if is_ramp or not len(indices):
        return find_rule(indices, counts, crack_value=crack_value)
    if crack_value is not None:
        return _label_rule(indices, crack_value)
    light = colours.sum(axis=1)
    if len(indices) == 1 and light[0] in (0, 3 * 255):
        return _exactly(indices[0]) if light[0] else NO_CRACK
    if len(indices) == 2:
        background = 0 if indices[0] == 0 and light.all() else int(light.argmin())
        return _exactly(indices[1 - background])
    raise MaskError(f"{holds(indices, 'index', 'indices')} of its palette; {HINT}")


def check_size(height: int, width: int) -> None:
    """Refuse a mask that is too large to be read whole; MaskError says so."""
    if height * width > MAX_PIXELS:
        raise MaskError(f"{width}×{height} px; {MAX_PIXELS:,} px are read at most")


def holds(values: np.ndarray, one: str = "value", many: str = "values") -> str:
    """What a message says of the values of a mask, such as `it holds the values 0, 1 and 2`."""
    if len(values) == 1:
        return f"it holds only the {one} {_text(values[0])}"
    if len(values) > SHOWN:
        ends = f"from {_text(values[0])} to {_text(values[-1])}"
        return f"it holds {len(values):,} {many} {ends}"
    return f"it holds the {many} {listed(map(_text, values))}"


def listed(names: Iterable[str]) -> str:
    """Names as `a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _text(value: Any) -> str:
    value = value.item()
    return f"{value:g}" if isinstance(value, float) else str(int(value))


def _exactly(value: Any) -> Rule:
    return Rule(value.item(), value.item())


def _constant_rule(values: np.ndarray, background: int) -> Rule:
    """The rule for a mask with one value: black or white; 1 is white where it is no integer."""
    value = values[0]
    if value in (0, background):
        return NO_CRACK
    if value in FULL[1:] or (value == 1 and values.dtype.kind in "bf"):
        return _exactly(value)
    raise MaskError(f"{holds(values)}, which may be crack or not; {HINT}")


def _given_rule(values: np.ndarray, counts: np.ndarray, crack_value: int) -> Rule:
    if values.dtype == bool and crack_value == 255:  # as programs show one bit
        crack_value = 1
    if _is_soft(values, counts) and crack_value in (0, _full(values)):
        return _half(values, upper=crack_value > 0)
    return _label_rule(values, crack_value)


def _label_rule(values: np.ndarray, crack_value: int) -> Rule:
    """The rule for labels of which one is crack; a file without it has no crack."""
    if len(values) > LABELS and crack_value not in values:
        raise MaskError(f"{holds(values)}; none of them is {crack_value}, the value of crack")
    return Rule(crack_value, crack_value)


def _full(values: np.ndarray) -> int | None:
    """What is white in a mask; None if it has greater values than any white."""
    return next((full for full in FULL if values[-1] <= full), None)


def _is_soft(values: np.ndarray, counts: np.ndarray) -> bool:
    """Whether more than two values are black and white with soft edges."""
    full = _full(values)
    if full is None or len(values) < SOFT_VALUES or values[0] < 0:
        return False
    is_between = (values > full * END) & (values < full * (1 - END))  # else they are labels
    return bool(is_between.any()) and _is_black_and_white(values, counts, full)


def _is_black_and_white(values: np.ndarray, counts: np.ndarray, full: int) -> bool:
    """Whether most values are near the ends of a range, and both ends are there."""
    black = counts[values <= full * END].sum()
    white = counts[values >= full * (1 - END)].sum()
    between = counts.sum() - black - white
    rarer = min(black, white)
    return bool(rarer and between <= BETWEEN * counts.sum() and between <= PER_END * rarer)


def _half(values: np.ndarray, *, upper: bool) -> Rule:
    """The upper or the lower half of the range of a mask with soft edges."""
    is_upper = 2 * values.astype(np.float64) >= _full(values)
    half = values[is_upper == upper]
    return Rule(half[0].item(), half[-1].item())
