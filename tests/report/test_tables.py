import csv
import re

import numpy as np
import pytest

from cssr.evaluation.reported import SEGMENTATION_METRICS, SR_METRICS
from cssr.paper import MODELS
from cssr.report.tables import (
    COLUMNS,
    latex_table,
    markdown_table,
    rank_marks,
    write_series,
    write_table,
)
from cssr.validation.scores import summarise

# what stages/evaluate.py adds to the summary of the test images
OF_VALIDATION = {"val_threshold", "iou_at_val_threshold"}


def rows_of(results):
    lines = markdown_table(results, header=[], notes=[]).splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| (")]
    return [[field.strip() for field in row] for row in rows]


@pytest.mark.parametrize(
    ("values", "decimals", "marks"),
    [
        ([0.1, 0.3, 0.2], 3, ["", "best", "second"]),
        ([0.2504, 0.2496, 0.2], 3, ["best", "best", "second"]),  # equal as printed
        ([None, 27.6, float("inf"), 29.0], 1, ["", "second", "", "best"]),
    ],
)
def test_best_and_second_are_marked(values, decimals, marks):
    assert rank_marks(values, decimals) == marks


def test_markdown_shows_the_best_bold_and_the_second_underlined(results):
    psnr = dict(zip(MODELS, (row[1] for row in rows_of(results)), strict=True))
    seven = {
        "ss_hr": "–",
        "bicubic_ss": "27.61",
        "ss_bicubic": "–",
        "sr_ss": "**29.04**",
        "ss_sr": "–",
        "cssr": "<ins>28.52</ins>",
        "inverse": "–",
    }
    values = {name: result.test.get("psnr") for name, result in results.models.items()}
    unmarked = {name: "–" if value is None else f"{value:.2f}" for name, value in values.items()}
    assert psnr == unmarked | seven


def test_markdown_rows_are_the_models_of_the_paper(results):
    assert [row[0] for row in rows_of(results)] == [str(title) for title in MODELS.values()]


def test_every_column_is_a_metric_that_evaluations_have():
    found = summarise({"curve": np.zeros((1, 99))}, np.ones((1, 1, 1)))
    known = {*SR_METRICS, *SEGMENTATION_METRICS, *found, *OF_VALIDATION}
    thresholds = {threshold for *_, threshold in COLUMNS.values()} - {None}
    assert COLUMNS.keys() | thresholds <= known


def test_iou_max_comes_with_its_threshold(results):
    assert re.fullmatch(r"0\.\d{3} \(0\.\d{2}\)", rows_of(results)[1][3])


def test_the_papers_numbers_stand_beside_ours(results):
    seven = {
        "ss_hr": ["–", "0.525", "0.587"],
        "bicubic_ss": ["27.6", "0.243", "–"],
        "ss_bicubic": ["–", "0.447", "–"],
        "sr_ss": ["29.0", "not legible", "–"],
        "ss_sr": ["–", "0.499", "–"],
        "cssr": ["28.5", "0.518", "0.571"],
        "inverse": ["–", "0.558", "–"],
    }
    shown = dict(zip(MODELS, (row[-3:] for row in rows_of(results)), strict=True))
    assert shown == dict.fromkeys(MODELS, ["–"] * 3) | seven


def test_csv_holds_the_plain_numbers(results, tmp_path):
    write_table(tmp_path, results, header=[], notes=[])
    rows = list(csv.DictReader((tmp_path / "table1.csv").open(encoding="utf-8")))
    seven = {
        "ss_hr": "",
        "bicubic_ss": "27.61",
        "ss_bicubic": "",
        "sr_ss": "29.04",
        "ss_sr": "",
        "cssr": "28.52",
        "inverse": "",
    }
    written = {name: str(result.test.get("psnr", "")) for name, result in results.models.items()}
    assert {row["model"]: row["psnr"] for row in rows} == written | seven


def test_latex_rows_have_a_field_per_column(results):
    table = latex_table(results, header=[], notes=[])
    columns = len(re.search(r"\{tabular\}\{(\w+)\}", table)[1])
    rows = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert [row.count("&") + 1 for row in rows] == [columns] * (1 + len(MODELS))


def test_latex_is_ascii_with_balanced_braces_and_environments(results):
    table = latex_table(results, header=[], notes=[])
    assert table.isascii()
    assert table.count("{") == table.count("}")
    assert re.findall(r"\\(?:begin|end)\{.*?\}", table) == [
        r"\begin{table*}",
        r"\begin{tabular}",
        r"\end{tabular}",
        r"\end{table*}",
    ]


def test_latex_marks_best_and_second_and_not_their_thresholds(results):
    table = latex_table(results, header=[], notes=[])
    assert r"\textbf{29.04} &" in table
    assert r"\underline{28.52} &" in table
    assert re.search(r"\\textbf\{0\.\d{3}\} \(0\.\d{2}\) &", table)


def test_latex_writes_signs_as_commands(results):
    table = latex_table(results, header=[], notes=[])
    assert r"(b) Bicubic $\rightarrow$ SS & 27.61 &" in table
    assert r"(a) SS in HR & -- &" in table
    assert r"& IoU\_max (at threshold) &" in table


def test_latex_escapes_titles_and_headings(results, monkeypatch):
    monkeypatch.setitem(MODELS, "cssr", "5 % of R&D_1 {x}")
    monkeypatch.setitem(COLUMNS, "psnr", ("PSNR & 1_x %", 2, None))
    table = latex_table(results, header=[], notes=[])
    assert r"5 \% of R\&D\_1 \{x\} &" in table
    assert r"& PSNR \& 1\_x \% &" in table


def test_header_and_notes_are_in_both_tables(results, tmp_path):
    write_table(tmp_path, results, header=["preset: demo"], notes=["A note."])
    lines = {
        kind: (tmp_path / f"table1.{kind}").read_text(encoding="utf-8").splitlines()
        for kind in ("md", "tex")
    }
    constant = "AIU over crack images of the best constant prediction: 0.041."
    for line in ("preset: demo", "A note.", constant):
        assert f"- {line}" in lines["md"]
        assert f"% {line}" in lines["tex"]


def test_a_series_has_a_column_per_line(tmp_path):
    series = {"dice": [29.0, 28.5], "bc2": [28.0, 1 / 3]}
    write_series(tmp_path / "fig3.csv", "beta", [0.1, 0.5], series)
    text = (tmp_path / "fig3.csv").read_text(encoding="utf-8")
    assert text == "beta,dice,bc2\n0.1,29.0,28.0\n0.5,28.5,0.333333\n"


def test_several_seeds_give_means_with_intervals_in_every_format(of_three_seeds, tmp_path):
    models = of_three_seeds.models
    write_table(tmp_path, of_three_seeds, header=[], notes=[])
    found = next(csv.DictReader((tmp_path / "table1.csv").open(encoding="utf-8")))
    aiu, low, high = (float(found[name]) for name in ("aiu", "aiu_low", "aiu_high"))
    seeds = [result.test["aiu"] for result in models["ss_hr"].seeds.values()]
    assert aiu == pytest.approx(sum(seeds) / 3, abs=1e-6)
    assert low < aiu < high
    assert found["psnr"] == found["psnr_low"] == ""
    shown = f"{aiu:.3f}** [{low:.3f}, {high:.3f}]"
    assert shown in (tmp_path / "table1.md").read_text()
    assert shown.replace("**", "}") in (tmp_path / "table1.tex").read_text()
    assert re.fullmatch(
        r"\*\*0\.\d{3}\*\* \(0\.\d{2}\) \[0\.\d{3}, 0\.\d{3}\]", rows_of(of_three_seeds)[0][3]
    )
