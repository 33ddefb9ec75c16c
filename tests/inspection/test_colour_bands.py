import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.enums import ColorInterp

from cssr.inspection.photos import PhotoError, open_photo

RNG = np.random.default_rng(0)
LIGHT = RNG.integers(1, 255, (6, 40, 56), np.uint8)
GAP = np.zeros((40, 56), bool)
GAP[:, :10] = True
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def write(file, bands, colours=(), mask=None, **options):
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(file, "w", driver="GTiff", **profile, **options) as out,
    ):
        if colours:
            out.colorinterp = colours
        out.write(bands)
        if mask is not None:
            out.write_mask(mask)
    return file


def read(file):
    with open_photo(file) as photo:
        size = photo.height, photo.width
        pixels = np.concatenate([photo.rows(0, 13), photo.rows(13, photo.height)])
        valid = np.concatenate([photo.valid(0, 13), photo.valid(13, photo.height)])
        assert pixels.shape == (*size, 3)
        assert valid.shape == size
        assert photo.has_gaps or valid.all()
        return pixels, valid, photo.notes


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_three_bands_are_colours_whatever_they_call_themselves(tmp_path, photometric):
    file = write(tmp_path / "a.tif", LIGHT[:3], photometric=photometric)
    pixels, valid, notes = read(file)
    assert np.array_equal(pixels, LIGHT[:3].transpose(1, 2, 0))
    assert valid.all()
    assert notes == ()


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_band_of_zeros_and_greatest_values_is_alpha(tmp_path, photometric, dtype):
    top = np.iinfo(dtype).max
    alpha = np.where(GAP, 0, top).astype(dtype)
    colours = LIGHT[:3].astype(dtype) * (top // 255)
    bands = np.concatenate([colours, alpha[None]])
    pixels, valid, notes = read(write(tmp_path / "a.tif", bands, photometric=photometric))
    assert np.array_equal(pixels, LIGHT[:3].transpose(1, 2, 0))
    assert np.array_equal(valid, ~GAP)
    assert notes == ()


@pytest.mark.parametrize("fourth", [LIGHT[3], np.zeros((40, 56), np.uint8)], ids=["light", "empty"])
def test_another_fourth_band_is_left_out_with_a_note(tmp_path, fourth):
    bands = np.concatenate([LIGHT[:3], fourth[None]])
    pixels, valid, notes = read(write(tmp_path / "a.tif", bands, photometric="minisblack"))
    assert np.array_equal(pixels, LIGHT[:3].transpose(1, 2, 0))
    assert valid.all()
    assert notes == ("bands 1, 2, 3 are read as red, green and blue; band 4 is left out",)


def test_a_band_that_is_called_alpha_is_alpha_whatever_it_holds(tmp_path):
    bands = LIGHT[:4].copy()
    bands[3] = np.maximum(bands[3], 128)
    bands[3][GAP] = 0
    _, valid, _ = read(write(tmp_path / "a.tif", bands, photometric="rgb", alpha="yes"))
    assert np.array_equal(valid, ~GAP)


def test_a_second_band_is_alpha_or_left_out(tmp_path):
    alpha = np.where(GAP, 0, 255).astype(np.uint8)
    pixels, valid, _ = read(write(tmp_path / "a.tif", np.stack([LIGHT[0], alpha])))
    assert np.array_equal(pixels, np.repeat(LIGHT[0][..., None], 3, axis=2))
    assert np.array_equal(valid, ~GAP)
    _, valid, notes = read(write(tmp_path / "b.tif", LIGHT[:2]))
    assert valid.all()
    assert notes == ("band 1 is read as gray; band 2 is left out",)


def test_of_more_bands_the_first_three_are_read_or_those_that_are_colours(tmp_path):
    pixels, _, notes = read(write(tmp_path / "a.tif", LIGHT))
    assert np.array_equal(pixels, LIGHT[:3].transpose(1, 2, 0))
    assert notes == ("bands 1, 2, 3 are read as red, green and blue; 3 bands are left out",)
    kinds = [ColorInterp[name] for name in ("blue", "green", "red", "undefined", "alpha")]
    pixels, _, notes = read(write(tmp_path / "b.tif", LIGHT[:5], kinds))
    assert np.array_equal(pixels, LIGHT[[2, 1, 0]].transpose(1, 2, 0))
    assert notes == ("bands 3, 2, 1 are read as red, green and blue; band 4 is left out",)


def test_where_all_bands_have_the_no_data_value_there_is_none(tmp_path):
    bands = LIGHT[:3].copy()
    bands[:, GAP] = 0
    bands[0, :, 20] = 0  # one band alone does not count
    _, valid, _ = read(write(tmp_path / "a.tif", bands, nodata=0))
    assert np.array_equal(valid, ~GAP)


def test_the_no_data_value_and_alpha_count_together(tmp_path):
    bands = LIGHT[:4].copy()
    bands[3] = 255
    bands[3][GAP] = 0
    bands[:, 30:] = 9
    _, valid, _ = read(write(tmp_path / "a.tif", bands, photometric="rgb", alpha="yes", nodata=9))
    expected = ~GAP
    expected[30:] = False
    assert np.array_equal(valid, expected)


@pytest.mark.parametrize("count", [1, 3])
def test_the_mask_of_a_file_is_kept(tmp_path, count):
    _, valid, notes = read(write(tmp_path / "a.tif", LIGHT[:count], mask=~GAP))
    assert np.array_equal(valid, ~GAP)
    assert notes == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_in_a_png_holds_no_data(tmp_path, mode):
    gray = np.where(GAP, 7, 90).astype(np.uint8)
    image = Image.fromarray(gray).convert(mode)
    key = image.getpixel((0, 0))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(np.where(GAP, 0, 200).astype(np.uint8)))
        image.save(tmp_path / "a.png")
    else:
        image.save(tmp_path / "a.png", transparency=key)
    assert np.array_equal(read(tmp_path / "a.png")[1], ~GAP)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_where_there_are_data_is_upright_too(tmp_path, orientation):
    alpha = np.where(GAP, 0, 255).astype(np.uint8)
    bands = np.concatenate([np.repeat(alpha[None], 3, axis=0), alpha[None]]).transpose(1, 2, 0)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(bands)).save(tmp_path / "a.png", exif=exif)
    pixels, valid, _ = read(tmp_path / "a.png")
    assert np.array_equal(valid, pixels[..., 0] > 0)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("count", [1, 3])
def test_values_of_16_bits_are_scaled_by_the_bits_that_they_fill(tmp_path, bits, count):
    bands = LIGHT[:count].astype(np.uint16) << (bits - 8)
    bands[:, 0, 0] = (1 << bits) - 1
    pixels, _, notes = read(write(tmp_path / "a.tif", bands))
    expected = np.maximum(bands >> (bits - 8), 1).astype(np.uint8)
    assert np.array_equal(pixels, np.broadcast_to(expected.transpose(1, 2, 0), (40, 56, 3)))
    assert notes == (f"values fill {bits} of 16 bits; scaled",)


def test_the_range_of_16_bits_is_that_of_all_rows(tmp_path):
    tall = np.full((1, 2000, 8), 900, np.uint16)
    tall[0, 1990:] = 40_000
    with open_photo(write(tmp_path / "a.tif", tall)) as photo:
        dark = "95% of its values are below 901, which may be too dark to tell cracks"
        assert photo.notes == (dark,)
        assert (photo.rows(0, 10) == 900 >> 8).all()


@pytest.mark.parametrize("count", [1, 3])
def test_hot_pixels_do_not_change_the_range_of_16_bits(tmp_path, count):
    bands = LIGHT[:count].astype(np.uint16) << 4
    bands[0, 3, 3], bands[-1, 9, 9] = 65535, 40_000
    pixels, _, notes = read(write(tmp_path / "a.tif", bands))
    assert pixels[3, 3, 0] == pixels[9, 9, -1] == 255
    pixels[3, 3], pixels[9, 9] = LIGHT[:count, 3, 3], LIGHT[:count, 9, 9]
    assert (pixels == LIGHT[:count].transpose(1, 2, 0)).all()
    assert notes == ("values fill 12 of 16 bits, but for 2 that are cut off; scaled",)


@pytest.mark.parametrize("border", [0, 65535])
def test_a_border_that_is_not_declared_does_not_change_the_range_of_16_bits(tmp_path, border):
    bands = LIGHT[:1].astype(np.uint16) << 4
    bands[:, GAP] = border
    pixels, _, notes = read(write(tmp_path / "a.tif", bands))
    assert np.array_equal(pixels[~GAP][:, 0], LIGHT[0][~GAP])
    assert (pixels[GAP] == (255 if border else 0)).all()
    assert notes[0].startswith("values fill 12 of 16 bits")


def test_the_range_of_16_bits_is_that_of_the_pixels_with_data(tmp_path):
    bands = LIGHT[:1].astype(np.uint16) << 4
    bands[:, GAP] = 65535
    _, valid, notes = read(write(tmp_path / "a.tif", bands, nodata=65535))
    assert np.array_equal(valid, ~GAP)
    assert notes == ("values fill 12 of 16 bits; scaled",)


def test_a_file_that_says_its_bits_is_scaled_by_them(tmp_path):
    bands = LIGHT[:1].astype(np.uint16) << 4
    pixels, _, notes = read(write(tmp_path / "a.tif", bands, nbits=12))
    assert np.array_equal(pixels[..., 0], LIGHT[0])
    assert notes == ()


def test_masks_are_not_scaled(tmp_path):
    file = write(tmp_path / "a.tif", LIGHT[:1].astype(np.uint16) << 4)
    with open_photo(file, as_mask=True) as mask:
        assert mask.rows(0, 40).max() == 15
        assert mask.notes == ()


def test_further_pages_are_told_but_masks_and_overviews_are_none(tmp_path):
    pages = LIGHT.transpose(1, 2, 0)[..., :3]
    tifffile.imwrite(tmp_path / "a.tif", np.stack([pages] * 3), photometric="rgb")
    pixels, _, notes = read(tmp_path / "a.tif")
    assert np.array_equal(pixels, pages)
    assert notes == ("the first of 3 pages; the others are not read",)
    file = write(tmp_path / "b.tif", np.repeat(LIGHT, 10, axis=1)[:3], mask=np.tile(~GAP, (10, 1)))
    with rasterio.open(file, "r+") as opened:
        opened.build_overviews([2, 4])
    assert read(file)[2] == ()


@pytest.mark.parametrize("as_mask", [False, True])
@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 16), ("uint16", 12)])
def test_where_0_is_white_light_is_turned_round(tmp_path, dtype, bits, as_mask):
    light = LIGHT[:1].astype(dtype) << (bits - 8)
    options = {"nbits": bits} if bits == 12 else {}
    stored = (1 << bits) - 1 - light
    file = write(tmp_path / "a.tif", stored, photometric="miniswhite", **options)
    with open_photo(file, as_mask=as_mask) as photo:
        assert np.array_equal(photo.rows(0, 40)[..., 1], LIGHT[0])
        assert photo.notes == ()


@pytest.mark.parametrize("as_mask", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_of_lab_are_refused_by_name(tmp_path, dtype, as_mask):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 8, 3), 90, dtype), photometric="cielab")
    with (
        pytest.raises(PhotoError, match="CIELab colours; convert it to RGB"),
        open_photo(tmp_path / "a.tif", as_mask=as_mask),
    ):
        pass


@pytest.mark.parametrize("dtype", ["int8", "int32", "float64", "complex64"])
def test_values_of_other_kinds_are_refused(tmp_path, dtype):
    file = write(tmp_path / "a.tif", np.ones((3, 8, 8), dtype))
    with pytest.raises(PhotoError, match="8 or 16 bits are read"):
        read(file)
