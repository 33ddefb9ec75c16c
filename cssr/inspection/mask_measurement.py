"""The measurement of the cracks in masks, whoever made them."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd

from cssr.files import new_files
from cssr.inspection.crack_tables import (
    CRACKS,
    PHOTOS,
    crack_rows,
    crack_share,
    join,
    mm_per_result_px,
    no_data_share,
    photo_table,
    totals,
)
from cssr.inspection.georeference import Georeference
from cssr.inspection.mask_bands import open_mask, read_mask_record
from cssr.inspection.output_folder import output_folder
from cssr.inspection.photo_files import read_records, skipped_line, tell_notes
from cssr.inspection.photo_record import PhotoRecord
from cssr.inspection.photos import printable
from cssr.inspection.scales import (
    ScaleOption,
    check_all_have_scales,
    class_notes,
    map_scale_of,
    photo_scales,
    tell_scale_notes,
)
from cssr.inspection.summary import MASK, facts, read_summary
from cssr.inspection.vectors import write_geojson, write_geopackage
from cssr.measurement.cracks import Crack, measure_bands
from cssr.sources.images.no_data import no_data_note
from cssr.sources.images.photo_headers import PhotoError
from cssr.sources.masks.mask_values import MOSTLY_CRACK, MaskError


class Measured(NamedTuple):
    """A mask, its cracks and what is known of it."""

    cracks: list[Crack]
    place: Georeference | None  # of the mask
    facts: Mapping[str, Any]  # for the tables
    table: pd.DataFrame


def measure_masks(
    masks: Mapping[str, Path],
    out: Path | None,
    *,
    mm_per_px: ScaleOption,
    min_area: int,
    width_classes: tuple[float, ...] = (),
    crack_value: int | None = None,
) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Measure the cracks in masks, and report those that cannot be read.

    Args:
        masks: files by name.
        out: folder to write cracks.csv, photos.csv and the lines of each mask to; None to write
            nothing.
        mm_per_px: size of a pixel of the photo, or of a mask that `cssr segment` has not written,
            or a CSV file of them; by default what `cssr segment` knew, or what a map says.
        min_area: of a crack, px of the mask.
        width_classes: bounds, mm; by default what `cssr segment` was given.
        crack_value: the value of crack in the masks; by default the values of each decide.

    Returns:
        The table of cracks, None if no mask could be read; and the errors of masks by name.

    Raises:
        ValueError: if no mask has a readable header, one has no scale for classes of width, or the
            folder cannot be written.
    """
    records, failed = read_records(masks, read_mask_record)
    known = _known(records, mm_per_px, width_classes, unread=failed)
    measured = {}
    with nullcontext() if out is None else output_folder(out):
        for name in sorted(records):
            try:
                measured[name] = _measure_mask(
                    records[name], known[name], min_area=min_area, crack_value=crack_value
                )
            except (PhotoError, MaskError) as error:
                failed[name] = str(error)
                click.echo(skipped_line(masks[name], failed[name]), err=True)
                continue
            share = measured[name].facts["crack_share"]
            if share > MOSTLY_CRACK:
                hint = f"{share:.0%} of it is crack; is it a photo, or inverted?"
                click.echo(f"note: {printable(masks[name])}: {hint}", err=True)
        if not measured:
            return None, failed
        table = join([mask.table for mask in measured.values()])
        if out is not None:
            _write_files(out, table, measured, failed)
    return table, failed


def _known(
    masks: Mapping[str, PhotoRecord],
    mm_per_px: ScaleOption,
    width_classes: tuple[float, ...],
    *,
    unread: Collection[str],
) -> dict[str, dict[str, Any]]:
    """What is known of each mask before it is measured; it may be among a photo's results."""
    given = {} if mm_per_px is None else photo_scales(masks, mm_per_px, unread=unread)[0]
    known = {}
    notes = {}
    for name, mask in masks.items():
        size = {"height": mask.header.height, "width": mask.header.width}
        own = {"photo": name, "scale": 1, "mm_per_px": None, **size}
        if summary := read_summary(mask.path.parent):
            own = facts(name, summary)
        elif not given:
            own["mm_per_px"], _, notes[name] = map_scale_of(mask)
        if given:
            own["mm_per_px"] = given[name].mm_per_px
        own["width_classes"] = width_classes or own.get("width_classes", ())
        coarse = class_notes(own["width_classes"], mm_per_result_px(own))
        notes[name] = (*notes.get(name, ()), *coarse)
        known[name] = own
    tell_scale_notes(notes)
    if width_classes:
        check_all_have_scales({name: own["mm_per_px"] for name, own in known.items()})
    return known


def _measure_mask(
    record: PhotoRecord, known: Mapping[str, Any], *, min_area: int, crack_value: int | None
) -> Measured:
    """Measure the cracks of a mask of any size; PhotoError or MaskError if it is none."""
    pixels = 0

    def crack_pixels(bands: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        nonlocal pixels
        for crack, valid in bands:
            pixels += int(valid.sum())
            yield crack

    is_own = "settings" in known and record.path.name == MASK
    with open_mask(record, crack_value=crack_value, is_own=is_own) as mask:
        tell_notes(record.path, (*record.notes, *mask.notes))
        cracks = measure_bands(crack_pixels(mask.bands()), min_area=min_area)
        shares = {
            "crack_share": crack_share(cracks, pixels),
            "no_data_share": no_data_share(pixels, mask.height * mask.width),
        }
        tell_notes(record.path, no_data_note(mask.no_data, shares["no_data_share"]))
    classes = known["width_classes"]
    table = crack_rows(cracks, known, classes)
    size = mm_per_result_px(known)
    found = totals(cracks, table, mm_per_px=size, width_classes=classes)
    return Measured(cracks, record.place, {**known, **found, **shares}, table)


def _write_files(
    folder: Path, table: pd.DataFrame, masks: Mapping[str, Measured], failed: Mapping[str, str]
) -> None:
    """Write the tables, and for each mask a GeoJSON file and perhaps a GeoPackage."""
    with new_files(folder) as out:
        table.to_csv(out / CRACKS, index=False)
        photo_table([mask.facts for mask in masks.values()], failed).to_csv(
            out / PHOTOS, index=False
        )
        for name, mask in masks.items():
            file = out / f"{name.replace('/', '_')}.geojson"
            while file.exists():  # a_b beside a/b
                file = file.with_stem(f"{file.stem}_")
            write_geojson(file, mask.cracks, mask.table)
            if mask.place is not None:
                write_geopackage(file.with_suffix(".gpkg"), mask.cracks, mask.table, mask.place)
