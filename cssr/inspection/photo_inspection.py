"""The inspection of photos: each is segmented, and its cracks are measured."""

import errno
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import click
import numpy as np
from tqdm import tqdm

from cssr.errors import os_error_line, ran_out_of_memory
from cssr.files import new_folder, remove_partial
from cssr.inspection.backends import model_hash
from cssr.inspection.crack_tables import (
    CRACKS,
    crack_rows,
    crack_share,
    mm_per_result_px,
    no_data_share,
    totals,
)
from cssr.inspection.gallery import write_gallery
from cssr.inspection.georeference import Georeference
from cssr.inspection.maps import result_georeference
from cssr.inspection.output_folder import output_folder
from cssr.inspection.overlay import Overlay, write_pictures
from cssr.inspection.photo_files import read_records, skipped_line, tell_notes
from cssr.inspection.photo_record import PhotoRecord
from cssr.inspection.photos import open_photo
from cssr.inspection.rasters import Rasters, new_rasters, write_band
from cssr.inspection.scales import (
    Scale,
    ScaleOption,
    check_all_have_scales,
    class_notes,
    map_notes,
    photo_scales,
    tell_scale_notes,
)
from cssr.inspection.segmenter import Band, Segmenter, load
from cssr.inspection.summary import ON_MAP, Settings, facts, headline, is_done, write_summary
from cssr.inspection.vectors import write_geojson, write_geopackage
from cssr.measurement.cracks import Crack, measure_bands
from cssr.sources.images.no_data import no_data_note
from cssr.sources.images.photo_headers import PhotoError

NAME_ERRORS = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR)  # which concern one photo alone
TOO_LARGE = "not enough memory for {0.width:,} × {0.height:,} px; try a smaller --tile"


@dataclass(frozen=True)
class Options:
    """The options of `cssr segment`, see its help; those that are None are the model's own."""

    model: Path
    device: str
    threshold: float | None
    tile: int | None
    sr: bool
    min_area: int
    mm_per_px: ScaleOption
    width_classes: tuple[float, ...]
    resume: bool


class Job(NamedTuple):
    """A photo to inspect."""

    name: str
    photo: PhotoRecord
    scale: Scale
    settings: Settings


def inspect_photos(photos: Mapping[str, Path], out: Path, options: Options) -> dict[str, str]:
    """Inspect photos one after the other, and report each.

    Args:
        photos: files by name.
        out: folder to write; gets a folder for each photo, cracks.csv, photos.csv and index.html.
        options: how to inspect them.

    Returns:
        The errors of photos that could not be read, by name.

    Raises:
        ValueError: if no photo can be read, the model or its options do not fit, or `out` holds
            what must not be replaced.
    """
    records, failed = read_records(photos)
    scales, unscaled = photo_scales(records, options.mm_per_px, unread=failed)
    failed |= unscaled
    if options.width_classes:
        check_all_have_scales({name: scale.mm_per_px for name, scale in scales.items()})
    segmenter = load(options.model, device=options.device)
    tell_notes(options.model, segmenter.notes)
    tile = segmenter.checked_tile(options.tile)
    settings = _settings(options, segmenter)
    jobs = {
        name: Job(name, records[name], scale, replace(settings, mm_per_px=scale.mm_per_px))
        for name, scale in _noted(scales, records, options, enlarged=segmenter.scale).items()
    }
    with output_folder(out, {name: job.photo for name, job in jobs.items()}):
        in_px = any(job.scale.mm_per_px is None for job in jobs.values())
        unit = f"; lengths in px of the results, {segmenter.scale} × the photo's" if in_px else ""
        click.echo(f"{options.model}, threshold {settings.threshold:g}{unit}")
        todo = _not_done(jobs, out) if options.resume else jobs
        for name in jobs.keys() - todo.keys():
            remove_partial(out / name)
        if len(todo) < len(jobs):
            click.echo(f"{len(jobs) - len(todo)} of {len(photos)} photos are done")
        try:
            failed |= _inspect_each(segmenter, todo, out, tile)
        finally:
            _write_overview(out, failed)
    return failed


def _noted(
    scales: Mapping[str, Scale],
    photos: Mapping[str, PhotoRecord],
    options: Options,
    *,
    enlarged: int,
) -> dict[str, Scale]:
    """Scales with the notes on what is given or asked for, which are told."""
    notes = {}
    for name, scale in scales.items():
        size = mm_per_result_px({"mm_per_px": scale.mm_per_px, "scale": enlarged})
        notes[name] = class_notes(options.width_classes, size)
        if options.mm_per_px is not None:  # else the map's own scale is taken
            notes[name] = (*map_notes(scale.mm_per_px, photos[name]), *notes[name])
    tell_scale_notes(notes)
    return {
        name: scale._replace(notes=(*scale.notes, *notes[name])) for name, scale in scales.items()
    }


def _not_done(jobs: Mapping[str, Job], out: Path) -> dict[str, Job]:
    """The photos whose results are not there yet."""
    return {
        name: job for name, job in jobs.items() if not is_done(out / name, job.photo, job.settings)
    }


def _write_overview(out: Path, failed: Mapping[str, str]) -> None:
    """Write the tables and the page of all photos in a folder, if there are results in it."""
    if not any(out.iterdir()):
        return
    differ = write_gallery(out, failed)
    click.echo(f"see {out / 'index.html'} and {out / CRACKS}")
    if differ:
        click.echo(f"note: results there differ in {', '.join(differ)}", err=True)


def _settings(options: Options, segmenter: Segmenter) -> Settings:
    """What the results of all photos depend on; each has its own scale."""
    return Settings(
        model=model_hash(options.model),
        threshold=segmenter.checked_threshold(options.threshold),
        sr=options.sr and segmenter.has_sr,
        min_area=options.min_area,
        mm_per_px=None,
        width_classes=options.width_classes,
    )


def _inspect_photo(
    segmenter: Segmenter, job: Job, folder: Path, tile: int, advance: Callable[[], None]
) -> dict[str, Any]:
    """Write the folder of a photo, which is complete or absent; return its summary."""
    scale = segmenter.scale
    settings = job.settings
    with_data = 0

    def counted(bands: Iterator[Band]) -> Iterator[Band]:
        nonlocal with_data
        for band in bands:
            with_data += int(band.valid.sum())
            yield band

    path = job.photo.path
    with open_photo(path, job.photo.header) as photo, new_folder(folder) as out:
        notes = *job.photo.notes, *photo.notes
        tell_notes(path, notes)
        overlay = Overlay(photo.height, photo.width, scale)
        size = photo.height * scale, photo.width * scale
        place = result_georeference(job.photo.place, scale)
        kept = {"sr": settings.sr, "gaps": photo.has_gaps, "georeference": place}
        with new_rasters(out, *size, **kept) as rasters:
            bands = partial(segmenter.bands, photo, tile=tile, sr=settings.sr)
            with computed_ahead(bands, advance) as ahead:
                masks = _written_masks(counted(ahead), rasters, overlay, settings.threshold)
                cracks = measure_bands(masks, min_area=settings.min_area)
        write_pictures(out, overlay)
        found = _write_cracks(out, cracks, job, scale, place)
        found["crack_share"] = crack_share(cracks, with_data * scale**2)
        found["no_data_share"] = no_data_share(with_data, photo.height * photo.width)
        gaps = no_data_note(photo.no_data, found["no_data_share"])
        tell_notes(path, gaps)
        found["mm_per_px_from"] = job.scale.origin
        found["notes"] = [*job.scale.notes, *notes, *gaps]
        return write_summary(out, job.photo, found=found, scale=scale, settings=settings)


def _write_cracks(
    folder: Path, cracks: Sequence[Crack], job: Job, scale: int, place: Georeference | None
) -> dict[str, Any]:
    """Write the cracks of a photo as table and as lines; their totals."""
    classes = job.settings.width_classes
    known = facts(job.name, {"scale": scale, "settings": asdict(job.settings)})
    table = crack_rows(cracks, known, classes)
    table.to_csv(folder / CRACKS, index=False)
    write_geojson(folder / "cracks.geojson", cracks, table)
    if place is not None:
        write_geopackage(folder / ON_MAP, cracks, table, place)
    return totals(cracks, table, mm_per_px=mm_per_result_px(known), width_classes=classes)


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
    segmenter: Segmenter, jobs: Mapping[str, Job], out: Path, tile: int
) -> dict[str, str]:
    """Inspect photos with a progress bar; the errors of those that cannot be read, by name."""
    steps = {name: segmenter.steps(job.photo.header, tile) for name, job in jobs.items()}
    failed = {}
    with tqdm(total=sum(steps.values()), unit="tile", disable=None) as bar:
        for name, job in jobs.items():
            bar.set_description(name)
            end = bar.n + steps[name]
            try:
                summary = _inspect_photo(segmenter, job, out / name, tile, bar.update)
                bar.write(f"{name}: {headline(summary)}")
            except PhotoError as error:
                failed[name] = str(error)
            except OSError as error:
                if error.errno not in NAME_ERRORS:
                    raise
                failed[name] = os_error_line(error)
            except (MemoryError, RuntimeError) as error:
                if not ran_out_of_memory(error):
                    raise
                failed[name] = TOO_LARGE.format(job.photo.header)
            if name in failed:
                bar.write(skipped_line(job.photo.path, failed[name]), file=sys.stderr)
            bar.update(end - bar.n)
    return failed


def _written_masks(
    bands: Iterator[Band], rasters: Rasters, overlay: Overlay, threshold: float
) -> Iterator[np.ndarray]:
    """Write bands as they come, and yield their masks, (h, W) bool."""
    for band in bands:
        mask = band.mask(threshold)
        write_band(rasters, band.top * overlay.scale, band, mask)
        overlay.add(band.top, band.photo, mask)
        yield mask
