"""The inspection of photos: each is segmented, and its cracks are measured."""

import errno
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from cssr.errors import os_error_line
from cssr.files import new_folder
from cssr.inspection.backends import model_hash
from cssr.inspection.gallery import write_gallery
from cssr.inspection.output_folder import check_replaceable, output_folder
from cssr.inspection.overlay import Overlay, write_pictures
from cssr.inspection.photo_files import read_headers, skipped_line, tell_notes
from cssr.inspection.photos import Header, PhotoError, open_photo
from cssr.inspection.rasters import Rasters, new_rasters, write_band
from cssr.inspection.segmenter import Band, Segmenter, load
from cssr.inspection.summary import Settings, headline, is_done, write_summary
from cssr.measurement.cracks import crack_table, geojson, measure_bands

NAME_ERRORS = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR)  # which concern one photo alone


@dataclass(frozen=True)
class Options:
    """The options of `cssr segment`, see its help; those that are None are the model's own."""

    model: Path
    device: str
    threshold: float | None
    tile: int | None
    sr: bool
    min_area: int
    mm_per_px: float | None
    resume: bool


def inspect_photos(photos: Mapping[str, Path], out: Path, options: Options) -> dict[str, str]:
    """Inspect photos one after the other, and report each.

    Args:
        photos: files by name.
        out: folder to write; gets a folder for each photo, cracks.csv and index.html.
        options: how to inspect them.

    Returns:
        The errors of photos that could not be read, by name.

    Raises:
        ValueError: if no photo can be read, the model or its options do not fit, or `out` holds
            what must not be replaced.
    """
    headers, failed = read_headers(photos)
    segmenter = load(options.model, device=options.device)
    tile = segmenter.checked_tile(options.tile)
    settings = Settings(
        model=model_hash(options.model),
        threshold=segmenter.checked_threshold(options.threshold),
        sr=options.sr and segmenter.has_sr,
        min_area=options.min_area,
        mm_per_px=options.mm_per_px,
    )
    check_replaceable(out, {name: photos[name] for name in headers})
    scale = segmenter.scale
    unit = "" if options.mm_per_px else f"; lengths in px of the results, {scale} × the photo's"
    click.echo(f"{options.model}, threshold {settings.threshold:g}{unit}")
    todo = {
        name: header
        for name, header in headers.items()
        if not (options.resume and is_done(out / name, photos[name], settings))
    }
    if len(todo) < len(headers):
        click.echo(f"{len(headers) - len(todo)} of {len(photos)} photos are done")
    with output_folder(out):
        try:
            failed |= _inspect_each(segmenter, photos, todo, out, settings, tile)
        finally:
            if any(out.iterdir()):
                same_settings = write_gallery(out, failed)
                click.echo(f"see {out / 'index.html'} and {out / 'cracks.csv'}")
                if not same_settings:
                    click.echo("note: not all results there are of the same settings", err=True)
    return failed


def _inspect_photo(
    segmenter: Segmenter,
    file: Path,
    folder: Path,
    settings: Settings,
    tile: int,
    advance: Callable[[], None],
) -> dict[str, Any]:
    """Write the folder of a photo, which is complete or absent; return its summary."""
    scale = segmenter.scale
    mm_per_px = settings.mm_per_px and settings.mm_per_px / scale
    with open_photo(file) as photo, new_folder(folder) as out:
        tell_notes(file, photo)
        overlay = Overlay(photo.height, photo.width, scale)
        size = photo.height * scale, photo.width * scale
        with new_rasters(out, *size, sr=settings.sr) as rasters:
            bands = partial(segmenter.bands, photo, tile=tile, sr=settings.sr)
            with computed_ahead(bands, advance) as ahead:
                masks = _written_masks(ahead, rasters, overlay, settings.threshold)
                cracks = measure_bands(masks, min_area=settings.min_area)
        write_pictures(out, overlay)
        table = crack_table(cracks, mm_per_px=mm_per_px)
        table.to_csv(out / "cracks.csv", index=False)
        features = json.dumps(geojson(cracks, mm_per_px=mm_per_px))
        (out / "cracks.geojson").write_text(features, encoding="utf-8")
        return write_summary(out, file, photo, table=table, scale=scale, settings=settings)


@contextmanager
def computed_ahead(
    bands: Callable[..., Iterator[Band]], advance: Callable[[], None]
) -> Iterator[Iterator[Band]]:
    """Bands that are computed while what is done with the one before is done; on leaving, ended."""
    left = Event()

    def go_on() -> None:
        if left.is_set():
            raise CancelledError
        advance()

    def following(pool: Executor) -> Iterator[Band]:
        items = bands(advance=go_on)
        band = pool.submit(next, items, None)
        while (item := band.result()) is not None:
            band = pool.submit(next, items, None)
            yield item

    with ThreadPoolExecutor(1) as pool:
        try:
            yield following(pool)
        finally:
            left.set()


def _inspect_each(
    segmenter: Segmenter,
    photos: Mapping[str, Path],
    headers: Mapping[str, Header],
    out: Path,
    settings: Settings,
    tile: int,
) -> dict[str, str]:
    """Inspect the photos that have headers, with a progress bar; the errors of others by name."""
    steps = {name: segmenter.steps(header, tile) for name, header in headers.items()}
    failed = {}
    with tqdm(total=sum(steps.values()), unit="tile", disable=None) as bar:
        for name in headers:
            bar.set_description(name)
            end = bar.n + steps[name]
            try:
                summary = _inspect_photo(
                    segmenter, photos[name], out / name, settings, tile, bar.update
                )
                bar.write(f"{name}: {headline(summary)}")
            except PhotoError as error:
                failed[name] = str(error)
            except OSError as error:
                if error.errno not in NAME_ERRORS:
                    raise
                failed[name] = os_error_line(error)
            if name in failed:
                bar.write(skipped_line(photos[name], failed[name]), file=sys.stderr)
            bar.update(end - bar.n)
    return failed


def _written_masks(
    bands: Iterator[Band], rasters: Rasters, overlay: Overlay, threshold: float
) -> Iterator[np.ndarray]:
    """Write bands as they come, and yield their masks, (h, W) bool."""
    for band in bands:
        mask = band.probs >= np.float32(threshold)
        write_band(rasters, band.top * overlay.scale, band, mask)
        overlay.add(band.top, band.photo, mask)
        yield mask
