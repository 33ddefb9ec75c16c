from itertools import pairwise

import numpy as np
import pytest

from cssr.paper import LOSSES, MODELS
from cssr.report.curves import draw_over_beta, draw_over_threshold, look, look_of, save

BETAS = [0.1, 0.5, 0.9]
THRESHOLDS = np.arange(1, 100) / 100


def over_beta(betas=BETAS, **options):
    series = {loss: [0.1 * i + b for b in betas] for i, loss in enumerate(LOSSES)}
    return draw_over_beta(betas, series, y_label="AIU", footer="preset: demo", **options)


def over_threshold(titles):
    curves = {name: (1 + i) * THRESHOLDS * (1 - THRESHOLDS) for i, name in enumerate(titles)}
    labels = {name: str(title) for name, title in titles.items()}
    return draw_over_threshold(THRESHOLDS, curves, labels=labels, footer="preset: demo")


def colours(figure):
    """Colour of each line of the legend, by the start of its label."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    return {label[:3]: handle.get_color() for handle, label in zip(handles, labels, strict=True)}


def test_a_loss_has_the_same_colour_over_beta_and_over_threshold():
    assert colours(over_beta()) == colours(over_threshold(LOSSES))


@pytest.mark.parametrize("names", [LOSSES, MODELS])
def test_each_line_has_its_own_look_in_the_order_of_the_paper(names):
    assert [look_of(name) for name in names] == [look(number) for number in range(len(names))]


def test_seven_lines_have_their_own_colours_and_fourteen_their_own_markers():
    assert len({look(number).colour for number in range(7)}) == 7
    assert len({look(number).marker for number in range(14)}) == 14


def test_lines_run_from_left_to_right_whatever_the_order_of_the_betas():
    line = over_beta([0.9, 0.1, 0.5]).axes[0].get_lines()[0]
    assert line.get_xdata() == pytest.approx([0.1, 0.5, 0.9], abs=0.04)  # set aside a little


def test_a_single_beta_has_markers_and_one_tick():
    axes = over_beta([0.3]).axes[0]
    assert axes.get_lines()[0].get_marker() == "o"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.3"]


def test_tick_labels_of_close_betas_do_not_touch():
    figure = over_beta([0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_the_preferred_beta_is_ringed():
    lines = over_beta(ringed=dict.fromkeys(LOSSES, 0.5)).axes[0].get_lines()
    for line, ring in zip(lines[::2], lines[1::2], strict=True):
        assert list(ring.get_xydata()[0]) == list(line.get_xydata()[1])


def test_nothing_reaches_beyond_the_figure():
    figure = over_threshold(MODELS)
    figure.draw_without_rendering()
    inside = figure.bbox
    legend = figure.legends[0].get_window_extent()
    assert inside.x0 <= legend.x0
    assert legend.x1 <= inside.x1
    assert inside.y0 <= legend.y0
    assert legend.y1 <= inside.y1
    assert figure.axes[0].get_window_extent().x1 < legend.x0


def test_an_all_zero_curve_is_drawn():
    figure = draw_over_threshold(
        THRESHOLDS, {"cssr": np.zeros(99)}, labels={"cssr": "(f)"}, footer=""
    )
    low, high = figure.axes[0].get_ylim()
    assert low < 0 < high


def test_no_date_or_version_is_saved(tmp_path):
    save(over_beta([0.3]), tmp_path / "fig")
    assert b"Software" not in (tmp_path / "fig.png").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "fig.svg").read_bytes()
