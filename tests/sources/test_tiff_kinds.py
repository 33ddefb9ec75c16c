"""TIFFs that training data and photos refuse by the same rules."""

import io

import numpy as np
import pytest
import tifffile

from cssr.sources.images.image_files import read_picture
from cssr.sources.listing import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


def tiff(*pages) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as out:
        for pixels, options in pages:
            out.write(pixels, photometric="rgb", **options)
    return stream.getvalue()


def test_a_plain_one_is_read():
    assert np.array_equal(read_picture(tiff((PIXELS, {}))).pixels, PIXELS)


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ([(PIXELS[::2, ::2], {"extratags": [(50706, 1, 4, (1, 4, 0, 0))]})], "raw file .DNG."),
        ([(PIXELS[::2, ::2], {"subfiletype": 1}), (PIXELS, {})], "first image is a reduced"),
    ],
)
def test_previews_are_refused(pages, says):
    with pytest.raises(DataError, match=says):
        read_picture(tiff(*pages))
