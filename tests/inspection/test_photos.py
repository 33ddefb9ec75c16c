import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from cssr.inspection.photos import PhotoError, open_photo, read_header

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
LOSSLESS = (".png", ".tif", ".bmp", ".webp")


def save(image, file, **options):
    image.save(file, **options, **({"lossless": True} if file.suffix == ".webp" else {}))
    return file


def read(file, cut=13):
    """The photo in two bands."""
    with open_photo(file) as photo:
        bands = [photo.rows(0, cut), photo.rows(cut, photo.height)]
        assert bands[1].shape == (photo.height - cut, photo.width, 3)
        return np.concatenate(bands)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_pixels_are_those_of_the_file(tmp_path, suffix):
    file = save(Image.fromarray(PIXELS), tmp_path / f"a{suffix}")
    assert np.array_equal(read(file), PIXELS)


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path):
    file = save(Image.fromarray(PIXELS), tmp_path / "a.jpg", subsampling=0)
    assert np.array_equal(read(file), np.asarray(Image.open(file)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", LOSSLESS[:2] + LOSSLESS[3:])
def test_a_photo_is_upright_as_exif_says(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[274] = orientation
    file = save(Image.fromarray(PIXELS), tmp_path / f"a{suffix}", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    assert np.array_equal(read(file), expected)
    header = read_header(file)
    assert (header.height, header.width) == expected.shape[:2]


@pytest.mark.parametrize("header", [108, 124])
def test_a_bmp_with_a_long_header_is_read(tmp_path, header):
    Image.fromarray(PIXELS).save(tmp_path / "a.bmp")
    short, room = (tmp_path / "a.bmp").read_bytes(), header - 40
    size, pixels = (int.from_bytes(short[at : at + 4], "little") + room for at in (2, 10))
    numbers = [number.to_bytes(4, "little") for number in (size, 0, pixels, header)]
    (tmp_path / "b.bmp").write_bytes(
        short[:2] + b"".join(numbers) + short[18:54] + bytes(room) + short[54:]
    )
    assert np.array_equal(read(tmp_path / "b.bmp"), PIXELS)


@pytest.mark.parametrize("behind", [False, True])
def test_the_exif_of_a_png_is_found_without_decoding_it(tmp_path, behind, monkeypatch):
    exif = Image.Exif()
    exif[274] = 6
    file = save(Image.fromarray(PIXELS), tmp_path / "a.png", exif=exif)
    if behind:
        whole = file.read_bytes()
        start = whole.index(b"eXIf") - 4
        stop = start + 12 + int.from_bytes(whole[start : start + 4], "big")
        end = whole.index(b"IEND") - 4
        file.write_bytes(whole[:start] + whole[stop:end] + whole[start:stop] + whole[end:])
    with monkeypatch.context() as patch:
        patch.setattr(PngImageFile, "load", None)
        assert read_header(file)[:3] == (56, 40, 6)
    assert np.array_equal(read(file), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_other_kinds_become_rgb(tmp_path, mode):
    file = save(Image.fromarray(PIXELS).convert(mode), tmp_path / "a.png")
    assert np.array_equal(read(file), np.asarray(Image.open(file).convert("RGB")))


def test_cmyk_becomes_rgb(tmp_path):
    file = save(Image.fromarray(PIXELS).convert("CMYK"), tmp_path / "a.tif")
    assert np.array_equal(read(file), np.asarray(Image.open(file).convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_of_16_bits_the_upper_8_count_but_what_is_not_0_stays_above_0(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    wide = (PIXELS.astype(np.uint16) << 8) | 200
    wide[0] = 0
    cv2.imwrite(str(file), wide[..., ::-1])
    expected = np.maximum(PIXELS, 1)
    expected[0] = 0
    assert np.array_equal(read(file), expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("suffix", [".jpg", *LOSSLESS])
def test_a_truncated_photo_is_refused_and_not_filled_up(tmp_path, suffix, share):
    whole = save(Image.fromarray(PIXELS), tmp_path / f"whole{suffix}").read_bytes()
    file = tmp_path / f"cut{suffix}"
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PhotoError):
        read(file)


def test_what_is_no_photo_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(PhotoError, match="not a readable JPEG, PNG, TIFF, BMP or WebP"):
        read(tmp_path / "a.jpg")


def test_only_the_asked_rows_of_a_large_tiff_are_decoded(tmp_path):
    file = tmp_path / "large.tif"
    with rasterio.open(file, "w", driver="GTiff", height=4096, width=64, count=1, dtype="uint8"):
        pass
    content = bytearray(file.read_bytes())
    content[-64 * 1000 :] = b""  # its last rows are gone
    file.write_bytes(content)
    with open_photo(file) as photo:
        assert photo.rows(0, 100).shape == (100, 64, 3)
        with pytest.raises(PhotoError, match="damaged"):
            photo.rows(4000, 4096)


def test_a_damaged_exif_block_is_refused(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    file = save(Image.fromarray(PIXELS), tmp_path / "a.jpg", exif=exif)
    content = bytearray(file.read_bytes())
    at = content.index(b"Exif\0\0") + 6
    content[at + 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(PhotoError):
        read(file)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "float32"])
def test_pixels_of_other_depths_are_refused(tmp_path, dtype):
    file = tmp_path / "a.tif"
    with rasterio.open(file, "w", driver="GTiff", height=8, width=8, count=1, dtype=dtype) as out:
        out.write(np.full((1, 8, 8), 1000, dtype))
    with pytest.raises(PhotoError, match=f"{dtype} pixels; 8 or 16 bits are read"):
        read(file, cut=4)
