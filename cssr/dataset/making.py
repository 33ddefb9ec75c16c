"""Photos and labels made into a zip of squares, in the layout of the pipeline."""

import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from cssr.dataset.choosing import Made, check_labels, choose
from cssr.dataset.cutting import Making, cut_all
from cssr.dataset.gathering import Gathered
from cssr.dataset.spool import Spool
from cssr.files import new_beside
from cssr.sources.layout import KINDS
from cssr.sources.listing import DataError

RECORD = "dataset.json"  # in the zip
DATE = (1980, 1, 1, 0, 0, 0)  # of all files in the zip, so that it has the same bytes each time


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
    with new_beside(out) as folder, tempfile.TemporaryFile(dir=folder) as file:
        spool = Spool(file)
        photos = list(cut_all(gathered, spool, making))
        check_labels(photos, gathered.where, making)
        made = choose(photos, spool, making)
        _write_zip(folder / out.name, made, making)
        report(folder, made)
    return made


def beside(out: Path) -> list[Path]:
    """What is written beside a data set."""
    return [out.with_suffix(suffix) for suffix in (".md", ".jpg")]


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        others = [file for file in beside(out) if file.exists()]
        if others:
            raise DataError(f"--out: {others[0]} is there, and would be replaced; name another")
        return
    try:
        with zipfile.ZipFile(out) as archive:
            ours = RECORD in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        ours = False
    if not ours:
        raise DataError(f"--out: {out} is there, and not of this command; name another")


def _write_zip(file: Path, made: Made, making: Making) -> None:
    """Write the data set; files are stored as they are, since images do not shrink."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for each in sorted(made.kept, key=lambda each: (each.side, each.file)):
            image, mask = (f"{each.side}/{kind}/{each.file}" for kind in KINDS)
            archive.writestr(_member(image), made.spool.read(each.square.image))
            path = str(PurePosixPath(mask).with_suffix(".png"))
            archive.writestr(_member(path), made.spool.read(each.square.mask))
        record = json.dumps(asdict(making), indent=2, sort_keys=True)
        archive.writestr(_member(RECORD), f"{record}\n")


def _member(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, DATE)
    info.external_attr = 0o644 << 16
    return info
