"""Kinds of files: photos that are read, images that are not, and what is no image at all."""

from collections.abc import Iterable
from importlib.util import find_spec

READ = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".bmp", ".webp", ".avif")
HEIF = (".heic", ".heif", ".hif")
MASKS_ALONE = (".gif", ".npy", ".npz", ".mat")  # of masks, but not of photos
RAW = (
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2"),
    *(".raf", ".pef", ".srw", ".rwl", ".3fr", ".fff", ".iiq", ".x3f", ".mrw", ".erf", ".mef"),
    *(".mos", ".dcr", ".kdc", ".gpr", ".raw"),
)
OTHER = (
    *(".gif", ".jp2", ".j2k", ".jpx", ".jxl", ".jxr", ".psd", ".psb", ".exr", ".hdr", ".tga"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".svg", ".ecw", ".sid", ".img", ".insp", ".rjpeg"),
    *(".pdf", ".mp4", ".mov", ".avi", ".mkv", ".m4v", ".mts", ".3gp", ".webm", ".insv"),
)
TO_READ_HEIC = "the extra cssr[heic] reads HEIC"
TO_READ_RAW = "raw files need developing to TIFF or JPEG, as by darktable"

# how raw files begin that are no TIFFs of their own accord
RAW_STARTS = {
    b"IIU\0": "RW2",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"FUJIFILM": "RAF",
    b"FOVb": "X3F",
    b"\0MRM": "MRW",
    b"II\x1a\0\0\0HEAP": "CRW",
}


def photo_suffixes() -> tuple[str, ...]:
    """Suffixes of the photos that can be read here, in small letters."""
    return READ + HEIF if find_spec("pillow_heif") else READ


def left_out_kind(suffix: str) -> str | None:
    """How an image that is not read is called; None for a photo, and for what is no image."""
    known = suffix in (*HEIF, *RAW, *OTHER) and suffix not in photo_suffixes()
    return suffix[1:].upper() if known else None


def ways_in(kinds: Iterable[str]) -> list[str]:
    """How images of these kinds can be read nevertheless."""
    suffixes = {f".{kind.lower()}" for kind in kinds}
    ways = {TO_READ_HEIC: HEIF, TO_READ_RAW: RAW}
    return [way for way, those in ways.items() if suffixes & set(those)]


def raw_kind(start: bytes) -> str | None:
    """The kind of raw file that begins so; None for others, and for those that are plain TIFFs."""
    if start[8:10] == b"CR" and start[:2] in (b"II", b"MM"):
        return "CR2"
    if start[4:12] == b"ftypcrx ":
        return "CR3"
    return next((kind for begin, kind in RAW_STARTS.items() if start.startswith(begin)), None)


def heif_kind(start: bytes) -> str | None:
    """Whether a file that begins so is an `AVIF` or a `HEIC` (of any codec); None if neither."""
    if start[4:8] != b"ftyp":
        return None
    brands = {start[8:12], *(start[k : k + 4] for k in range(16, min(start[3], len(start)), 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    heic = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
    return "HEIC" if brands & heic else None


def register_heif() -> bool:
    """Let Pillow open HEIC; False if the library for it is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
