"""Find the crack images of folders and zips, check them, and bring them into the pipeline's layout.

That is `{train,test}/{images,masks}/NAME.jpg` or `.png`; an image and its mask have the same NAME.
What layouts are taken as they are is told in `pairing.py`, what masks in `mask_files.py`. What
needs a choice is left to `cssr dataset`.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np

from cssr.sources.images.image_files import read_header, read_picture
from cssr.sources.labels import (
    Annotations,
    Label,
    Reading,
    choose_crack,
    label_of,
    refuse_colours,
    refuse_mixed,
)
from cssr.sources.listing import (
    DataError,
    File,
    first_of,
    links_line,
    list_files,
    read_file,
    refuse,
)
from cssr.sources.masks.mask_files import is_canonical
from cssr.sources.masks.mask_values import MOSTLY_CRACK
from cssr.sources.pairing import Pair, layout_lines, pair_up

SPLITS = ("train", "test")
KINDS = ("images", "masks")
WARNED = "decoded with a warning, its pixels seem whole"
COMMAND = "cssr dataset {} --out own.zip --size {}"


class _Labelled(NamedTuple):
    """A pair, and what gives its mask."""

    pair: Pair
    label: Label


class _Copied(NamedTuple):
    """What became of a pair."""

    problem: str | None = None  # why it is not usable
    crack: float = 0.0  # its share of the mask
    name: str = ""  # of the mask
    values: Sequence[float] = ()  # of the mask, if they are few
    notes: Sequence[tuple[str, str]] = ()  # what there is to say, and of which file
    digest: bytes = b""  # of the image's pixels
    colour: tuple[int, ...] | None = None  # of crack in the mask, RGB, where it is not gray


def import_images(sources: Sequence[Path], folder: Path, *, image_size: int) -> None:
    """Check the pairs of one or more sources and bring them into one data set.

    JPEGs and PNGs of 8 bits, and masks as the pipeline reads them, are copied byte for byte; others
    become PNGs. How files were read is told.

    Args:
        sources: folders and zips, each with one data set; they are only read.
        folder: where `{train,test}/{images,masks}/` are made.
        image_size: side that every image and mask must have, px.

    Raises:
        DataError: if a source holds no data set or several, or needs a choice, with the
            `cssr dataset` command that lets it be made; if names differ only by case; if images
            or masks are not usable, with the first ten and their number; if there is no training
            or no test image, no crack in any mask, or more crack than background.
    """
    where = ", ".join(map(str, sources))
    command = COMMAND.format(shlex.join(map(str, sources)), image_size)
    with ExitStack() as stack:
        labelled = [each for source in sources for each in _labelled_in(source, stack, image_size)]
        labelled.sort(key=lambda each: (each.pair.split, each.pair.name))
        pairs = [each.pair for each in labelled]
        _refuse_twice(pairs, where)
        for split in SPLITS:
            if split not in {pair.split for pair in pairs}:
                raise DataError(f"{where}: there is no {split} image in {split}/images/")
            for kind in KINDS:
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor() as pool:
            copy = partial(_copy_pair, folder=folder, image_size=image_size)
            results = list(pool.map(copy, labelled))
    problems = [result.problem for result in results if result.problem]
    is_size = any(" px, not " in problem for problem in problems)
    hint = f"; {command} makes squares of larger images, with --fit of all" if is_size else ""
    refuse(problems, len(pairs), where, "images are not usable", hint=hint)
    refuse_mixed({result.name: result.values for result in results}, where)
    refuse_colours({result.name: result.colour for result in results}, where)
    _check_crack([result.crack for result in results], where, command)
    _tell(note for result in results for note in result.notes)
    _tell(_twins(pairs, [result.digest for result in results]))


def _twins(pairs: Sequence[Pair], digests: Sequence[bytes]) -> Iterator[tuple[str, str]]:
    """A note on each training image that has the pixels of a test image."""
    tested = {digest for pair, digest in zip(pairs, digests, strict=True) if pair.split == "test"}
    for pair, digest in zip(pairs, digests, strict=True):
        if pair.split == "train" and digest in tested:
            yield "training images with the pixels of a test image", pair.image.path


def _labelled_in(source: Path, stack: ExitStack, image_size: int) -> list[_Labelled]:
    """The pairs of a source, in train or test; validation images are training images too."""
    files = list_files(source, stack)
    found = pair_up(files)
    command = COMMAND.format(shlex.quote(str(source)), image_size)
    if not found.pairs:
        raise DataError(
            f"{source}: no images found; looked for {{train,test}}/{{images,masks}}/NAME.jpg, "
            f".png and the like, at its top and in its folders{links_line(files)}"
        )
    pairs = [pair for pair in found.pairs if pair.split]
    if not pairs:
        saw = "; ".join(layout_lines(found)[:3])
        raise DataError(f"{source}: no folders train and test ({saw}); {command} makes them")
    _tell(("in no folder train or test", p.image.path) for p in found.pairs if not p.split)
    folders = sorted({pair.folder or "." for pair in pairs})
    if len(folders) > 1:
        several = first_of(folders)
        raise DataError(f"{source}: more than one data set, in {several}; {command} makes one")
    labels = _labels_of(pairs, found.annotations, source)
    problems = [f"{pair.image.path} (no mask)" for pair in pairs if pair not in labels]
    hint = f"; if they show no crack: {command} --negatives FOLDER" if problems else ""
    problems += found.problems
    total = len(pairs) + len(found.problems)
    refuse(problems, total, str(source), "images are not usable", hint=hint)
    _refuse_case(pairs, str(source))
    into = {"train": "train", "val": "train", "test": "test"}
    return [
        _Labelled(pair._replace(split=into[str(pair.split)]), label)
        for pair, label in labels.items()
    ]


def _labels_of(pairs: Sequence[Pair], files: Sequence[File], source: Path) -> dict[Pair, Label]:
    """What gives the masks of pairs: the masks themselves, or annotations."""
    reading = Reading()
    try:
        unlabelled = any(pair.mask is None for pair in pairs)
        images = [pair.image.path for pair in pairs]
        annotations = Annotations(files if unlabelled else [], images, reading)
        choose_crack([annotations], reading)
        labels = {pair: label_of(pair, annotations, reading) for pair in pairs}
    except ValueError as error:
        raise DataError(f"{source}: {error}; see `cssr dataset`") from None
    return {pair: label for pair, label in labels.items() if label is not None}


def _tell(notes: Iterable[tuple[str, str]]) -> None:
    """Tell how files were read, those with the same note in one line."""
    files = defaultdict(list)
    for note, file in notes:
        files[note].append(file)
    for note, those in files.items():
        print(f"note: {note}: {first_of(those)}", flush=True)


def _refuse_case(pairs: Sequence[Pair], where: str) -> None:
    """Refuse names that would be the same file on a disk that ignores case."""
    seen: dict[tuple[str | None, str], str] = {}
    same = []
    for pair in sorted(pairs, key=lambda pair: (str(pair.split), pair.name)):
        other = seen.setdefault((pair.split, pair.name.casefold()), pair.name)
        if other != pair.name:
            same.append(f"{pair.split}: {pair.name} and {other}")
    refuse(same, len(pairs), where, "names differ only by case")


def _refuse_twice(pairs: Sequence[Pair], where: str) -> None:
    """Refuse names that several sources have, or the training and the validation images."""
    seen: dict[tuple[str | None, str], Pair] = {}
    twice = []
    for pair in pairs:
        first = seen.setdefault((pair.split, pair.name), pair)
        if first is not pair:
            twice.append(f"{pair.image.path} (the same name as {first.image.path})")
    refuse(twice, len(pairs), where, "images are not usable")


def _check_crack(shares: Sequence[float], where: str, command: str) -> None:
    """Refuse a set without crack, and one whose masks must be inverted."""
    if not any(shares):
        raise DataError(f"{where}: no mask holds crack")
    if (dense := mean_share(shares)) > MOSTLY_CRACK:
        raise DataError(
            f"{where}: {dense:.0%} of the masks is crack; are they inverted? "
            f"{command} --inverted turns them, --allow-dense leaves them"
        )


def mean_share(shares: Sequence[float]) -> float:
    """Mean share of crack in the masks that have some."""
    return float(np.mean([share for share in shares if share]))


def _copy_pair(labelled: _Labelled, *, folder: Path, image_size: int) -> _Copied:
    """Copy an image and its mask, if they are usable."""
    pair, label = labelled
    try:
        _check_size(pair.image, image_size)  # before a pixel is decoded
        picture = read_file(pair.image, read_picture)
        mask = label((image_size, image_size))
    except DataError as error:
        return _Copied(problem=str(error))
    write = partial(_write, folder / str(pair.split), pair.name)
    write("images", pair.image, picture.content, cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2BGR))
    of_mask = pair.mask.read() if pair.mask else b""
    as_it_is = of_mask if is_canonical(of_mask, mask.crack) else None
    write("masks", pair.mask or pair.image, as_it_is, mask.crack * np.uint8(255))
    share = float(mask.crack.mean())
    notes = [(f"{note}", pair.image.path) for note in picture.notes]
    if picture.warning:
        notes.append((WARNED, f"{pair.image.path} ({picture.warning})"))
    if share > MOSTLY_CRACK:
        notes.append(("masks that are mostly crack", f"{pair.image.path} ({share:.0%})"))
    name = pair.mask.path if pair.mask else ""
    return _Copied(None, share, name, mask.values, notes, picture.digest, mask.colour)


def _check_size(file: File, side: int) -> None:
    height, width = read_file(file, read_header).size
    if (height, width) != (side, side):
        raise DataError(f"{file.path} ({width}×{height} px, not {side}×{side})")


def _write(
    folder: Path, name: str, kind: str, file: File, content: bytes | None, pixels: np.ndarray
) -> None:
    """Write a file as it is, or as PNG."""
    suffix = PurePosixPath(file.path).suffix if content else ".png"
    if content is None:
        content = cv2.imencode(".png", pixels)[1].tobytes()
    (folder / kind / f"{name}{suffix}").write_bytes(content)
