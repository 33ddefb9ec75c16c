"""The results in one page: Table 1, a viewer of the test images, and the figures."""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from cssr.models.variants import VARIANTS
from cssr.paper import HEADLINE, MODELS
from cssr.report.figures import FIGURES
from cssr.report.grids import encode_png
from cssr.report.header import NOT_COMPARABLE
from cssr.report.results import Example, Results, SeedResult
from cssr.report.tables import TITLE, table_entries, table_notes

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
FIGURE_SCALE = 1.3 * 4 / 3  # CSS px per pt of a figure


def write_page(
    file: Path,
    *,
    results: Results,
    header: Sequence[str],
    notes: Sequence[str],
    figures: Mapping[str, str],
) -> None:
    """Write a page that needs no other file and no network, the same bytes each time.

    Args:
        file: where to.
        results: what it shows.
        header: what the numbers are, lines of plain text.
        notes: sentences to add below the table.
        figures: SVG of each figure, by its name in `FIGURES`.
    """
    headings, rows = table_entries(results)
    shared = results.examples[HEADLINE]
    first = results.first_seed
    page = ENVIRONMENT.get_template("page.html").render(
        warnings=[line for line in header if line == NOT_COMPARABLE],
        header=[line for line in header if line != NOT_COMPARABLE],
        title=TITLE,
        headings=headings,
        rows=rows,
        notes=[*table_notes(results), *notes],
        models=[_model(name, each.seeds[first]) for name, each in results.models.items()],
        first_seed=first,
        repeated=results.repeated,
        images=[_image(index, results.examples) for index in range(len(shared))],
        size=len(shared[0].hr),
        low_size=len(shared[0].lr),
        figures=[_figure(name, svg) for name, svg in figures.items()],
    )
    file.write_text(page, encoding="utf-8")


def _model(name: str, result: SeedResult) -> dict[str, Any]:
    title = MODELS[name]
    source = "the HR image" if VARIANTS[name].takes_hr else "the LR image"
    return {
        "letter": title.letter,
        "title": str(title),
        "threshold": result.test["val_threshold"],
        "no_sr": f"({title.letter}) segments {source} and makes no SR image",
    }


def _image(index: int, examples: Mapping[str, Sequence[Example]]) -> dict[str, Any]:
    """One test image as each model sees it."""
    shared = examples[HEADLINE][index]
    seen = [shown[index] for shown in examples.values()]
    return {
        "name": shared.name,
        "width": f"{shared.width:.1f} px",
        "lr": _png(shared.lr),
        "hr": _png(shared.hr),
        "mask": _png(shared.mask),
        "probs": [_png(example.probs) for example in seen],
        "sr": [None if example.sr is None else _png(example.sr) for example in seen],
    }


def _figure(name: str, svg: str) -> dict[str, Any]:
    figure = FIGURES[name]
    width, height = (
        round(FIGURE_SCALE * float(re.search(rf'<svg[^>]* {side}="([\d.]+)pt"', svg)[1]))
        for side in ("width", "height")
    )
    return {
        "name": name.replace("fig", "Fig. ").capitalize(),
        "title": figure.title,
        "caption": figure.caption,
        "width": width,
        "height": height,
        "source": _svg(svg),
    }


def _png(image: np.ndarray) -> str:
    """An image as a data URI."""
    content = encode_png(Image.fromarray(image))
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _svg(text: str) -> str:
    """An SVG as a data URI: as text, since base64 would lengthen its images once more."""
    line = " ".join(text.split())  # a URI drops line feeds
    return f"data:image/svg+xml,{line.replace('%', '%25').replace('#', '%23')}"
