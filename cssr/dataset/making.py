"""Photos and labels made into a zip of squares, in the layout of the pipeline."""

import hashlib
import json
import os
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from cssr.dataset.crops import Square, resized, squares
from cssr.dataset.gathering import Gathered, Photo
from cssr.dataset.sides import drawn_sides, given_sides, joined
from cssr.files import new_beside
from cssr.sources.layout import MOSTLY_CRACK
from cssr.sources.listing import DataError, refuse

RECORD = "dataset.json"  # in the zip
TOO_SMALL = ", less than a square"
DEFAULT_TEST = 0.15
QUALITY = 95  # of JPEGs that are cut out of JPEGs
AHEAD = 2  # photos that wait for each core
DATE = (1980, 1, 1, 0, 0, 0)  # of all files in the zip, so that it has the same bytes each time


@dataclass(frozen=True)
class Making:
    """How photos become squares."""

    size: int = 448  # side of the squares, px
    fit: bool = False  # squash whole photos instead of cutting
    scale: float = 1.0  # of the photos, before they are cut
    empty: float = 0.2  # greatest share of squares without crack
    test: float | None = None  # share of photos to test on; None: as folders tell, else 0.15
    seed: int = 0
    inverted: bool = False  # crack is what masks have as background
    allow_dense: bool = False  # more crack than background


class CutSquare(NamedTuple):
    """A square that was cut, in files that have no final name yet."""

    place: str
    image: Path
    mask: Path
    crack: float  # share of it


class CutPhoto(NamedTuple):
    """A photo that was cut."""

    photo: Photo
    height: int  # as it came, px
    width: int
    crack: float  # share of it, in [0, 1]
    digest: bytes  # of its pixels
    squares: list[CutSquare]
    notes: list[str]


class Kept(NamedTuple):
    """A square of the data set."""

    side: str  # train or test
    photo: str
    name: str
    square: CutSquare


class Made(NamedTuple):
    """What became of the photos."""

    photos: list[CutPhoto]
    kept: list[Kept]
    left_out: dict[str, list[str]]  # names of squares and photos, by why

    def of(self, side: str) -> list[Kept]:
        """The squares of train or test."""
        return [each for each in self.kept if each.side == side]


Report = Callable[[Path, Made], None]


def make(gathered: Gathered, out: Path, making: Making, report: Report) -> Made:
    """Write the zip, and beside it what `report` writes; all of it or nothing.

    Args:
        gathered: photos with labels.
        out: zip to write.
        making: how.
        report: called with a folder for its files and what was made.

    Raises:
        DataError: if `out` is there and not of this command, if photos are not usable, with the
            first ten, or if masks seem to be inverted.
    """
    _check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_beside(out) as folder:
        crops = folder / "crops"
        crops.mkdir()
        photos = list(_cut_all(gathered.photos, crops, making, gathered.where))
        _check_dense(photos, making)
        made = _choose(photos, making)
        _write_zip(folder / out.name, made, making)
        report(folder, made)
        shutil.rmtree(crops)
    return made


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    try:
        with zipfile.ZipFile(out) as archive:
            ours = RECORD in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        ours = False
    if not ours:
        raise DataError(f"--out: {out} is there, and not of this command; name another")


def _cut_all(
    photos: Sequence[Photo], folder: Path, making: Making, where: str
) -> Iterator[CutPhoto]:
    """Cut photos on all cores, a few of them in memory at a time."""
    problems = []
    cut = partial(_cut, folder=folder, making=making)
    cores = os.cpu_count() or 1
    remaining = iter(enumerate(photos))
    with (
        ThreadPoolExecutor(cores) as pool,
        tqdm(total=len(photos), unit="photo", disable=None) as bar,
    ):
        waiting = [pool.submit(cut, *item) for item in islice(remaining, cores * AHEAD)]
        while waiting:
            result = waiting.pop(0).result()
            waiting += [pool.submit(cut, *item) for item in islice(remaining, 1)]
            bar.update()
            if isinstance(result, str):
                problems.append(result)
            else:
                yield result
    hint = "; --size, --fit or --scale fit squares to them" if TOO_SMALL in str(problems) else ""
    refuse(problems, len(photos), where, "images are not usable", hint=hint)


def _cut(number: int, photo: Photo, *, folder: Path, making: Making) -> CutPhoto | str:
    """Cut a photo; why not, if it cannot be used."""
    try:
        picture, mask, notes = photo.read()
        if making.inverted and photo.label is not None:
            mask = ~mask
        height, width = mask.shape
        pixels, mask = _resized(photo, picture.pixels, mask, making)
    except DataError as error:
        return str(error)
    whole = picture.content if (height, width) == mask.shape == (making.size,) * 2 else None
    suffix = ".jpg" if picture.is_lossy else ".png"
    written = []
    for k, square in enumerate(squares(pixels, mask, making.size)):
        stem = f"{number}-{k}"
        image = (folder / stem).with_suffix(suffix)
        image.write_bytes(whole or _encoded(square, suffix))
        of_mask = folder / f"{stem}.mask.png"
        of_mask.write_bytes(_encoded_mask(square.mask))
        written.append(CutSquare(square.place, image, of_mask, _share(square.mask)))
    digest = hashlib.sha256(picture.pixels.data)
    digest.update(str(picture.pixels.shape).encode())
    crack = _share(mask)
    return CutPhoto(photo, height, width, crack, digest.digest(), written, notes)


def _resized(
    photo: Photo, pixels: np.ndarray, mask: np.ndarray, making: Making
) -> tuple[np.ndarray, np.ndarray]:
    """A photo and its mask in the size in which they are cut."""
    height, width = (max(round(side * making.scale), 1) for side in mask.shape)
    if making.fit:
        height = width = making.size
    if min(height, width) < making.size:
        raise DataError(f"{photo.image.path} ({width}×{height} px{TOO_SMALL})")
    smaller = resized(pixels, mask, height, width)
    if mask.any() and not smaller[1].any():
        raise DataError(f"{photo.image.path} (its crack is too thin for that size)")
    return smaller


def _share(mask: np.ndarray) -> float:
    return np.count_nonzero(mask) / mask.size


def _encoded(square: Square, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if suffix == ".jpg" else []
    return cv2.imencode(suffix, square.pixels[..., ::-1], options)[1].tobytes()


def _encoded_mask(mask: np.ndarray) -> bytes:
    options = [cv2.IMWRITE_PNG_BILEVEL, 1]
    return cv2.imencode(".png", mask * np.uint8(255), options)[1].tobytes()


def _check_dense(photos: Sequence[CutPhoto], making: Making) -> None:
    """Refuse a set that has more crack than background."""
    if not any(photo.crack for photo in photos):
        raise DataError("no mask holds crack")
    share = float(np.mean([photo.crack for photo in photos]))
    if share > MOSTLY_CRACK and not making.allow_dense:
        raise DataError(
            f"{share:.0%} of the masks is crack; are they inverted? --inverted turns them, "
            "--allow-dense leaves them"
        )


def _choose(photos: Sequence[CutPhoto], making: Making) -> Made:
    """Share photos out to training and testing, and choose squares without crack."""
    by_name = {cut.photo.name: cut for cut in photos}
    same = _of_same_pixels(photos)
    groups = joined({name: cut.photo.group for name, cut in by_name.items()}, same)
    sides = _sides(by_name, groups, making)
    left_out: dict[str, list[str]] = {}
    for names in same:
        if {sides[name] for name in names} == {"train", "test"}:
            twins = [name for name in names if sides[name] == "train"]
            left_out.setdefault("the same pixels as a test image", []).extend(twins)
    gone = {name for names in left_out.values() for name in names}
    kept: list[Kept] = []
    for side in ("train", "test"):
        found = [
            Kept(side, name, _square_name(name, groups[name], square.place), square)
            for name, cut in by_name.items()
            if sides[name] == side and name not in gone
            for square in cut.squares
        ]
        chosen, surplus = _without_surplus(found, making)
        kept += chosen
        if surplus:
            left_out[f"without crack, beyond {making.empty:.0%} of {side}"] = surplus
        if not any(each.square.crack for each in chosen):
            raise DataError(f"there is no crack in the {side} images; another --seed or --test")
    return Made(list(photos), kept, left_out)


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


def _of_same_pixels(photos: Sequence[CutPhoto]) -> list[list[str]]:
    """Names of photos that have the same pixels."""
    by_digest = defaultdict(list)
    for cut in photos:
        by_digest[cut.digest].append(cut.photo.name)
    return [names for names in by_digest.values() if len(names) > 1]


def _square_name(photo: str, group: str, place: str) -> str:
    """A name that tells the photo, or the group, before two underscores; see `photo_names.py`."""
    if group == photo:
        return f"{photo}{place}"
    return f"{group}__{photo}{place.replace('__', '_')}"


def _without_surplus(found: Sequence[Kept], making: Making) -> tuple[list[Kept], list[str]]:
    """Squares, without crack up to their share, and the names of the others."""
    empty = [each for each in found if not each.square.crack]
    full = len(found) - len(empty)
    allowed = int(full * making.empty / (1 - making.empty))
    order = np.random.default_rng(making.seed).permutation(len(empty))
    surplus = {empty[k].name for k in order[allowed:]}
    return [each for each in found if each.name not in surplus], sorted(surplus)


def _write_zip(file: Path, made: Made, making: Making) -> None:
    """Write the data set; files are stored as they are, since images do not shrink."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for each in sorted(made.kept, key=lambda each: (each.side, each.name)):
            for kind, of_kind in (("images", each.square.image), ("masks", each.square.mask)):
                path = f"{each.side}/{kind}/{each.name}{of_kind.suffix}"
                archive.writestr(_member(path), of_kind.read_bytes())
        record = json.dumps(asdict(making), indent=2, sort_keys=True)
        archive.writestr(_member(RECORD), f"{record}\n")


def _member(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, DATE)
    info.external_attr = 0o644 << 16
    return info
