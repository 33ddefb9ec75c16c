"""What a data set holds, for people: a page of numbers and a sheet of its squares."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cssr.dataset.choosing import Kept, Made
from cssr.dataset.cutting import CutSquare
from cssr.dataset.gathering import Gathered
from cssr.dataset.spool import Spool
from cssr.measurement.cracks import measure
from cssr.sources.masks.mask_values import MOSTLY_CRACK

SHOWN = 24  # squares on the sheet
COLUMNS = 6
TINT = 0.35  # of a crack, by the colour of its outline
THUMBNAIL = 224  # px
GAP = 2  # around each, px
OUTLINE = (255, 0, 90)  # RGB, as in the overlays of `cssr segment`
MEASURED = 50  # squares whose crack widths are measured
PERCENTILES = (5, 25, 50, 75, 95)


def write_report(folder: Path, made: Made, *, gathered: Gathered, name: str, advice: str) -> None:
    """Write NAME.md and NAME.jpg.

    Args:
        folder: to write to.
        made: the data set.
        gathered: what it was made of.
        name: of the data set.
        advice: parameters that suit it, as text.
    """
    cracked = [each for each in made.kept if each.square.crack]
    densest = sorted(cracked, key=lambda each: -each.square.crack)[:COLUMNS]
    others = [each for each in cracked if each not in densest]
    sheet = contact_sheet([*densest, *evenly(others, SHOWN - len(densest))], made.spool)
    options = [cv2.IMWRITE_JPEG_QUALITY, 88]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), options)[1]
    (folder / f"{name}.jpg").write_bytes(jpeg.tobytes())
    parts = [
        f"# {name}",
        f"![Squares with their cracks outlined]({name}.jpg)\n\nThe first row has the most crack.",
        _counts(made),
        _widths(evenly(cracked, MEASURED), made.spool),
        _list("Found", gathered.lines),
        _list("Left out", _left_out(made, gathered)),
        _list("To look at", doubtful(made)),
        f"## Parameters that suit it\n\n{advice}",
    ]
    text = "\n\n".join(part for part in parts if part)
    (folder / f"{name}.md").write_text(f"{text}\n", encoding="utf-8")


def contact_sheet(squares: Sequence[Kept], spool: Spool) -> np.ndarray:
    """Thumbnails with the outlines of their cracks, RGB, (rows, columns, 3) uint8."""
    cells = [_thumbnail(each.square, spool) for each in squares]
    columns = min(COLUMNS, len(cells))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    rows = [np.hstack(cells[at : at + columns]) for at in range(0, len(cells), columns)]
    return np.vstack(rows)


def evenly(items: Sequence[Kept], number: int) -> list[Kept]:
    """So many of the items, or all, evenly spread."""
    number = min(number, len(items))
    return [items[k * len(items) // number] for k in range(number)]


def _thumbnail(square: CutSquare, spool: Spool) -> np.ndarray:
    pixels = _decoded(spool.read(square.image), cv2.IMREAD_COLOR_RGB)
    small = cv2.resize(pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    mask = _mask(square, spool).astype(np.uint8)
    share = cv2.resize(mask * np.float32(TINT), small.shape[:2], interpolation=cv2.INTER_AREA)
    small = (small + share[..., None] * (np.array(OUTLINE) - small)).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    scale = THUMBNAIL / len(mask)
    lines = [((contour + 0.5) * scale).astype(np.int32) for contour in contours]
    drawn = cv2.polylines(small, lines, True, OUTLINE, 1, cv2.LINE_AA)
    return cv2.copyMakeBorder(drawn, *(GAP,) * 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _mask(square: CutSquare, spool: Spool) -> np.ndarray:
    return _decoded(spool.read(square.mask), cv2.IMREAD_GRAYSCALE) > 0


def _decoded(content: bytes, flags: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), flags)


def _counts(made: Made) -> str:
    """A table of what training and test hold."""
    rows = ["| | photos | squares | without crack | share of crack |", "|---|--:|--:|--:|--:|"]
    for side in ("train", "test"):
        squares = made.of(side)
        photos = {each.photo for each in squares}
        empty = sum(not each.square.crack for each in squares)
        share = np.mean([each.square.crack for each in squares])
        rows.append(f"| {side} | {len(photos):,} | {len(squares):,} | {empty:,} | {share:.2%} |")
    sizes = sorted({(cut.width, cut.height) for cut in made.photos}, key=lambda wh: wh[0] * wh[1])
    of_photos = " to ".join(f"{w:,} × {h:,}" for w, h in (sizes[0], sizes[-1])[: len(sizes)])
    return "\n".join([*rows, "", f"Photos have {of_photos} px."])


def _widths(squares: Sequence[Kept], spool: Spool) -> str:
    """The widths of cracks, along their centrelines."""
    found = [crack.local_widths for each in squares for crack in measure(_mask(each.square, spool))]
    if not found:
        return ""
    widths, lengths = np.concatenate(found).T
    order = np.argsort(widths)
    shares = np.cumsum(lengths[order]) / lengths.sum()
    at = [widths[order][np.searchsorted(shares, p / 100)] for p in PERCENTILES]
    head = " | ".join(f"{p} %" for p in PERCENTILES)
    row = " | ".join(f"{width:.1f}" for width in at)
    return (
        f"Crack widths in px, percentiles of the length of all centrelines, in {len(squares):,} "
        f"squares:\n\n| {head} |\n|{'--:|' * len(at)}\n| {row} |"
    )


def _left_out(made: Made, gathered: Gathered) -> list[str]:
    others = sorted(gathered.others.items())
    return [*made.left_out, *(f"{number:,} files {what}" for what, number in others)]


def doubtful(made: Made) -> list[str]:
    """Squares that are mostly crack, and notes on files."""
    dense = [each for each in made.kept if each.square.crack > MOSTLY_CRACK]
    dense.sort(key=lambda each: -each.square.crack)
    lines = [f"{each.file} ({each.square.crack:.0%} of it is crack)" for each in dense]
    return lines + [note for cut in made.photos for note in cut.notes]


def _list(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)]) if lines else ""
