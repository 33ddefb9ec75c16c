"""Receptive fields: the input pixels that an output pixel depends on."""

from collections.abc import Callable, Sequence
from functools import partial

from cssr.models.dbpn import PROJECTION
from cssr.models.unet import CONVS_PER_BLOCK
from cssr.paper import STRIDE

Interval = tuple[int, int]  # first and last pixel of a row


def unet_field(first: int, last: int) -> Interval:
    """Input pixels that the U-Net's output pixels first … last depend on."""
    first, last = first - 1, last + 1  # last convolution
    for _ in CONVS_PER_BLOCK[1:]:  # decoder: pixel shuffle, convolution
        first, last = first // 2 - 1, last // 2 + 1
    for k, convs in enumerate(reversed(CONVS_PER_BLOCK)):
        if k:  # pooling
            first, last = 2 * first, 2 * last + 1
        first, last = first - convs, last + convs
    return first, last


def dbpn_field(first: int, last: int, *, scale: int, stages: int) -> Interval:
    """LR pixels that the super-resolved pixels first … last depend on."""
    kernel, stride, padding = PROJECTION[scale]

    def conv(first: int, last: int) -> Interval:
        return first * stride - padding, last * stride - padding + kernel - 1

    def deconv(first: int, last: int) -> Interval:
        return -((kernel - 1 - padding - first) // stride), (last + padding) // stride

    field = first - 1, last + 1  # reconstruction
    for k in range(stages):
        if k:  # a down-projection: correct, project back, project
            field = conv(*deconv(*conv(*field)))
        field = deconv(*conv(*deconv(*field)))
    return field[0] - 1, field[1] + 1  # features


def bicubic_field(first: int, last: int, *, scale: int) -> Interval:
    """LR pixels that the bicubically enlarged pixels first … last depend on."""
    return first // scale - 2, last // scale + 2


def receptive_field(steps: Sequence[str], *, scale: int, stages: int | None) -> tuple[int, int]:
    """Alignment and overlap with which tiles of an image give what the whole image gives.

    Args:
        steps: some that follow each other in a record of `cssr.models.variants`.
        scale: HR side / LR side.
        stages: of the SR network; None where there is none.

    Returns:
        Both in px of the first step's input: tiles begin at multiples of the first, and what lies
        within the second (a multiple of the first) of a cut is not the whole image's.
    """
    fields: dict[str, Callable[[int, int], Interval]] = {
        "ss": unet_field,
        "bicubic": partial(bicubic_field, scale=scale),
        "sr": partial(dbpn_field, scale=scale, stages=stages),
    }
    stride = STRIDE if "ss" in steps else 1
    enlarged = 1 if set(steps) <= {"ss"} else scale
    first, last = 0, stride * enlarged - 1
    for step in reversed(steps):
        first, last = fields[step](first, last)
    farthest = max(-first, last - stride + 1)
    return stride, -(-farthest // stride) * stride
