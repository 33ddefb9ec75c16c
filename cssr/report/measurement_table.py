"""Table of the errors of each model where its cracks are measured, as Markdown."""

from collections.abc import Mapping, Sequence

from cssr.paper import HEADLINE, MODELS, REFERENCE
from cssr.report.letters import OF_HR
from cssr.report.results import Result
from cssr.report.tables import ABSENT, MARKDOWN, markdown_lines, markdown_page, rank_marks

TITLE = "Measurements of the cracks that the models find on the test images"
# metric: (heading, factor to its unit, decimals, whether it has a sign)
COLUMNS = {
    "length_error": ("total length, error [%]", 100, 1, True),
    "length_mae": ("length of an image, mean abs. error [%]", 100, 1, False),
    "width_error": ("mean width, error [px]", 1, 2, True),
    "width_mae": ("mean width, mean abs. error [px]", 1, 2, False),
}
NOTES = (
    "**Best** (nearest to 0) and <ins>second-best</ins> of each column. The true masks, measured "
    "in the same way, are the ground truth: their error is 0.",
    "Lengths are those of the centrelines, widths are area over length; px are those of the HR "
    "grid, for every model.",
    "A pixel is crack where its probability reaches the threshold that is best on validation.",
    "Total length: of all test images, over the true total, minus 1; + is too long. Cracks found "
    "in images without crack count.",
    "Length of an image: mean absolute error over the images with crack, over their mean length.",
    "Mean width: over the images where both the model and the ground truth have a crack, + is too "
    "wide; an image's width is the mean over its cracks, weighted by their lengths.",
    f"Only {OF_HR} is given the HR images.",
)


def measurement_table(models: Mapping[str, Result], *, header: Sequence[str]) -> str:
    """The errors of length and width of each model, best bold and second underlined.

    Args:
        models: results of the seven models, by name.
        header: what the numbers are, lines of plain text.
    """
    headings = ["Model", "threshold", *(heading for heading, *_ in COLUMNS.values())]
    names = [str(MODELS[name]) for name in models]
    thresholds = [f"{result.test['val_threshold']:.2f}" for result in models.values()]
    columns = [_column(models, metric) for metric in COLUMNS]
    table = markdown_lines(headings, zip(names, thresholds, *columns, strict=True))
    return markdown_page(TITLE, header, table, [*_comparison(models), *NOTES])


def _comparison(models: Mapping[str, Result]) -> list[str]:
    """CSSR at low resolution beside segmentation at high resolution."""
    low, high = (models[name].test for name in (HEADLINE, REFERENCE))
    if not {"length_mae", "width_mae"} <= low.keys() & high.keys():
        return []
    of_lr, of_hr = (f"({MODELS[name].letter})" for name in (HEADLINE, REFERENCE))
    return [
        f"The length of an image is off by {100 * low['length_mae']:.1f} % with {of_lr}, from "
        f"images of 1/{models[HEADLINE].run['scale']} of the side, and by "
        f"{100 * high['length_mae']:.1f} % with {of_hr}, from the HR images; its mean width by "
        f"{low['width_mae']:.2f} px and {high['width_mae']:.2f} px."
    ]


def _column(models: Mapping[str, Result], metric: str) -> list[str]:
    _, factor, decimals, signed = COLUMNS[metric]
    values = [result.test.get(metric) for result in models.values()]
    values = [None if value is None else factor * value for value in values]
    closeness = [None if value is None else -abs(value) for value in values]
    return [
        ABSENT if value is None else MARKDOWN[mark](_number(value, decimals, signed))
        for value, mark in zip(values, rank_marks(closeness, decimals), strict=True)
    ]


def _number(value: float, decimals: int, signed: bool) -> str:
    rounded = round(value, decimals) + 0.0  # no minus before a zero
    return f"{rounded:{'+' if signed and rounded else ''}.{decimals}f}"
