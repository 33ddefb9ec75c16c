"""Files and folders that take their names only when they are complete."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


class InUseError(ValueError):
    """Another process is at work on the same files."""


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
        An empty folder near it. On success it replaces `folder`, on any error it is removed.

    Raises:
        OSError: naming the folder, if the disk is full or it may not be written.
        InUseError: if another process is writing the same folder.
    """
    with _workplace(folder) as workplace:
        new = workplace / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.replace(workplace / "old")
        new.replace(folder)


def remove_partial(folder: Path) -> None:
    """Remove what a process that was killed just after it had made a folder left beside it."""
    if _partial(folder).exists():
        with _workplace(folder):
            pass


def new_files(folder: Path) -> AbstractContextManager[Path]:
    """The same for some of a folder's files: on an error none is replaced; others stay."""
    return _new_files_in(folder, workplace_of=folder)


def new_beside(file: Path) -> AbstractContextManager[Path]:
    """The same for a file and others beside it."""
    return _new_files_in(file.parent, workplace_of=file)


@contextmanager
def _new_files_in(folder: Path, *, workplace_of: Path) -> Iterator[Path]:
    with _workplace(workplace_of) as workplace:
        new = workplace / "new"
        new.mkdir()
        yield new
        folder.mkdir(parents=True, exist_ok=True)
        # first what the workplace is named after
        for file in sorted(new.iterdir(), key=lambda file: (file.name != workplace_of.name, file)):
            file.replace(folder / file.name)


def files_in(folders: Iterable[Path]) -> list[Path]:
    """All files of folders."""
    return [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A folder beside another, for this process alone, and empty but for its lock."""
    workplace = _partial(folder)
    with naming(folder), locked(workplace, f"{folder} is being written by another process"):
        try:
            for left in ("new", "old"):  # by a process that was killed
                shutil.rmtree(workplace / left, ignore_errors=True)
            yield workplace
        finally:
            _remove(workplace)


@contextmanager
def locked(folder: Path, blocked: str) -> Iterator[None]:
    """Keep other processes out of a folder, until this one leaves it or ends.

    Args:
        folder: made if it is not there.
        blocked: what to say if another process is in it.

    Raises:
        InUseError: if another process is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lock"
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # a process that has just left may have removed what was opened here
            ours = os.path.samestat(os.fstat(stream.fileno()), file.stat())
        except (BlockingIOError, FileNotFoundError):
            ours = False
        if not ours:
            raise InUseError(f"{blocked}; wait for it, or end it")
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


def _remove(folder: Path) -> None:
    """Remove a folder; a signal that would end it half-way ends it afterwards."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
