import contextlib
import io
import re

import numpy as np
import pytest
from PIL import Image

from cssr.sources.images.jpeg import jpeg_warning
from cssr.sources.images.jpeg_parts import EOI, JpegError, without_strays

PIXELS = np.random.default_rng(0).integers(60, 200, (90, 120, 3), np.uint8)
KINDS = {
    "baseline": {},
    "gray": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
    "coarse colours": {"subsampling": 2},
    "progressive": {"progressive": True},
    "restart": {"restart_marker_rows": 1},
    "short restart": {"restart_marker_blocks": 7},
    "progressive restart": {"progressive": True, "restart_marker_rows": 1},
}
RESTART = re.compile(rb"\xff[\xd0-\xd7]")


def encode(mode: str = "RGB", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def after_start(content: bytes) -> tuple[bytes, bytes]:
    """Parts before and after the place behind the first segment."""
    stop = 4 + int.from_bytes(content[4:6], "big")
    return content[:stop], content[stop:]


def with_strays(content: bytes, stray: bytes) -> bytes:
    """Stray bytes before each restart marker."""
    scan = content.index(b"\xff\xda")
    return content[:scan] + RESTART.sub(lambda mark: stray + mark[0], content[scan:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_has_no_warning(kind):
    assert jpeg_warning(encode(**KINDS[kind])) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [1, 2])
def test_a_file_without_its_end_marker_has_all_pixels(kind, cut):
    warning = jpeg_warning(encode(**KINDS[kind])[:-cut])
    assert kind == "gray" or "Premature end" in warning  # of which GDAL does not look for it


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.999, 0.9, 0.6])
def test_a_file_that_is_cut_off_misses_pixels(kind, share):
    whole = encode(**KINDS[kind])
    with pytest.raises(JpegError, match="pixels are missing"):
        jpeg_warning(whole[: int((len(whole) - 4) * share)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stray", [b"\0", b"\xff\0", b"abc", bytes(40)])
def test_stray_bytes_between_segments_are_harmless(kind, stray):
    first, rest = after_start(encode(**KINDS[kind]))
    assert "extraneous bytes" in jpeg_warning(first + stray + rest)


@pytest.mark.parametrize("kind", KINDS)
def test_stray_bytes_do_not_hide_that_pixels_are_missing(kind):
    first, rest = after_start(encode(**KINDS[kind]))
    with pytest.raises(JpegError):
        jpeg_warning(first + b"\0" + rest[: len(rest) * 2 // 3])


@pytest.mark.parametrize("kind", ["restart", "short restart"])
@pytest.mark.parametrize("stray", [b"\0", b"\xff\0", bytes(range(1, 13)), b"\xff\0\1\2"])
def test_stray_bytes_before_restart_markers_are_harmless(kind, stray):
    assert "extraneous bytes" in jpeg_warning(with_strays(encode(**KINDS[kind]), stray))


@pytest.mark.parametrize("kind", ["restart", "short restart"])
def test_a_cut_behind_stray_bytes_before_restart_markers_is_seen(kind):
    content = with_strays(encode(**KINDS[kind]), b"\1\2\3")
    with pytest.raises(JpegError):
        jpeg_warning(content[: len(content) * 2 // 3])
    with pytest.raises(JpegError):
        jpeg_warning(content[: len(content) - 40] + EOI)


def test_a_missing_restart_interval_is_seen():
    content = with_strays(encode(restart_marker_rows=1), b"\1")
    marks = list(RESTART.finditer(content))
    with pytest.raises(JpegError):
        jpeg_warning(content[: marks[1].start()] + content[marks[2].start() :])


def test_data_that_libjpeg_loses_its_way_in_are_seen():
    content = bytearray(encode(restart_marker_rows=1))
    at = content.index(b"\xff\xda") + 200
    content[at : at + 40] = bytes(40)
    with pytest.raises(JpegError):
        jpeg_warning(bytes(content))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behind", [b"abcd", bytes(100)])
def test_what_stands_behind_the_end_does_not_matter(kind, behind):
    assert jpeg_warning(encode(**KINDS[kind]) + behind) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
def test_a_file_that_was_not_written_to_its_end_is_seen(kind, filler):
    whole = encode(**KINDS[kind])
    half = len(whole) // 2
    with pytest.raises(JpegError):
        jpeg_warning(whole[:half] + filler * (len(whole) - half))


def test_any_damage_of_the_header_is_a_warning_or_an_error():
    rng = np.random.default_rng(0)
    for kind in ("baseline", "progressive", "restart"):
        whole = encode(**KINDS[kind])
        for _ in range(60):
            content = bytearray(whole)
            content[int(rng.integers(2, 700))] = int(rng.integers(256))
            with contextlib.suppress(JpegError):
                jpeg_warning(bytes(content))


def test_pillow_reads_what_is_left_without_strays():
    first, rest = after_start(encode())
    clean = without_strays(first + b"abc\xff\0" + rest[:-2])
    with Image.open(io.BytesIO(clean)) as image, Image.open(io.BytesIO(encode())) as expected:
        assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_a_progressive_file_without_its_last_scans_is_refused():
    content = encode(progressive=True)
    scans = [match.start() for match in re.finditer(rb"\xff\xda", content)]
    assert jpeg_warning(content) is None
    with pytest.raises(JpegError, match="pixels are missing"):
        jpeg_warning(content[: scans[3]] + EOI)
