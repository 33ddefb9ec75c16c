"""Choice of the validation images."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

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

    Args:
        names: different file names, in any order.
        val: how many to take.
        seed: of the choice.

    Returns:
        Names that remain for training and names for validation, both sorted.

    Raises:
        ValueError: if no image would be left for training, or none be taken.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(source_of(name), []).append(name)
    total = sum(map(len, groups.values()))
    if not 1 <= val < total:
        raise ValueError(
            f"{val} validation images cannot be taken out of {total} training images: "
            f"at least one must be taken and one be left"
        )
    rng = np.random.default_rng(seed)
    shares = _shares({source: len(group) for source, group in groups.items()}, val, rng)
    chosen: set[str] = set()
    for source, group in groups.items():
        chosen.update(_choose(group, shares[source], rng))
    everything = sorted(name for group in groups.values() for name in group)
    return [name for name in everything if name not in chosen], sorted(chosen)


def _shares(sizes: Mapping[str, int], count: int, rng: np.random.Generator) -> dict[str, int]:
    """`count` dealt out in proportion to the sizes: largest remainders, ties at random."""
    total = sum(sizes.values())
    shares = {source: count * size // total for source, size in sizes.items()}
    order = [list(sizes)[index] for index in rng.permutation(len(sizes))]
    order.sort(key=lambda source: count * sizes[source] % total, reverse=True)
    for source in order[: count - sum(shares.values())]:
        shares[source] += 1
    return shares


def _choose(names: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    return [names[index] for index in rng.permutation(len(names))[:count]]
