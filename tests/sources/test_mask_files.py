import io
import warnings

import cv2
import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.io import MemoryFile
from scipy.io import savemat

from cssr.sources.masks.mask_files import (
    is_canonical,
    mask_size,
    read_coloured_mask,
    read_mask,
)
from cssr.sources.masks.mask_formats import MASK_SUFFIXES
from cssr.sources.masks.mask_values import MaskError

CRACK = np.zeros((40, 60), bool)
CRACK[10:14, 5:55] = CRACK[5:30, 30:33] = True
OTHER = np.zeros_like(CRACK)
OTHER[34:38, 3:9] = True
PHOTO = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8), (0, 0), 1)
TURNED = Image.Exif()
TURNED[274] = 6
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def file_id(value):
    """The name of a parameter of a test; files have none."""
    return "file" if isinstance(value, bytes) else None


def encode(pixels, kind="PNG", **options):
    return save(Image.fromarray(pixels), kind, **options)


def save(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gray(low, high, dtype=np.uint8):
    return np.where(CRACK, high, low).astype(dtype)


def painted(colour, ground=(0, 0, 0)):
    """Crack of a colour with as many channels, on a ground."""
    return np.where(CRACK[..., None], colour, ground).astype(np.uint8)


def indexed(palette, indices=CRACK, **options):
    image = Image.fromarray(indices.astype(np.uint8)).convert("P")
    image.putpalette([channel for colour in palette for channel in colour])
    return save(image, **options)


def tiff(pixels, **options):
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


def geotiff(bands, **options):
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    with warnings.catch_warnings(action="ignore"), MemoryFile() as memory:
        with rasterio.open(memory, "w", driver="GTiff", **profile, **options) as out:
            out.write(bands)
        return memory.read()


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def mat(variables, **options):
    out = io.BytesIO()
    savemat(out, variables, **options)
    return out.getvalue()


def soft(factor=0.5, how=cv2.INTER_AREA):
    """A drawn crack in another size, so that its edges are soft."""
    drawn = cv2.polylines(gray(0, 0), [np.array([[3, 35], [20, 12], [57, 4]])], False, 255, 4)
    return cv2.resize(drawn, None, fx=factor, fy=factor, interpolation=how)


def strokes(colour):
    """Crack on a layer that is transparent elsewhere."""
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[CRACK] = (*colour, 255)
    return pixels


def layer():
    """Black everywhere, with crack in alpha only."""
    return np.dstack([np.zeros((40, 60, 3), np.uint8), gray(0, 255)])


def two_colours_with_alpha():
    """White crack on black, transparent at the border, over white that is not to be seen."""
    pixels = np.dstack([painted((255, 255, 255)), gray(255, 255)])
    pixels[:4] = (255, 255, 255, 0)
    return pixels


VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
RAMP = [(k, k, k) for k in range(256)]
SAME = {
    "0 and 255": encode(gray(0, 255)),
    "0 and 1": encode(gray(0, 1)),
    "one bit": encode(CRACK),
    "1 and 2": encode(gray(1, 2)),
    "90 and 91": encode(gray(90, 91)),
    "16 bits, 0 and 255": encode(gray(0, 255, np.uint16)),
    "16 bits, 0 and 1": encode(gray(0, 1, np.uint16)),
    "16 bits, 0 and 65535": encode(gray(0, 65535, np.uint16)),
    "16 bits, red": cv2.imencode(".png", painted((0, 0, 1)).astype(np.uint16))[1].tobytes(),
    "16 bits, gray in colours": cv2.imencode(".png", painted((255,) * 3).astype(np.uint16))[
        1
    ].tobytes(),
    "red": encode(painted((255, 0, 0))),
    "yellow": encode(painted((255, 255, 0))),
    "dark blue": encode(painted((0, 0, 90))),
    "white in colours": encode(painted((255, 255, 255))),
    "palette of labels": indexed(VOC),
    "palette of grays": indexed(RAMP),
    "palette, white on black": indexed([(255, 255, 255), (0, 0, 0)], ~CRACK),
    "palette, red on white": indexed([(255, 255, 255), (255, 0, 0)]),
    "palette, light on dark": indexed([(0, 0, 0), (9, 0, 0), (90, 0, 0)], 1 + CRACK),
    "palette, one colour transparent": indexed(VOC, transparency=0),
    "palette, last indices": indexed([(0, 0, 0)] * 200 + VOC, 200 + CRACK),
    "JPEG": encode(gray(0, 255), "JPEG", quality=90),
    "JPEG, red": encode(painted((255, 0, 0)), "JPEG", quality=95, subsampling=0),
    "JPEG, CMYK": save(Image.fromarray(painted((255,) * 3)).convert("CMYK"), "JPEG"),
    "BMP": encode(gray(0, 255), "BMP"),
    "BMP, one bit": encode(CRACK, "BMP"),
    "GIF": encode(gray(0, 255), "GIF"),
    "GIF, 0 and 1": encode(gray(0, 1), "GIF"),
    "WebP": encode(gray(0, 255), "WEBP", quality=90),
    "WebP, lossless": encode(painted((9, 0, 0)), "WEBP", lossless=True),
    "TIFF": tiff(gray(0, 255)),
    "TIFF, 0 and 1": tiff(gray(0, 1)),
    "TIFF, one bit": encode(CRACK, "TIFF"),
    "TIFF, LZW": encode(gray(0, 1), "TIFF", compression="tiff_lzw"),
    "TIFF, 16 bits": tiff(gray(0, 255, np.uint16)),
    "TIFF, colours of 16 bits": tiff(painted((1, 0, 0)).astype(np.uint16), photometric="rgb"),
    "TIFF, float32": tiff(gray(0, 1, np.float32)),
    "TIFF, float64": tiff(gray(0, 1, np.float64)),
    "TIFF, float of 0 and 255": tiff(gray(0, 255, np.float32)),
    "TIFF, int32": tiff(gray(1, 2, np.int32)),
    "TIFF, 0 is white": geotiff(gray(255, 0)[None], photometric="miniswhite"),
    "TIFF, 0 is white, one bit": geotiff(gray(1, 0)[None], photometric="miniswhite", nbits=1),
    "TIFF, palette": save(Image.open(io.BytesIO(indexed(VOC))), "TIFF"),
    "TIFF, JPEG": geotiff(gray(0, 255)[None], compress="jpeg", jpeg_quality=90),
    "TIFF, alpha": geotiff(layer().transpose(2, 0, 1), photometric="rgb", alpha="yes"),
    "alpha only": encode(layer()),
    "alpha of 8 bits, gray": encode(np.dstack([gray(0, 0), gray(0, 255)])),
    "white on transparent": encode(strokes((255, 255, 255))),
    "dark red on transparent": encode(strokes((90, 0, 0))),
    "white everywhere, alpha": encode(np.dstack([painted((255,) * 3, (255,) * 3), gray(0, 255)])),
    "black on transparent": encode(strokes((0, 0, 0))),
    "colours and alpha": encode(two_colours_with_alpha()),
    "alpha is full": encode(np.dstack([painted((0, 9, 0)), gray(255, 255)])),
    "alpha is 0": encode(np.dstack([painted((0, 9, 0)), gray(0, 0)])),
    "turned PNG": encode(np.rot90(gray(0, 1)).copy(), exif=TURNED),
    "turned JPEG": encode(np.rot90(gray(0, 255)).copy(), "JPEG", quality=90, exif=TURNED),
    "turned TIFF": tiff(np.rot90(gray(0, 1)).copy(), extratags=[(274, 3, 1, 6, True)]),
    "npy, bool": npy(CRACK),
    "npy, int64": npy(gray(0, 1, np.int64)),
    "npy, float": npy(gray(0, 1, np.float64)),
    "npy, minus and plus": npy(gray(-1, 1, np.float32)),
    "npy, one channel": npy(gray(0, 1)[..., None]),
    "npy, channel first": npy(gray(0, 1)[None]),
    "npy, colours": npy(painted((255, 0, 0))),
    "npz": npz(mask=gray(0, 1), name=np.array("a"), size=np.array([40, 60])),
    "mat": mat({"mask": gray(0, 1), "dpi": 300}),
    "mat, logical": mat({"mask": CRACK}),
    "mat, compressed": mat({"mask": gray(0, 1)}, do_compression=True),
    "mat, CrackForest": mat(
        {"groundTruth": {"Segmentation": gray(1, 2, np.uint16), "Boundaries": CRACK & False}}
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_crack_is_read_from_every_convention(name):
    mask = read_mask(SAME[name], "a")
    assert mask.crack.dtype == bool
    assert np.array_equal(mask.crack, CRACK)


def test_an_old_mat_is_known_by_its_suffix():
    assert np.array_equal(read_mask(mat({"mask": gray(0, 1)}, format="4"), "a.MAT").crack, CRACK)


@pytest.mark.parametrize("name", ["a.npy", "a.mat", "a.jpg"])
def test_the_content_tells_the_format_not_the_suffix(name):
    assert np.array_equal(read_mask(encode(gray(0, 1)), name).crack, CRACK)
    assert np.array_equal(read_mask(npy(gray(0, 1)), name).crack, CRACK)


@pytest.mark.parametrize(
    ("content", "is_crack"),
    [
        (encode(gray(0, 0)), False),
        (encode(gray(0, 0, np.uint16)), False),
        (encode(painted((0, 0, 0))), False),
        (encode(gray(0, 0), "JPEG"), False),
        (indexed(VOC, CRACK & False), False),
        (npy(CRACK & False), False),
        (mat({"groundTruth": {"Segmentation": gray(1, 1)}}), False),
        (encode(gray(255, 255)), True),
        (encode(gray(255, 255), "JPEG"), True),
        (encode(gray(65535, 65535, np.uint16)), True),
        (encode(CRACK | True), True),
        (npy(CRACK | True), True),
        (tiff(gray(1, 1, np.float32)), True),
        (indexed([(255, 255, 255)], CRACK & False), True),
    ],
    ids=file_id,
)
def test_black_is_no_crack_and_white_is_all_crack(content, is_crack):
    assert (read_mask(content, "a").crack == is_crack).all()


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.75, 1.5, 2.2])
@pytest.mark.parametrize("how", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_soft_edges_are_cut_at_half(factor, how):
    mask = soft(factor, how)
    assert np.array_equal(read_mask(encode(mask), "a").crack, mask >= 128)
    red = np.dstack([mask, mask // 2, mask * 0])
    assert np.array_equal(read_mask(encode(red), "a").crack, mask >= 128)
    deep = mask.astype(np.uint16) * 257
    assert np.array_equal(read_mask(encode(deep), "a").crack, mask >= 128)
    probs = (mask / 255).astype(np.float32)
    assert np.array_equal(read_mask(npy(probs), "a").crack, probs >= 0.5)


def test_half_of_the_range_is_crack():
    mask = gray(0, 65535, np.uint16)
    mask[35, :4] = 32767, 32768, 9000, 50_000
    assert list(read_mask(encode(mask), "a").crack[35, :4]) == [False, True, False, True]


@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_what_is_lossy_is_cut_at_128_whatever_rings(kind, quality):
    content = encode(gray(0, 255), kind, quality=quality)
    decoded = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).max(axis=2)
    assert len(np.unique(decoded)) > 2
    assert np.array_equal(read_mask(content, "a").crack, decoded >= 128)


def test_a_phone_s_jpeg_with_a_second_image_is_lossy_too():
    image = Image.fromarray(gray(0, 255))
    content = save(image, "MPO", save_all=True, append_images=[image], quality=60)
    assert np.array_equal(read_mask(content, "a").crack, CRACK)


LABELS = np.where(OTHER, 128, gray(0, 255)).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
BORDERED = np.where(np.arange(40) < 32, 0, PHOTO.T.reshape(60, 40)).T.copy().astype(np.uint8)
BORDERED[-1, :20] = 255
GREEN = painted((255, 0, 0))
GREEN[OTHER] = 0, 255, 0
MANY = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
WHICH = "--crack-value N says which value is crack"
DRAW = "draw crack in white on black"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (encode(gray(90, 90)), f"it holds only the value 90, which may be crack or not; {WHICH}"),
        (encode(gray(1, 1)), "it holds only the value 1, which"),
        (npy(gray(0.5, 0.5, np.float32)), "it holds only the value 0.5, which"),
        (encode(np.where(OTHER, 2, CRACK).astype(np.uint8)), f"the values 0, 1 and 2; {WHICH}"),
        (encode(LABELS), f"it holds the values 0, 128 and 255; {WHICH}"),
        (encode(MANY // 8), f"it holds 13 values from 0 to 12; {WHICH}"),
        (encode(PHOTO), f"it holds 126 values from 58 to 197; is it a photo? Else {WHICH}"),
        (encode((PHOTO > 130) * PHOTO), "is it a photo"),
        (encode(NOISE), "it holds 256 values from 0 to 255; is it a photo"),
        (encode(NOISE.astype(np.uint16) * 257), "from 0 to 65535; is it a photo"),
        (encode(BORDERED), "from 0 to 255; is it a photo"),
        (encode(MANY.astype(np.uint16) * 9), "is it a photo"),
        (npy(PHOTO / 255), "is it a photo"),
        (encode(np.dstack([PHOTO, PHOTO // 2, PHOTO.T.copy().reshape(40, 60)])), "is it a photo"),
        (encode(np.dstack([MANY, MANY, 99 - MANY])), "it holds 99 colours; is it a photo?"),
        (encode(GREEN), f"it holds colours (0, 0, 0), (0, 255, 0) and (255, 0, 0); {DRAW}"),
        (encode(painted((255, 0, 0), (255, 255, 255))), "(255, 0, 0) and (255, 255, 255); draw"),
        (
            encode(painted((255, 0, 0), (255, 0, 0))),
            f"it holds only the colour (255, 0, 0); {DRAW}",
        ),
        (indexed(VOC, 2 * OTHER + CRACK), "the indices 0, 1 and 2 of its palette; --crack-value"),
        (indexed(VOC, 1 + 0 * CRACK), "it holds only the index 1 of its palette; --crack-value"),
        (encode(gray(0, 90), "JPEG"), "values up to 1"),
        (encode(gray(90, 90), "WEBP", lossless=False), "those of crack are 128 to 255"),
        (encode(gray(0, 90), "AVIF"), "those of crack are 128 to 255"),
        (npy(np.where(CRACK, np.nan, 0)), "it holds values that are no numbers"),
        (npz(a=gray(0, 1), b=gray(0, 1)), "more than one image: a and b; save the mask alone"),
        (npz(a=np.arange(3), b=np.array("c")), "it holds no image: a and b"),
        (mat({"a": gray(0, 1), "b": gray(0, 1)}), "more than one image: a and b"),
        (npy(np.zeros((4, 5, 6, 7))), "an array of 4×5×6×7; masks are height × width"),
        (npy(np.zeros((4, 0))), "it holds no pixel"),
        (npy(np.zeros((4, 5), complex)), "it holds complex128 values"),
        (npy(np.array([{}], object)), "not a readable image (Object arrays cannot be loaded"),
        (b"MATLAB 7.3 MAT-file", "a MATLAB file of version 7.3; save it with save(…, '-v7')"),
        (b"\x89HDF\r\n\x1a\n", "a MATLAB file of version 7.3"),
        (b"", "not a readable image ("),
        (b"no image", "not a readable image (none of png, jpg, jpeg, bmp, tif"),
        (geotiff(gray(0, 255)[None], nodata=255), "its no-data value, 255, is one of crack"),
    ],
    ids=file_id,
)
def test_what_does_not_tell_its_crack_is_refused_with_what_it_holds(content, says):
    with pytest.raises(MaskError) as error:
        read_mask(content, "a.png")
    assert says in str(error.value)
    assert "a.png" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["0 and 1", "JPEG", "BMP", "GIF", "WebP", "TIFF, LZW", "npy, bool", "npz", "mat"]
)
def test_what_is_cut_off_is_refused(name):
    content = SAME[name]
    with pytest.raises(MaskError, match="not a readable"):
        read_mask(content[: len(content) * 2 // 3], "a")


def test_what_is_said_of_a_damaged_tiff_is_the_same_each_time():
    content = SAME["TIFF, LZW"]
    said = set()
    for _ in range(2):
        with pytest.raises(MaskError) as error:
            read_mask(content[: len(content) // 2], "a")
        said.add(str(error.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("content", "value", "crack"),
    [
        (encode(LABELS), 255, CRACK),
        (encode(LABELS), 128, OTHER),
        (encode(gray(0, 1)), 1, CRACK),
        (encode(gray(1, 1)), 1, CRACK | True),
        (encode(gray(0, 1)), 0, ~CRACK),
        (encode(gray(0, 1)), 2, CRACK & False),
        (encode(gray(0, 0)), 1, CRACK & False),
        (encode(gray(255, 255)), 0, CRACK & False),
        (encode(CRACK), 1, CRACK),
        (encode(CRACK), 255, CRACK),
        (encode(gray(255, 0), "JPEG", quality=90), 0, CRACK),
        (encode(gray(0, 255), "JPEG", quality=90), 255, CRACK),
        (indexed(VOC, 2 * OTHER + CRACK), 2, OTHER),
        (indexed(VOC, 2 * OTHER + CRACK), 3, CRACK & False),
        (indexed(VOC, 2 * OTHER + CRACK, transparency=0), 1, CRACK),
        (npy(gray(0, 2, np.float64)), 2, CRACK),
        (npy(gray(0, 300, np.int32)), 300, CRACK),
        (encode(painted((255, 0, 0))), 255, CRACK),
        (encode(soft()), 255, soft() >= 128),
        (encode(255 - soft()), 0, 255 - soft() < 128),
    ],
    ids=file_id,
)
def test_a_given_value_is_crack_and_all_others_are_not(content, value, crack):
    assert np.array_equal(read_mask(content, "a", crack_value=value).crack, crack)


@pytest.mark.parametrize(
    ("content", "value", "says"),
    [
        (encode(gray(0, 255), "JPEG"), 1, "its compression does not keep the value 1"),
        (encode(MANY), 200, "it holds 99 values from 0 to 98; none of them is 200"),
        (encode(GREEN), 255, "it holds colours"),
    ],
    ids=file_id,
)
def test_a_given_value_that_cannot_be_one_is_refused(content, value, says):
    with pytest.raises(MaskError, match=says):
        read_mask(content, "a", crack_value=value)


@pytest.mark.parametrize(
    ("content", "colour", "crack"),
    [
        (encode(GREEN), (255, 0, 0), CRACK & ~OTHER),
        (encode(GREEN), (0, 255, 0), OTHER),
        (encode(GREEN), (255, 255, 255), CRACK & False),
        (encode(painted((255, 0, 0))), (255, 255, 255), CRACK & False),  # another label alone
        (encode(gray(0, 255)), (255, 255, 255), CRACK),
        (encode(LABELS), (128, 128, 128), OTHER),
        (indexed(VOC, 2 * OTHER + CRACK), (128, 0, 0), CRACK),
        (indexed(VOC, 2 * OTHER + CRACK, transparency=0), (0, 128, 0), OTHER),
    ],
    ids=file_id,
)
def test_a_given_colour_is_crack_and_all_others_are_not(content, colour, crack):
    assert np.array_equal(read_coloured_mask(content, "a", colour).crack, crack)


def test_a_colour_is_not_looked_for_in_lossy_masks():
    with pytest.raises(MaskError, match="its compression does not keep colours"):
        read_coloured_mask(encode(GREEN, "JPEG"), "a", (255, 0, 0))


@pytest.mark.parametrize(
    ("content", "canonical"),
    [
        (encode(gray(0, 255)), True),
        (encode(CRACK), True),
        (encode(gray(0, 65535, np.uint16)), True),
        (encode(gray(0, 255), "JPEG", quality=40), True),
        (encode(painted((255, 255, 255))), True),
        (encode(soft()), True),
        (encode(gray(0, 0)), True),
        (encode(gray(0, 1)), False),
        (encode(gray(0, 255, np.uint16)), False),
        (encode(painted((255, 0, 0))), False),
        (encode(painted((255, 0, 0)), "JPEG"), False),
        (encode(layer()), False),
        (indexed(VOC), False),
        (encode(gray(0, 255), "BMP"), False),
        (tiff(gray(0, 255)), False),
        (npy(CRACK), False),
    ],
    ids=file_id,
)
def test_canonical_is_a_png_or_jpeg_that_opencv_reads_so(content, canonical):
    assert is_canonical(content, read_mask(content, "a").crack) is canonical


def test_a_given_value_decides_on_canonical_too():
    content = encode(gray(0, 255))
    assert not is_canonical(content, read_mask(content, "a", crack_value=0).crack)


def test_few_values_are_told():
    assert read_mask(encode(gray(0, 1)), "a").values == (0, 1)
    assert read_mask(indexed(VOC), "a").values == (0, 1)
    assert read_mask(npy(gray(0, 0.5, np.float64)), "a").values == (0, 0.5)
    assert read_mask(encode(soft(0.7, cv2.INTER_CUBIC)), "a").values == ()


def test_where_there_are_no_data_there_is_no_crack():
    mask = gray(0, 255)
    mask[:20, :20] = 127
    found = read_mask(geotiff(mask[None], nodata=127), "a")
    assert np.array_equal(found.valid, mask != 127)
    assert np.array_equal(found.crack, CRACK & found.valid)
    probs = gray(0, 1, np.float32)
    probs[:20, :20] = np.nan
    found = read_mask(geotiff(probs[None], nodata=np.nan), "a")
    assert np.array_equal(found.crack, CRACK & ~np.isnan(probs))


@pytest.mark.parametrize(
    ("pixels", "ignored", "all_valid"),
    [
        (layer(), True, True),
        (two_colours_with_alpha(), False, False),
        (np.dstack([painted((0, 9, 0)), gray(0, 0)]), True, True),
        (painted((0, 9, 0)), False, True),
    ],
)
def test_alpha_tells_where_there_are_data_unless_it_is_the_mask(pixels, ignored, all_valid):
    mask = read_mask(encode(pixels), "a")
    assert mask.ignores_alpha is ignored
    assert (mask.valid is None) is all_valid
    assert all_valid or np.array_equal(mask.valid, pixels[..., 3] > 0)


def test_large_masks_are_read_without_a_warning_and_absurd_ones_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings(action="error"):
        assert read_mask(encode(gray(0, 1)), "a").crack.any()
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr("cssr.sources.masks.mask_values.MAX_PIXELS", 2399)
    for content in (encode(gray(0, 1)), tiff(gray(0, 1))):
        with pytest.raises(MaskError, match="60×40 px; 2,399 px are read at most"):
            read_mask(content, "a")


def test_a_mask_is_counted_and_cut_in_blocks(monkeypatch):
    monkeypatch.setattr("cssr.sources.masks.mask_files.BLOCK", 7 * 60)
    for name in ("0 and 1", "red", "alpha only", "colours and alpha", "palette of labels"):
        assert np.array_equal(read_mask(SAME[name], "a").crack, CRACK)


def test_the_size_of_a_mask_is_that_of_its_upright_pixels():
    assert mask_size(SAME["turned PNG"], "a") == (40, 60)
    assert mask_size(encode(LABELS), "a") == (40, 60)


def test_suffixes_of_all_formats_are_known():
    kinds = ("png", "jpg", "jpeg", "bmp", "tif", "tiff", "gif", "webp", "npy", "npz", "mat")
    assert set(MASK_SUFFIXES) == {f".{kind}" for kind in kinds}


def as_jpeg(pixels: np.ndarray, quality: int = 60) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_lines_in_a_jpeg_are_crack(quality, width):
    drawn = np.zeros((200, 300), np.uint8)
    cv2.line(drawn, (10, 20), (280, 170), 255, width)
    found = read_mask(as_jpeg(drawn, quality), "a.jpg").crack
    assert (found & (drawn > 0)).sum() > 0.9 * (drawn > 0).sum()


def test_a_photo_or_a_gray_value_in_a_jpeg_is_no_mask():
    photo = np.random.default_rng(0).integers(20, 240, (50, 75), np.uint8)
    photo = cv2.resize(photo, (300, 200))
    gray = np.zeros((200, 300), np.uint8)
    gray[50:60] = 150
    for pixels in photo, gray:
        with pytest.raises(MaskError, match="more than black, white and soft edges"):
            read_mask(as_jpeg(pixels), "a.jpg")


def test_labels_beside_255_are_no_soft_edges():
    labels = np.zeros((20, 30), np.uint8)
    labels[2, 2:12] = 255
    labels[5:8], labels[10:12], labels[15:17] = 1, 2, 3
    with pytest.raises(MaskError, match="it holds the values 0, 1, 2, 3 and 255"):
        read_mask(cv2.imencode(".png", labels)[1].tobytes(), "a.png")


def test_a_tiff_of_several_pages_is_refused():
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as out:
        for mask in CRACK, OTHER:
            out.write(mask.astype(np.uint8) * 255)
    with pytest.raises(MaskError, match="it has 2 pages; save the one"):
        read_mask(stream.getvalue(), "a.tif")
