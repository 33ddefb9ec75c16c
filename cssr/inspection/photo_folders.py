"""What folders hold: photos, images that are left out, and what is not worth a word."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cssr.inspection.summary import MASK, SUMMARY
from cssr.sources.images.photo_kinds import MASKS_ALONE, left_out_kind, photo_suffixes, ways_in

HIDDEN = (".", "__MACOSX", "@eaDir", "$RECYCLE.BIN")  # how files of systems begin, ._IMG.jpg too


def photos_in(folder: Path, *, recursive: bool, masks: bool) -> tuple[list[Path], Counter[str]]:
    """The photos of a folder, and what other images it holds.

    Hidden files are passed over, links are followed, and each folder is looked into once.

    Args:
        folder: to search.
        recursive: search subfolders too.
        masks: among the results of a photo, find its mask; by default results are passed over.

    Returns:
        Photos, sorted; and how many images of each kind are left out.
    """
    suffixes = (*photo_suffixes(), *(MASKS_ALONE if masks else ()))
    photos = []
    left_out = Counter[str]()
    for below in _folders(folder, left_out) if recursive else [folder]:
        is_result = (below / SUMMARY).exists()
        for file in below.iterdir():
            if file.name.startswith(HIDDEN) or not file.is_file():
                continue
            suffix = file.suffix.lower()
            if suffix in suffixes and (not is_result or (masks and file.name == MASK)):
                photos.append(file)
            elif kind := left_out_kind(suffix):
                left_out[kind] += 1
    return sorted(photos), left_out


def left_out_line(left_out: Counter[str]) -> str:
    """Counts and kinds of images that are left out, such as `left out: 2 HEIC, 1 DNG`."""
    counts = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{number:,} {kind}" for kind, number in counts)
    ways = "; ".join(ways_in(left_out))
    return f"left out: {listed}" + (f" ({ways})" if ways else "")


def _folders(top: Path, left_out: Counter[str]) -> Iterator[Path]:
    """A folder and all below it, once each; links are followed after all that is no link.

    Those below it that may not be read are counted among what is left out.
    """
    seen = set()
    todo = [top]
    links = []
    while todo or links:
        folder = todo.pop(0) if todo else links.pop(0)
        if folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        if folder != top and not os.access(folder, os.R_OK | os.X_OK):
            left_out["unreadable folder"] += 1
            continue
        yield folder
        for below in sorted(folder.iterdir()):
            if below.is_dir() and not below.name.startswith(HIDDEN):
                (links if below.is_symlink() else todo).append(below)
