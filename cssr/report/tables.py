"""Table 1 as Markdown, CSV and LaTeX, and the numbers of the figures as CSV."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cssr.report.results import MODELS, Cell

# Table 1 of the paper and, for the IoU, its Sec. 4.2; None: not given
PAPER: dict[str, dict[str, float | None]] = {
    "ss_hr": {"psnr": None, "aiu": 0.525, "iou_max": 0.587},
    "bicubic_ss": {"psnr": 27.6, "aiu": 0.243, "iou_max": None},
    "ss_bicubic": {"psnr": None, "aiu": 0.447, "iou_max": None},
    "sr_ss": {"psnr": 29.0, "aiu": None, "iou_max": None},
    "ss_sr": {"psnr": None, "aiu": 0.499, "iou_max": None},
    "cssr": {"psnr": 28.5, "aiu": 0.518, "iou_max": 0.571},
    "inverse": {"psnr": None, "aiu": 0.558, "iou_max": None},
}
ILLEGIBLE = ("sr_ss", "aiu")  # in the text of the paper that we have
# metric: (heading, decimals, the threshold that belongs to it); each column is ranked
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
TITLE = "Table 1. Quantitative evaluation of the models on the test images"
_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "β": r"$\beta$",
    "–": "--",
    "…": r"\ldots{}",
}


def write_table(folder: Path, cells: Mapping[str, Cell], *, header: Sequence[str], notes: str = ""):
    """Write table1.md, table1.csv and table1.tex.

    Args:
        folder: where to.
        cells: results of the seven models, by name.
        header: lines of plain text that say what the numbers are.
        notes: a sentence to add below the table.
    """
    notes_below = [*table_notes(cells), *([notes] if notes else [])]
    texts = {
        "table1.md": markdown_table(cells, header=header, notes=notes_below),
        "table1.tex": latex_table(cells, header=header, notes=notes_below),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    names = ["model", *_csv_metrics(), *(f"paper_{metric}" for metric in PAPER_COLUMNS)]
    rows = [
        [
            model,
            *(cell.test.get(metric) for metric in _csv_metrics()),
            *(PAPER[model][metric] for metric in PAPER_COLUMNS),
        ]
        for model, cell in cells.items()
    ]
    _write_csv(folder / "table1.csv", names, rows)


def write_series(file: Path, name: str, index: Iterable[float], series: Mapping[str, Iterable]):
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
        values: higher is better; None or nan is left out.
        decimals: printed.

    Returns:
        For each value `best`, `second` or the empty text.
    """
    printed = [round(value, decimals) if _is_number(value) else None for value in values]
    ranked = sorted({value for value in printed if value is not None}, reverse=True)
    marks = dict(zip(ranked, ("best", "second"), strict=False))
    return [marks.get(value, "") for value in printed]


def markdown_table(cells: Mapping[str, Cell], *, header: Sequence[str], notes: Sequence[str]) -> str:
    """Table 1 in Markdown: best bold, second underlined, the paper's numbers beside ours."""
    styles = {"best": "**{}**".format, "second": "<ins>{}</ins>".format, "": str}
    head, rows = _headings(), _rows(cells, styles)
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(
        [
            f"# {TITLE}",
            "",
            *(f"- {line}" for line in header),
            "",
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
            "**Best** and <ins>second-best</ins> of each column.",
            *notes,
            "",
        ]
    )


def latex_table(cells: Mapping[str, Cell], *, header: Sequence[str], notes: Sequence[str]) -> str:
    r"""Table 1 in LaTeX: best `\textbf`, second `\underline`; needs the booktabs package."""
    styles = {"best": r"\textbf{{{}}}".format, "second": r"\underline{{{}}}".format, "": str}
    rows = [[latex(cell) for cell in row] for row in _rows(cells, {"": str})]
    marked = _rows(cells, styles)
    body = [
        " & ".join([plain[0], *(cell.replace("–", "--") for cell in line[1:])]) + r" \\"
        for plain, line in zip(rows, marked, strict=True)
    ]
    head = [latex(text).replace(r"IoU\_max", r"IoU$_{\max}$") for text in _headings()]
    caption = " ".join(latex(f"{line[0].upper()}{line[1:].rstrip('.')}.") for line in header)
    return "\n".join(
        [
            *(f"% {line}" for line in header),
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(TITLE.split('. ')[1])}. {caption}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
            r"\smallskip\footnotesize",
            *(latex(note) for note in notes),
            r"\end{table}",
            "",
        ]
    )


def table_notes(cells: Mapping[str, Cell]) -> list[str]:
    """What a reader of the table has to know, as sentences of plain text."""
    notes = [
        "(a) gets the HR images, all others the LR ones.",
        "(d)'s AIU is not legible in the paper's text.",
    ]
    constants = {cell.test.get("aiu_constant_crack") for cell in cells.values()} - {None}
    if constants:
        shown = " / ".join(f"{value:.3f}" for value in sorted(constants))
        notes.append(f"AIU over crack images of the best constant answer: {shown}.")
    return notes


def latex(text: str) -> str:
    """Plain text as LaTeX."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _headings() -> list[str]:
    ours = [heading for heading, _, _ in COLUMNS.values()]
    return ["Model", *ours, *(heading for heading, _ in PAPER_COLUMNS.values())]


def _rows(cells: Mapping[str, Cell], styles: Mapping[str, Callable[[str], str]]) -> list[list[str]]:
    """The table's body as texts, each ranked number in its style."""
    columns = [[f"({MODELS[name][0]}) {MODELS[name][1]}" for name in cells]]
    for metric, (_, decimals, threshold) in COLUMNS.items():
        values = [cell.test.get(metric) for cell in cells.values()]
        marks = rank_marks(values, decimals)
        at = [cell.test.get(threshold) if threshold else None for cell in cells.values()]
        columns.append(
            [
                styles.get(mark, str)(_number(value, decimals))
                + (f" ({limit:.2f})" if _is_number(value) and limit is not None else "")
                for value, mark, limit in zip(values, marks, at, strict=True)
            ]
        )
    for metric, (_, decimals) in PAPER_COLUMNS.items():
        columns.append(
            [
                "not legible" if (name, metric) == ILLEGIBLE else _number(value[metric], decimals)
                for name, value in ((name, PAPER[name]) for name in cells)
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def _csv_metrics() -> list[str]:
    pairs = ((metric, threshold) for metric, (_, _, threshold) in COLUMNS.items())
    return [name for pair in pairs for name in pair if name]


def _number(value: float | None, decimals: int) -> str:
    return ABSENT if value is None else f"{value:.{decimals}f}"


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write rows, numbers with six decimals at most, absent ones empty."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([round(float(x), 6) if _is_float(x) else x for x in row])


def _is_float(value: object) -> bool:
    return isinstance(value, float)  # NumPy's float64 is one
