"""Find the crack images of a folder or a zip, check them, and copy them.

A data set is `{train,test}/{images,masks}/NAME.jpg` (or .jpeg, .png), at the top of the folder or
zip or in one of its folders. An image and its mask have the same NAME.
"""

import hashlib
import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from cssr.masks import CRACK
from cssr.sources.jpeg import jpeg_warning
from cssr.sources.jpeg_parts import EOI, SOI, without_strays

SPLITS = ("train", "test")
KINDS = ("images", "masks")
SUFFIXES = (".jpg", ".jpeg", ".png")
FORMATS = ("JPEG", "PNG")
SHOWN = 10  # files that a message names
MAX_MEMBER = 64 * 2**20  # bytes of one file in a zip, unpacked
MAX_ARCHIVE = 64 * 2**30  # bytes of all of them

_MEMBER = re.compile(
    r"(?:(?P<root>.*)/)?(?P<path>(?P<split>train|test)/(?P<kind>images|masks)/[^/]+)"
)
_UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class DataError(ValueError):
    """A data set is missing, cannot be downloaded, or breaks a rule."""


class _File(NamedTuple):
    """A file: its path below the source or, once found, below the data set; and its content."""

    path: str
    read: Callable[[], bytes]


class _Copied(NamedTuple):
    """What became of a pair."""

    problem: str | None = None  # why it is not usable
    holds_crack: bool = False
    warnings: Sequence[str] = ()  # of libjpeg, by which no pixel is lost


_Pair = dict[str, list[_File]]  # the files of one NAME by kind; one image and one mask if valid
_Pairs = dict[tuple[str, str], _Pair]  # by split and NAME


def locate(path: str, root: Path) -> Path:
    """Path of an existing folder or zip; a relative one is below `root`, the repository's root.

    Raises:
        DataError: if there is no such folder or zip.
    """
    found = root / Path(path).expanduser()
    if not found.exists():
        raise DataError(
            f"{path}: no such folder or zip (looked for {found.resolve()}; "
            f"a relative path is taken from the repository's root)"
        )
    return found


def fingerprint(source: Path) -> str:
    """SHA-256 over a zip's bytes, or over the names and contents of a folder's files."""
    if not source.is_dir():
        return _digest(source)
    files = sorted(file for file in source.rglob("*") if file.is_file())
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_digest, files))
    combined = hashlib.sha256()
    for file, digest in zip(files, digests, strict=True):
        name = os.fsencode(file.relative_to(source).as_posix())  # a name need not be UTF-8
        combined.update(name + f"\0{digest}\n".encode())
    return combined.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def import_images(sources: Sequence[Path], folder: Path, *, image_size: int) -> None:
    """Check the pairs of one or more sources and copy them, byte for byte, into one data set.

    A JPEG without an end marker, but with all pixels, gets one. Those that decode with a warning
    are told.

    Args:
        sources: folders and zips, each with one data set; they are only read.
        folder: where `{train,test}/{images,masks}/` are made.
        image_size: side that every image and mask must have, px.

    Raises:
        DataError: if a source holds no data set or several; if names differ only by case, have
            line breaks or are not UTF-8; if members of a zip lead out of it or are larger than
            64 MiB (64 GiB together); if images are not usable, with the first ten and their
            number; if there is no training or no test image, or no crack in any mask.
    """
    with ExitStack() as stack:
        pairs = _collect((source, _list_files(source, stack)) for source in sources)
        for split in SPLITS:
            for kind in KINDS:
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor() as pool:
            copy = partial(_copy_pair, folder=folder, image_size=image_size)
            results = list(pool.map(copy, pairs.values()))
    where = ", ".join(map(str, sources))
    problems = [result.problem for result in results if result.problem]
    _refuse(problems, len(pairs), where, "images are not usable")
    for split in SPLITS:
        if split not in {key[0] for key in pairs}:
            raise DataError(f"{where}: there is no {split} image in {split}/images/")
    if not any(result.holds_crack for result in results):
        raise DataError(f"{where}: no mask holds crack, that is a value from {CRACK} to 255")
    _tell([warning for result in results for warning in result.warnings])


def _tell(warnings: Sequence[str]) -> None:
    """Tell of files that were decoded with a warning, and name the first of them."""
    if warnings:
        more = f", … and {len(warnings) - SHOWN:,} more" if len(warnings) > SHOWN else ""
        named = f"{', '.join(warnings[:SHOWN])}{more}"
        print(f"note: decoded with a warning, but all pixels are there: {named}", flush=True)


def _refuse(problems: list[str], total: int, where: str, what: str) -> None:
    """Raise an error with the number of problems and the first of them, if there are any."""
    if problems:
        more = f", … and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
        raise DataError(
            f"{where}: {len(problems):,} of {total:,} {what}: {', '.join(problems[:SHOWN])}{more}"
        )


def _list_files(source: Path, stack: ExitStack) -> list[_File]:
    """All files of a folder or zip; the stack closes the zip."""
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.is_file())
        return [_File(file.relative_to(source).as_posix(), file.read_bytes) for file in files]
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # a name not UTF-8
        raise DataError(f"{source}: neither a folder nor a readable zip ({error})") from None
    members = archive.infolist()
    outside = [info.filename for info in members if _leads_out(info)]
    _refuse(outside, len(members), str(source), "members lead out of the zip")
    large = [info.filename for info in members if info.file_size > MAX_MEMBER]
    _refuse(large, len(members), str(source), f"members are larger than {MAX_MEMBER:,} bytes")
    total = sum(info.file_size for info in members)
    if total > MAX_ARCHIVE:
        raise DataError(f"{source}: {total:,} bytes unpacked, more than {MAX_ARCHIVE:,}")
    return [_File(info.filename, partial(archive.read, info)) for info in members]


def _leads_out(info: zipfile.ZipInfo) -> bool:
    # read as on Windows, which takes both slashes and drive letters
    path = PureWindowsPath(info.filename)
    return bool(path.anchor) or ".." in path.parts or stat.S_ISLNK(info.external_attr >> 16)


def _collect(sources: Iterable[tuple[Path, list[_File]]]) -> _Pairs:
    """The pairs of all sources by split and NAME, sorted."""
    pairs: _Pairs = {}
    for source, files in sources:
        _check_names(source, [file.path for file in files])
        roots = set()
        for file in files:
            match = _MEMBER.fullmatch(file.path)
            path = PurePosixPath(file.path)
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if match is None or hidden or path.suffix.lower() not in SUFFIXES:
                continue
            roots.add(match["root"] or ".")
            pair = pairs.setdefault((match["split"], path.stem), {kind: [] for kind in KINDS})
            pair[match["kind"]].append(_File(match["path"], file.read))
        _check_one_root(source, sorted(roots))
        _check_case(source, pairs)
    return dict(sorted(pairs.items()))


def _check_names(source: Path, names: list[str]) -> None:
    """Refuse names that are not one line of UTF-8, as names.txt needs them."""
    strange = [
        ascii(name)
        for name in names
        if len(name.splitlines()) > 1 or name != name.encode(errors="ignore").decode()
    ]
    _refuse(strange, len(names), str(source), "names hold line breaks or are not UTF-8")


def _check_one_root(source: Path, roots: list[str]) -> None:
    if not roots:
        raise DataError(
            f"{source}: no images found; looked for {{train,test}}/{{images,masks}}/NAME.jpg, "
            f".jpeg or .png, at its top and in its folders"
        )
    if len(roots) > 1:
        raise DataError(f"{source}: more than one data set, in {', '.join(roots[:SHOWN])}")


def _check_case(source: Path, pairs: _Pairs) -> None:
    """Refuse names that would be the same file on a disk that ignores case."""
    seen: dict[tuple[str, str], str] = {}
    same = []
    for split, name in sorted(pairs):
        other = seen.setdefault((split, name.casefold()), name)
        if other != name:
            same.append(f"{split}: {name} and {other}")
    _refuse(same, len(pairs), str(source), "names differ only by case")


def _copy_pair(pair: _Pair, *, folder: Path, image_size: int) -> _Copied:
    """Copy a pair, if it is usable."""
    try:
        image, mask = (_only_file(pair, kind) for kind in KINDS)
        image_bytes, _, image_warning = _read_image(image, image_size)
        mask_bytes, mask_pixels, mask_warning = _read_image(mask, image_size)
    except DataError as error:
        return _Copied(problem=str(error))
    (folder / image.path).write_bytes(image_bytes)
    (folder / mask.path).write_bytes(mask_bytes)
    told = {image.path: image_warning, mask.path: mask_warning}
    return _Copied(
        holds_crack=bool((mask_pixels >= CRACK).any()),
        warnings=[f"{path} ({warning})" for path, warning in told.items() if warning],
    )


def _only_file(pair: _Pair, kind: str) -> _File:
    """The one image, or the one mask, of a pair."""
    files = pair[kind]
    if len(files) == 1:
        return files[0]
    if files:
        raise DataError(f"{files[1].path} (the same name as {files[0].path})")
    other = next(file for each in KINDS for file in pair[each])
    raise DataError(f"{other.path} (no {kind.removesuffix('s')})")


def _read_image(file: _File, image_size: int) -> tuple[bytes, np.ndarray, str | None]:
    """Content and gray values (H, W) of a file that can be decoded, whole, to the right size.

    And what libjpeg warns of, where no pixel is lost by it.
    """
    try:
        content = file.read()
    except _UNREADABLE as error:
        raise DataError(f"{file.path} (cannot be read: {error})") from None
    warning = None
    try:
        # the size is read first, and truncated files are refused; OpenCV fills them up with gray
        whole = without_strays(content) if content.startswith(SOI) else content
        with Image.open(io.BytesIO(whole), formats=FORMATS) as image:
            if image.size != (image_size, image_size):
                found = "×".join(map(str, image.size))
                raise DataError(f"{file.path} ({found} px, not {image_size}×{image_size})")
            if content.startswith(SOI):
                warning = jpeg_warning(content)
            else:
                image.load()
        pixels = _gray(content)
        if pixels is None:
            content += EOI  # without an end marker, OpenCV refuses the JPEG
            pixels = _gray(content)
    except DataError:
        raise
    except (*_UNREADABLE, SyntaxError, ValueError, cv2.error, Image.DecompressionBombError):
        pixels = None
    if pixels is None:
        raise DataError(f"{file.path} (not a readable image)")
    return content, pixels, warning


def _gray(content: bytes) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
