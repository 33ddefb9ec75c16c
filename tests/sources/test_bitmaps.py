import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from cssr.sources.annotations.bitmaps import bitmap_of_pixels, bitmap_of_runs, pixels_of, png_mask

MASK = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_a_bitmap_keeps_its_pixels(mask):
    np.testing.assert_array_equal(pixels_of(bitmap_of_pixels("crack", (0, 0), mask)), mask)


@pytest.mark.parametrize(
    ("by_columns", "expected"),
    [(False, [[0, 0, 0], [1, 1, 0]]), (True, [[0, 0, 1], [0, 1, 0]])],
)
def test_runs_go_along_the_rows_or_down_the_columns(by_columns, expected):
    bitmap = bitmap_of_runs("crack", (0, 0), (2, 3), [3, 2, 1], by_columns=by_columns, where="a")
    np.testing.assert_array_equal(pixels_of(bitmap), expected)


def black_and_white() -> Image.Image:
    return Image.fromarray(MASK * 255)


def palette_with_transparency() -> Image.Image:
    """As Supervisely's library writes it; the first colour is transparent."""
    image = Image.fromarray(MASK)
    image.putpalette([0, 0, 0, 255, 255, 255])
    return image


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (Image.fromarray(MASK), {}),
        (black_and_white(), {}),
        (black_and_white().convert("1"), {}),
        (black_and_white().convert("RGB"), {}),
        (palette_with_transparency(), {"transparency": 0}),
        (Image.merge("LA", [Image.new("L", (3, 2)), black_and_white()]), {}),
    ],
)
def test_a_mask_is_what_is_opaque_or_not_black(image, options):
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    text = base64.b64encode(stream.getvalue()).decode()
    np.testing.assert_array_equal(png_mask(text, "a"), MASK.astype(bool))
