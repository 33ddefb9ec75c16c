"""Which squares of photos are for training, which for testing, and which for neither."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cssr.dataset.cutting import CutPhoto, CutSquare, Making
from cssr.dataset.sides import drawn_sides, given_sides, joined
from cssr.dataset.spool import Spool
from cssr.sources.labels import refuse_colours, refuse_mixed
from cssr.sources.layout import mean_share
from cssr.sources.listing import DataError, first_of
from cssr.sources.masks.mask_values import MOSTLY_CRACK

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


def check_labels(photos: Sequence[CutPhoto], where: str, making: Making) -> None:
    """Refuse labels of different values, and a set whose masks are mostly crack.

    Raises:
        DataError: with the values, or the share of crack.
    """
    refuse_mixed({cut.photo.image.path: cut.values for cut in photos}, where)
    refuse_colours({cut.photo.image.path: cut.colour for cut in photos}, where)
    if not any(photo.crack for photo in photos):
        raise DataError("no mask holds crack")
    share = mean_share([photo.crack for photo in photos])
    if share > MOSTLY_CRACK and not making.allow_dense:
        raise DataError(
            f"{share:.0%} of the masks is crack; are they inverted? --inverted turns them, "
            "--allow-dense leaves them"
        )


def choose(photos: Sequence[CutPhoto], spool: Spool, making: Making) -> Made:
    """Share photos out to training and testing, and choose squares without crack."""
    by_name = {cut.photo.name: cut for cut in photos}
    same = _of_same_pixels(photos)
    _refuse_contradictions(same, by_name)
    groups = joined({name: cut.photo.group for name, cut in by_name.items()}, same)
    sides = _sides(by_name, groups, making)
    tested = [names for names in same if any(sides[name] == "test" for name in names)]
    twins = sorted(name for names in tested for name in names if sides[name] == "train")
    left_out = []
    if twins:
        number = f"{len(twins):,} training photos with the pixels of a test photo"
        left_out.append(f"{number}: {first_of(twins)}")
    members = Counter(groups.values())
    alone = {name for name, group in groups.items() if members[group] == 1 and group == name}
    kept: list[Kept] = []
    for side in ("train", "test"):
        cuts = [cut for n, cut in by_name.items() if sides[n] == side and n not in twins]
        found = [
            Kept(side, cut.photo.name, _file_name(cut, groups, square, alone), square)
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
    """Train or test of each photo: as its folders tell, else as its group, else drawn."""
    labelled = {name: cut for name, cut in photos.items() if cut.photo.label is not None}
    sides: dict[str, str] = {}
    share = DEFAULT_TEST if making.test is None else making.test
    if making.test is None:
        sides = given_sides({name: cut.photo.split for name, cut in labelled.items()}) or {}
    if sides:
        _refuse_split_groups(labelled, sides)
        share = sum(side == "test" for side in sides.values()) / len(sides)
        of_group = {photos[name].photo.group: side for name, side in sides.items()}
        kept = {n: of_group.get(cut.photo.group) for n, cut in photos.items() if n not in sides}
        sides |= {name: side for name, side in kept.items() if side}
    cracked = {groups[name] for name, cut in photos.items() if cut.crack}
    is_given = bool(sides)
    for has_crack in (True, False):
        rest = {
            name: group
            for name, group in groups.items()
            if name not in sides and (group in cracked) is has_crack
        }
        must_draw = has_crack and not is_given
        if len(set(rest.values())) > 1 or must_draw:
            sides |= drawn_sides(rest, share, making.seed)
        else:
            sides |= dict.fromkeys(rest, "train")
    return sides


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


def _file_name(
    cut: CutPhoto, groups: Mapping[str, str], square: CutSquare, alone: Collection[str]
) -> str:
    """A name that tells the photo, or the group, before two underscores; see `photo_names.py`."""
    photo = cut.photo.name
    if photo in alone:
        return f"{photo}{square.place}{cut.suffix}"
    return f"{groups[photo]}__{photo}{square.place.replace('__', '_')}{cut.suffix}"


def _refuse_contradictions(same: Sequence[Sequence[str]], photos: Mapping[str, CutPhoto]) -> None:
    """Refuse photos that have the same pixels and different labels."""
    pairs = [names for names in same if len({photos[name].label_digest for name in names}) > 1]
    if pairs:
        named = first_of([" and ".join(names) for names in pairs])
        raise DataError(f"the same photo has different labels: {named}")


def _without_surplus(found: Sequence[Kept], making: Making) -> list[Kept]:
    """All squares with crack, and of the others up to their share."""
    empty = [k for k, each in enumerate(found) if not each.square.crack]
    allowed = int((len(found) - len(empty)) * making.empty / (1 - making.empty))
    order = np.random.default_rng(making.seed).permutation(len(empty))
    surplus = {empty[k] for k in order[allowed:]}
    return [each for k, each in enumerate(found) if k not in surplus]
