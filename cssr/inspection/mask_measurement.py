"""The measurement of the cracks in masks, whoever made them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from cssr.files import new_files
from cssr.inspection.output_folder import output_folder
from cssr.inspection.photo_files import read_headers, skipped_line, tell_notes
from cssr.inspection.photos import ArrayPhoto, FilePhoto, PhotoError, open_photo, printable
from cssr.inspection.summary import read_summary
from cssr.masks import CRACK
from cssr.measurement.cracks import Crack, crack_table, geojson, measure_bands

ROWS = 256  # of a mask that are read at a time
MOSTLY_CRACK = 0.5  # share of a mask from which it may be none


def measure_masks(
    masks: Mapping[str, Path], out: Path | None, *, mm_per_px: float | None, min_area: int
) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Measure the cracks in masks, and report those that cannot be read.

    Args:
        masks: files by name.
        out: folder to write cracks.csv and a GeoJSON file of each mask to; None to write nothing.
        mm_per_px: size of a pixel of the photo, or of a mask that `cssr segment` has not written;
            by default what `cssr segment` was given.
        min_area: of a crack, px of the mask.

    Returns:
        The table of cracks, None if no mask could be read; and the errors of masks by name.

    Raises:
        ValueError: if no mask has a readable header, or the folder cannot be written.
    """
    headers, failed = read_headers(masks)
    cracks = {}
    with nullcontext() if out is None else output_folder(out):
        for name, header in sorted(headers.items()):
            try:
                cracks[name] = _measure_mask(masks[name], min_area=min_area)
            except PhotoError as error:
                failed[name] = str(error)
                click.echo(skipped_line(masks[name], failed[name]), err=True)
                continue
            share = sum(crack.area for crack in cracks[name]) / (header.height * header.width)
            if share > MOSTLY_CRACK:
                hint = f"{share:.0%} of it is crack; is it a photo, or inverted?"
                click.echo(f"note: {printable(masks[name])}: {hint}", err=True)
        if not cracks:
            return None, failed
        sizes = {name: _mm_per_mask_px(masks[name], mm_per_px) for name in cracks}
        tables = {name: crack_table(own, mm_per_px=sizes[name]) for name, own in cracks.items()}
        filled = {name: table for name, table in tables.items() if len(table)} or tables
        table = pd.concat(filled, names=["photo"]).reset_index("photo").reset_index(drop=True)
        if out is not None:
            features = {name: geojson(own, mm_per_px=sizes[name]) for name, own in cracks.items()}
            _write_files(out, table, features)
    return table, failed


def _measure_mask(file: Path, *, min_area: int) -> list[Crack]:
    """Measure the cracks of a mask of any size, read in bands; PhotoError if it is none."""
    greatest = 0

    def crack_pixels(mask: ArrayPhoto | FilePhoto) -> Iterator[np.ndarray]:
        nonlocal greatest
        for start in range(0, mask.height, ROWS):
            values = mask.rows(start, min(start + ROWS, mask.height)).max(axis=2)
            greatest = max(greatest, int(values.max()))
            yield values >= CRACK

    with open_photo(file, fit_depth=False) as mask:  # the upper 8 bits count
        tell_notes(file, mask)
        cracks = measure_bands(crack_pixels(mask), min_area=min_area)
    if 0 < greatest < CRACK:
        raise PhotoError(f"values up to {greatest}; those of crack are {CRACK} to 255")
    return cracks


def _mm_per_mask_px(mask: Path, mm_per_px: float | None) -> float | None:
    """Size of a pixel of a mask, which may be among the results of a photo."""
    summary = read_summary(mask.parent) or {"settings": {"mm_per_px": None}, "scale": 1}
    known = mm_per_px or summary["settings"]["mm_per_px"]
    return known and known / summary["scale"]


def _write_files(folder: Path, table: pd.DataFrame, features: Mapping[str, Any]) -> None:
    """Write cracks.csv, and a GeoJSON file for each mask."""
    with new_files(folder) as out:
        table.to_csv(out / "cracks.csv", index=False)
        for name, collection in features.items():
            file = out / f"{name.replace('/', '_')}.geojson"
            while file.exists():  # a_b beside a/b
                file = file.with_stem(f"{file.stem}_")
            file.write_text(json.dumps(collection), encoding="utf-8")
