from cssr.paper import MODELS
from cssr.report.measurement_table import measurement_table


def rows_of(models):
    lines = measurement_table(models, header=[]).splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| (")]
    return [[field.strip() for field in row] for row in rows]


def row_of_cssr(models):
    return rows_of(models)[list(models).index("cssr")]


def test_rows_are_the_models_with_their_threshold(models):
    assert [row[:2] for row in rows_of(models)] == [[str(t), "0.40"] for t in MODELS.values()]


def test_the_error_nearest_to_0_is_the_best(models):
    values = [-0.2, 0.03, -0.05, 0.3, 0.4, -0.5, *[0.6] * (len(models) - 6)]
    for value, result in zip(values, models.values(), strict=True):
        result.test["length_error"] = value
    shown = [row[2] for row in rows_of(models)]
    assert shown[:4] == ["-20.0", "**+3.0**", "<ins>-5.0</ins>", "+30.0"]


def test_lengths_are_in_percent_and_widths_in_px(models):
    errors = {"length_error": -0.123, "length_mae": 0.456, "width_error": 2.345, "width_mae": 3}
    models["cssr"].test.update(errors)
    assert row_of_cssr(models)[2:] == ["-12.3", "45.6", "+2.35", "3.00"]


def test_an_error_of_0_has_no_sign(models):
    models["cssr"].test["length_error"] = -0.0001
    assert row_of_cssr(models)[2] == "**0.0**"


def test_a_model_without_a_measurement_has_a_dash(models):
    del models["cssr"].test["width_error"]
    assert row_of_cssr(models)[4] == "–"


def test_the_header_and_the_notes_say_what_the_numbers_are(models):
    table = measurement_table(models, header=["preset: demo"])
    assert "\n- preset: demo\n" in table
    assert "best on validation" in table


def test_cssr_at_low_resolution_is_compared_with_ss_in_hr(models):
    models["ss_hr"].test.update(length_mae=0.19, width_mae=1.0)
    models["cssr"].test.update(length_mae=0.393, width_mae=1.2)
    table = measurement_table(models, header=[])
    assert "off by 39.3 % with (f), from images of 1/4 of the side, and by 19.0 % with (a)" in table
    assert "its mean width by 1.20 px and 1.00 px" in table
