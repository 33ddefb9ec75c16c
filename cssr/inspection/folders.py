"""A folder of photos, one after the other."""

import errno
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from tqdm import tqdm

from cssr.errors import os_error_line
from cssr.inspection.photos import SUMMARY, Header, PhotoError, read_header, shown
from cssr.inspection.results import (
    Settings,
    counted,
    inspect_photo,
    is_done,
    is_of_another,
    read_summary,
    unit_of,
)
from cssr.inspection.segmenter import Segmenter, Tiling

OF_THE_NAME = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR)  # errors of one photo alone


def check_free(out: Path, photos: Mapping[str, Path]) -> None:
    """Refuse to replace what no earlier run has written, or has written for another photo.

    Args:
        out: the folder to write.
        photos: files by name.

    Raises:
        ValueError: if there is such a thing in the folder, under one of the names.
    """
    there = {name: read_summary(out / name) for name in photos if (out / name).exists()}
    foreign = [out / name for name, summary in there.items() if summary is None]
    common = [out / name for name in ("index.html", "cracks.csv") if (out / name).exists()]
    if common and not any(out.rglob(SUMMARY)):
        foreign += common
    if foreign:
        raise ValueError(f"--out: {foreign[0]} is there, and not of an earlier run; name another")
    for name, summary in there.items():
        if is_of_another(summary, photos[name]):
            raise ValueError(
                f"--out: {out / name} is of another photo of this name; name another folder"
            )


@contextmanager
def folder_to_write(out: Path) -> Iterator[None]:
    """Make a folder, and remove it again, with those above it that were made, if it stays empty.

    Raises:
        ValueError: if it cannot be written.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except FileExistsError:
        raise ValueError(f"--out: {out} is a file, not a folder") from None
    except OSError as error:
        raise ValueError(f"--out: {os_error_line(error)}") from None
    try:
        yield
    finally:
        if made and not any(out.iterdir()):
            for folder in made:
                folder.rmdir()


def segment_all(
    segmenter: Segmenter,
    photos: dict[str, Path],
    headers: dict[str, Header],
    out: Path,
    settings: Settings,
    tiling: Tiling,
    *,
    resume: bool,
) -> dict[str, str]:
    """Segment photos one by one, with a progress bar.

    Args:
        segmenter: the model.
        photos: files by name.
        headers: of those that have one; the others are left out.
        out: gets a folder for each photo.
        settings: what the results depend on.
        tiling: how they are computed.
        resume: leave out those that are done with the same settings.

    Returns:
        What is wrong with photos that could not be read, by name.
    """
    todo = [
        name for name in headers if not (resume and is_done(out / name, photos[name], settings))
    ]
    if len(todo) < len(headers):
        click.echo(f"{len(headers) - len(todo)} of {len(photos)} photos are done")
    steps = {name: 2 * segmenter.steps(headers[name], tiling) for name in todo}
    failed = {}
    with tqdm(total=sum(steps.values()), unit="tile", disable=None) as bar:
        for name in todo:
            bar.set_description(name)
            end = bar.n + steps[name]
            try:
                found = inspect_photo(
                    segmenter,
                    photos[name],
                    out / name,
                    settings=settings,
                    batch=tiling.batch,
                    advance=bar.update,
                )
                cracks, unit = counted(found["cracks"], "crack"), unit_of(found)
                bar.write(f"{name}: {cracks}, {found[f'length_{unit}']:,.0f} {unit} long")
            except PhotoError as error:
                failed[name] = str(error)
            except OSError as error:
                if error.errno not in OF_THE_NAME:
                    raise
                failed[name] = os_error_line(error)
            if name in failed:
                bar.write(f"{shown(photos[name])}: {failed[name]}; skipped", file=sys.stderr)
            bar.update(end - bar.n)
    return failed


def read_headers(photos: dict[str, Path]) -> tuple[dict[str, Header], dict[str, str]]:
    """Headers of the photos, and what is wrong with those that have none.

    Raises:
        ValueError: if none has one.
    """
    headers, failed = {}, {}
    for name, file in photos.items():
        try:
            headers[name] = read_header(file)
        except PhotoError as error:
            failed[name] = str(error)
    if not headers:
        (name, why), *others = failed.items()
        more = f", and {len(others)} more" if others else ""
        raise ValueError(f"no readable photo: {shown(photos[name])}: {why}{more}")
    for name, why in failed.items():
        click.echo(f"{shown(photos[name])}: {why}; skipped", err=True)
    return headers, failed
