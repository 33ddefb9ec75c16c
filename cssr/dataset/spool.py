"""Pieces of bytes that wait on the disk, in one file."""

from threading import Lock
from typing import BinaryIO, NamedTuple


class Piece(NamedTuple):
    """Where a piece lies in a spool."""

    start: int
    length: int


class Spool:
    """A file that several threads write pieces to.

    Args:
        file: opened to be written and read, and empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = Lock()
        self._end = 0

    def write(self, content: bytes) -> Piece:
        """Add a piece."""
        with self._lock:
            piece = Piece(self._end, len(content))
            self._file.seek(self._end)
            self._file.write(content)
            self._end += piece.length
        return piece

    def read(self, piece: Piece) -> bytes:
        """A piece as it was written."""
        with self._lock:
            self._file.seek(piece.start)
            return self._file.read(piece.length)
