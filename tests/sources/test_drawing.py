import numpy as np
import pytest
from annotated import CVAT, HEIGHT, WIDTH, box_mask, coco, cvat, drawn, labelme, read
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label as components
from shapely import LineString, contains_xy
from skimage.measure import grid_points_in_poly

from cssr.sources.annotations.drawing import draw
from cssr.sources.annotations.reading import read_annotations
from cssr.sources.annotations.shapes import AnnotationError

EIGHT = np.ones((3, 3))  # neighbours that touch


def polygon(points, **changes):
    (found,) = read("1.json", labelme({"points": points, "shape_type": "polygon"}, **changes))
    return found


def line(points):
    (found,) = read("1.json", labelme({"points": points, "shape_type": "linestrip"}))
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 20), st.floats(-5, 20)), min_size=3, max_size=8))
def test_a_pixel_is_set_where_its_centre_lies_in_the_polygon(points):
    mask = drawn(polygon(points))
    shifted = np.array(points)[:, ::-1] - 0.5  # rows and columns of centres
    inside = grid_points_in_poly((HEIGHT, WIDTH), shifted, binarize=False) == 1
    assert mask[inside].all()
    closed = np.round([*points, points[0]], 6)
    near = LineString(closed).buffer(0.501)  # by which a polygon of no width grows
    grown = contains_xy(near, *(np.argwhere(mask & ~inside)[:, ::-1] + 0.5).T)
    assert grown.all()


def test_a_polygon_that_is_a_rectangle_has_its_area():
    points = [[2.6, 3.4], [8.6, 3.4], [8.6, 6.4], [2.6, 6.4]]
    np.testing.assert_array_equal(drawn(polygon(points)), box_mask(3, 3, 9, 6))


def test_a_polygon_that_crosses_itself_is_filled_by_the_even_odd_rule():
    twice = [[1, 1], [11, 1], [11, 11], [1, 11], [1, 1], [4, 4], [8, 4], [8, 8], [4, 8], [4, 4]]
    np.testing.assert_array_equal(
        drawn(polygon(twice)), box_mask(1, 1, 11, 11) & ~box_mask(4, 4, 8, 8)
    )


def test_what_lies_outside_the_image_is_cut_off():
    points = [[-50, 3], [500, 3], [500, 5], [-50, 5]]
    np.testing.assert_array_equal(drawn(polygon(points)), box_mask(0, 3, WIDTH, 5))
    assert not drawn(polygon([[-9, -9], [-5, -9], [-5, -5]])).any()


@pytest.mark.parametrize("narrow", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(("dx", "dy"), [(13, 0), (0, 9), (13, 9), (13, 2), (3, 9)])
def test_a_polygon_narrower_than_a_pixel_stays_whole(narrow, dx, dy):
    across = np.array([-dy, dx]) / np.hypot(dx, dy) * narrow
    first, last = np.array([1.3, 1.2]), np.array([1.3 + dx, 1.2 + dy])
    mask = drawn(
        polygon(
            [first.tolist(), last.tolist(), (last + across).tolist(), (first + across).tolist()]
        )
    )
    assert components(mask, EIGHT)[1] == 1
    assert max(np.ptp(np.argwhere(mask), axis=0)) >= max(dx, dy) - 1
    assert mask.sum() <= 1.5 * (dx + dy)


@pytest.mark.parametrize("width", [0.0, 1.0])
@pytest.mark.parametrize("end", [(14.2, 1.7), (14.2, 10.9), (1.7, 10.9), (5.1, 10.9)])
def test_a_line_is_at_least_one_pixel_wide_and_has_no_gaps(width, end):
    mask = drawn(line([(1.7, 1.7), end]), line_width=width)
    assert components(mask, EIGHT)[1] == 1
    assert max(np.ptp(np.argwhere(mask), axis=0)) >= max(end[0], end[1]) - 1.7 - 1


def test_a_line_covers_the_pixels_nearer_than_half_its_width():
    mask = drawn(line([(4.2, 6.1), (11.3, 6.1)]), line_width=5)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.hypot(x - np.clip(x, 4.2, 11.3), y - 6.1)
    clear = np.abs(distance - 2.5) > 0.02  # the round ends are polygons
    np.testing.assert_array_equal(mask[clear], (distance < 2.5)[clear])


def test_only_the_chosen_labels_are_drawn():
    ring = [[2, 3], [9, 3], [9, 8], [2, 8]]
    (found,) = read("1.json", labelme({"points": ring, "label": "spall"}, {"points": ring[:3]}))
    assert not draw(found, HEIGHT, WIDTH, labels={"joint"}, line_width=1).any()
    np.testing.assert_array_equal(
        draw(found, HEIGHT, WIDTH, labels={"spall"}, line_width=1), box_mask(2, 3, 9, 8)
    )


def test_a_hole_is_cut_out_of_its_own_polygon_only():
    ring = [[1, 1], [9, 1], [9, 9], [1, 9]]
    found = polygon([[4, 4], [7, 4], [7, 7], [4, 7]])
    holed = polygon(ring).shapes[0]._replace(holes=[np.array([[3, 3], [8, 3], [8, 8], [3, 8]])])
    found.shapes.append(holed)
    expected = box_mask(1, 1, 9, 9) & ~box_mask(3, 3, 8, 8) | box_mask(4, 4, 7, 7)
    np.testing.assert_array_equal(drawn(found), expected)


def test_shapes_are_scaled_to_an_image_of_the_same_proportions():
    found = polygon([[2, 3], [9, 3], [9, 8], [2, 8]])
    mask = draw(found, 3 * HEIGHT, 3 * WIDTH, labels={"crack"}, line_width=1)
    np.testing.assert_array_equal(mask, box_mask(2, 3, 9, 8).repeat(3, axis=0).repeat(3, axis=1))


def test_masks_are_scaled_to_an_image_of_the_same_proportions():
    rle = "1, 4, 1"
    mask = f'<mask {CVAT} rle="{rle}" left="4" top="5" width="3" height="2"/>'
    (found,) = read("a.xml", cvat(mask))
    larger = draw(found, 2 * HEIGHT, 2 * WIDTH, labels={"crack"}, line_width=1)
    np.testing.assert_array_equal(larger, drawn(found).repeat(2, axis=0).repeat(2, axis=1))
    assert larger.any()


def test_a_size_may_differ_by_what_rounding_makes():
    image = {"id": 1, "width": 512, "height": 341, "file_name": "1.jpg"}
    (found,) = read("c.json", coco(images=[image]))
    assert draw(found, 1000, 1500, labels=set(), line_width=1).shape == (1000, 1500)


@pytest.mark.parametrize(
    ("height", "width", "ends"),
    [
        (HEIGHT, WIDTH + 4, "of other proportions"),
        (WIDTH, HEIGHT, "one of them is turned by 90°: turn it as the other"),
    ],
)
def test_a_size_of_other_proportions_is_refused_with_both_sizes(height, width, ends):
    found = polygon([[2, 3], [9, 3], [9, 8]])
    with pytest.raises(AnnotationError) as refused:
        draw(found, height, width, labels={"crack"}, line_width=1)
    assert f"annotated at 16×12 px, but the image has {width}×{height} px" in str(refused.value)
    assert str(refused.value).endswith(ends)


def test_without_a_size_coordinates_are_pixels_of_the_image():
    found = polygon([[2, 3], [9, 3], [9, 8], [2, 8]], imageHeight=None, imageWidth=None)
    mask = draw(found, 40, 50, labels={"crack"}, line_width=1)
    assert mask.sum() == 35
    assert mask[3:8, 2:9].all()


def test_relative_coordinates_are_parts_of_the_image():
    (found,) = read_annotations("1.txt", b"0 0.5 0 1 0 1 1 0.5 1")
    mask = draw(found, 6, 8, labels={"0"}, line_width=1)
    assert mask[:, 4:].all()
    assert not mask[:, :4].any()


def test_points_that_nearly_coincide_are_drawn():
    points = [(0.0, 0.0), (0.0, 1.0), (5.7e-201, 0.0), (0.00390625, 0.001953125)]
    assert drawn(polygon(points)).sum() == 1
