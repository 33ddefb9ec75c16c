"""The parts of a JPEG file, found as libjpeg finds them: stray bytes between them do not count."""

import re
from collections.abc import Sequence
from typing import NamedTuple

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SEQUENTIAL = (0xC0, 0xC1, 0xC9)  # kinds of frame: baseline, extended, arithmetic
PROGRESSIVE = (0xC2, 0xCA)
TABLES = (0xC4, 0xCC, 0xDB)  # of Huffman codes, of arithmetic coding, of quantisation
ALONE = (0x01, *range(0xD0, 0xD8))  # markers that no segment follows
COEFFICIENTS = 64  # of a block
FILLER = 16  # bytes of one value at the end of a file that are no coded data
MARKER = re.compile(rb"\xff+([^\x00\xff])")
RESTART = re.compile(rb"\xff+([\xd0-\xd7])")


class JpegError(ValueError):
    """A JPEG file that does not hold all of its pixels."""


class Scan(NamedTuple):
    """Coded data, and what it takes to decode them."""

    before: bytes  # the segments of tables that stand before it, in the whole file if sequential
    header: bytes  # content of its segment
    restart: int  # MCUs of a restart interval; 0 if there are none
    intervals: Sequence[bytes]
    components: Sequence[bytes]  # as the frame describes them, 3 bytes each
    unit: tuple[int, int]  # blocks of an MCU, across and down
    units: int  # MCUs


class Parts(NamedTuple):
    """The parts of a file up to where all pixels are there."""

    kind: int  # marker of the frame
    frame: bytes  # content of its segment
    scans: Sequence[Scan]


def parts(content: bytes) -> Parts:
    """Find the parts of a JPEG file.

    Raises:
        JpegError: if there are not all that it needs.
    """
    kind, frame, tables, restart = 0, b"", b"", 0
    scans: list[Scan] = []
    at = 2
    while match := MARKER.search(content, at):
        marker, at = match[1][0], match.end()
        if marker == EOI[1]:
            break
        if marker in ALONE:
            continue
        stop = at + int.from_bytes(content[at : at + 2], "big")
        body = content[at + 2 : stop]
        if stop > len(content):
            break
        at = stop
        if marker in (*SEQUENTIAL, *PROGRESSIVE):
            kind, frame = marker, body
        elif marker in TABLES:
            tables += segment(marker, body)
        elif marker == 0xDD:
            restart = int.from_bytes(body[:2], "big")
            tables += segment(marker, body)
        elif marker == 0xDA:
            if len(frame) < 9 or len(body) < 6 or len(body) < 4 + 2 * body[0]:
                raise JpegError("damaged header")
            data, at = _coded_data(content, at)
            scans.append(_scan(kind, frame, tables, body, restart, data))
            tables = b"" if kind in PROGRESSIVE else tables
            if _is_whole(kind, frame, scans):
                return Parts(kind, frame, scans)
    raise JpegError("premature end of JPEG file")


def without_strays(content: bytes) -> bytes:
    """A JPEG file without bytes that belong to no segment before its first scan, and with an end.

    Pillow refuses files with such bytes or without an end marker; libjpeg does not.
    """
    clean, at = [SOI], 2
    while (match := MARKER.search(content, at)) and match[1][0] not in (0xDA, EOI[1]):
        marker, at = match[1][0], match.end()
        if marker not in ALONE:
            stop = at + int.from_bytes(content[at : at + 2], "big")
            clean.append(segment(marker, content[at + 2 : stop]))
            at = stop
    return b"".join([*clean, content[match.start() :] if match else b"", EOI])


def ends_in_filler(content: bytes) -> bool:
    """Whether the last bytes have one value, as where a file was not written to its end."""
    return len(content) > FILLER and len(set(content[-FILLER:])) == 1


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG file."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _coded_data(content: bytes, start: int) -> tuple[bytes, int]:
    """The coded data from a place on, with their restart markers, and where they end."""
    for match in MARKER.finditer(content, start):
        if not RESTART.match(match[0]):
            return content[start : match.start()], match.start()
    data = content[start:].rstrip(b"\xff")
    if ends_in_filler(data):  # the file was not written to its end
        data = data.rstrip(data[-1:]) + 2 * data[-1:]  # which may be coded data
    return data, len(content)


def _scan(kind: int, frame: bytes, tables: bytes, header: bytes, restart: int, data: bytes) -> Scan:
    pieces = RESTART.split(data)
    intervals, numbers = pieces[::2], [mark[0] & 7 for mark in pieces[1::2]]
    wanted = set(header[1 : 1 + 2 * header[0] : 2])
    everyone = _components(frame)
    components = [each for each in everyone if each[0] in wanted]
    if not components or not all(each[1] >> 4 and each[1] & 15 for each in everyone):
        raise JpegError("damaged header")
    greatest = _sampling(everyone)
    height, width = (int.from_bytes(frame[k : k + 2], "big") for k in (1, 3))
    if len(components) == 1:  # one block each, as many as the component has
        (own,) = components
        across, down = own[1] >> 4, own[1] & 15
        width, height = -(-width * across // greatest[0]), -(-height * down // greatest[1])
        components, unit = [own[:1] + b"\x11" + own[2:]], (1, 1)
    else:
        unit = greatest
    units = -(-width // (8 * unit[0])) * -(-height // (8 * unit[1]))
    count = -(-units // restart) if restart else 1
    if (
        units == 0
        or len(intervals) < count
        or numbers[: count - 1] != [k % 8 for k in range(count - 1)]
    ):
        raise JpegError("restart markers are missing")
    if kind not in PROGRESSIVE:
        intervals = intervals[:count]  # some write a marker after the last one
    return Scan(tables, header, restart, intervals, components, unit, units)


def _components(frame: bytes) -> list[bytes]:
    return [frame[k : k + 3] for k in range(6, min(6 + 3 * frame[5], len(frame) - 2), 3)]


def _sampling(components: Sequence[bytes]) -> tuple[int, int]:
    """Greatest sampling factors of components, across and down."""
    return max(each[1] >> 4 for each in components), max(each[1] & 15 for each in components)


def _is_whole(kind: int, frame: bytes, scans: Sequence[Scan]) -> bool:
    """Whether scans hold each component and, if progressive, each bit of its coefficients."""
    whole = set()
    for scan in scans:
        first, last, bits = scan.header[-3:]
        span = range(first, last + 1) if kind in PROGRESSIVE else range(COEFFICIENTS)
        if kind in SEQUENTIAL or bits & 15 == 0:
            whole |= {(each[0], k) for each in scan.components for k in span}
    return len(whole) == COEFFICIENTS * len(_components(frame))
