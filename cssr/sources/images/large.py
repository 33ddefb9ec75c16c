"""Images of any size, opened by Pillow."""

import warnings
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from PIL import Image

_LOCK = Lock()


def open_of_any_size(file: Path | BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """Open an image, without a warning and without Pillow's limit of its size.

    Args:
        file: the image, or where it lies.
        formats: that it may have, by Pillow's names.
    """
    with _LOCK:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:  # filters of warnings are the whole process's, too
            with warnings.catch_warnings(action="ignore"):
                return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
