"""The folder that a command writes."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from cssr.errors import os_error_line
from cssr.inspection.crack_tables import CRACKS, PHOTOS
from cssr.inspection.photo_record import PhotoRecord
from cssr.inspection.summary import SUMMARY, is_of_another, read_summary

SHARED = ("index.html", CRACKS, PHOTOS)  # files of all photos together


@contextmanager
def output_folder(
    folder: Path, photos: Mapping[str, PhotoRecord] = MappingProxyType({})
) -> Iterator[None]:
    """Create a folder; if it is empty in the end, remove it with all parents that were created.

    Args:
        folder: to write.
        photos: that get a folder in it, by name.

    Raises:
        ValueError: if it cannot be written, or if a file of someone else, or the results of
            another photo, are where a photo's folder is to be.
    """
    _check_replaceable(folder, photos)
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise ValueError(f"--out: {folder} is a file, not a folder") from None
    except OSError as error:
        raise ValueError(f"--out: {os_error_line(error)}") from None
    try:
        yield
    finally:
        if created and not any(folder.iterdir()):
            for path in created:
                path.rmdir()


def _check_replaceable(folder: Path, photos: Mapping[str, PhotoRecord]) -> None:
    """Refuse to replace what no earlier run has written, or has written for another photo."""
    for name in photos:
        if above := photos.keys() & {str(parent) for parent in PurePosixPath(name).parents}:
            both = f"{above.pop()} and {name}"
            raise ValueError(f"--out: {both}: results of one would lie in those of the other")
    existing = {name: folder / name for name in photos if (folder / name).exists()}
    summaries = {name: read_summary(path) for name, path in existing.items()}
    foreign = [path for name, path in existing.items() if summaries[name] is None]
    if not any(folder.rglob(SUMMARY)):
        foreign += [folder / name for name in SHARED if (folder / name).exists()]
    if foreign:
        raise ValueError(f"--out: {foreign[0]} is there, and not of an earlier run; name another")
    for name, path in existing.items():
        if is_of_another(summaries[name], photos[name]):
            raise ValueError(f"--out: {path} is of another photo of this name; name another folder")
