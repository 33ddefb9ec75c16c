"""Which squares of photos are for training, which for testing, and which for neither."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cssr.dataset.cutting import CutPhoto, CutSquare, Making
from cssr.dataset.sides import drawn_sides, given_sides, joined
from cssr.dataset.spool import Spool
from cssr.sources.layout import MOSTLY_CRACK
from cssr.sources.listing import DataError, first_of

DEFAULT_TEST = 0.15  # of photos, where neither user nor folders say what to test on


class Kept(NamedTuple):
    """A square of the data set."""

    side: str  # train or test
    photo: str
    file: str  # its name
    square: CutSquare


class Made(NamedTuple):
    """What became of the photos."""

    photos: list[CutPhoto]
    kept: list[Kept]
    left_out: list[str]  # what, and why
    spool: Spool  # of the squares

    def of(self, side: str) -> list[Kept]:
        """The squares of train or test."""
        return [each for each in self.kept if each.side == side]


def check_dense(photos: Sequence[CutPhoto], making: Making) -> None:
    """Refuse a set that has more crack than background."""
    if not any(photo.crack for photo in photos):
        raise DataError("no mask holds crack")
    share = float(np.mean([photo.crack for photo in photos]))
    if share > MOSTLY_CRACK and not making.allow_dense:
        raise DataError(
            f"{share:.0%} of the masks is crack; are they inverted? --inverted turns them, "
            "--allow-dense leaves them"
        )


def choose(photos: Sequence[CutPhoto], spool: Spool, making: Making) -> Made:
    """Share photos out to training and testing, and choose squares without crack."""
    by_name = {cut.photo.name: cut for cut in photos}
    same = _of_same_pixels(photos)
    groups = joined({name: cut.photo.group for name, cut in by_name.items()}, same)
    sides = _sides(by_name, groups, making)
    tested = [names for names in same if any(sides[name] == "test" for name in names)]
    twins = sorted(name for names in tested for name in names if sides[name] == "train")
    left_out = []
    if twins:
        number = f"{len(twins):,} training photos with the pixels of a test photo"
        left_out.append(f"{number}: {first_of(twins)}")
    kept: list[Kept] = []
    for side in ("train", "test"):
        cuts = [cut for n, cut in by_name.items() if sides[n] == side and n not in twins]
        found = [
            Kept(side, cut.photo.name, _file_name(cut, groups, square), square)
            for cut in cuts
            for square in cut.squares
        ]
        chosen = _without_surplus(found, making)
        surplus = len(found) - len(chosen) + sum(cut.surplus for cut in cuts)
        if surplus:
            left_out.append(f"{surplus:,} {side} squares without crack, beyond {making.empty:.0%}")
        if not any(each.square.crack for each in chosen):
            raise DataError(f"there is no crack in the {side} images; another --seed or --test")
        kept += chosen
    return Made(list(photos), kept, left_out, spool)


def _sides(
    photos: Mapping[str, CutPhoto], groups: Mapping[str, str], making: Making
) -> dict[str, str]:
    """Train or test of each photo: as its folders tell, else drawn by group."""
    labelled = {name: cut for name, cut in photos.items() if cut.photo.label is not None}
    given: dict[str, str] = {}
    share = DEFAULT_TEST if making.test is None else making.test
    if making.test is None:
        given = given_sides({name: cut.photo.split for name, cut in labelled.items()}) or {}
    if given:
        _refuse_split_groups(labelled, given)
        share = sum(side == "test" for side in given.values()) / len(given)
    cracked = {groups[name] for name, cut in photos.items() if cut.crack}
    rest = {name: group for name, group in groups.items() if name not in given}
    with_crack = {name: group for name, group in rest.items() if group in cracked}
    without = {name: group for name, group in rest.items() if group not in cracked}
    if not given:
        given = drawn_sides(with_crack, share, making.seed)
    elif with_crack:
        without |= with_crack
    if len(set(without.values())) < 2:
        return given | dict.fromkeys(without, "train")
    return given | drawn_sides(without, share, making.seed)


def _refuse_split_groups(photos: Mapping[str, CutPhoto], sides: Mapping[str, str]) -> None:
    """Refuse groups that folders put on both sides."""
    sides_of = defaultdict(set)
    for name, cut in photos.items():
        sides_of[cut.photo.group].add(sides[name])
    if split := sorted(group for group, those in sides_of.items() if len(those) > 1):
        raise DataError(
            f"--group: {first_of(split)}: in folders of both train and test; --test SHARE splits "
            "photos anew, whole groups together"
        )


def _of_same_pixels(photos: Sequence[CutPhoto]) -> list[list[str]]:
    """Names of photos that have the same pixels."""
    by_digest = defaultdict(list)
    for cut in photos:
        by_digest[cut.digest].append(cut.photo.name)
    return [names for names in by_digest.values() if len(names) > 1]


def _file_name(cut: CutPhoto, groups: Mapping[str, str], square: CutSquare) -> str:
    """A name that tells the photo, or the group, before two underscores; see `photo_names.py`."""
    photo = cut.photo.name
    group = groups[photo]
    if group == photo:
        return f"{photo}{square.place}{cut.suffix}"
    return f"{group}__{photo}{square.place.replace('__', '_')}{cut.suffix}"


def _without_surplus(found: Sequence[Kept], making: Making) -> list[Kept]:
    """All squares with crack, and of the others up to their share."""
    empty = [k for k, each in enumerate(found) if not each.square.crack]
    allowed = int((len(found) - len(empty)) * making.empty / (1 - making.empty))
    order = np.random.default_rng(making.seed).permutation(len(empty))
    surplus = {empty[k] for k in order[allowed:]}
    return [each for k, each in enumerate(found) if k not in surplus]
