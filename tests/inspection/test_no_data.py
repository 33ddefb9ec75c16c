import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image

from cssr.inspection.array_photos import as_photo
from cssr.inspection.photos import PhotoError, open_photo
from cssr.sources.images.no_data import rims

RNG = np.random.default_rng(0)
GAP = np.zeros((40, 56), bool)
GAP[:, :10] = True
RAMP = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def write(file, bands, **options):
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    with rasterio.open(file, "w", driver="GTiff", **profile, **options) as out:
        out.write(bands)
    return file


def valid_of(file, rows=64, as_mask=False):
    with open_photo(file, as_mask=as_mask) as photo:
        starts = range(0, photo.height, rows)
        bands = [photo.valid(start, min(start + rows, photo.height)) for start in starts]
        return np.concatenate(bands)


@pytest.mark.parametrize("alpha", ["premultiplied", "non-premultiplied"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_from_half_of_the_alpha_on_there_are_data(tmp_path, dtype, alpha):
    step = np.iinfo(dtype).max // 255
    bands = np.stack([np.full_like(RAMP, 90)] * 3 + [RAMP]).astype(dtype) * dtype(step)
    file = write(tmp_path / "a.tif", bands, photometric="rgb", alpha=alpha)
    assert np.array_equal(valid_of(file), RAMP >= 128)
    assert np.array_equal(valid_of(file, as_mask=True), RAMP > 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_divided_out_of_colours_that_are_stored_times_alpha(tmp_path, dtype):
    top = np.iinfo(dtype).max
    alpha = RAMP.astype(dtype) * dtype(top // 255)
    light = np.array([200, 150, 100], np.float64)[:, None, None] * (top // 255)
    stored = np.concatenate([np.rint(light * (alpha / top)).astype(dtype), alpha[None]])
    file = write(tmp_path / "a.tif", stored, photometric="rgb", alpha="premultiplied")
    with open_photo(file) as photo:
        found = photo.rows(0, 40)[photo.valid(0, 40)]
    assert np.abs(found.astype(int) - [200, 150, 100]).max() <= 1
    other = write(tmp_path / "b.tif", stored, photometric="rgb", alpha="non-premultiplied")
    for each, as_mask in ((file, True), (other, False)):
        with open_photo(each, as_mask=as_mask) as photo:
            assert np.abs(photo.rows(0, 40)[0, :, 0] - stored[0, 0] / (top // 255)).max() <= 1


def test_half_is_that_of_the_greatest_alpha_of_the_photo(tmp_path):
    bands = np.stack([np.full_like(RAMP, 90)] * 3 + [RAMP // 64])
    file = write(tmp_path / "a.tif", bands, photometric="rgb", alpha="yes")
    assert np.array_equal(valid_of(file), RAMP // 64 >= 2)


@pytest.mark.parametrize(("greatest", "half"), [(255, 128), (100, 50)])
def test_of_a_pil_image_half_of_the_alpha_counts_too(greatest, half):
    image = Image.new("RGB", RAMP.shape[::-1])
    image.putalpha(Image.fromarray(np.minimum(RAMP, greatest)))
    valid = as_photo(image).valid(0, 40)
    assert np.array_equal(valid[0], np.arange(256) >= half)
    assert (valid == valid[0]).all()


@pytest.mark.parametrize("nodata", [0, 255])
@pytest.mark.parametrize("quality", [75, 90])
def test_the_rim_of_the_gaps_of_a_jpeg_holds_no_data(tmp_path, nodata, quality):
    y, x = np.mgrid[:512, :512]
    gap = x + 0.4 * y < 180
    noise = cv2.GaussianBlur(RNG.normal(0, 1, gap.shape), (0, 0), 2)
    light = (140 + 25 * noise / noise.std()).clip(30, 225)
    bands = np.stack([light, light - 5, light - 12]).astype(np.uint8)
    bands[:, gap] = nodata
    jpeg = {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": quality}
    file = write(tmp_path / "a.tif", bands, nodata=nodata, **jpeg)
    valid = valid_of(file)
    with rasterio.open(file) as source:
        missed = (gap & (source.dataset_mask() > 0)).sum()
    assert (valid & gap).sum() < missed / 8
    assert valid[~gap].all()
    assert np.array_equal(valid, valid_of(file, rows=512))
    assert np.array_equal(valid, valid_of(file, rows=5))


def test_of_a_file_without_loss_the_no_data_value_alone_counts(tmp_path):
    bands = np.full((1, 40, 60), 3, np.uint8)
    bands[:, :, :20] = 0
    assert np.array_equal(valid_of(write(tmp_path / "a.tif", bands, nodata=0)), bands[0] > 0)


def test_a_rim_is_near_the_value_and_near_a_gap_wider_than_a_crack():
    pixels = np.full((3, 60, 200), 90, np.uint8)
    pixels[:, :, :60] = 5
    pixels[:, :, :20] = 0
    pixels[0, 30] = 60  # near it in two bands only
    pixels[:, :, 120:128] = 0  # a crack
    pixels[:, :, 128:132] = 5
    valid = (pixels > 0).any(axis=0)
    found = rims(pixels, valid, 0)
    expected = np.zeros_like(valid)
    expected[:, 20:36] = True
    expected[30] = False
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_whose_no_data_value_is_its_background_has_data_everywhere(tmp_path, dtype):
    file = write(tmp_path / "a.tif", (GAP * np.iinfo(dtype).max).astype(dtype)[None], nodata=0)
    with open_photo(file, as_mask=True) as mask:
        assert mask.valid(0, 40).all()
        assert np.array_equal(mask.rows(0, 40)[..., 0] > 0, GAP)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_whose_no_data_value_is_that_of_crack_is_refused(tmp_path, dtype):
    top = np.iinfo(dtype).max
    file = write(tmp_path / "a.tif", (GAP * top).astype(dtype)[None], nodata=top)
    says = f"its no-data value, {top}, is one of crack; gdal_edit.py -unsetnodata removes it"
    with pytest.raises(PhotoError, match=says), open_photo(file, as_mask=True):
        pass


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_0_is_white_it_is_crack_in_a_mask(tmp_path, dtype):
    mask = np.where(GAP, 0, np.iinfo(dtype).max).astype(dtype)[None]
    file = write(tmp_path / "a.tif", mask, photometric="miniswhite", nodata=np.iinfo(dtype).max)
    with open_photo(file, as_mask=True) as opened:
        assert np.array_equal(opened.rows(0, 40)[..., 0], GAP * 255)
        assert opened.valid(0, 40).all()
    file = write(tmp_path / "b.tif", mask, photometric="miniswhite", nodata=0)
    with (
        pytest.raises(PhotoError, match="its no-data value, 0, is one of crack"),
        open_photo(file, as_mask=True),
    ):
        pass


def test_of_a_mask_of_one_bit_the_no_data_value_is_that_of_crack_or_not(tmp_path):
    mask = GAP[None].astype(np.uint8)
    for photometric, crack in (("minisblack", 1), ("miniswhite", 0)):
        file, options = tmp_path / f"{photometric}.tif", {"nbits": 1, "photometric": photometric}
        write(file, mask if crack else 1 - mask, **options, nodata=crack)
        with (
            pytest.raises(PhotoError, match="is one of crack"),
            open_photo(file, as_mask=True),
        ):
            pass
        write(file, mask if crack else 1 - mask, **options, nodata=1 - crack)
        with open_photo(file, as_mask=True) as opened:
            assert np.array_equal(opened.rows(0, 40)[..., 0], GAP * 255)
            assert opened.valid(0, 40).all()
