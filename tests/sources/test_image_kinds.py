"""Every kind of image file on its way from the source to the arrays: its pixels, or its name."""

import io
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cssr.data.arrays import load_arrays
from cssr.preparation.array_files import find_pairs, write_arrays
from cssr.sources.layout import import_images
from cssr.sources.listing import DataError

SIDE = 64
CORNER = (slice(8), slice(8))


@pytest.fixture
def pixels() -> np.ndarray:
    """RGB, smooth, with a bright red corner that shows how the image lies."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(40, 200, (4, 4, 3), np.uint8), (SIDE, SIDE))
    image[CORNER] = (250, 20, 20)
    return image


@pytest.fixture
def source(tmp_path, pixels) -> Path:
    """One pair in each split."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[30:33] = 255
    for split in ("train", "test"):
        for kind, content in (("images", pixels), ("masks", mask)):
            (tmp_path / "source" / split / kind).mkdir(parents=True)
            Image.fromarray(content).save(tmp_path / "source" / split / kind / "a.png")
    return tmp_path / "source"


def replace(source: Path, content: bytes, suffix: str, kind: str = "images") -> None:
    (source / "train" / kind / "a.png").unlink()
    (source / "train" / kind / f"a{suffix}").write_bytes(content)


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def arrays_of(source: Path):
    """What the networks are given of the training image."""
    raw, out = source.parent / "raw", source.parent / "arrays"
    import_images([source], raw, image_size=SIDE)
    out.mkdir()
    names = [file.name for file in (raw / "train/images").iterdir()]
    write_arrays(out, find_pairs(raw / "train", names), size=SIDE, scale=4)
    return load_arrays(out)


def check(source: Path, expected: np.ndarray, tolerance: int) -> None:
    found = arrays_of(source).hr[0].astype(int)
    assert np.abs(found - expected).mean() <= tolerance
    assert np.abs(found[2:6, 2:6] - expected[2:6, 2:6]).max() <= 20


def rgba(pixels: np.ndarray) -> Image.Image:
    alpha = np.full((SIDE, SIDE, 1), 100, np.uint8)
    return Image.fromarray(np.concatenate([pixels, alpha], axis=2))


def png_of_16_bits(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1].astype(np.uint16) * 257)[1].tobytes()


KINDS = {
    "16 bits per channel": (png_of_16_bits, ".png", 1),
    "RGBA": (lambda p: encode(rgba(p), "PNG"), ".png", 0),
    "palette": (lambda p: encode(Image.fromarray(p).quantize(256), "PNG"), ".png", 6),
    "CMYK": (lambda p: encode(Image.fromarray(p).convert("CMYK"), "JPEG", quality=95), ".jpg", 4),
    "progressive": (lambda p: encode(Image.fromarray(p), "JPEG", progressive=True), ".jpg", 4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_of_a_kind_are_those_of_the_image(source, pixels, kind, tried):
    make, suffix, tolerance = KINDS[kind]
    replace(source, make(pixels), suffix)
    check(source, pixels.astype(int), tolerance)
    tried(f"image with {kind}", 1, "its pixels")


def test_a_gray_image_has_three_equal_channels(source, pixels, tried):
    gray = Image.fromarray(pixels).convert("L")
    replace(source, encode(gray, "PNG"), ".png")
    check(source, np.repeat(np.array(gray, int)[..., None], 3, axis=2), 0)
    tried("image with gray values", 1, "its pixels")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_is_turned_as_exif_says(source, pixels, orientation, tried):
    image = Image.fromarray(pixels)
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    replace(source, encode(image, "JPEG", quality=95, exif=exif), ".jpg")
    found = arrays_of(source).hr[0].astype(int)
    assert np.abs(found - np.array(image.transpose(turned), int)).mean() <= 4
    tried(f"image with EXIF orientation {orientation}", 1, "turned")


MASKS = {
    "16 bits": lambda m: cv2.imencode(".png", m.astype(np.uint16) * 257)[1].tobytes(),
    "RGBA": lambda m: encode(rgba(np.repeat(m[..., None], 3, axis=2)), "PNG"),
    "palette": lambda m: encode(Image.fromarray(m).convert("P"), "PNG"),
    "one bit": lambda m: encode(Image.fromarray(m).convert("1"), "PNG"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_of_any_kind_holds_its_crack(source, kind, tried):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:13, 5:50] = 255
    replace(source, MASKS[kind](mask), ".png", "masks")
    assert np.array_equal(arrays_of(source).mask[0], mask // 255)
    tried(f"mask with {kind}", 1, "its crack")


def bomb(side: int) -> bytes:
    """A PNG of some hundred bytes that claims side × side px."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [65, 9_000, 60_000])
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_decompression_bomb_is_refused_by_its_name(source, side, kind, tried):
    replace(source, bomb(side), ".png", kind)
    with pytest.raises(DataError, match=rf"train/{kind}/a.png \((\d+×\d+ px|not a readable)"):
        import_images([source], source.parent / "raw", image_size=SIDE)
    tried(f"PNG of {side:,}² px in {len(bomb(side)):,} bytes", 1, "refused")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_truncated_image_is_refused_wherever_it_is_cut(source, pixels, form, tried):
    suffix = {"JPEG": ".jpg", "PNG": ".png"}[form]
    whole = encode(Image.fromarray(pixels), form)
    cuts = [len(whole) * k // 20 for k in range(20)] + [len(whole) - 16]
    (source / "train/images/a.png").unlink()
    for cut in cuts:
        (source / f"train/images/a{suffix}").write_bytes(whole[:cut])
        with pytest.raises(DataError, match=rf"train/images/a{suffix} \(not a readable image\)"):
            import_images([source], source.parent / "raw", image_size=SIDE)
    tried(f"truncated {form}", len(cuts), "refused")


def with_strays(content: bytes) -> bytes:
    stop = 4 + int.from_bytes(content[4:6], "big")
    return content[:stop] + b"abc" + content[stop:]


def with_strays_before_restarts(content: bytes) -> bytes:
    scan = content.index(b"\xff\xda")
    return content[:scan] + re.sub(
        rb"\xff[\xd0-\xd7]", lambda mark: b"ab" + mark[0], content[scan:]
    )


WARNED = {
    "no end marker": lambda content: content[:-2],
    "stray bytes between segments": with_strays,
    "stray bytes before restart markers": with_strays_before_restarts,
}


@pytest.mark.parametrize("fault", WARNED)
def test_a_jpeg_of_which_only_warnings_are_told_is_read_as_the_same_without(
    source, pixels, fault, tried, capsys
):
    whole = encode(Image.fromarray(pixels), "JPEG", quality=95, restart_marker_rows=1)
    replace(source, WARNED[fault](whole), ".jpg")
    expected = np.asarray(Image.open(io.BytesIO(whole)), int)
    assert np.abs(arrays_of(source).hr[0].astype(int) - expected).max() <= 1
    out = capsys.readouterr().out
    assert out.startswith("note: decoded with a warning, its pixels seem whole: train/images/a")
    tried(f"JPEG with {fault}", 1, "its pixels, and a note")


def test_a_gray_mask_without_an_end_marker_is_read(source):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[16:32] = 255
    replace(source, encode(Image.fromarray(mask), "JPEG", quality=95)[:-2], ".jpg", "masks")
    assert np.array_equal(arrays_of(source).mask[0], mask // 255)


def test_a_jpeg_that_misses_pixels_behind_stray_bytes_is_refused(source, pixels, tried):
    whole = with_strays(encode(Image.fromarray(pixels), "JPEG", quality=95))
    replace(source, whole[: len(whole) * 2 // 3], ".jpg")
    with pytest.raises(DataError, match=r"train/images/a.jpg \(not a readable image\)"):
        import_images([source], source.parent / "raw", image_size=SIDE)
    tried("JPEG with stray bytes, and truncated", 1, "refused")


def test_another_format_under_a_photos_name_is_refused(source, pixels, tried):
    replace(source, encode(Image.fromarray(pixels), "GIF"), ".jpg")
    with pytest.raises(DataError, match=r"train/images/a.jpg \(not a readable image\)"):
        import_images([source], source.parent / "raw", image_size=SIDE)
    tried("GIF named .jpg", 1, "refused")


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
@pytest.mark.parametrize("form", ["BMP", "TIFF", "WEBP"])
def test_the_content_tells_the_format(source, pixels, form, suffix, tried):
    lossless = {"lossless": True} if form == "WEBP" else {}
    replace(source, encode(Image.fromarray(pixels), form, **lossless), suffix)
    assert np.array_equal(arrays_of(source).hr[0], pixels)
    tried(f"{form} named {suffix}", 1, "its pixels")


def test_a_pickle_among_the_arrays_is_not_loaded(tmp_path, source, tried):
    arrays_of(source)
    np.save(source.parent / "arrays/phi.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        load_arrays(source.parent / "arrays")
    tried("pickle in an array file", 1, "refused")
