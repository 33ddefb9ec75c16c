"""Choice of the validation images."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cssr.preparation.photo_names import photo_of

# text before the first underscore; the word noncrack is kept with the word behind it
_SOURCE = re.compile(r"(?:noncrack_)*[^_]+(?=_)")


def source_of(name: str) -> str:
    """The collection that an image comes from, as its name tells.

    `CFD` of CFD_004_0.jpg, `CRACK500` of CRACK500_20160222_081011.jpg, `noncrack_METU` of
    noncrack_METU_102_0.jpg; empty for a name without underscore.
    """
    match = _SOURCE.match(name)
    return match.group() if match else ""


def split_names(names: Iterable[str], *, val: int, seed: int) -> tuple[list[str], list[str]]:
    """Take validation images out of the training images, of each source its share.

    All images of a photo, or of a group, are on one side: see `photo_names.py`.

    Args:
        names: different file names, in any order.
        val: how many to take; fewer are taken where groups leave no other way.
        seed: of the choice.

    Returns:
        Names that remain for training and names for validation, both sorted.

    Raises:
        ValueError: if no image would be left for training, or none be taken.
    """
    names = sorted(names)
    sources: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        sources[source_of(name)][photo_of(name)].append(name)
    if not 1 <= val < len(names):
        raise ValueError(
            f"{val} validation images cannot be taken out of {len(names)} training images: "
            f"at least one must be taken and one be left"
        )
    rng = np.random.default_rng(seed)
    sizes = {source: sum(map(len, photos.values())) for source, photos in sources.items()}
    shares = _shares(sizes, val, rng)
    chosen: set[str] = set()
    left = []  # photos that were too large for what their source had still to give
    for source, photos in sources.items():
        order = [list(photos.values())[index] for index in rng.permutation(len(photos))]
        left += _choose(order, shares[source], chosen)
    _choose(left, val - len(chosen), chosen)
    if not chosen:
        raise ValueError(
            f"{val} validation images cannot be taken: each photo, or group, has more than that, "
            "and its images stay together"
        )
    return [name for name in names if name not in chosen], sorted(chosen)


def _shares(sizes: Mapping[str, int], count: int, rng: np.random.Generator) -> dict[str, int]:
    """`count` dealt out in proportion to the sizes: largest remainders, ties at random."""
    total = sum(sizes.values())
    shares = {source: count * size // total for source, size in sizes.items()}
    order = [list(sizes)[index] for index in rng.permutation(len(sizes))]
    order.sort(key=lambda source: count * sizes[source] % total, reverse=True)
    for source in order[: count - sum(shares.values())]:
        shares[source] += 1
    return shares


def _choose(photos: Iterable[Sequence[str]], count: int, chosen: set[str]) -> list[Sequence[str]]:
    """Choose up to `count` images, photo by photo; the photos that are too large for the rest."""
    left = []
    for images in photos:
        if len(images) <= count:
            chosen.update(images)
            count -= len(images)
        else:
            left.append(images)
    return left
