"""Tables of cracks and of photos, whose rows of several runs can be put together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cssr.inspection.width_classes import crack_classes, length_by_class
from cssr.measurement.cracks import Crack, crack_table

CRACKS = "cracks.csv"
PHOTOS = "photos.csv"
HASH_DIGITS = 12  # of a model
UNITS = ("px", "mm")
TOTALS = [f"{name}_{unit}" for unit in UNITS for name in ("length", "width_mean", "width_max")]
SHARES = ("crack_share", "no_data_share")
WHOLE = ("cracks", "photo_height", "photo_width", "scale")  # numbers, where there are any

Facts = Mapping[str, Any]  # about a photo and its cracks, by name


def crack_rows(
    cracks: Sequence[Crack], facts: Facts, width_classes: Sequence[float] = ()
) -> pd.DataFrame:
    """A row for each crack of a photo, with the photo and what the row depends on.

    Args:
        cracks: of the photo.
        facts: `photo`, `scale`, `mm_per_px`, `threshold` and `model`.
        width_classes: bounds in mm; none without `mm_per_px`.
    """
    table = crack_table(cracks, mm_per_px=mm_per_result_px(facts))
    if width_classes:
        table["width_class"] = crack_classes(table, width_classes)
    return with_run(table, facts)


def with_run(table: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """A table of cracks with the photo as first column, and what the rows depend on as last."""
    run = _run_columns(facts)
    own = table.drop(columns=[name for name in ("photo", *run) if name in table])
    own.insert(0, "photo", facts["photo"])
    return own.assign(**run)


def totals(
    cracks: Sequence[Crack],
    table: pd.DataFrame,
    *,
    mm_per_px: float | None,
    width_classes: Sequence[float] = (),
) -> dict[str, Any]:
    """The cracks of a photo in total.

    Args:
        cracks: of the photo.
        table: their rows.
        mm_per_px: mm per px of the mask.
        width_classes: bounds in mm.

    Returns:
        `cracks`; `length_px`; `width_mean_px`, weighted by length, and `width_max_px`, None without
        cracks; the same in mm where there is a scale; `length_mm_by_width`, by name of the class.
    """
    found: dict[str, Any] = {"cracks": len(table)}
    for unit in UNITS:
        if f"length_{unit}" not in table:
            continue
        length = table[f"length_{unit}"]
        weighted = float((table[f"width_mean_{unit}"] * length).sum())
        found |= {
            f"length_{unit}": round(float(length.sum()), 2),
            f"width_mean_{unit}": round(weighted / float(length.sum()), 3) if len(table) else None,
            f"width_max_{unit}": float(table[f"width_max_{unit}"].max()) if len(table) else None,
        }
    if width_classes and mm_per_px:
        by_width = length_by_class(cracks, width_classes, mm_per_px=mm_per_px)
        found["length_mm_by_width"] = by_width
    return found


def crack_share(cracks: Iterable[Crack], pixels: int) -> float:
    """Share of a mask's pixels with data that belong to its cracks, in [0, 1]."""
    return float(f"{sum(crack.area for crack in cracks) / max(pixels, 1):.4g}")


def no_data_share(with_data: int, pixels: int) -> float:
    """Share of a photo's pixels that hold no data, in [0, 1]."""
    return float(f"{1 - with_data / pixels:.4g}")


def photo_table(photos: Iterable[Facts], failed: Mapping[str, str]) -> pd.DataFrame:
    """A row for each photo: what was found there, or the error for which it was not read.

    Args:
        photos: with `photo`, `height`, `width`, `crack_share`, `no_data_share`, what `crack_rows`
            takes and `totals` gives.
        failed: errors by name.
    """
    rows = [_photo_row(facts) for facts in photos]
    rows += [{"photo": name, "error": error} for name, error in failed.items()]
    rows.sort(key=lambda row: row["photo"])
    by_width = [name for row in rows for name in row if name.startswith("length_mm_")]
    end = (*SHARES, "photo_height", "photo_width", *_run_columns({}), "error")
    columns = list(dict.fromkeys(("photo", "cracks", *TOTALS, *by_width, *end)))
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(WHOLE, "Int64"))


def join(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The cracks of several photos in one table; what they depend on stays last."""
    filled = [table for table in tables if len(table)] or tables
    table = pd.concat([pd.DataFrame(), *filled], ignore_index=True)
    last = [name for name in _run_columns({}) if name in table]
    return table[[*table.columns.drop(last), *last]]


def mm_per_result_px(facts: Facts) -> float | None:
    """The size of a pixel of the results."""
    return facts["mm_per_px"] and facts["mm_per_px"] / facts["scale"]


def _run_columns(facts: Facts) -> dict[str, Any]:
    threshold, model, mm_per_px = (facts.get(name) for name in ("threshold", "model", "mm_per_px"))
    return {
        "threshold": np.nan if threshold is None else threshold,
        "model": model and f"sha256:{model[:HASH_DIGITS]}",
        "scale": facts.get("scale"),
        "mm_per_px": mm_per_px or np.nan,
    }


def _photo_row(facts: Facts) -> dict[str, Any]:
    row = {name: facts.get(name) for name in ("photo", "cracks", *TOTALS, *SHARES)}
    by_width = facts.get("length_mm_by_width") or {}
    row |= {f"length_mm_{name.replace(' ', '_')}": value for name, value in by_width.items()}
    row |= {"photo_height": facts["height"], "photo_width": facts["width"]}
    return row | _run_columns(facts)
