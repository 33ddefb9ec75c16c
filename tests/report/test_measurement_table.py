import pytest

from cssr.report.measurement_table import measurement_table
from cssr.report.results import MODELS


def rows_of(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("| (")]
    return [[field.strip() for field in line.strip("|").split("|")] for line in lines]


def test_rows_are_the_seven_models_with_their_threshold(cells):
    rows = rows_of(measurement_table(cells, header=[]))
    assert [row[0] for row in rows] == [f"({letter}) {name}" for letter, name in MODELS.values()]
    assert {row[1] for row in rows} == {"0.40"}


def test_the_error_nearest_to_0_is_the_best(cells):
    for value, cell in zip((-0.2, 0.03, -0.05, 0.3, 0.4, -0.5, 0.6), cells.values(), strict=True):
        cell.test["length_error"] = value
    shown = [row[2] for row in rows_of(measurement_table(cells, header=[]))]
    assert shown[:4] == ["-20.0", "**+3.0**", "<ins>-5.0</ins>", "+30.0"]


def test_lengths_are_in_percent_and_widths_in_px(cells):
    cells["cssr"].test.update(length_error=-0.123, length_mae=0.456, width_error=2.345, width_mae=3)
    assert rows_of(measurement_table(cells, header=[]))[5][2:] == ["-12.3", "45.6", "+2.35", "3.00"]


def test_an_error_of_0_has_no_sign(cells):
    cells["cssr"].test["length_error"] = -0.0001
    assert rows_of(measurement_table(cells, header=[]))[5][2] == "**0.0**"


def test_a_model_without_a_measurement_has_a_dash(cells):
    del cells["cssr"].test["width_error"]
    assert rows_of(measurement_table(cells, header=[]))[5][4] == "–"


def test_the_header_and_the_notes_say_what_the_numbers_are(cells):
    table = measurement_table(cells, header=["preset: demo"])
    assert "\n- preset: demo\n" in table
    assert "best on validation" in table


@pytest.mark.parametrize(
    ("length", "width", "answer"),
    [
        (0.2, 1.0, "measures as well as (a)"),
        (0.2, 1.2, "measures length as well as (a) from the HR images, but width less well"),
        (0.3, 1.0, "measures width as well as (a) from the HR images, but length less well"),
        (0.3, 1.2, "measures less well than (a)"),
    ],
)
def test_the_table_says_in_what_cssr_measures_as_well_as_ss_in_hr(cells, length, width, answer):
    cells["ss_hr"].test.update(length_mae=0.2, width_mae=1.0)
    cells["cssr"].test.update(length_mae=length, width_mae=width)
    assert answer in measurement_table(cells, header=[])
