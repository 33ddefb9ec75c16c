"""The figures that are images: samples (Fig. 1) and the qualitative comparison (Fig. 7)."""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from cssr.models.variants import VARIANTS
from cssr.paper import HEADLINE, MODELS
from cssr.report.curves import FAINT, STYLE, render
from cssr.report.letters import OF_HR, OF_SR
from cssr.report.results import Example

# inches
TILE = 0.88  # side of a tile
GAP = 0.03  # between tiles
GROUP_GAP = 0.10  # between groups of rows, besides
LEFT = 0.48  # margins for the labels
TOP = 0.50
BOTTOM = 0.36
LEAST_WIDTH = 3.8  # of the figure, for its footer
# px
LEAST_PIXELS = 128  # side of a tile: 145 dpi
MOST_PIXELS = 176  # 200 dpi
PIXEL_BUDGET = 400  # side of a tile for one example, so that no file of Fig. 7 exceeds 1 MB
COLOURS = 256  # of an image: a third of the size, and no eye tells the difference

Tiles = Sequence[Sequence[np.ndarray | None]]


class Labels(NamedTuple):
    """Texts around a grid: over its columns, beside its rows and groups of rows, below it."""

    columns: Sequence[str]
    rows: Sequence[str]
    groups: Sequence[str]
    footer: str


def save_samples(examples: Sequence[Example], file: Path, *, footer: str) -> None:
    """Fig. 1: images, ground truth and the segmentation of (f), one column per image.

    Args:
        examples: as (f) sees them.
        file: path without suffix.
        footer: what the numbers are.
    """
    side = _tile_side(examples)
    tiles = [
        [_to_tile(image, side) for image in images]
        for images in (
            [example.hr for example in examples],
            [example.mask for example in examples],
            [example.probs for example in examples],
        )
    ]
    labels = Labels(
        columns=[f"{example.width:.1f} px" for example in examples],
        rows=["HR image", "ground truth", "(f) CSSR"],
        groups=[],
        footer=f"over each column: mean crack width\n{footer}",
    )
    _save_grid(tiles, file, side=side, labels=labels, together=len(tiles))


def save_comparison(examples: Mapping[str, Sequence[Example]], file: Path, *, footer: str) -> None:
    """Fig. 7: for each example a row of images and below it a row of segmentations.

    Args:
        examples: as each of the seven models sees them, by its name.
        file: path without suffix.
        footer: what the numbers are.
    """
    shared = examples[HEADLINE]
    side = _tile_side(shared)
    tiles: list[list[np.ndarray | None]] = []
    for index, example in enumerate(shared):
        seen = {name: shown[index] for name, shown in examples.items()}
        # (a) has no SR image: what it segments is the HR image
        sources = [e.hr if VARIANTS[name].takes_hr else e.sr for name, e in seen.items()]
        above = [example.lr, *sources]
        below = [example.mask, *(e.probs for e in seen.values())]
        tiles += [[_to_tile(image, side) for image in row] for row in (above, below)]
    labels = Labels(
        columns=["LR image;\nground truth", *map(_column_title, examples)],
        rows=["image", "segmentation"] * len(shared),
        groups=[f"crack width {example.width:.1f} px" for example in shared],
        footer=f"image: LR; HR, which {OF_HR} segments; SR of {OF_SR} · "
        f"segmentation: ground truth; crack probability, black 0, white 1\n{footer}",
    )
    _save_grid(tiles, file, side=side, labels=labels, together=2)


def draw_grid(tiles: Tiles, *, side: int, labels: Labels, together: int) -> Figure:
    """Draw tiles in rows and columns so that the PNG shows their pixels one by one.

    Args:
        tiles: rows of images, gray or RGB uint8, `side` px wide and high; None leaves a gap.
        side: of a tile, px.
        labels: the texts around.
        together: rows of a group; a wider gap parts the groups.

    Returns:
        A figure of TILE inches per tile, to be saved at `side / TILE` dpi.
    """
    dpi = side / TILE
    left, top, step, part = (round(x * dpi) for x in (LEFT, TOP, TILE + GAP, GROUP_GAP))
    lines = [top + step * row + part * (row // together) for row in range(len(tiles))]
    width = max(left + step * len(labels.columns), round(LEAST_WIDTH * dpi))
    height = lines[-1] + step + round(BOTTOM * dpi)
    with mpl.rc_context(STYLE):
        # the 0.01 px keep the size in px from being rounded down
        figure = Figure(figsize=((width + 0.01) / dpi, (height + 0.01) / dpi))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        for y, row in zip(lines, tiles, strict=True):
            for column, tile in enumerate(row):
                _draw_tile(axes, left + step * column, y, side, tile)
        axes.set(xlim=(0, width), ylim=(height, 0))
        for column, label in enumerate(labels.columns):
            _write(axes, left + step * column + side / 2, top - 0.05 * dpi, label, va="bottom")
        for y, label in zip(lines, labels.rows, strict=True):
            _write(axes, left - 0.1 * dpi, y + side / 2, label, rotation=90)
        for y, label in zip(lines[::together], labels.groups, strict=False):
            middle = y + step * together / 2
            _write(axes, left - 0.32 * dpi, middle, label, rotation=90, weight="bold")
        bottom = height - 0.05 * dpi
        _write(axes, left, bottom, labels.footer, ha="left", va="bottom", color=FAINT)
    return figure


def encode_png(image: Image.Image, *, dpi: float | None = None) -> bytes:
    """An image as PNG: gray as it is, colours by a palette."""
    if image.mode != "L":
        image = image.convert("RGB").quantize(COLOURS)
    stream = BytesIO()
    image.save(stream, format="PNG", optimize=True, dpi=dpi and (dpi, dpi))
    return stream.getvalue()


def _draw_tile(axes: Axes, x: int, y: int, side: int, tile: np.ndarray | None) -> None:
    """Draw a tile with its upper left corner at (x, y) px."""
    if tile is None:
        _write(axes, x + side / 2, y + side / 2, "no SR image", color=FAINT)
        return
    axes.imshow(
        tile,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="none",
        aspect="auto",
        extent=(x, x + side, y + side, y),
    )


def _write(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    axes.text(x, y, text, **{"fontsize": 7, "ha": "center", "va": "center", **style})


def _save_grid(tiles: Tiles, file: Path, *, side: int, labels: Labels, together: int) -> None:
    figure = draw_grid(tiles, side=side, labels=labels, together=together)
    dpi = side / TILE
    content = render(figure, dpi=dpi)
    file.with_suffix(".png").write_bytes(_with_palette(content[".png"], dpi=dpi))
    file.with_suffix(".svg").write_bytes(
        re.sub(
            rb"(?<=data:image/png;base64,)[\sA-Za-z0-9+/=]+",
            lambda found: base64.b64encode(_with_palette(base64.b64decode(found[0]), dpi=dpi)),
            content[".svg"],
        )
    )


def _with_palette(png: bytes, *, dpi: float) -> bytes:
    with Image.open(BytesIO(png)) as image:
        return encode_png(image, dpi=dpi)


def _tile_side(examples: Sequence[Example]) -> int:
    """Side of a tile in px: the image's own if it is within the bounds."""
    side = len(examples[0].hr)
    if side < LEAST_PIXELS:
        return side * math.ceil(LEAST_PIXELS / side)
    return min(side, MOST_PIXELS, int(PIXEL_BUDGET / math.sqrt(len(examples))))


def _to_tile(image: np.ndarray | None, side: int) -> np.ndarray | None:
    """A square image at `side` px: pixels enlarged as they are, or averaged."""
    if image is None:
        return None
    times = math.ceil(side / len(image))
    large = image.repeat(times, axis=0).repeat(times, axis=1)
    if len(large) == side:
        return large
    return np.asarray(Image.fromarray(large).resize((side, side), Image.Resampling.BOX))


def _column_title(model: str) -> str:
    title = MODELS[model]
    name, _, steps = title.name.partition(" (")
    return f"({title.letter}) {name}\n({steps}" if steps else f"({title.letter})\n{name}"
