"""The photos that a command is given, as files and folders."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from tqdm import tqdm

from cssr.inspection.photo_folders import left_out_line, photos_in
from cssr.inspection.photo_record import PhotoRecord, read_record
from cssr.inspection.photos import printable
from cssr.inspection.summary import MASK, SUMMARY
from cssr.sources.images.photo_headers import PhotoError
from cssr.sources.images.photo_kinds import MASKS_ALONE, photo_suffixes


def find_photos(
    paths: Sequence[Path],
    *,
    recursive: bool,
    exclude: Path | None = None,
    masks: bool = False,
) -> dict[str, Path]:
    """Find photos in files and folders.

    Args:
        paths: photos, and folders of photos.
        recursive: search subfolders too.
        exclude: a folder that is not searched.
        masks: among the results of a photo, find its mask, under the photo's name; by default
            results are passed over.

    Returns:
        Files by name. A name is relative to the folder that was given, or, where names would be
        the same, to the folder that all photos have in common.

    Raises:
        ValueError: if a path does not exist, or a folder holds no photo.
    """
    files: dict[Path, Path] = {}  # by the absolute path of the photo
    names: dict[Path, Path] = {}
    for path in paths:
        for file in _photos_at(path, recursive=recursive, exclude=exclude, masks=masks):
            photo = file.parent if masks and file.name == MASK and _is_result(file) else file
            top = path if path in photo.parents else photo.parent
            files[photo.absolute()] = file
            names[photo.absolute()] = photo.relative_to(top)
    if len(set(names.values())) < len(names):
        common = os.path.commonpath(names)
        names = {photo: photo.relative_to(common) for photo in names}
    return {printable(name): files[photo] for photo, name in names.items()}


def read_records(
    photos: Mapping[str, Path], read: Callable[[Path], PhotoRecord] = read_record
) -> tuple[dict[str, PhotoRecord], dict[str, str]]:
    """Read what is known of photos, and report those that are none.

    Args:
        photos: files by name.
        read: what reads one of them; a PhotoError tells that it is none.

    Returns:
        Records by name, and the errors of the other photos by name.

    Raises:
        ValueError: if no photo can be read.
    """
    records = {}
    failed = {}
    for name, file in photos.items():
        try:
            records[name] = read(file)
        except PhotoError as error:
            failed[name] = str(error)
    if not records:
        (name, reason), *others = failed.items()
        more = f", and {len(others)} more" if others else ""
        raise ValueError(f"no readable photo: {printable(photos[name])}: {reason}{more}")
    for name, reason in failed.items():
        click.echo(skipped_line(photos[name], reason), err=True)
    return records, failed


def skipped_line(file: Path, reason: str) -> str:
    """What is reported of a photo that could not be read."""
    return f"{printable(file)}: {reason}; skipped"


def tell_notes(file: Path, notes: Sequence[str]) -> None:
    """Tell the user how a photo was read, beside a progress bar if there is one."""
    for note in notes:
        tqdm.write(f"note: {printable(file)}: {note}", file=sys.stderr)


def _photos_at(path: Path, *, recursive: bool, exclude: Path | None, masks: bool) -> list[Path]:
    """The photo at a path, or the photos in the folder there."""
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    photos = [path]
    if path.is_dir():
        photos = _photos_in_folder(path, recursive=recursive, masks=masks)
    outside = [
        photo
        for photo in photos
        if exclude is None or exclude.resolve() not in photo.resolve().parents
    ]
    if not outside:
        raise ValueError(f"{path} lies in the folder to write, {exclude}; name another --out")
    return outside


def _photos_in_folder(folder: Path, *, recursive: bool, masks: bool) -> list[Path]:
    photos, left_out = photos_in(folder, recursive=recursive, masks=masks)
    line = left_out_line(left_out) if left_out else None
    if not photos:
        kind = "mask" if masks else "photo"
        hint = "" if recursive else "; --recursive looks in its folders"
        also = f"; {line}" if line else ""
        suffixes = ", ".join((*photo_suffixes(), *(MASKS_ALONE if masks else ())))
        raise ValueError(f"{folder}: no {kind} ({suffixes}) in this folder{hint}{also}")
    if line:
        click.echo(f"note: {printable(folder)}: {line}", err=True)
    return photos


def _is_result(file: Path) -> bool:
    return (file.parent / SUMMARY).exists()
