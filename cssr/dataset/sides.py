"""Which photos are for training and which for testing: never two of one group on both sides."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from cssr.sources.listing import DataError, first_of

FOLDER = "folder"  # instead of a pattern: photos of one folder are a group


def group_of(path: str, pattern: str | None) -> str | None:
    """The group of a photo; None if it is one by itself.

    Args:
        path: of the photo.
        pattern: regular expression that finds the group in it, by its first parentheses if it has
            some; or `folder`.

    Raises:
        DataError: if the pattern is none, or finds nothing.
    """
    if pattern is None:
        return None
    if pattern == FOLDER:
        return PurePosixPath(path).parent.as_posix()
    try:
        found = re.search(pattern, path)
    except re.error as error:
        raise DataError(f"--group {pattern}: {error}") from None
    if found is None or not (group := found[1 if found.re.groups else 0]):
        raise DataError(f"--group {pattern}: finds nothing in {path}")
    return group


def given_sides(splits: Mapping[str, str | None]) -> dict[str, str] | None:
    """The sides of photos by the folders that they lie in; None if there are no such folders.

    Validation images are for training, since the pipeline holds out its own, or for testing where
    no others are.

    Args:
        splits: train, val, test or None, by name of the photo.

    Raises:
        DataError: if some photos lie in such folders and others do not, or all in one.
    """
    there = set(splits.values())
    if there == {None}:
        return None
    if None in there:
        alone = [name for name, split in splits.items() if split is None]
        raise DataError(
            f"{len(alone):,} of {len(splits):,} images are in no folder train or test: "
            f"{first_of(alone)}; --test SHARE splits all of them anew"
        )
    of_val = "train" if "test" in there else "test"
    sides = {name: of_val if split == "val" else str(split) for name, split in splits.items()}
    if len(set(sides.values())) == 1:
        (only,) = set(sides.values())
        raise DataError(f"all images are in folders {only}; --test SHARE splits them anew")
    return sides


def drawn_sides(groups: Mapping[str, str], share: float, seed: int) -> dict[str, str]:
    """Draw whole groups for testing, until they have their share of the photos.

    Args:
        groups: by name of the photo.
        share: of the photos that are for testing, in (0, 1).
        seed: of the draw.

    Raises:
        DataError: if there is one group only.
    """
    members = defaultdict(list)
    for name in sorted(groups):
        members[groups[name]].append(name)
    if len(members) < 2:
        raise DataError(f"all images are of one group, {next(iter(members))}; nothing to test on")
    order = [sorted(members)[k] for k in np.random.default_rng(seed).permutation(len(members))]
    wanted = share * len(groups)
    test: set[str] = set()
    for group in order[1:]:  # one remains for training
        if not test or abs(len(test) + len(members[group]) - wanted) <= abs(len(test) - wanted):
            test.update(members[group])
    return {name: "test" if name in test else "train" for name in groups}


def joined(groups: Mapping[str, str], same: Sequence[Sequence[str]]) -> dict[str, str]:
    """Groups of which those with photos of the same pixels are one.

    Args:
        groups: by name of the photo.
        same: names of photos that have the same pixels.
    """
    root = {group: group for group in groups.values()}

    def find(group: str) -> str:
        while root[group] != group:
            group = root[group]
        return group

    for names in same:
        first, *others = sorted({find(groups[name]) for name in names})
        for other in others:
            root[other] = first
    return {name: find(group) for name, group in groups.items()}
