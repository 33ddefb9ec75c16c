"""The size of a pixel of each photo, from what the user gives, its camera wrote or its map says."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click

from cssr.inspection.camera import camera_scale
from cssr.inspection.maps import geo_keys, map_scale
from cssr.inspection.photo_files import skipped_line
from cssr.inspection.photo_record import PhotoRecord
from cssr.inspection.scale_table import EXIF, listed, read_sizes
from cssr.sources.images.photo_headers import PhotoError

SURE_WIDTH = 2  # px of the results; narrower cracks, and smaller differences, are not measured
SAME_SCALE = 0.01  # by which a scale may differ from that of the map without a note

ScaleOption = float | Path | str | None  # a number, a CSV file, EXIF, or what a map says


class Scale(NamedTuple):
    """The size of a photo's pixels."""

    mm_per_px: float | None  # None if it is unknown
    origin: Mapping[str, Any]  # where it is from, for photo.json
    notes: tuple[str, ...] = ()  # to the user


def photo_scales(
    photos: Mapping[str, PhotoRecord], option: ScaleOption, *, unread: Collection[str]
) -> tuple[dict[str, Scale], dict[str, str]]:
    """The scales of photos; notes on them are told.

    Args:
        photos: records by name.
        option: mm per px; or a CSV file with those of each photo; or EXIF; or None, for the pixels
            of georeferenced photos.
        unread: names of photos that could not be read, of which a CSV file may tell too.

    Returns:
        Scales by name, and the errors of photos whose EXIF does not tell it, by name.

    Raises:
        ValueError: if the CSV file is not right, or no photo's EXIF tells a scale.
    """
    if option == EXIF:
        return _camera_scales(photos)
    if isinstance(option, Path):
        sizes = read_sizes(option, [*photos, *unread], photos)
        return {name: Scale(sizes[name], {"from": str(option)}) for name in photos}, {}
    if option is not None:
        return {name: Scale(float(option), {"from": "--mm-per-px"}) for name in photos}, {}
    scales = {name: map_scale_of(photo) for name, photo in photos.items()}
    tell_scale_notes({name: scale.notes for name, scale in scales.items()})
    return scales, {}


def map_scale_of(photo: PhotoRecord) -> Scale:
    """The scale of a photo or mask by its place on a map."""
    if photo.place is None:
        return Scale(None, {"from": None})
    header = photo.header
    size, note = map_scale(photo.place, header.height, header.width, geo_keys(photo.path))
    return Scale(size, {"from": "georeference" if size else None}, (note,) if note else ())


def map_notes(mm_per_px: float | None, photo: PhotoRecord) -> tuple[str, ...]:
    """A note if a photo's place on a map gives another scale than the one that is taken."""
    of_map = map_scale_of(photo).mm_per_px
    if mm_per_px is None or of_map is None or abs(mm_per_px / of_map - 1) <= SAME_SCALE:
        return ()
    return (f"{mm_per_px:g} mm per px, though its map says {of_map:.4g}",)


def check_all_have_scales(sizes: Mapping[str, float | None]) -> None:
    """Refuse classes of width, which are in mm, where a photo has no scale, mm per px."""
    missing = [name for name, size in sizes.items() if size is None]
    if missing:
        raise ValueError(
            f"--width-classes are in mm, and there is no scale of {listed(missing)}; "
            "give --mm-per-px"
        )


def class_notes(width_classes: Sequence[float], mm_per_px: float | None) -> tuple[str, ...]:
    """A note if a class of width is too narrow for the results, with `mm_per_px` of theirs."""
    if not width_classes or not mm_per_px:
        return ()
    narrowest = min(round(high - low, 6) for low, high in pairwise((0.0, *width_classes)))
    if narrowest >= SURE_WIDTH * mm_per_px:
        return ()
    return (
        f"its narrowest class of width, {narrowest:g} mm, is below {SURE_WIDTH} px of the results; "
        "widths are not that exact",
    )


def tell_scale_notes(notes: Mapping[str, Sequence[str]]) -> None:
    """Tell notes, given by name of the photo; photos with the same one share a line."""
    names = defaultdict(list)
    for name, own in notes.items():
        for note in own:
            names[note].append(name)
    for note, those in names.items():
        click.echo(f"note: {listed(those)}: {note}", err=True)


def _camera_scales(photos: Mapping[str, PhotoRecord]) -> tuple[dict[str, Scale], dict[str, str]]:
    scales = {}
    failed = {}
    for name, photo in photos.items():
        try:
            size, read, notes = camera_scale(photo.path, photo.header.height, photo.header.width)
        except PhotoError as error:
            failed[name] = f"no scale: {error}; --mm-per-px takes a number or a CSV file too"
        else:
            scales[name] = Scale(size, {"from": EXIF, **read}, notes)
    if not scales:
        name, reason = next(iter(failed.items()))
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise ValueError(f"{name}: {reason}{more}")
    for name, reason in failed.items():
        click.echo(skipped_line(photos[name].path, reason), err=True)
    tell_scale_notes({name: scale.notes for name, scale in scales.items()})
    return scales, failed
