"""JPEG files that libjpeg warns of: are pixels missing, or are only bytes too many or too few?

Cameras leave bytes between the parts of a file, or its last marker out; such photos are whole. GDAL
tells only the first warning of libjpeg, and a harmless one would hide that pixels are missing.
Therefore the coded data are decoded once more in pieces that have one warning at most.
"""

import logging
import re
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from cssr.sources.images.jpeg_parts import (
    EOI,
    PROGRESSIVE,
    SOI,
    JpegError,
    Parts,
    Scan,
    ends_in_filler,
    parts,
    segment,
)

OPTIONS = {
    "GDAL_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": True,  # progressive JPEGs of over 500 MB
    "GDAL_PAM_ENABLED": False,
}
ROWS = 256  # decoded at a time
SIDE = 65500  # greatest of a JPEG, px
GROUP = 4096  # MCUs that are decoded together
RESTART_MAX = 65535  # MCUs of a restart interval
STUFFED = b"\xff\0"  # a byte of 255 in coded data
TOLD = re.compile(r"libjpeg: (?:Corrupt JPEG data: )?(.+)")
FRAME = re.compile(rb"\xff[\xc2\xca]")  # of a progressive image, but also bytes of others
TOO_MANY = re.compile(r"(\d+) extraneous bytes before marker")


def jpeg_warning(source: Path | bytes) -> str | None:
    """What libjpeg warns of in a JPEG that has all of its pixels; None if of nothing.

    Args:
        source: the file or its content.

    Raises:
        JpegError: if pixels are missing.
    """
    warning = _first_warning(source)
    content = source.read_bytes() if isinstance(source, Path) else source
    is_progressive = FRAME.search(content) is not None
    if warning is None and not (ends_in_filler(content) or is_progressive):
        return None
    try:
        found = parts(content)  # an error if scans are missing, of which libjpeg says nothing
        if warning is None and not ends_in_filler(content):
            return None
        if found.kind in PROGRESSIVE:
            _check_scans(found)
        else:
            for scan in found.scans:
                _check_intervals(scan, list(scan.intervals), scan.units, found)
    except JpegError as error:
        raise JpegError(f"{error}; pixels are missing") from None
    return warning


def _first_warning(source: Path | bytes) -> str | None:
    """Read all coded data, up to the first warning of libjpeg."""
    try:
        for _ in _bands(source, reduced=True):
            pass
    except JpegError as error:
        told = TOLD.search(str(error)) or TOLD.search(_log(source))  # gray: in the log alone
        return told[1] if told else str(error)
    return None


def _log(source: Path | bytes) -> str:
    """What GDAL logs while it decodes all pixels in spite of warnings."""
    log = _Log(threading.get_ident())
    logging.getLogger("rasterio").addHandler(log)
    try:
        for _ in _bands(source, strict=False):
            pass
    except JpegError as error:
        log.lines.append(str(error))
    finally:
        logging.getLogger("rasterio").removeHandler(log)
    return "\n".join(log.lines)


class _Log(logging.Handler):
    """Keeps what one thread logs."""

    def __init__(self, thread: int) -> None:
        super().__init__()
        self.thread = thread
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if record.thread == self.thread:
            self.lines.append(record.getMessage())


def _pixels(content: bytes) -> np.ndarray | None:
    """All pixels, (bands, H, W); None if libjpeg warns of anything."""
    try:
        return np.concatenate(list(_bands(content)), axis=1)
    except JpegError:
        return None


def _bands(
    source: Path | bytes, *, strict: bool = True, reduced: bool = False
) -> Iterator[np.ndarray]:
    """Decode rows from top to bottom, (bands, rows, W) each.

    Args:
        source: the file or its content.
        strict: end at the first warning of libjpeg.
        reduced: decode fewer pixels, down to an eighth of the sides, from all coded data; faster.

    Raises:
        JpegError: at the first warning of libjpeg; if not strict, where it cannot go on.
    """
    import rasterio  # GDAL is slow to import, and trainings do without
    from rasterio.errors import NotGeoreferencedWarning, RasterioError
    from rasterio.io import MemoryFile
    from rasterio.windows import Window

    options = {**OPTIONS, "GDAL_ERROR_ON_LIBJPEG_WARNING": strict}
    # for good, since `catch_warnings` does not work in threads
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    with rasterio.Env(**options), ExitStack() as stack:
        try:
            if isinstance(source, bytes):
                source = stack.enter_context(MemoryFile(source)).name
            image = stack.enter_context(rasterio.open(source, driver="JPEG"))
            if reduced and (levels := image.overviews(1)):
                level = {"OVERVIEW_LEVEL": len(levels) - 1}
                image = stack.enter_context(rasterio.open(source, driver="JPEG", **level))
            for top in range(0, image.height, ROWS):
                yield image.read(window=Window(0, top, image.width, min(ROWS, image.height - top)))
        except RasterioError as error:
            raise JpegError(" ".join(str(error.__cause__ or error).split())) from None


def _check_intervals(scan: Scan, intervals: Sequence[bytes], units: int, of: Parts) -> None:
    """Raise an error unless restart intervals, of so many MCUs, give all of them."""
    if len(intervals) == 1:
        _check_interval(scan, intervals[0], units, of)
    elif units > GROUP or _first_warning(_image(scan, intervals, units, of)):
        half = len(intervals) // 2
        first = half * scan.restart
        _check_intervals(scan, intervals[:half], first, of)
        _check_intervals(scan, intervals[half:], units - first, of)


def _check_interval(scan: Scan, data: bytes, units: int, of: Parts) -> None:
    """Raise an error unless coded data give so many MCUs, and end before any bytes too many."""
    if units > RESTART_MAX:
        warning = _first_warning(_image(scan, [data], units, of))
    else:  # with the same data behind them, for libjpeg to look where they end
        twice = scan._replace(restart=units)
        warning = _first_warning(_image(twice, [data, data], 2 * units, of))
    if warning:
        _check_end(scan, data, _surplus(warning), units, of)


def _check_end(scan: Scan, data: bytes, surplus: int, units: int, of: Parts) -> None:
    """Raise an error unless coded data fill up their last byte with bits of 1, as they must.

    A decoder that has lost its way mostly comes to its last MCU at another place.
    """
    end = len(data) - surplus
    pixels = _pixels(_image(scan, [data[:end]], units, of))
    while end > 1 and _pixels(_image(scan, [data[: end - 1]], units, of)) is not None:
        end -= 1  # a stuffed byte may count as none
    if data[end - 2 : end] == STUFFED:
        return
    last = data[end - 1]
    filled = bytes([last | (last + 1) & 0xFF]).replace(b"\xff", STUFFED)  # its lowest bit of 0
    other = _pixels(_image(scan, [data[: end - 1] + filled], units, of))
    if other is not None and np.array_equal(other, pixels):
        raise JpegError(f"{surplus} bytes were not decoded")


def _check_scans(image: Parts) -> None:
    """Raise an error unless each scan of a progressive image decodes to its end."""
    head = SOI + segment(image.kind, image.frame)
    clean: list[bytes] = []
    for scan in image.scans:
        data = b"".join(_joined(scan.intervals))
        before = b"".join([head, *clean, scan.before, segment(0xDA, scan.header)])
        warning = _first_warning(before + data + EOI)
        if warning and "0xd9" not in warning:  # the end; others are restart markers
            raise JpegError(warning)
        if warning:
            data = data[: len(data) - _surplus(warning)]
        clean.append(scan.before + segment(0xDA, scan.header) + data)


def _surplus(warning: str) -> int:
    """Bytes of coded data that a decoder has left over; an error if it warns of something else."""
    match = TOO_MANY.search(warning)
    if match is None:
        raise JpegError(warning)
    return int(match[1])


def _image(scan: Scan, intervals: Sequence[bytes], units: int, of: Parts) -> bytes:
    """A JPEG of some restart intervals: their MCUs, in as many columns as there may be."""
    across, down = (8 * side for side in scan.unit)
    columns = next(n for n in range(min(units, SIDE // across), 0, -1) if units % n == 0)
    size = struct.pack(">HH", units // columns * down, columns * across)
    frame = of.frame[:1] + size + bytes([len(scan.components)]) + b"".join(scan.components)
    header = scan.header[:-3] + b"\x00\x3f\x00"  # all coefficients
    restart = segment(0xDD, struct.pack(">H", scan.restart))
    start = [SOI, scan.before, segment(of.kind, frame), restart, segment(0xDA, header)]
    return b"".join([*start, *_joined(intervals), EOI])


def _joined(intervals: Sequence[bytes]) -> list[bytes]:
    """Restart intervals with markers between them."""
    joined = [intervals[0]]
    for k, interval in enumerate(intervals[1:]):
        joined += [bytes([0xFF, 0xD0 + k % 8]), interval]
    return joined
