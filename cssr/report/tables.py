"""Table 1 as Markdown, CSV and LaTeX, and the numbers of the figures as CSV."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cssr.paper import HEADLINE, ILLEGIBLE, LOSSES, MODELS, PUBLISHED
from cssr.report.letters import JOINT, OF_HR
from cssr.report.results import Result, Results

TITLE = "Quantitative evaluation of the models on the test images"
# metric, higher is better: (heading, decimals, the threshold shown behind it)
COLUMNS: dict[str, tuple[str, int, str | None]] = {
    "psnr": ("PSNR [dB]", 2, None),
    "aiu": ("AIU", 3, None),
    "iou_max": ("IoU_max (at threshold)", 3, "threshold"),
    "ssim": ("SSIM", 3, None),
    "aiu_crack": ("AIU, crack images", 3, None),
    "iou_at_val_threshold": ("IoU (at validation's threshold)", 3, "val_threshold"),
}
PAPER_COLUMNS = {
    "psnr": ("paper: PSNR [dB]", 1),
    "aiu": ("paper: AIU", 3),
    "iou_max": ("paper: IoU_max", 3),
}
ABSENT = "–"
INTERVALS = (
    "Each number is the mean over the seeds. In brackets: its 95 % interval, from 9,999 bootstrap "
    "samples of the test photos (images of one photo are drawn together). It says what other "
    "photos would change, not what other seeds would."
)
MARKDOWN = {"": str, "best": "**{}**".format, "second": "<ins>{}</ins>".format}
_LATEX = {"": str, "best": r"\textbf{{{}}}".format, "second": r"\underline{{{}}}".format}
_LATEX_SIGNS = {"→": r"$\rightarrow$", ABSENT: "--"}


class Entry(NamedTuple):
    """One field of the table: a text, how it ranks in its column, what follows it, its number."""

    text: str
    mark: str = ""
    suffix: str = ""
    value: float | None = None


def write_table(
    folder: Path, results: Results, *, header: Sequence[str], notes: Sequence[str]
) -> None:
    """Write table1.md, table1.csv and table1.tex.

    Args:
        folder: where to.
        results: those of the seven models are shown.
        header: what the numbers are, lines of plain text.
        notes: sentences to add below the table.
    """
    notes = [*table_notes(results), *notes]
    for name, render in {"table1.md": markdown_table, "table1.tex": latex_table}.items():
        (folder / name).write_text(render(results, header=header, notes=notes), encoding="utf-8")
    rows = [
        {"model": name, **_numbers(results, name), **_published(name)} for name in results.models
    ]
    _write_csv(folder / "table1.csv", list(rows[0]), map(dict.values, rows))


def write_series(
    file: Path, name: str, index: Iterable[float], series: Mapping[str, Iterable[float]]
) -> None:
    """Write the numbers of a figure as CSV, one column per line of it.

    Args:
        file: where to.
        name: of the horizontal axis, the first column.
        index: its values.
        series: values of each line, by its name.
    """
    _write_csv(file, [name, *series], zip(index, *series.values(), strict=True))


def rank_marks(values: Sequence[float | None], decimals: int) -> list[str]:
    """Mark the best and the second-best of a column; equal as printed is equal.

    Args:
        values: higher is better; None and infinite ones are left out.
        decimals: that are printed.

    Returns:
        For each value `best`, `second` or the empty text.
    """
    printed = [None if value is None else round(value, decimals) for value in values]
    numbers = {value for value in printed if value is not None and math.isfinite(value)}
    marks = dict(zip(sorted(numbers, reverse=True), ("best", "second"), strict=False))
    return [marks.get(value, "") for value in printed]


def table_entries(results: Results) -> tuple[list[str], list[list[Entry]]]:
    """The headings of Table 1, and the fields of each model below them."""
    headings = [heading for heading, *_ in (*COLUMNS.values(), *PAPER_COLUMNS.values())]
    names = [Entry(str(MODELS[name])) for name in results.models]
    ours = [_ranked_column(results, metric) for metric in COLUMNS]
    paper = [_paper_column(results.models, metric) for metric in PAPER_COLUMNS]
    return ["Model", *headings], [list(row) for row in zip(names, *ours, *paper, strict=True)]


def markdown_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown, its first column to the left, the others to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def markdown_page(
    title: str, header: Sequence[str], table: Sequence[str], notes: Sequence[str]
) -> str:
    """A table in Markdown with what its numbers are above it and notes below it."""
    above = [f"- {line}" for line in header]
    below = [f"- {note}" for note in notes]
    return "\n".join([f"# {title}", "", *above, "", *table, "", *below, ""])


def markdown_sections(
    title: str,
    header: Sequence[str],
    sections: Mapping[str, tuple[Sequence[str], Iterable[Sequence[str]]]],
) -> str:
    """A page in Markdown with several tables.

    Args:
        title: of the page.
        header: lines of plain text.
        sections: headings and rows of each table, by its title.
    """
    blocks = [f"# {title}", "\n".join(f"- {line}" for line in header)]
    for name, (headings, rows) in sections.items():
        blocks += [f"## {name}", "\n".join(markdown_lines(headings, rows))]
    return "\n\n".join(blocks) + "\n"


def markdown_table(results: Results, *, header: Sequence[str], notes: Sequence[str]) -> str:
    """Table 1 in Markdown, best bold and second underlined, the paper's numbers beside ours."""
    table = markdown_lines(*_marked(results, MARKDOWN))
    notes = ["**Best** and <ins>second-best</ins> of each column.", *notes]
    return markdown_page(f"Table 1. {TITLE}", header, table, notes)


def latex_table(results: Results, *, header: Sequence[str], notes: Sequence[str]) -> str:
    """Table 1 in LaTeX, best bold and second underlined; wants booktabs and graphicx.

    The header and the notes are comments in it.
    """
    headings, texts = _marked(results, _LATEX)
    style = pd.DataFrame(texts, columns=headings).style.hide(axis="index")
    style = style.format(escape="latex", subset=["Model"])
    style = style.format_index(escape="latex", axis="columns")
    columns = "l" + "r" * (len(headings) - 1)
    tabular = style.to_latex(column_format=columns, hrules=True)
    for sign, command in _LATEX_SIGNS.items():
        tabular = tabular.replace(sign, command)
    return "\n".join(
        [
            *(f"% {line}" for line in (*header, *notes)),
            r"\begin{table*}",
            rf"\caption{{{TITLE}.}}",
            r"\resizebox{\textwidth}{!}{%",
            tabular.rstrip() + "}",
            r"\end{table*}",
            "",
        ]
    )


def table_notes(results: Results) -> list[str]:
    """What a reader of the table has to know, as sentences of plain text."""
    run = results.models[HEADLINE].run
    constant = results.first_model.test["aiu_constant_crack"]
    return [
        *([INTERVALS, results.photos_note] if results.repeated else []),
        f"Loss: {LOSSES[run['loss']].name}; β of {JOINT}: {run['beta']:g}.",
        f"Only {OF_HR} is given the HR images.",
        "AIU counts an image without crack as 1 at each threshold at which nothing is found there.",
        "IoU_max is at the threshold that is best on the test images themselves; validation's "
        "threshold is not chosen on them.",
        "The AIU of (d) is not legible in our text of the paper.",
        f"AIU over crack images of the best constant prediction: {constant:.3f}.",
    ]


def _marked(
    results: Results, marks: Mapping[str, Callable[[str], str]]
) -> tuple[list[str], list[list[str]]]:
    """The headings and the rows of Table 1 as texts, the best ones in a markup."""
    headings, rows = table_entries(results)
    return headings, [[marks[e.mark](e.text) + e.suffix for e in row] for row in rows]


def _ranked_column(results: Results, metric: str) -> list[Entry]:
    _, decimals, threshold = COLUMNS[metric]
    values = [result.test.get(metric) for result in results.models.values()]
    entries = []
    for result, value, mark in zip(
        results.models.values(), values, rank_marks(values, decimals), strict=True
    ):
        limit = result.test.get(threshold)
        suffix = "" if limit is None else f" ({limit:.2f})"
        if results.repeated and value is not None:
            suffix += f" {results.estimate(metric, result).bracketed(f'.{decimals}f')}"
        entries.append(Entry(_number(value, decimals), mark, suffix, value))
    return entries


def _numbers(results: Results, name: str) -> dict[str, float | None]:
    """The numbers of one model in the CSV: ours, with thresholds and intervals."""
    result, numbers = results.models[name], {}
    for metric, (_, _, threshold) in COLUMNS.items():
        numbers[metric] = result.test.get(metric)
        if results.repeated:
            found = results.estimate(metric, result)
            numbers |= {
                f"{metric}_low": found and found.low,
                f"{metric}_high": found and found.high,
            }
        if threshold:
            numbers[threshold] = result.test.get(threshold)
    return numbers


def _published(name: str) -> dict[str, float | None]:
    """The paper's numbers of one model in the CSV."""
    return {f"paper_{metric}": PUBLISHED.get(name, {}).get(metric) for metric in PAPER_COLUMNS}


def _paper_column(models: Mapping[str, Result], metric: str) -> list[Entry]:
    _, decimals = PAPER_COLUMNS[metric]
    values = {name: PUBLISHED.get(name, {}).get(metric) for name in models}
    return [
        Entry(ILLEGIBLE.get((name, metric)) or _number(value, decimals), value=value)
        for name, value in values.items()
    ]


def _number(value: float | None, decimals: int) -> str:
    return ABSENT if value is None else f"{value:.{decimals}f}"


def _write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write rows, numbers with at most six decimals, absent ones empty."""
    pd.DataFrame(rows, columns=header).round(6).to_csv(file, index=False)
