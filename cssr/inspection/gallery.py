"""A folder of inspected photos as one table and one page."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cssr.files import new_files
from cssr.inspection.photos import SUMMARY
from cssr.inspection.results import (
    PREVIEW,
    PREVIEWS,
    WRITTEN,
    counted,
    is_whole,
    read_summary,
    unit_of,
)

TEMPLATES = Path(__file__).parent / "templates"
FILES = (*WRITTEN, "sr.tif")  # which the page links
PICTURES = 50_000_000  # bytes of pictures in a page; of many photos they are smaller
SMALLEST = 160  # px, but no smaller


def write_gallery(folder: Path, failed: Mapping[str, str]) -> bool:
    """Write cracks.csv and index.html of all photos that a folder holds results of.

    Args:
        folder: with a folder for each photo.
        failed: what is wrong with photos that could not be read, by name.

    Returns:
        Whether all photos were inspected with the same settings.

    Raises:
        OSError: if the folder cannot be written.
    """
    photos = {}
    for file in sorted(folder.rglob(SUMMARY)):
        summary = read_summary(file.parent)
        name = file.parent.relative_to(folder).as_posix()
        if summary is not None and is_whole(file.parent) and name not in failed:
            photos[name] = summary
    with new_files(folder) as out:
        table = pd.concat([pd.DataFrame(), *_tables(folder, photos)], ignore_index=True)
        table.to_csv(out / "cracks.csv", index=False)
        (out / "index.html").write_text(_page(folder, photos, failed), encoding="utf-8")
    return len(_used(photos.values())) < 2


def _tables(folder: Path, photos: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    for name in photos:
        table = pd.read_csv(folder / name / "cracks.csv")
        table.insert(0, "photo", name)
        yield table


def _page(folder: Path, photos: Mapping[str, Any], failed: Mapping[str, str]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    side = _picture_side([folder / name for name in photos])
    return environment.get_template("gallery.html").render(
        photos=[_card(folder, name, summary, side) for name, summary in photos.items()],
        totals=_totals(list(photos.values())),
        settings=_settings(list(photos.values())),
        failed=failed,
    )


def _picture_side(folders: Sequence[Path]) -> int:
    """Side of the page's pictures, px."""
    size = sum((folder / name).stat().st_size for folder in folders for name in PREVIEWS)
    return PREVIEW if size <= PICTURES else max(SMALLEST, int(PREVIEW * (PICTURES / size) ** 0.5))


def _card(folder: Path, name: str, summary: Mapping[str, Any], side: int) -> dict[str, Any]:
    size = f"photo of {summary['width']:,} × {summary['height']:,} px"
    facts = f"no crack · {size}"
    if summary["cracks"]:
        unit = unit_of(summary)
        facts = (
            f"{counted(summary['cracks'], 'crack')}, "
            f"{summary[f'length_{unit}']:,.0f} {unit} long, "
            f"{summary[f'width_mean_{unit}']:.1f} {unit} wide, "
            f"at most {summary[f'width_max_{unit}']:.1f} · {size}"
        )
    return {
        "name": name,
        "files": [file for file in FILES if (folder / name / file).is_file()],
        "facts": facts,
        "length": summary["length_px"],
        "width": summary["width_max_px"] or 0,
        "plain": _embedded(folder / name / PREVIEWS[0], side),
        "marked": _embedded(folder / name / PREVIEWS[1], side),
    }


def _totals(summaries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    cracked = [summary for summary in summaries if summary["cracks"]]
    totals = {
        "photos with cracks": f"{len(cracked):,} of {len(summaries):,}",
        "cracks": f"{sum(summary['cracks'] for summary in cracked):,}",
    }
    units = {unit_of(summary) for summary in summaries}
    if len(units) == 1 and cracked:
        (unit,) = units
        length = sum(summary[f"length_{unit}"] for summary in cracked)
        widest = max(summary[f"width_max_{unit}"] for summary in cracked)
        totals |= {"total length": f"{length:,.0f} {unit}", "widest": f"{widest:.1f} {unit}"}
    return totals


def _settings(summaries: Sequence[Mapping[str, Any]]) -> str | None:
    """With what the photos were inspected; None if not all with the same."""
    used = _used(summaries)
    if len(used) != 1:
        return None if used else ""
    (summary,) = used
    settings = summary["settings"]
    unit = "" if settings["mm_per_px"] else f"; px of the results, {summary['scale']} × the photo's"
    return (
        f"threshold {settings['threshold']:g}, cracks from {settings['min_area']} px, model "
        f"{settings['model'][:8]}{unit}"
    )


def _used(summaries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One summary of each kind of settings."""
    return list({(s["scale"], *s["settings"].values()): s for s in summaries}.values())


def _embedded(file: Path, side: int) -> str:
    """A picture of at most so many px a side as a data URI."""
    jpeg = file.read_bytes() if side == PREVIEW else _reduced(cv2.imread(str(file)), side)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _reduced(picture: np.ndarray, side: int) -> bytes:
    """A picture, (H, W, 3) BGR, with its longer side reduced to `side` px."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
