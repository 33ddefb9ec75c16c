"""Results of all photos in a folder, as tables and a page."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cssr.files import new_files
from cssr.inspection.crack_tables import CRACKS, PHOTOS, join, photo_table, with_run
from cssr.inspection.overlay import PREVIEW_SIDE
from cssr.inspection.summary import (
    FILES,
    ON_MAP,
    PREVIEWS,
    SR,
    SUMMARY,
    facts,
    headline,
    is_complete,
    read_summary,
    unit_of,
)

TEMPLATES = Path(__file__).parent / "templates"
PAGE_BYTES = 50_000_000  # of pictures in a page; of many photos they are smaller
SMALLEST_SIDE = 160  # of these pictures, px
DECIMALS = {"px": 1, "mm": 2}  # of widths
COMPARED = {  # what has to be equal for the numbers of two photos to compare
    "model": "model",
    "threshold": "threshold",
    "scale": "size of the results",
    "unit": "unit (mm, px)",
    "min_area": "smallest crack",
    "width_classes": "classes of width",
}

Summary = Mapping[str, Any]


def write_gallery(folder: Path, failed: Mapping[str, str]) -> list[str]:
    """Write cracks.csv, photos.csv and index.html of all photos whose results are in a folder.

    Args:
        folder: with a folder for each photo.
        failed: errors of photos that could not be read, by name.

    Returns:
        The settings in which the photos differ, so that their numbers do not compare.

    Raises:
        OSError: if the folder cannot be written.
    """
    photos = {}
    for file in sorted(folder.rglob(SUMMARY)):
        summary = read_summary(file.parent)
        name = file.parent.relative_to(folder).as_posix()
        if summary is not None and is_complete(file.parent) and name not in failed:
            photos[name] = summary
    differ = _differences(list(photos.values()))
    known = {name: facts(name, summary) for name, summary in photos.items()}
    with new_files(folder) as out:
        tables = [with_run(pd.read_csv(folder / name / CRACKS), known[name]) for name in photos]
        join(tables).to_csv(out / CRACKS, index=False)
        photo_table(known.values(), failed).to_csv(out / PHOTOS, index=False)
        page = _page(folder, photos, failed, differ)
        (out / "index.html").write_text(page, encoding="utf-8")
    return differ


def _differences(photos: Sequence[Summary]) -> list[str]:
    """The settings that photos do not all share, in words."""
    kinds = [
        {"width_classes": [], **photo["settings"], "unit": unit_of(photo), "scale": photo["scale"]}
        for photo in photos
    ]
    return [
        words for name, words in COMPARED.items() if len({str(kind[name]) for kind in kinds}) > 1
    ]


def _page(
    folder: Path,
    photos: Mapping[str, Summary],
    failed: Mapping[str, str],
    differ: Sequence[str],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    side = _picture_side([folder / name for name in photos])
    return environment.get_template("gallery.html").render(
        photos=[_card(folder, name, summary, side) for name, summary in photos.items()],
        totals=_totals(list(photos.values())),
        by_width=_by_width(list(photos.values())),
        tables=(CRACKS, PHOTOS),
        settings=_settings_line(next(iter(photos.values()))) if photos and not differ else "",
        differ=differ,
        failed=failed,
    )


def _picture_side(folders: Sequence[Path]) -> int:
    """Side of the page's pictures, px."""
    size = sum((folder / name).stat().st_size for folder in folders for name in PREVIEWS)
    if size <= PAGE_BYTES:
        return PREVIEW_SIDE
    return max(SMALLEST_SIDE, int(PREVIEW_SIDE * (PAGE_BYTES / size) ** 0.5))


def _card(folder: Path, name: str, summary: Summary, side: int) -> dict[str, Any]:
    """What the page shows of a photo."""
    facts = "no crack"
    if summary["cracks"]:
        unit = unit_of(summary)
        facts = (
            f"{headline(summary)}, {summary[f'width_mean_{unit}']:.{DECIMALS[unit]}f} {unit} wide, "
            f"at most {summary[f'width_max_{unit}']:.{DECIMALS[unit]}f}"
        )
    size = summary["settings"]["mm_per_px"]
    pixel = f", {size:.3g} mm/px" if size else ""
    plain, marked = (_data_uri(folder / name / preview, side) for preview in PREVIEWS)
    return {
        "name": name,
        "files": [file for file in (*FILES, SR, ON_MAP) if (folder / name / file).is_file()],
        "facts": f"{facts} · photo of {summary['width']:,} × {summary['height']:,} px{pixel}",
        "length": summary["length_px"],
        "width": summary["width_max_px"] or 0,
        "plain": plain,
        "marked": marked,
    }


def _totals(summaries: Sequence[Summary]) -> dict[str, str]:
    """Totals of all photos; lengths only where all are in the same unit."""
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
        totals |= {
            "total length": f"{length:,.0f} {unit}",
            "widest": f"{widest:.{DECIMALS[unit]}f} {unit}",
        }
    return totals


def _by_width(summaries: Sequence[Summary]) -> dict[str, tuple[str, str]]:
    """Length of all cracks and share of it, by class of width; none if the classes differ."""
    lengths = [summary.get("length_mm_by_width") for summary in summaries]
    if not lengths or any(own is None or list(own) != list(lengths[0] or {}) for own in lengths):
        return {}
    sums = {name: sum(own[name] for own in lengths) for name in lengths[0]}
    whole = sum(sums.values()) or 1.0
    return {name: (f"{mm:,.0f}", f"{mm / whole:.0%}") for name, mm in sums.items()}


def _settings_line(summary: Summary) -> str:
    """The settings with which a photo was inspected."""
    settings = summary["settings"]
    unit = "" if settings["mm_per_px"] else f"; px of the results, {summary['scale']} × the photo's"
    return (
        f"threshold {settings['threshold']:g}, cracks from {settings['min_area']} px, model "
        f"{settings['model'][:8]}{unit}"
    )


def _data_uri(file: Path, side: int) -> str:
    """A picture whose longer side is at most `side` px, as a data URI."""
    jpeg = file.read_bytes()
    if side < PREVIEW_SIDE:
        picture = cv2.imread(str(file))
        height, width = picture.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
