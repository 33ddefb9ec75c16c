import numpy as np
import pytest

from cssr.inspection.width_classes import (
    class_names,
    classify,
    crack_classes,
    length_by_class,
)
from cssr.measurement.cracks import crack_table, measure


def two_widths() -> np.ndarray:
    """A crack of 60 px, 4 px wide, and then 40 px, 8 px wide."""
    mask = np.zeros((40, 140), bool)
    mask[18:22, 20:80] = mask[16:24, 80:120] = True
    return mask


def test_classes_are_named_by_their_bounds():
    assert class_names([0.1, 0.25, 1]) == ["up to 0.1", "0.1 to 0.25", "0.25 to 1", "over 1"]
    assert class_names([2.0]) == ["up to 2", "over 2"]


def test_a_bound_belongs_to_the_class_below():
    widths = np.array([0.1, 0.10001, 0.101, 0.3, 0.301])
    assert classify(widths, [0.1, 0.3]).tolist() == [0, 0, 1, 1, 2]


def test_a_crack_has_the_class_of_its_greatest_width():
    table = crack_table(measure(two_widths()), mm_per_px=0.1)
    assert crack_classes(table, [0.3, 0.6]) == ["over 0.6"]
    assert crack_classes(table[:0], [0.3]) == []


def test_lengths_by_class_are_those_of_the_local_widths():
    lengths = length_by_class(measure(two_widths()), [0.3, 0.6], mm_per_px=0.1)
    assert lengths["up to 0.3"] == 0
    assert lengths["0.3 to 0.6"] == pytest.approx(6, abs=0.8)  # smoothed at the step
    assert lengths["over 0.6"] == pytest.approx(4, abs=0.8)


def test_lengths_by_class_add_up_to_the_length():
    mask = np.random.default_rng(0).random((200, 200)) < 0.35
    mask[50:60, 20:190] = mask[::7, 3] = True
    cracks = measure(mask, min_area=1)
    lengths = length_by_class(cracks, [0.1, 0.2, 0.3], mm_per_px=0.1)
    assert sum(lengths.values()) == pytest.approx(0.1 * sum(c.length for c in cracks), rel=1e-4)
    assert length_by_class([], [0.1], mm_per_px=1) == {"up to 0.1": 0, "over 0.1": 0}
