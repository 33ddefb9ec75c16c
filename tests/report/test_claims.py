import re

import pytest

from cssr.report.bootstrap import Estimate
from cssr.report.claims import claims_page, judged, shown


def rows_of(page, section):
    """The rows of a section by their first field."""
    lines = page.split(f"## {section}")[1].split("\n\n")[1].splitlines()[2:]
    rows = [[field.strip() for field in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in rows}


@pytest.fixture(scope="module")
def page(of_three_seeds):
    return claims_page(of_three_seeds, header=["preset: demo"])


def test_numbers_are_shown_with_their_interval_and_verdict():
    found = Estimate(-0.0124, -0.02, -0.0051, (-0.01, -0.015))
    assert shown(found) == "−0.012 [−0.020, −0.005]"
    assert judged(found) == "−0.012 [−0.020, −0.005] worse"
    assert judged(None) == "–"


def test_a_difference_of_models_is_that_of_their_means(page, of_three_seeds):
    models = of_three_seeds.models
    aiu, seeds, *_, psnr = rows_of(page, "Models compared")["(f) CSSR (SR → SS) − (b) Bicubic → SS"]
    expected = models["cssr"].test["aiu"] - models["bicubic_ss"].test["aiu"]
    assert float(aiu.split()[0]) == pytest.approx(expected, abs=5e-4)
    assert aiu.endswith("better")
    assert len(seeds.split(", ")) == 3
    assert psnr.startswith("+0.91 [")


def test_a_difference_without_psnr_has_none(page):
    assert rows_of(page, "Models compared")["(f) CSSR (SR → SS) − (a) SS in HR"][-1] == "–"


def test_losses_are_compared_with_the_conventional_ones_that_were_trained(page):
    found = rows_of(page, "Losses compared")
    assert list(found) == [
        "(D) BC2 − (A) Dice",
        "(f) CSSR (SR → SS) with (A) Dice − (a) SS in HR",
        "(f) CSSR (SR → SS) with (D) BC2 − (a) SS in HR",
    ]


def test_psnr_is_told_to_fall_where_it_does_on_every_seed(page):
    *over, last, falls = rows_of(page, "PSNR [dB] over β")["(A) Dice"]
    assert len(over) == 2
    assert last.endswith("worse")
    assert falls == "3 of 3"


def test_the_flatness_of_a_loss_is_that_of_its_curve(page, of_three_seeds):
    beta, flat, *_ = rows_of(page, "Losses, each")["(D) BC2"]
    seeds = of_three_seeds.sweep["bc2", float(beta)].seeds.values()
    curves = [seed.curve.set_index("threshold")["iou"].loc[0.1:0.9] for seed in seeds]
    expected = sum(curve.max() - curve.min() for curve in curves) / 3
    assert float(flat) == pytest.approx(expected, abs=5e-4)


def test_one_beta_has_no_slope(of_three_seeds):
    one = {cell: result for cell, result in of_three_seeds.sweep.items() if cell[1] == 0.1}
    results = type(of_three_seeds)(of_three_seeds.models, one, of_three_seeds.examples)
    assert "falls" not in claims_page(results, header=[])


def test_tables_are_whole(page):
    for table in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
