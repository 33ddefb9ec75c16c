from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from cssr.inspection.array_photos import as_photo
from cssr.inspection.camera import camera_scale
from cssr.inspection.photos import open_photo
from cssr.sources.images.photo_headers import PhotoError, read_header

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
SIX = b"\x12\x01\x03\0\1\0\0\0\x06\0"  # the orientation as EXIF has it: tag, kind, count, value
ODD = {
    "text": b"\x12\x01\x02\0\1\0\0\0\x06\0",
    "bytes": b"\x12\x01\x07\0\1\0\0\0\x06\0",
    "0": b"\x12\x01\x03\0\1\0\0\0\0\0",
    "9": b"\x12\x01\x03\0\1\0\0\0\x09\0",
    "65535": b"\x12\x01\x03\0\1\0\0\0\xff\xff",
}


def tags():
    known = Image.Exif()
    known.endian = "<"
    known[271], known[274], known[282] = "camera", 6, 3.5
    known.get_ifd(34665).update({37386: 4.5, 37382: 2.0, 41989: 28, 40962: 24, 40963: 16})
    return known.tobytes()


TAGS = tags()


def save(file, exif, mode="RGB"):
    image = Image.fromarray(PIXELS).convert(mode)
    if file.suffix == ".tif":
        image.save(file, tiffinfo={274: 6})
        content = file.read_bytes()
        at = TAGS.index(SIX)
        file.write_bytes(content.replace(SIX, exif[at : at + len(SIX)]))
    else:
        image.save(file, exif=exif, **({"lossless": True} if file.suffix == ".webp" else {}))
    return file


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(
    ("suffix", "mode"), [(".jpg", "RGB"), (".png", "RGB"), (".png", "P"), (".tif", "RGB")]
)
def test_an_orientation_that_is_none_leaves_a_photo_as_it_is(tmp_path, suffix, mode, odd):
    file = save(tmp_path / f"a{suffix}", TAGS, mode)
    assert read_header(file)[:3] == (24, 16, 6)
    save(file, TAGS.replace(SIX, odd), mode)
    assert read_header(file)[:3] == (16, 24, 1)
    with open_photo(file) as photo:
        assert (photo.height, photo.width) == (16, 24)


@pytest.mark.parametrize("odd", ["6", b"\x06", 0, 9, (6, 6)], ids=repr)
def test_a_pil_image_with_such_an_orientation_stays_as_it_is(odd):
    image = Image.fromarray(PIXELS)
    image.getexif()[274] = odd
    assert np.array_equal(as_photo(image).pixels, PIXELS)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_of_damaged_exif_data_only_photo_errors_come(tmp_path, suffix):
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(TAGS)
        for at in rng.integers(6, len(TAGS), 3):
            damaged[at] = rng.choice([0, 2, 255, rng.integers(256)])
        file = save(tmp_path / f"a{suffix}", bytes(damaged))
        for read in (size_and_rows, scale_of):
            with suppress(PhotoError):
                read(file)


def size_and_rows(file):
    header = read_header(file)
    with open_photo(file) as photo:
        assert (photo.height, photo.width) == (header.height, header.width)
        assert photo.rows(0, photo.height).shape == (header.height, header.width, 3)


def scale_of(file):
    camera_scale(file, 16, 24)
