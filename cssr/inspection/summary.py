"""The folder of an inspected photo: its files, and photo.json, which sums up what they hold."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cssr.inspection.crack_tables import CRACKS
from cssr.inspection.maps import describe
from cssr.inspection.photo_record import PhotoRecord
from cssr.inspection.photos import printable

SUMMARY = "photo.json"
MASK = "mask.tif"
SR = "sr.tif"  # not always written
ON_MAP = "cracks.gpkg"  # of georeferenced photos
PREVIEWS = ("preview.jpg", "preview_overlay.jpg")  # without and with cracks marked
FILES = ("probability.tif", MASK, CRACKS, "cracks.geojson", "overlay.jpg")


@dataclass(frozen=True)
class Settings:
    """What the results of a photo depend on, besides the photo."""

    model: str  # SHA-256 of its weights
    threshold: float  # of the probabilities, in [0, 1]
    sr: bool  # whether the SR image is written
    min_area: int  # of a crack, px of the mask
    mm_per_px: float | None  # of the photo; None if unknown
    width_classes: tuple[float, ...] = ()  # bounds, mm


def write_summary(
    folder: Path,
    photo: PhotoRecord,
    *,
    found: Mapping[str, Any],
    scale: int,
    settings: Settings,
) -> dict[str, Any]:
    """Write photo.json, and return what it holds.

    Args:
        folder: of the photo's results.
        photo: whose results they are.
        found: what was found in it and what is to be said of it, by name.
        scale: side of the results / side of the photo.
        settings: of the inspection.
    """
    summary = {
        "photo": photo.identity,
        "path": printable(photo.path.absolute()),
        "beside": photo.beside,
        "georeference": describe(photo.place),
        "height": photo.header.height,
        "width": photo.header.width,
        "scale": scale,
        **found,
        "settings": asdict(settings),
    }
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Read photo.json; None if there is none, or one of another program."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and "settings" in summary else None


def is_complete(folder: Path) -> bool:
    """Whether a folder holds all results of a photo, except perhaps the SR image."""
    return all((folder / name).is_file() for name in (*FILES, *PREVIEWS))


def is_done(folder: Path, photo: PhotoRecord, settings: Settings) -> bool:
    """Whether a folder holds the results of this photo, unchanged since, with these settings."""
    summary = read_summary(folder) or {}
    return (
        is_complete(folder)
        and (not settings.sr or (folder / SR).is_file())
        and summary.get("settings") == json.loads(json.dumps(asdict(settings)))
        and summary.get("photo") == photo.identity
        and summary.get("beside", []) == photo.beside
        and "georeference" in summary
        and summary["georeference"] == describe(photo.place)
        and (summary["georeference"] is None or (folder / ON_MAP).is_file())
    )


def is_of_another(summary: Mapping[str, Any], photo: PhotoRecord) -> bool:
    """Whether a summary is of another photo: another file in another place."""
    path = printable(photo.path.absolute())
    return summary.get("photo") != photo.identity and summary.get("path") != path


def headline(summary: Mapping[str, Any]) -> str:
    """Number of cracks and their total length, such as `1 crack, 120 px long`."""
    number = summary["cracks"]
    unit = unit_of(summary)
    length = summary[f"length_{unit}"]
    return f"{number:,} crack{'' if number == 1 else 's'}, {length:,.0f} {unit} long"


def unit_of(summary: Mapping[str, Any]) -> str:
    """The unit in which a photo's lengths are reported: mm where their size is known."""
    return "px" if summary["settings"]["mm_per_px"] is None else "mm"


def facts(name: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says of a photo, for the tables, by name; see `crack_tables.py`."""
    return {**summary, **summary["settings"], "photo": name}
