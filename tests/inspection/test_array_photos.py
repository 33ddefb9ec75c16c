import numpy as np
import pytest
import torch
from PIL import Image

from cssr.inspection.array_photos import as_photo

PIXELS = np.random.default_rng(0).integers(1, 256, (40, 56, 3), np.uint8)


def pixels_of(image):
    photo = as_photo(image)
    return photo.rows(0, photo.height)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA", "LA", "YCbCr", "HSV"])
def test_a_pil_image_of_any_mode_becomes_rgb(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    assert np.array_equal(pixels_of(image), np.asarray(image.convert("RGB")))


def test_a_pil_image_is_upright_as_exif_says():
    image = Image.fromarray(PIXELS)
    image.getexif()[274] = 6
    assert np.array_equal(pixels_of(image), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_holds_no_data(mode):
    gray = np.full((40, 56), 90, np.uint8)
    gray[:, 50:] = 7
    image = Image.fromarray(gray).convert(mode)
    if mode == "P":
        image.info["transparency"] = image.getpixel((55, 0))
    else:
        image.putalpha(Image.fromarray(np.where(gray == 7, 0, 1).astype(np.uint8)))
    photo = as_photo(image)
    assert photo.has_gaps
    assert np.array_equal(photo.valid(0, 40), gray != 7)
    assert np.array_equal(photo.valid(10, 20), (gray != 7)[10:20])


def test_a_photo_without_gaps_holds_data_everywhere():
    photo = as_photo(PIXELS)
    assert not photo.has_gaps
    assert photo.valid(3, 10).shape == (7, 56)
    assert photo.valid(3, 10).all()
    assert not as_photo(Image.fromarray(PIXELS).convert("RGBA")).has_gaps


def test_a_pil_image_of_16_bits_is_scaled_by_the_bits_that_it_fills():
    photo = as_photo(Image.fromarray(PIXELS[..., 0].astype(np.uint16) << 4))
    assert np.array_equal(photo.rows(0, 40)[..., 1], PIXELS[..., 0])
    assert photo.notes == ("values fill 12 of 16 bits; scaled",)


def test_a_hot_pixel_does_not_change_the_range_of_a_pil_image():
    values = PIXELS[..., 0].astype(np.uint16) << 4
    values[3, 3] = 65535
    photo = as_photo(Image.fromarray(values))
    assert np.array_equal(photo.rows(0, 3)[..., 1], PIXELS[:3, :, 0])
    assert photo.notes == ("values fill 12 of 16 bits, but for 1 that are cut off; scaled",)


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ([[1, 2]], "list"),
        (None, "NoneType"),
        (b"abc", "bytes"),
        (torch.zeros(3, 8, 8), "Tensor"),
        (PIXELS / 255, "float64"),
        (PIXELS > 0, "bool"),
        (PIXELS.astype(np.uint16), "uint16"),
        (PIXELS[0, 0], "uint8"),
        (PIXELS[:0], "uint8"),
        (np.zeros((8, 8, 4), np.uint8), "3 channels"),
        (Image.new("F", (8, 8)), "float32 pixels"),
        (Image.new("I", (8, 8)), "int32 pixels"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_gets_a_clear_error(image, named):
    with pytest.raises(ValueError, match=named):
        as_photo(image)
