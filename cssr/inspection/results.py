"""Photos in, crack maps and measurements out."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import rasterio

from cssr.files import new_files, new_folder
from cssr.inspection.overlay import Overlay
from cssr.inspection.photos import SUMMARY, ArrayPhoto, FilePhoto, PhotoError, open_photo, shown
from cssr.inspection.segmenter import Band, Segmenter, Tiling
from cssr.masks import CRACK
from cssr.measurement.cracks import Crack, crack_table, geojson, measure_bands
from cssr.models.saved import WEIGHTS

# what a photo's folder holds, beside its summary, which is written last, and perhaps an SR image
WRITTEN = ("probability.tif", "mask.tif", "cracks.csv", "cracks.geojson", "overlay.jpg")
PREVIEWS = ("preview.jpg", "preview_overlay.jpg")
ROWS = 256  # of a mask that are read or written at a time
PREVIEW = 800  # side of the pictures for the page, px
RASTER = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}
RASTER |= {"compress": "deflate", "zlevel": 1, "bigtiff": "if_safer", "num_threads": "all_cpus"}


@dataclass(frozen=True)
class Settings:
    """What the results of a photo depend on, besides the photo.

    Attributes:
        model: SHA-256 of its weights.
        threshold: of the probabilities.
        tile: px of the photo.
        overlap: likewise.
        sr: whether the SR image is written.
        min_area: of a crack, px of the mask.
        mm_per_px: of the photo; None if unknown.
    """

    model: str
    threshold: float
    tile: int
    overlap: int
    sr: bool
    min_area: int
    mm_per_px: float | None


def inspect_photo(
    segmenter: Segmenter,
    file: Path,
    folder: Path,
    *,
    settings: Settings,
    batch: int,
    advance: Callable[[], None],
) -> dict[str, Any]:
    """Segment a photo, measure its cracks and write both to a folder, which is whole or absent.

    Args:
        segmenter: the model.
        file: the photo.
        folder: to write: probability.tif (16 bits), mask.tif, sr.tif, overlay.jpg, cracks.csv,
            cracks.geojson, and what the page shows.
        settings: what the results depend on.
        batch: tiles at a time.
        advance: called after each computation, see `Segmenter.bands`.

    Returns:
        The summary: its size, cracks and totals.

    Raises:
        PhotoError: if the photo cannot be read.
        OSError: if the folder cannot be written.
    """
    tiling = Tiling(settings.tile, settings.overlap, batch)
    with open_photo(file) as photo, new_folder(folder) as out:
        overlay = Overlay(photo.height, photo.width, segmenter.scale)
        bands = segmenter.bands(photo, tiling, wants_sr=settings.sr, advance=advance)
        size = photo.height * segmenter.scale, photo.width * segmenter.scale
        masks = _write_rasters(out, bands, overlay, size, settings, segmenter.has_sr)
        cracks = measure_bands(masks, min_area=settings.min_area)
        mm_per_px = settings.mm_per_px and settings.mm_per_px / segmenter.scale
        table = crack_table(cracks, mm_per_px=mm_per_px)
        table.to_csv(out / "cracks.csv", index=False)
        features = json.dumps(geojson(cracks, mm_per_px=mm_per_px))
        (out / "cracks.geojson").write_text(features, encoding="utf-8")
        _write_pictures(out, overlay)
        summary = {
            "photo": stamp(file),
            "path": shown(file.absolute()),
            "height": photo.height,
            "width": photo.width,
            "scale": segmenter.scale,
            "cracks": len(table),
            **totals(table),
            "settings": asdict(settings),
        }
        (out / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def measure_mask(file: Path, *, min_area: int) -> list[Crack]:
    """Measure the cracks of a mask of any size, read in bands.

    Args:
        file: an image whose crack pixels are 128 or more.
        min_area: of a crack, px.

    Raises:
        PhotoError: if it cannot be read.
    """
    greatest = 0

    def crack_pixels(mask: ArrayPhoto | FilePhoto) -> Iterator[np.ndarray]:
        nonlocal greatest
        for start in range(0, mask.height, ROWS):
            values = mask.rows(start, min(start + ROWS, mask.height)).max(axis=2)
            greatest = max(greatest, int(values.max()))
            yield values >= CRACK

    with open_photo(file) as mask:
        cracks = measure_bands(crack_pixels(mask), min_area=min_area)
    if 0 < greatest < CRACK:
        raise PhotoError(f"values up to {greatest}; those of crack are {CRACK} to 255")
    return cracks


def counted(number: int, noun: str) -> str:
    """A number of things, such as `1 crack`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def write_measurements(
    folder: Path | None,
    cracks: Mapping[str, Sequence[Crack]],
    *,
    mm_per_px: Mapping[str, float | None],
) -> pd.DataFrame:
    """A table of the cracks of several masks; also as cracks.csv, with a GeoJSON file of each.

    Args:
        folder: to write; None for the table alone.
        cracks: of each mask, by its name.
        mm_per_px: of each mask; None if unknown.

    Raises:
        OSError: if the folder cannot be written.
    """
    tables = {name: crack_table(found, mm_per_px=mm_per_px[name]) for name, found in cracks.items()}
    filled = {name: table for name, table in tables.items() if len(table)} or tables
    table = pd.concat(filled, names=["photo"]).reset_index("photo").reset_index(drop=True)
    if folder is not None:
        with new_files(folder) as out:
            table.to_csv(out / "cracks.csv", index=False)
            for name, found in cracks.items():
                file = out / f"{name.replace('/', '_')}.geojson"
                while file.exists():  # a_b beside a/b
                    file = file.with_stem(f"{file.stem}_")
                file.write_text(
                    json.dumps(geojson(found, mm_per_px=mm_per_px[name])), encoding="utf-8"
                )
    return table


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a photo that is done; None if there is none of ours."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and "settings" in summary else None


def scale_of(mask: Path, mm_per_px: float | None) -> float | None:
    """Mm per px of a mask.

    Args:
        mask: its file, perhaps among the results of a photo.
        mm_per_px: of the photo, or of a mask that is no such result; None for that of the results.
    """
    summary = read_summary(mask.parent) or {"settings": {"mm_per_px": None}, "scale": 1}
    known = mm_per_px or summary["settings"]["mm_per_px"]
    return known and known / summary["scale"]


def unit_of(summary: Mapping[str, Any]) -> str:
    """In which unit a photo's lengths are best told."""
    return "px" if summary["settings"]["mm_per_px"] is None else "mm"


def is_whole(folder: Path) -> bool:
    """Whether a folder holds all results of a photo (but for an SR image)."""
    return all((folder / name).is_file() for name in (*WRITTEN, *PREVIEWS))


def is_done(folder: Path, file: Path, settings: Settings) -> bool:
    """Whether a folder holds the results of this very photo with these settings."""
    summary = read_summary(folder) or {}
    if not is_whole(folder) or (settings.sr and not (folder / "sr.tif").is_file()):
        return False
    return summary.get("settings") == asdict(settings) and summary.get("photo") == stamp(file)


def is_of_another(summary: Mapping[str, Any], file: Path) -> bool:
    """Whether a summary is that of another photo: of other content in another place."""
    return summary.get("photo") != stamp(file) and summary.get("path") != shown(file.absolute())


def stamp(file: Path) -> dict[str, Any]:
    """By which a photo is known again: its name, size and time of change."""
    status = file.stat()
    return {"file": file.name, "bytes": status.st_size, "changed_ns": status.st_mtime_ns}


def totals(table: pd.DataFrame) -> dict[str, float]:
    """Total length, mean width (weighted by length) and greatest width of a crack table."""
    sums = {}
    for unit in ("px", "mm"):
        if f"length_{unit}" not in table:
            continue
        length = table[f"length_{unit}"]
        weighted = float((table[f"width_mean_{unit}"] * length).sum())
        sums |= {
            f"length_{unit}": round(float(length.sum()), 2),
            f"width_mean_{unit}": round(weighted / float(length.sum()), 2) if len(table) else None,
            f"width_max_{unit}": float(table[f"width_max_{unit}"].max()) if len(table) else None,
        }
    return sums


def fingerprint(model: Path) -> str:
    """SHA-256 of a model's weights: of the ONNX file, or of the folder's safetensors."""
    file = model if model.is_file() else model / WEIGHTS
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_rasters(
    out: Path,
    bands: Iterator[Band],
    overlay: Overlay,
    size: tuple[int, int],
    settings: Settings,
    has_sr: bool,
) -> Iterator[np.ndarray]:
    """Write bands as they come; yields their masks, (h, W) bool."""
    kinds = {"probability": ("uint16", 1), "mask": ("uint8", 1)}
    if has_sr and settings.sr:
        kinds["sr"] = ("uint8", 3)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(_new_raster(out / f"{name}.tif", size, dtype, count))
            for name, (dtype, count) in kinds.items()
        }
        top = 0
        for band in bands:
            mask = band.probs >= np.float32(settings.threshold)
            overlay.add(band.top, band.photo, mask)
            for start in range(0, len(mask), ROWS):
                rows = slice(start, start + ROWS)
                pixels = {
                    "probability": (band.probs[rows] * 65535 + 0.5).astype(np.uint16)[None],
                    "mask": mask[None, rows] * np.uint8(255),
                }
                if band.sr is not None:
                    pixels["sr"] = band.sr[rows].transpose(2, 0, 1)
                for name, values in pixels.items():
                    window = rasterio.windows.Window(0, top + start, size[1], values.shape[1])
                    files[name].write(values, window=window)
            top += len(mask)
            yield mask


def _new_raster(file: Path, size: tuple[int, int], dtype: str, count: int) -> Any:
    height, width = size
    colour = {"photometric": "rgb", "interleave": "pixel"} if count == 3 else {}
    return rasterio.open(
        file, "w", height=height, width=width, dtype=dtype, count=count, **colour, **RASTER
    )


def _write_pictures(out: Path, overlay: Overlay) -> None:
    photo, marked = overlay.picture(PREVIEW)
    pictures: Mapping[str, tuple[np.ndarray, int]] = {
        "overlay.jpg": (overlay.picture()[1], 92),
        "preview.jpg": (photo, 80),
        "preview_overlay.jpg": (marked, 80),
    }
    for name, (picture, quality) in pictures.items():
        jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        (out / name).write_bytes(jpeg)
