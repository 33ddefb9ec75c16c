import numpy as np
import pytest

from cssr.inspection.local_statistics import LocalStatistics

RNG = np.random.default_rng(0)


def normalised(image: np.ndarray, side: int, valid: np.ndarray | None = None) -> np.ndarray:
    """The whole image, whose sides are multiples of 16, taken up 32 rows at a time."""
    statistics = LocalStatistics(*image.shape[:2], side)
    valid = np.ones(image.shape[:2], bool) if valid is None else valid
    for top in range(0, len(image), 32):
        statistics.add(top, image[top : top + 32], valid[top : top + 32])
    return statistics.normalise(image, 0, 0)


def about(image: np.ndarray, row: int, column: int, side: int) -> np.ndarray:
    """The window of a corner of blocks, moved into the image."""
    top, left = (
        min(max(place - side // 2, 0), length - side)
        for place, length in zip((row, column), image.shape[:2], strict=True)
    )
    return image[top : top + side, left : left + side].reshape(-1, 3)


@pytest.mark.parametrize("side", [64, 448])  # as large, or larger
def test_an_image_of_the_windows_side_is_normalised_by_itself(side):
    image = RNG.random((64, 64, 3), np.float32)
    expected = (image - image.mean((0, 1))) / np.sqrt(image.var((0, 1)) + 1e-5)
    np.testing.assert_allclose(normalised(image, side), expected, atol=1e-5)


def test_each_corner_of_blocks_has_a_window_of_its_own():
    image = RNG.random((160, 192, 3), np.float32) * np.linspace(0.1, 1, 160)[:, None, None]
    image = image.astype(np.float32)
    found = normalised(image, 64)
    for row, column in ((0, 0), (32, 64), (80, 128), (144, 176)):
        window = about(image, row, column, 64)
        expected = (image[row, column] - window.mean(0)) / np.sqrt(window.var(0) + 1e-5)
        step = np.abs(about(image, row + 16, column + 16, 64).mean(0) - window.mean(0)).max()
        np.testing.assert_allclose(found[row, column], expected, atol=0.1 + 10 * step)


def test_pixels_without_data_do_not_count():
    image = RNG.random((96, 96, 3), np.float32)
    valid = np.ones((96, 96), bool)
    valid[:, 40:] = False
    other = np.where(valid[..., None], image, np.float32(1000))
    one, two = (normalised(each, 48, valid)[:, :40] for each in (image, other))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_rows_that_are_not_needed_are_forgotten():
    image = RNG.random((320, 32, 3), np.float32)
    whole = normalised(image, 64)
    statistics, added, parts = LocalStatistics(320, 32, 64), 0, []
    for top in range(0, 320, 32):
        needed = statistics.needs(top + 32)
        if needed > added:
            rows = slice(added, needed)
            statistics.add(added, image[rows], np.ones((needed - added, 32), bool))
            added = needed
        statistics.forget(top)
        parts.append(statistics.normalise(image[top : top + 32], top, 0))
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    assert added == 320
