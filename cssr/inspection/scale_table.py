"""Scales of photos in a CSV file."""

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import click

EXIF = "exif"  # instead of a file: scales from what the cameras wrote
MM_MAX = 1e6  # of a pixel
COLUMNS = ("photo", "mm_per_px")
SHOWN = 3  # names in a line


def read_sizes(
    file: Path, names: Sequence[str], needed: Collection[str] | None = None
) -> dict[str, float]:
    """Read mm per px of each photo from the columns `photo` and `mm_per_px`, or the first two.

    Separated by comma, or by semicolon with decimal commas, and with or without a line of names.
    Photos are named as they are shown, or by their file name alone. What the file holds of other
    photos is told.

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
        by_file[PurePosixPath(name).name].append(name)
    known = set(names)
    meant = {row: [row] if row in known else by_file.get(row, []) for row in rows}
    several = [row for row, found in meant.items() if len(found) > 1]
    if several:
        raise ValueError(f"{file}: {listed(several)}: several photos have this name")
    twice = Counter(name for found in meant.values() for name in found)
    _refuse(file, "two sizes of", [name for name, number in twice.items() if number > 1])
    missing = [name for name in needed or names if name not in twice]
    _refuse(file, "no size of", missing)
    others = [row for row, found in meant.items() if not found]
    if others:
        click.echo(f"note: {file}: not among the photos: {listed(others)}", err=True)
    return {found[0]: rows[row] for row, found in meant.items() if found}


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
    lines = [
        (number, [cell.strip() for cell in line])
        for number, line in enumerate(csv.reader(text.splitlines(), delimiter=",;"[semicolons]), 1)
        if any(cell.strip() for cell in line)
    ]
    if not lines:
        raise ValueError(f"{file} is empty")
    columns = 0, 1
    first = lines[0][1]
    if set(COLUMNS) <= set(first):
        columns = tuple(first.index(column) for column in COLUMNS)
    if _size(first, columns[1], semicolons) is None and not _has_digit(first, columns[1]):
        lines = lines[1:]
    bad = [f"line {k}" for k, line in lines if _size(line, columns[1], semicolons) is None]
    _refuse(file, f"no number of mm in (0, {MM_MAX:g}] in", bad)
    rows = [(line[columns[0]], _size(line, columns[1], semicolons) or 0) for _, line in lines]
    count = Counter(name for name, _ in rows)
    _refuse(file, "two lines of", [name for name, number in count.items() if number > 1])
    return dict(rows)


def _has_digit(line: Sequence[str], column: int) -> bool:
    """Whether a line is none of names, but of a number that is not well written."""
    return column < len(line) and line[column][:1].isdigit()


def _size(line: Sequence[str], column: int, decimal_comma: bool) -> float | None:
    try:
        text = line[column]
        size = float(text.replace(",", ".") if decimal_comma else text)
    except (IndexError, ValueError):
        return None
    return size if 0 < size <= MM_MAX else None


def _refuse(file: Path, what: str, names: Sequence[str]) -> None:
    if names:
        raise ValueError(f"{file}: {what} {listed(names)}")
