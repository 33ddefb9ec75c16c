import csv
import re

from cssr.report.results import MODELS
from cssr.report.tables import (
    latex,
    latex_table,
    markdown_table,
    rank_marks,
    table_notes,
    write_series,
    write_table,
)


def rows_of(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("| (")]
    return [[field.strip() for field in line.strip("|").split("|")] for line in lines]


def test_best_and_second_are_marked():
    assert rank_marks([0.1, 0.3, 0.2], 3) == ["", "best", "second"]


def test_equal_as_printed_shares_the_mark():
    assert rank_marks([0.2504, 0.2496, 0.2], 3) == ["best", "best", "second"]


def test_rows_without_the_metric_are_not_ranked():
    assert rank_marks([None, 27.6, float("nan"), 29.0], 1) == ["", "second", "", "best"]


def test_markdown_shows_the_best_bold_and_the_second_underlined(cells):
    psnr = [row[1] for row in rows_of(markdown_table(cells, header=[], notes=[]))]
    assert psnr == ["–", "27.61", "–", "**29.04**", "–", "<ins>28.52</ins>", "–"]


def test_markdown_rows_are_the_seven_models(cells):
    names = [row[0] for row in rows_of(markdown_table(cells, header=[], notes=[]))]
    assert names == [f"({letter}) {name}" for letter, name in MODELS.values()]


def test_iou_max_comes_with_its_threshold(cells):
    shown = rows_of(markdown_table(cells, header=[], notes=[]))[1][3]
    assert re.fullmatch(r"0\.\d{3} \(0\.\d{2}\)", shown)


def test_the_papers_numbers_stand_beside_ours(cells):
    rows = rows_of(markdown_table(cells, header=[], notes=[]))
    assert [row[-3:] for row in rows] == [
        ["–", "0.525", "0.587"],
        ["27.6", "0.243", "–"],
        ["–", "0.447", "–"],
        ["29.0", "not legible", "–"],
        ["–", "0.499", "–"],
        ["28.5", "0.518", "0.571"],
        ["–", "0.558", "–"],
    ]


def test_the_best_constant_answer_is_told(cells):
    assert "AIU over crack images of the best constant answer: 0.041." in table_notes(cells)


def test_csv_holds_the_plain_numbers(cells, tmp_path):
    write_table(tmp_path, cells, header=["preset: demo"], notes=[])
    rows = list(csv.DictReader((tmp_path / "table1.csv").open(encoding="utf-8")))
    assert {row["model"]: row["psnr"] for row in rows} == {
        "ss_hr": "",
        "bicubic_ss": "27.61",
        "ss_bicubic": "",
        "sr_ss": "29.04",
        "ss_sr": "",
        "cssr": "28.52",
        "inverse": "",
    }


def test_latex_rows_have_a_field_per_column(cells):
    table = latex_table(cells, header=["preset: demo"], notes=[])
    columns = len(re.search(r"\{tabular\}\{(\w+)\}", table)[1])
    rows = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert [row.count("&") + 1 for row in rows] == [columns] * (1 + len(MODELS))


def test_latex_braces_are_balanced(cells):
    table = latex_table(cells, header=["edited: beta 0.7 (demo: 0.3)"], notes=["50 %"])
    plain = re.sub(r"\\[{}]", "", table)
    assert plain.count("{") == plain.count("}")


def test_latex_marks_best_and_second(cells):
    table = latex_table(cells, header=["preset: demo"], notes=[])
    assert r"\textbf{29.04}" in table
    assert r"\underline{28.52}" in table


def test_latex_escapes_signs():
    assert latex("IoU_max 5 % & β → {x}") == (r"IoU\_max 5 \% \& $\beta$ $\rightarrow$ \{x\}")


def test_header_and_notes_are_in_both_tables(cells, tmp_path):
    write_table(tmp_path, cells, header=["preset: demo"], notes=["A note."])
    texts = [(tmp_path / f"table1.{kind}").read_text(encoding="utf-8") for kind in ("md", "tex")]
    assert all("preset: demo" in text and "A note." in text for text in texts)


def test_a_series_has_a_column_per_line(tmp_path):
    write_series(
        tmp_path / "fig3.csv", "beta", [0.1, 0.5], {"dice": [29.0, 28.5], "bc2": [28.0, 1 / 3]}
    )
    text = (tmp_path / "fig3.csv").read_text(encoding="utf-8")
    assert text == "beta,dice,bc2\n0.1,29.0,28.0\n0.5,28.5,0.333333\n"
