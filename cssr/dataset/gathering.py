"""The photos of folders and zips, each with what is known of its label."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from cssr.dataset.sides import group_of
from cssr.sources.images.image_files import EXIF_TURNS, Picture, read_picture
from cssr.sources.labels import Annotations, Label, Reading, choose_crack, label_of
from cssr.sources.listing import (
    DataError,
    File,
    first_of,
    links_line,
    list_files,
    read_file,
    refuse,
)
from cssr.sources.masks.mask_files import Mask
from cssr.sources.pairing import IMAGE_SUFFIXES, Pair, layout_lines, pair_up, suffix_of

_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|_]{2,}|[\\/:*?"<>|]')


@dataclass(frozen=True)
class Finding:
    """How images and their labels are found."""

    images: str | None = None  # pattern of their paths
    masks: str | None = None
    negatives: tuple[Path, ...] = ()  # folders of images without crack
    only_labelled: bool = False  # leave out images that have no label
    group: str | None = None  # pattern of the group in a path, or `folder`
    reading: Reading = field(default_factory=Reading)  # of labels


class Photo(NamedTuple):
    """A photo with its label, not read yet."""

    name: str  # different from all others, without two underscores
    group: str  # of photos that stay together
    split: str | None  # that its folders tell
    image: File
    label: Label | None  # None: it has no crack
    is_unsized: bool = False  # whether its label does not tell the size of what it is drawn on

    def read(self) -> tuple[Picture, Mask, list[str]]:
        """The photo, its mask, and notes for people.

        Raises:
            DataError: with the path, if one cannot be read or does not fit the other.
        """
        picture = read_file(self.image, read_picture)
        if self.is_unsized and picture.is_turned and EXIF_TURNS not in picture.notes:
            picture = picture._replace(notes=(*picture.notes, EXIF_TURNS))
        size = picture.pixels.shape[:2]
        mask = self.label(size) if self.label else Mask(np.zeros(size, bool), ())
        warned = [f"decoded with a warning: {picture.warning}"] if picture.warning else []
        return picture, mask, [f"{self.image.path} ({note})" for note in (*warned, *picture.notes)]


class _Part(NamedTuple):
    """What one source holds."""

    photos: list[Photo]
    annotations: Annotations
    layout: list[str]  # lines for people
    others: Counter[str]  # files of no use, by what they are


class Gathered(NamedTuple):
    """What was found."""

    where: str  # the sources
    photos: list[Photo]
    lines: list[str]  # of the layout, for people
    others: Counter[str]  # files of no use, by what they are


def gather(
    sources: Sequence[Path], finding: Finding, stack: ExitStack, *, exclude: Sequence[Path] = ()
) -> Gathered:
    """Find photos and their labels.

    Args:
        sources: folders and zips.
        finding: how.
        exclude: files that are no photos, such as those of an earlier command.
        stack: closes the zips.

    Raises:
        DataError: if there is none, or an image has no label; with the first ten.
    """
    where = ", ".join(map(str, sources))
    outside = (*finding.negatives, *exclude)
    parts = []
    for source, place in zip(sources, _places(sources), strict=True):
        files = _without(source, list_files(source, stack), outside)
        named = [file._replace(path=(place / file.path).as_posix()) for file in files]
        parts.append(_part(source, named, finding))
    annotated = [part.annotations for part in parts]
    choose_crack(annotated, finding.reading)
    if finding.reading.inverted and any(annotations.files for annotations in annotated):
        raise DataError("--inverted is for masks; annotations are drawn as they are")
    photos = [photo for part in parts for photo in part.photos]
    lines = [line for part in parts for line in part.layout]
    lines += [line for annotations in annotated for line in annotations.lines()]
    for folder in finding.negatives:
        found = _negatives(folder, finding, stack)
        photos += found
        lines.append(f"{len(found):,} × {folder} without crack")
    others = sum((part.others for part in parts), Counter())
    return Gathered(where, _with_own_names(photos, where), lines, others)


def _places(sources: Sequence[Path]) -> list[PurePosixPath]:
    """What stands before the paths of each source's files: of several, their names.

    So names may be there twice, and folders `train` and `test` tell what they are.
    """
    if len(sources) == 1:
        return [PurePosixPath()]
    whole = [path if path.is_dir() else path.with_suffix("") for path in map(Path.resolve, sources)]
    if len({path.name for path in whole}) == len(whole):
        return [PurePosixPath(path.name) for path in whole]
    top = os.path.commonpath(whole)
    return [PurePosixPath(path.relative_to(top)) for path in whole]


def _part(source: Path, files: Sequence[File], finding: Finding) -> _Part:
    """What one source holds."""
    found = pair_up(files, images=finding.images, masks=finding.masks)
    if not found.pairs and source not in finding.negatives:
        raise DataError(f"{source}: no images found{links_line(files)}")
    images = [pair.image.path for pair in found.pairs]
    needed = found.annotations if found.without_mask else []
    annotations = Annotations(needed, images, finding.reading)
    others = found.others + Counter(suffix_of(f.path) for f in found.annotations if not needed)
    problems = [*found.problems]
    photos = []
    for pair in found.pairs:
        label = label_of(pair, annotations, finding.reading)
        if label is None and finding.only_labelled:
            others["without a mask"] += 1
            continue
        if label is None:
            problems.append(f"{pair.image.path} (no mask)")
        is_unsized = pair.mask is None and annotations.is_unsized(pair.image.path)
        photos.append(_photo(pair, label, finding.group)._replace(is_unsized=is_unsized))
    total = len(found.pairs) + len(found.problems)
    hint = _hint(problems, [file.path for file in needed if file not in annotations.files])
    refuse(problems, total, str(source), "images are not usable", hint=hint)
    layout = [f"{source}: {line}" for line in layout_lines(found)]
    return _Part(photos, annotations, layout, others)


def _negatives(folder: Path, finding: Finding, stack: ExitStack) -> list[Photo]:
    """The photos of a folder, which have no crack."""
    files = [file for file in list_files(folder, stack) if suffix_of(file.path) in IMAGE_SUFFIXES]
    if not files:
        raise DataError(f"--negatives {folder}: no images")
    return [_photo(pair, None, finding.group) for pair in pair_up(files, images="*").pairs]


def _photo(pair: Pair, label: Label | None, group: str | None) -> Photo:
    found = group_of(pair.image.path, group)
    return Photo(f"{pair.folder}/{pair.name}", found or "", pair.split, pair.image, label)


def _with_own_names(photos: Sequence[Photo], where: str) -> list[Photo]:
    """Photos with the shortest names that differ: the file's, with folders, with its split."""
    named: dict[str, Photo] = {}
    twice = []
    short = [PurePosixPath(photo.name).name for photo in photos]
    number = Counter(name.casefold() for name in short)
    long = Counter(photo.name.casefold() for photo in photos)
    for photo, name in zip(photos, short, strict=True):
        if number[name.casefold()] > 1:
            name = photo.name
        if long[photo.name.casefold()] > 1:
            name = f"{photo.split or ''}_{name}"
        name = _NOT_IN_NAMES.sub("_", name).strip("_. ")
        first = named.setdefault(name.casefold(), photo)
        if first is not photo:
            twice.append(f"{photo.image.path} (the same name as {first.image.path})")
        group = _NOT_IN_NAMES.sub("_", photo.group).strip("_. ") or name
        named[name.casefold()] = photo._replace(name=name, group=group)
    refuse(twice, len(photos), where, "images are not usable")
    return [named[name] for name in sorted(named)]


def _without(source: Path, files: Sequence[File], folders: Sequence[Path]) -> list[File]:
    """The files of a source that lie in none of some folders."""
    tops = [folder.resolve() for folder in folders]
    return [
        file
        for file in files
        if not any((source / file.path).resolve().is_relative_to(top) for top in tops)
    ]


def _hint(problems: Sequence[str], unknown: Sequence[str]) -> str:
    """What to do about problems, where some files are annotations of no known format."""
    unknown = [path for path in unknown if suffix_of(path) in (".json", ".xml")]
    if unknown:
        return f"; no known format of annotations: {first_of(unknown)}"
    if any("(no mask)" in problem for problem in problems):
        return "; those without crack go into a folder, for --negatives; else --only-labelled"
    return "; --images PATTERN and --masks PATTERN say which are which" if problems else ""
