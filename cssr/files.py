"""Files and folders that take their names only when they are complete."""

import fcntl
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
        old = _partial(folder.with_name(f"{folder.name}.old"))
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.replace(old)
        partial.replace(folder)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def new_files(folder: Path) -> Iterator[Path]:
    """The same for some of a folder's files: on an error none is replaced; others stay."""
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
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, until this one leaves it or ends.

    Raises:
        ValueError: if another process is in it.
    """
    with (folder / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{folder} is in use: the same training runs already; wait for it, or end it"
            ) from None
        yield


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
