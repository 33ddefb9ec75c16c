"""The files of a folder or zip that somebody brings."""

import hashlib
import lzma
import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import NamedTuple, TypeVar

MAX_MEMBER = 64 * 2**20  # bytes of one file in a zip, unpacked
MAX_ARCHIVE = 64 * 2**30  # bytes of all of them
SHOWN = 10  # files that a message names
LINK_BYTES = 500  # of a text that was a link
UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


T = TypeVar("T")


class DataError(ValueError):
    """A data set is missing, cannot be downloaded, or breaks a rule."""


class File(NamedTuple):
    """A file of a folder or zip."""

    path: str  # below it, with slashes
    read: Callable[[], bytes]


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
    files = sorted(_files_below(source))
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_digest, files))
    combined = hashlib.sha256()
    for file, digest in zip(files, digests, strict=True):
        name = os.fsencode(file.relative_to(source).as_posix())  # a name need not be UTF-8
        combined.update(name + f"\0{digest}\n".encode())
    return combined.hexdigest()


def list_files(source: Path, stack: ExitStack) -> list[File]:
    """The files of a folder, through links too, or of a zip; without hidden ones.

    Args:
        source: the folder or zip.
        stack: closes the zip.

    Raises:
        DataError: if it is neither; if members of a zip lead out of it or are larger than 64 MiB
            (64 GiB together); if names have line breaks or are not UTF-8.
    """
    files = _in_folder(source) if source.is_dir() else _in_zip(source, stack)
    strange = [ascii(file.path) for file in files if not _is_one_line(file.path)]
    refuse(strange, len(files), str(source), "names hold line breaks or are not UTF-8")
    return [file for file in files if not _is_hidden(file.path)]


def read_file(file: File, read: Callable[[bytes], T]) -> T:
    """Read a file.

    Raises:
        DataError: with its path, if that is not possible or `read` raises a ValueError.
    """
    try:
        return read(file.read())
    except UNREADABLE as error:
        raise DataError(f"{file.path} (cannot be read: {error})") from None
    except ValueError as error:  # what is wrong with its content
        raise DataError(f"{file.path} ({error})") from None


def refuse(problems: Sequence[str], total: int, where: str, what: str, *, hint: str = "") -> None:
    """Raise an error with the number of problems and the first of them, if there are any."""
    if problems:
        count = f"{len(problems):,} of {total:,}"
        raise DataError(f"{where}: {count} {what}: {first_of(problems)}{hint}")


def first_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f", … and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def composed(name: str) -> str:
    """A name whose letters with accents are one character each; on a Mac they are two."""
    return unicodedata.normalize("NFC", name)


def links_line(files: Sequence[File]) -> str:
    """What to say of links that Git or a zip has kept as texts; empty if there are none."""
    found = []
    for file in files:
        if "." in file.path.rpartition("/")[2]:
            continue
        text = file.read()[:LINK_BYTES]
        if b"/" in text and text.isascii() and len(text.split()) == 1:
            found.append(f"{file.path} → {text.decode().strip()}")
    cure = "copy the folders there, or check out with git config core.symlinks true"
    return f"; links are stored as text files: {first_of(found)}; {cure}" if found else ""


def _files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder; each folder once, though links lead to it again."""
    seen = set()
    for top, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(top)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (file for name in names if (file := Path(top, name)).is_file())


def _in_folder(folder: Path) -> list[File]:
    files = sorted(_files_below(folder))
    return [File(file.relative_to(folder).as_posix(), file.read_bytes) for file in files]


def _in_zip(source: Path, stack: ExitStack) -> list[File]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # a name not UTF-8
        raise DataError(f"{source}: neither a folder nor a readable zip ({error})") from None
    members = archive.infolist()
    outside = [info.filename for info in members if _leads_out(info)]
    refuse(outside, len(members), str(source), "members lead out of the zip")
    large = [info.filename for info in members if info.file_size > MAX_MEMBER]
    refuse(large, len(members), str(source), f"members are larger than {MAX_MEMBER:,} bytes")
    total = sum(info.file_size for info in members)
    if total > MAX_ARCHIVE:
        raise DataError(f"{source}: {total:,} bytes unpacked, more than {MAX_ARCHIVE:,}")
    return [
        File(info.filename.replace("\\", "/"), partial(archive.read, info))
        for info in members
        if not info.filename.endswith(("/", "\\"))
    ]


def _leads_out(info: zipfile.ZipInfo) -> bool:
    # read as on Windows, which takes both slashes and drive letters
    path = PureWindowsPath(info.filename)
    return bool(path.anchor) or ".." in path.parts or stat.S_ISLNK(info.external_attr >> 16)


def _is_one_line(name: str) -> bool:
    """Whether a name is one line of UTF-8, as names.txt needs it."""
    return len(name.splitlines()) <= 1 and name == name.encode(errors="ignore").decode()


def _is_hidden(path: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.split("/"))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
