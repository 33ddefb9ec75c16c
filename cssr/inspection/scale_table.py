"""Scales of photos in a CSV file."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import click

from cssr.sources.listing import composed

EXIF = "exif"  # instead of a file: scales from what the cameras wrote
MM_MAX = 1e6  # of a pixel
PHOTO = "photo"  # names of columns, without capitals and punctuation
MM_PER_PX = ("mm per px", "mm px", "mm per pixel", "mm pixel")  # the second is mm/px
OF_TWO = (*MM_PER_PX, "mm", "size", "size mm", "pixel size", "pixel size mm")
WANTED = "wanted are photo and mm_per_px"
SHOWN = 3  # names in a line

Line = tuple[int, list[str]]  # number and cells


def read_sizes(
    file: Path, names: Sequence[str], needed: Collection[str] | None = None
) -> dict[str, float]:
    """Read mm per px of each photo from the columns `photo` and `mm_per_px`, or the only two.

    Separated by comma, or by semicolon with decimal commas. Without names of columns, or with
    others, the file must have two columns, and none may be of another unit. Photos are named as
    they are shown, or by their file name alone. What the file holds of other photos is told.

    Args:
        file: the CSV file.
        names: of the photos.
        needed: those that must have a size; by default all.

    Returns:
        Sizes by name.

    Raises:
        ValueError: naming the photos or lines that are wrong, missing, or there twice.
    """
    rows = _read_rows(file)
    by_file = defaultdict(list)
    for name in names:
        by_file[_plain(PurePosixPath(name).name)].append(name)
    known = {_plain(name): name for name in names}
    plain = {row: _plain(row) for row in rows}
    meant = {row: [known[p]] if p in known else by_file.get(p, []) for row, p in plain.items()}
    several = [row for row, found in meant.items() if len(found) > 1]
    if several:
        raise ValueError(f"{file}: {listed(several)}: several photos have this name")
    twice = Counter(name for found in meant.values() for name in found)
    _refuse(file, "two sizes of", [name for name, number in twice.items() if number > 1])
    others = [row for row, found in meant.items() if not found]
    missing = [name for name in needed or names if name not in twice]
    if missing and others:
        missing[-1] += f"; not among the photos: {listed(others)}"
    _refuse(file, "no size of", missing)
    if others:
        click.echo(f"note: {file}: not among the photos: {listed(others)}", err=True)
    return {found[0]: rows[row] for row, found in meant.items() if found}


def _plain(name: str) -> str:
    """A photo's name as others may write it: by backslashes, or accents apart from letters."""
    return composed(name.replace("\\", "/").removeprefix("./"))


def to_number(text: str) -> float:
    """A number, without the underscores that Python allows in one; ValueError if it is none."""
    return float(text.replace("_", "?"))


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _read_rows(file: Path) -> dict[str, float]:
    """Sizes by the names in a CSV file."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not a CSV file in UTF-8") from None
    semicolons = ";" in text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=",;"[semicolons])
    try:
        stripped = [[cell.strip() for cell in line] for line in reader]
    except csv.Error as error:
        raise ValueError(f"{file} is not a readable CSV file ({error})") from None
    lines = [(number, line) for number, line in enumerate(stripped, 1) if any(line)]
    if not lines:
        raise ValueError(f"{file} is empty")
    photo, size, lines = _columns(file, lines, semicolons)
    bad = [f"line {k}" for k, line in lines if _size(line[size], semicolons) is None]
    _refuse(file, f"no number of mm in (0, {MM_MAX:g}] in", bad)
    _refuse(file, "no photo in", [f"line {k}" for k, line in lines if not line[photo]])
    rows = [(line[photo], _size(line[size], semicolons) or 0) for _, line in lines]
    count = Counter(name for name, _ in rows)
    _refuse(file, "two lines of", [name for name, number in count.items() if number > 1])
    return dict(rows)


def _columns(file: Path, lines: list[Line], semicolons: bool) -> tuple[int, int, list[Line]]:
    """The columns of photo and size, and the lines below their names, all of them as long."""
    header = lines[0][1]
    names = [re.sub(r"[\W_]+", " ", cell.casefold()).strip() for cell in header]
    sizes = [column for column, name in enumerate(names) if name in MM_PER_PX]
    if names.count(PHOTO) == len(sizes) == 1:
        surplus = [f"line {k}" for k, line in lines if len(line) > len(names)]
        _refuse(file, f"more than its {len(names)} columns in", surplus)
        filled = [(k, [*line, *[""] * (len(names) - len(line))]) for k, line in lines[1:]]
        return names.index(PHOTO), sizes[0], filled
    others = [f"line {k}" for k, line in lines if len(line) != 2]
    if others:
        hint = "" if semicolons else " (decimal commas need semicolons between columns)"
        raise ValueError(f"{file}: not two columns in {listed(others)}; {WANTED}{hint}")
    if _size(header[1], semicolons) is not None or header[1][:1].isdigit():
        return 0, 1, lines  # without names
    if names[1] not in OF_TWO:
        raise ValueError(f"{file}: its columns are {header[0]} and {header[1]}; {WANTED}")
    return 0, 1, lines[1:]


def _size(text: str, decimal_comma: bool) -> float | None:
    try:
        size = to_number(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        return None
    return size if 0 < size <= MM_MAX else None


def _refuse(file: Path, what: str, names: Sequence[str]) -> None:
    if names:
        raise ValueError(f"{file}: {what} {listed(names)}")
