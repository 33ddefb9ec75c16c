"""Files and folders that take their names only when they are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(file: Path, *parts: bytes) -> None:
    """Write a file and flush it to the disk; under its name stands the new content or the old.

    Args:
        file: to write, in an existing folder.
        parts: of its content.

    Raises:
        OSError: naming the file, if the disk is full or it may not be written.
    """
    partial = _partial(file)
    with naming(file):
        try:
            with partial.open("wb") as stream:
                stream.writelines(parts)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that takes its name only when it is complete.

    Yields:
        An empty folder beside it. On success it replaces `folder`, on any error it is removed.

    Raises:
        OSError: naming the folder, if the disk is full or it may not be written.
    """
    with _partial_folder(folder) as partial:
        yield partial
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)


@contextmanager
def new_files(folder: Path) -> Iterator[Path]:
    """The same for some of a folder's files: all of them are replaced, or none; others stay."""
    with _partial_folder(folder) as partial:
        yield partial
        folder.mkdir(parents=True, exist_ok=True)
        for file in partial.iterdir():
            file.replace(folder / file.name)


@contextmanager
def _partial_folder(folder: Path) -> Iterator[Path]:
    partial = _partial(folder)
    with naming(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file in errors that do not, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
