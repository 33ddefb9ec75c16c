"""Cracks of known geometry, drawn at nine times the resolution, so that no pixel is half crack."""

import json
from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from skimage.draw import polygon

from cssr.measurement.cracks import Crack, crack_table, geojson, measure, measure_bands
from cssr.sources.synthetic import synthesize

FINE = 9
WIDTHS = [1, 2, 3, 4, 6, 8, 12]
ANGLES = np.arange(0, 180, 7.5)


def direction(angle: float) -> np.ndarray:
    """x and y of a unit vector, degrees counter-clockwise as seen."""
    return np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])


def draw(side: int, *ribbons: tuple[np.ndarray, float]) -> np.ndarray:
    """The mask of curves (K, 2) with butt ends, each of its width, (side, side) bool."""
    fine = np.zeros([side * FINE] * 2, bool)
    for points, width in ribbons:
        along = np.gradient(points, axis=0)
        across = along[:, ::-1] * [-1, 1] / np.hypot(*along.T)[:, None] * width / 2
        sides = np.stack([points + across, points - across], axis=1)[:, :, ::-1] * FINE - 0.5
        for start, stop in pairwise(sides):  # in short pieces: quick, unlike one polygon
            pieces = 1 + int(np.abs(stop - start).max() / 80)
            for first, last in pairwise(np.linspace(start, stop, pieces + 1)):
                fine[polygon(*np.concatenate([first, last[::-1]]).T, fine.shape)] = True
    rows = fine.reshape(side, FINE, -1).sum(axis=1)
    return rows.reshape(side, side, FINE).mean(axis=2) > FINE / 2


def straight(middle: np.ndarray, angle: float, length: float) -> np.ndarray:
    return middle + np.outer([-length / 2, length / 2], direction(angle))


def rays(middle: np.ndarray, angles: list[float], length: float, width: float) -> list:
    """Ribbons from a point outwards, each begun a little behind it so that no notch is left."""
    starts = [middle - direction(angle) * width / 4 for angle in angles]
    ends = [middle + direction(angle) * length for angle in angles]
    return [(np.stack(pair), width) for pair in zip(starts, ends, strict=True)]


def arc(middle: np.ndarray, radius: float, start: float, stop: float) -> np.ndarray:
    return middle + radius * np.stack([direction(a) for a in np.linspace(start, stop, 60)])


def wave(middle: np.ndarray, height: float, angle: float) -> np.ndarray:
    """An S of 120 px along its axis."""
    t = np.linspace(-60, 60, 60)
    s = height * np.sin(t * np.pi / 60)
    return middle + np.outer(t, direction(angle)) + np.outer(s, direction(angle + 90))


def arc_length(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def only(mask: np.ndarray) -> Crack:
    (crack,) = measure(mask, min_area=1)
    return crack


def check(crack: Crack, length: float, width: float, branches: int = 1) -> None:
    assert crack.length == pytest.approx(length, rel=0.05)
    assert crack.width_mean == pytest.approx(width, abs=0.5)
    assert crack.width_median == pytest.approx(width, abs=0.5)
    assert crack.width_max == pytest.approx(width, abs=0.75)
    assert crack.branches == branches


@cache
def synthetic_mask(index: int) -> np.ndarray:
    return synthesize(index, seed=3, size=448, crack_width=(1, 12))[1]


def same(first: list[Crack], second: list[Crack]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(
        crack_table([a]).equals(crack_table([b]))
        and all(np.array_equal(*lines) for lines in zip(a.lines, b.lines, strict=True))
        for a, b in pairs
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("angle", ANGLES)
def test_a_straight_crack_has_its_length_width_and_orientation(width, angle):
    rng = np.random.default_rng([width, int(angle)])
    for _ in range(2):
        mask = draw(90, (straight(45 + rng.uniform(-0.5, 0.5, 2), angle, 70), width))
        crack = only(mask)
        # on the diagonal a mask has rows of pixels 0.7 px apart, and may itself be so much off
        drawn = mask.sum() / 70 if angle % 90 == 45 else width
        check(crack, 70, drawn)
        assert abs((crack.orientation - angle + 90) % 180 - 90) < 2


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("radius", [48, 70])
def test_an_arc_has_its_length_and_width(width, radius):
    rng = np.random.default_rng([width, radius])
    for start in rng.uniform(0, 360, 2):
        points = arc(90 + rng.uniform(-0.5, 0.5, 2), radius, start, start + rng.uniform(80, 230))
        check(only(draw(180, (points, width))), arc_length(points), width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("height", [8, 16, 24])
def test_an_s_curve_has_its_length_and_width(width, height):
    rng = np.random.default_rng([width, height])
    for angle in rng.uniform(0, 180, 2):
        points = wave(90 + rng.uniform(-0.5, 0.5, 2), height, angle)
        check(only(draw(180, (points, width))), arc_length(points), width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "angles", [(0, 120, 240), (0, 90, 180), (0, 160, 200), (0, 90, 180, 270), (0, 35, 180, 215)]
)
def test_rays_from_a_point_are_as_many_branches(width, angles):
    rng = np.random.default_rng([width, *angles])
    for turn in rng.uniform(0, 180, 3):
        turned = [angle + turn for angle in angles]
        mask = draw(190, *rays(95 + rng.uniform(-0.5, 0.5, 2), turned, 80, width))
        check(only(mask), 80 * len(angles), width, len(angles))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_tree_has_each_stretch_between_its_forks_as_a_branch(width):
    rng = np.random.default_rng(width)
    for turn in rng.uniform(0, 180, 3):
        middle = 100 + rng.uniform(-0.5, 0.5, 2)
        fork, other = middle + 45 * direction(turn), middle - 45 * direction(turn)
        mask = draw(
            200,
            (straight(middle, turn, 180), width),
            *rays(middle, [turn + 90], 60, width),
            *rays(fork, [turn + 60], 60, width),
            *rays(other, [turn - 70], 60, width),
        )
        check(only(mask), 360, width, 7)


def test_widths_of_a_crack_of_two_widths():
    middle = np.array([100.2, 50.3])
    ribbons = [(middle + np.outer([0, x], direction(20)), w) for x, w in ((60, 4), (-30, 8))]
    crack = only(draw(200, *ribbons))
    assert crack.width_median == pytest.approx(4, abs=0.5)
    assert crack.width_mean == pytest.approx(16 / 3, abs=0.5)
    assert crack.width_max == pytest.approx(8, abs=1)


def test_area_and_box_are_those_of_the_pixels():
    mask = np.zeros((40, 60), bool)
    mask[10:13, 5:50] = mask[12:30, 49:51] = True
    crack = only(mask)
    assert crack.area == mask.sum()
    assert crack.box == (5, 10, 51, 30)


def test_a_line_goes_from_tip_to_tip_along_the_middle():
    mask = np.zeros((9, 60), bool)
    mask[4, 10:50] = True
    x, y = np.sort(only(mask).lines[0], axis=0).T
    assert x.tolist() == [10, 50]
    assert y == pytest.approx(4.5, abs=0.26)


@pytest.mark.parametrize("angle", [90, 60, 35])
def test_the_border_of_the_photo_is_a_tip(angle):
    mask = draw(120, (straight(np.array([60.3, 60.2]), angle, 400), 5))
    check(only(mask), 120 / np.abs(direction(angle)).max(), 5)


def test_a_crack_along_the_border_is_as_wide_as_is_seen_of_it():
    mask = np.zeros((50, 80), bool)
    mask[:4, 5:75] = True
    check(only(mask), 70, 4)


def test_a_ring_is_one_branch():
    points = arc(np.array([60.2, 59.7]), 40, 0, 360)
    check(only(draw(120, (points, 5))), 2 * np.pi * 40, 5)


def test_a_hole_of_a_pixel_makes_no_branches():
    mask = draw(120, (straight(np.array([60.2, 60.4]), 20, 90), 8))
    mask[60, 60] = False
    check(only(mask), 90, 8)


@pytest.mark.parametrize("index", range(1, 9))
def test_a_branch_of_a_crack_ends_at_a_tip_or_where_three_meet(index):
    for crack in measure(synthetic_mask(index)):
        ends = [tuple(line[end]) for line in crack.lines for end in (0, -1)]
        rings = [line for line in crack.lines if np.array_equal(line[0], line[-1])]
        assert rings or 2 not in Counter(ends).values()


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 3), (5, 5), (7, 4), (30, 30), (9, 20)])
def test_a_speck_or_a_blob_has_sane_measures(shape):
    mask = np.zeros((50, 50), bool)
    mask[10 : 10 + shape[0], 10 : 10 + shape[1]] = True
    crack = only(mask)
    assert max(shape) - 1 <= crack.length <= np.hypot(*shape) + 1
    assert min(shape) - 1 <= crack.width_mean <= crack.width_max + 1e-9 <= max(shape) + 1
    assert all(np.isfinite(line).all() and len(line) > 1 for line in crack.lines)


def test_pixels_that_touch_by_a_corner_are_one_crack():
    assert len(measure(np.eye(30))) == len(measure(np.eye(30)[::-1])) == 1


def test_a_mask_without_crack_has_none():
    assert measure(np.zeros((40, 50), np.uint8)) == []
    assert measure_bands([]) == []


def test_noise_is_measured_without_failure():
    mask = np.random.default_rng(0).random((100, 100)) < 0.4
    cracks = measure(mask, min_area=1)
    assert sum(crack.area for crack in cracks) == mask.sum()
    assert np.isfinite(crack_table(cracks).to_numpy(float)).all()


def test_small_cracks_are_left_out():
    mask = np.zeros((40, 40), bool)
    mask[5, 5:15] = mask[20, 5:30] = True
    assert [crack.area for crack in measure(mask, min_area=11)] == [25]
    assert [crack.area for crack in measure(mask, min_area=10)] == [10, 25]


@pytest.mark.parametrize("index", range(1, 5))
def test_windows_and_bands_change_nothing(index):
    mask = synthetic_mask(index)
    heights = np.random.default_rng(index).integers(0, 60, 40)
    cuts = [0, *np.minimum(heights.cumsum(), len(mask)).tolist(), len(mask)]
    bands = (mask[start:stop] for start, stop in pairwise(cuts))
    whole = measure(mask)
    assert whole
    assert same(list(measure_bands(bands, side=37)), whole)


def test_the_memory_of_a_band_may_be_used_again():
    mask, band = synthetic_mask(1), np.empty((7, 448), bool)

    def bands():
        for top in range(0, 448, 7):
            band[:] = mask[top : top + 7]
            yield band

    assert same(measure_bands(bands()), measure(mask))


@pytest.mark.parametrize("bands", [[np.zeros(5)], [np.zeros((2, 5)), np.zeros((2, 6))]])
def test_bands_of_another_shape_are_refused(bands):
    with pytest.raises(ValueError, match="all of one width"):
        measure_bands(bands)


def test_millimetres_are_pixels_times_their_size():
    table = crack_table(measure(synthetic_mask(1)), mm_per_px=0.2)
    for name in ("length", "width_mean", "width_median", "width_max"):
        np.testing.assert_allclose(table[f"{name}_mm"], 0.2 * table[f"{name}_px"], atol=1e-3)
    np.testing.assert_allclose(table["area_mm2"], 0.04 * table["area_px"], atol=1e-3)


def test_a_table_without_a_scale_has_no_millimetres():
    columns = crack_table(measure(synthetic_mask(1))).columns
    assert not [name for name in columns if "mm" in name]


def test_the_table_of_no_cracks_has_its_columns():
    assert list(crack_table([])) == list(crack_table(measure(synthetic_mask(1))))


def test_geojson_holds_a_feature_per_crack_with_its_row():
    cracks = measure(synthetic_mask(2))
    table = crack_table(cracks, mm_per_px=0.5)
    found = json.loads(json.dumps(geojson(cracks, table), allow_nan=False))
    assert [feature["properties"] for feature in found["features"]] == table.to_dict("records")
    assert found["type"] == "FeatureCollection"


def test_geojsons_lines_are_inside_the_boxes():
    cracks = measure(synthetic_mask(2))
    for feature in geojson(cracks, crack_table(cracks))["features"]:
        assert feature["geometry"]["type"] == "MultiLineString"
        box = feature["properties"]
        for line in feature["geometry"]["coordinates"]:
            assert np.all(np.min(line, axis=0) >= [box["left"] - 1, box["top"] - 1])
            assert np.all(np.max(line, axis=0) <= [box["right"] + 1, box["bottom"] + 1])
