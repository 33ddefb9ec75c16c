"""Pixels of mask files, as they are stored: images, NumPy's arrays and MATLAB's."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePath
from tokenize import TokenError
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from cssr.sources.images.jpeg import jpeg_warning
from cssr.sources.images.jpeg_parts import SOI, without_strays
from cssr.sources.images.large import open_of_any_size
from cssr.sources.images.orientation import ORIENTATION, orientation_of, turned
from cssr.sources.images.photo_headers import START, TIFF, message
from cssr.sources.images.photo_kinds import TO_READ_HEIC, heif_kind, register_heif
from cssr.sources.masks.mask_tiff import read_tiff
from cssr.sources.masks.mask_values import SHOWN, MaskError, check_size, listed

ARRAY_SUFFIXES = (".npy", ".npz", ".mat")
MASK_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp"),
    *ARRAY_SUFFIXES,
)
PNG = b"\x89PNG\r\n\x1a\n"  # how files begin
NPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
MAT = b"MATLAB "
KNOWN = (PNG, SOI, *TIFF, b"BM", b"GIF8", b"RIFF", NPY, ZIP)  # MATLAB's older files tell nothing
HDF5 = (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
CRACK_FOREST = ("groundTruth", "Segmentation")  # 1 is background, 2 is crack
UNREADABLE = (
    *(OSError, EOFError, SyntaxError, ValueError, KeyError, IndexError, TypeError),
    *(NotImplementedError, zlib.error, zipfile.BadZipFile, cv2.error, MatReadError),
)


class Pixels(NamedTuple):
    """The pixels of a mask file, upright."""

    values: np.ndarray  # (H, W, C) of any type, C is 1 or 3
    alpha: np.ndarray | None = None  # (H, W), of the same type
    palette: np.ndarray | None = None  # colours by index, (256, 3) uint8, if values are indices
    valid: np.ndarray | None = None  # where there are data, (H, W) bool; None for everywhere
    lossy: bool = False  # whether compression has changed the values
    background: int = 0  # what a mask without crack holds besides 0


def read_pixels(content: bytes, name: str, *, palette_index: bool = False) -> Pixels:
    """Read the pixels of a mask file.

    Args:
        content: of the file.
        name: of the file; its suffix counts where the content does not tell the format.
        palette_index: of a palette with transparent colours, give the indices; else colours.

    Raises:
        MaskError: if it is of no format that masks have, damaged, or not one image.
    """
    suffix = PurePath(name).suffix.lower()
    try:
        if content.startswith(HDF5):
            raise MaskError("a MATLAB file of version 7.3; save it with save(…, '-v7')")
        if content.startswith(MAT) or (suffix == ".mat" and not content.startswith(KNOWN)):
            pixels = _read_matlab(content)
        elif content.startswith((NPY, ZIP)):
            pixels = Pixels(_layers(_read_numpy(content)))
        elif content.startswith(TIFF):
            pixels = Pixels(*read_tiff(content))
        else:
            pixels = _read_image(content, palette_index=palette_index)
    except MaskError:
        raise
    except UnidentifiedImageError:
        kinds = ", ".join(kind[1:] for kind in MASK_SUFFIXES)
        raise MaskError(f"not a readable image (none of {kinds})") from None
    except UNREADABLE as error:
        raise MaskError(f"not a readable image ({message(error) or 'cut off'})") from None
    if pixels.values.size == 0:
        raise MaskError("it holds no pixel")
    return pixels


def _read_image(content: bytes, *, palette_index: bool) -> Pixels:
    """Read what Pillow opens; but OpenCV for PNGs with colours or alpha of 16 bits."""
    is_jpeg = content.startswith(SOI)
    heif = heif_kind(content[:START])
    if is_jpeg:
        jpeg_warning(content)  # an error if pixels are missing
    if heif == "HEIC" and not register_heif():
        raise MaskError(f"a HEIC; {TO_READ_HEIC}")
    formats = {"HEIC": ("HEIF",), "AVIF": ("AVIF",)}.get(heif, FORMATS)
    with _opened(without_strays(content) if is_jpeg else content, formats) as image:
        image.load()
        pixels = _of_pillow(image, palette_index=palette_index)
        if content.startswith(PNG) and content[24] == 16 and content[25] in (2, 4, 6):
            pixels = _of_opencv(content)
        upright = orientation_of(image.getexif().get(ORIENTATION))
        return pixels._replace(
            values=turned(pixels.values, upright),
            alpha=None if pixels.alpha is None else turned(pixels.alpha, upright),
            lossy=is_jpeg or heif is not None or _is_lossy_webp(content),
        )


@contextmanager
def _opened(content: bytes, formats: Sequence[str]) -> Iterator[Image.Image]:
    """Open an image of up to 2³⁰ px."""
    with open_of_any_size(BytesIO(content), tuple(formats)) as image:
        check_size(image.height, image.width)
        yield image


def _of_pillow(image: Image.Image, *, palette_index: bool) -> Pixels:
    if image.has_transparency_data and not (image.mode == "P" and palette_index):
        colours = np.asarray(image.convert("RGBA"))
        pixels = Pixels(colours[..., :3], colours[..., 3])
        if image.mode != "P" or pixels.alpha.min() < pixels.alpha.max():
            return pixels
    if image.mode == "P":
        palette = np.zeros((256, 3), np.uint8)
        colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        palette[: len(colours)] = colours
        return Pixels(np.asarray(image)[..., None], palette=palette)
    if image.mode in ("1", "L", "I", "F"):
        return Pixels(np.asarray(image)[..., None])
    if image.mode.startswith("I;16"):
        return Pixels(np.asarray(image).astype(np.uint16)[..., None])
    return Pixels(np.asarray(image.convert("RGB")))


def _of_opencv(content: bytes) -> Pixels:
    """Read a PNG of 16 bits, with colours or alpha, of which Pillow takes the upper 8."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise MaskError("not a readable image")
    return Pixels(pixels[..., :3], pixels[..., 3] if pixels.shape[2] == 4 else None)


def _is_lossy_webp(content: bytes) -> bool:
    """Whether it is a WebP whose first image is lossy; its chunk comes after those of options."""
    at = 12 if content.startswith(b"RIFF") else len(content)
    while at + 8 <= len(content):
        kind = content[at : at + 4]
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + (16 if kind == b"ANMF" else size + size % 2)
    return False


def _read_numpy(content: bytes) -> np.ndarray:
    try:
        loaded = np.load(BytesIO(content), allow_pickle=False)
    except (TokenError, MemoryError) as error:  # of a damaged header
        raise MaskError(f"not a readable array ({message(error)})") from None
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        return _only_image({key: loaded[key] for key in loaded.files})


def _read_matlab(content: bytes) -> Pixels:
    variables = loadmat(BytesIO(content), simplify_cells=True)
    name, field = CRACK_FOREST
    ground_truth = variables.get(name)
    if isinstance(ground_truth, Mapping) and field in ground_truth:
        return Pixels(_layers(np.asarray(ground_truth[field])), background=1)
    named = {key: value for key, value in variables.items() if not key.startswith("__")}
    return Pixels(_layers(_only_image(named)))


def _only_image(arrays: Mapping[str, Any]) -> np.ndarray:
    """The only array of numbers with two dimensions and more than one number."""
    images = {key: np.asarray(array) for key, array in arrays.items()}
    images = {
        key: array
        for key, array in images.items()
        if array.ndim == 2 and array.dtype.kind in "biuf" and array.size > 1
    }
    if len(images) == 1:
        return next(iter(images.values()))
    keys = list(images or arrays)
    more = f", … ({len(keys)} in all)" if len(keys) > SHOWN else ""
    named = f"{listed(keys[:SHOWN])}{more}" if keys else "nothing"
    number = "more than one image" if images else "no image"
    raise MaskError(f"it holds {number}: {named}; save the mask alone, height × width")


def _layers(array: np.ndarray) -> np.ndarray:
    """An array of numbers as (H, W, C), C is 1 or 3."""
    if array.dtype.kind not in "biuf":
        raise MaskError(f"it holds {array.dtype} values; save the mask as numbers")
    shape = array.shape
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3 and shape[2] in (1, 3):
        return array
    if array.ndim == 3 and shape[0] == 1:
        return array[0][..., None]
    raise MaskError(
        f"an array of {'×'.join(map(str, shape)) or 'one number'}; masks are height × width"
    )
