"""Photos of any size, read in bands of rows."""

import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from PIL import Image, ImageOps, UnidentifiedImageError
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

# as Pillow and as GDAL call the formats; an MPO is a phone's JPEG with a second image behind it
DRIVERS = {
    "JPEG": "JPEG",
    "MPO": "JPEG",
    "PNG": "PNG",
    "TIFF": "GTiff",
    "BMP": "BMP",
    "WEBP": "WEBP",
}
FORMATS = [name for name in DRIVERS if name != "MPO"]  # opened as JPEG
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
ORIENTATION = 274  # the tag of EXIF
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# of a photo's results, which are in a folder of their own
SUMMARY, MASK = "photo.json", "mask.tif"
# of GDAL: progressive JPEGs beyond 500 MB of coefficients; damaged ones are not filled up with gray
OPTIONS = {
    "GDAL_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": True,
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
    "GDAL_CACHEMAX": 128,  # MB
    "GDAL_PAM_ENABLED": False,  # no .aux.xml files beside the photos
}
_GRAY, _RGB = (ColorInterp.gray,), (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_ALPHA = (ColorInterp.alpha,)


class Header(NamedTuple):
    """What the header of a photo says.

    Attributes:
        height: of the upright photo, px.
        width: likewise.
        orientation: of EXIF, from 1 (as stored) to 8.
        driver: GDAL's name of the format.
    """

    height: int
    width: int
    orientation: int
    driver: str


class PhotoError(ValueError):
    """A file that cannot be read as a photo; the message does not name it."""


class ArrayPhoto:
    """A photo in memory.

    Args:
        pixels: RGB, (H, W, 3) uint8.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3)."""
        return self.pixels[start:stop]


class FilePhoto:
    """A photo in a file, of which only the rows that are asked for are in memory.

    16 bits are read by their upper 8, but what is not 0 stays above 0; alpha is left out.

    Args:
        source: opened by rasterio, 8 or 16 bits, gray or RGB.
    """

    def __init__(self, source: rasterio.DatasetReader) -> None:
        self.source = source
        self.height, self.width = source.height, source.width
        self.bands = [1, 2, 3] if source.colorinterp[:3] == _RGB else [1, 1, 1]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop − 1, (rows, W, 3) uint8.

        Raises:
            PhotoError: if the file is damaged there.
        """
        window = Window(0, start, self.width, stop - start)
        try:
            pixels = self.source.read(self.bands, window=window)
        except RasterioError as error:
            raise PhotoError(f"damaged ({_said(error)})") from None
        if pixels.dtype == np.uint16:
            pixels = np.maximum(pixels >> 8, pixels > 0).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))


@contextmanager
def open_photo(file: Path) -> Iterator[ArrayPhoto | FilePhoto]:
    """Open a photo, upright as its EXIF says.

    Gray and RGB of 8 or 16 bits, with or without alpha, are read row by row; a photo that is to be
    turned, or of another kind (palette, CMYK, one bit), or that GDAL does not know, is read whole.

    Raises:
        PhotoError: if it is not a readable JPEG, PNG, TIFF, BMP or WebP.
    """
    header = read_header(file)
    with rasterio.Env(**OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(file, driver=header.driver)
        except RasterioError:
            yield ArrayPhoto(_read_whole(file))
            return
        with source:
            if not _is_plain(source):
                yield ArrayPhoto(_read_whole(file))
            elif header.orientation == 1:
                yield FilePhoto(source)
            else:
                upright = _turn(FilePhoto(source).rows(0, source.height), header.orientation)
                yield ArrayPhoto(upright)


def read_header(file: Path) -> Header:
    """Read what a photo is, without decoding a pixel.

    Raises:
        PhotoError: if it is not a JPEG, PNG, TIFF, BMP or WebP.
    """
    try:
        with (
            _unlimited(),
            warnings.catch_warnings(action="ignore"),
            Image.open(file, formats=FORMATS) as image,
        ):
            orientation = _exif(image, file).get(ORIENTATION, 1)
            turned = orientation >= 5 and image.format != "TIFF"  # whose size is the upright one
            width, height = image.size[::-1] if turned else image.size
            return Header(height, width, orientation, DRIVERS[image.format])
    except UnidentifiedImageError:
        raise PhotoError("not a readable JPEG, PNG, TIFF, BMP or WebP") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"cannot be read ({_said(error)})") from None


def find_photos(
    paths: Sequence[Path],
    *,
    recursive: bool,
    leave_out: Path | None = None,
    masks: bool = False,
) -> dict[str, Path]:
    """Photos in files and folders.

    Args:
        paths: photos, and folders of photos.
        recursive: look in folders of folders too.
        leave_out: a folder in which none is looked for.
        masks: find, among the results of a photo, its mask, under the photo's name; else nothing.

    Returns:
        Files by name, which is relative to the folder that was given, or to the folder that all
        have in common where names would be the same.

    Raises:
        ValueError: if a path is not there, or a folder holds no photo.
    """
    given: dict[Path, Path] = {}  # photos by where they are
    names: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder")
        in_folder = path.is_dir()
        photos = _photos_in(path, recursive=recursive, masks=masks) if in_folder else [path]
        outside = [photo for photo in photos if not _lies_in(photo, leave_out)]
        if photos and not outside:
            raise ValueError(f"{path} lies in the folder to write, {leave_out}; name another --out")
        photos = outside
        if not photos:
            hint = "" if recursive else "; --recursive looks in its folders"
            kind = "mask" if masks else "photo"
            raise ValueError(f"{path}: no {kind} ({', '.join(SUFFIXES)}) in this folder{hint}")
        for photo in photos:
            named = photo.parent if masks and _is_mask_of_results(photo) else photo
            given[named.absolute()] = photo
            top = path if path in named.parents else named.parent
            names[named.absolute()] = named.relative_to(top)
    if len(set(names.values())) < len(names):
        common = os.path.commonpath(names)
        names = {place: place.relative_to(common) for place in names}
    return {shown(name): given[place] for place, name in names.items()}


def shown(path: Path) -> str:
    """A path as text of one line that can be written anywhere, also where it is not UTF-8."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _photos_in(folder: Path, *, recursive: bool, masks: bool) -> list[Path]:
    """Photos in a folder; of the pictures among a photo's results at most the mask."""
    files = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        file
        for file in files
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and (not (file.parent / SUMMARY).exists() or (masks and file.name == MASK))
    )


def _is_mask_of_results(file: Path) -> bool:
    return file.name == MASK and (file.parent / SUMMARY).exists()


def _lies_in(file: Path, folder: Path | None) -> bool:
    return folder is not None and folder.resolve() in file.resolve().parents


def _exif(image: Image.Image, file: Path) -> Image.Exif:
    """The EXIF data of an image; Pillow would decode a PNG to look for it behind the pixels."""
    if image.format != "PNG" or "exif" in image.info:
        return image.getexif()
    exif = Image.Exif()
    with file.open("rb") as stream:
        stream.seek(8)  # the signature
        while len(head := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                exif.load(stream.read(length))
                break
            stream.seek(length + 4, os.SEEK_CUR)  # and the checksum
    return exif


@contextmanager
def _unlimited() -> Iterator[None]:
    """Let Pillow open images of any size: people have large photos."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _is_plain(source: rasterio.DatasetReader) -> bool:
    if not set(source.dtypes) <= {"uint8", "uint16"}:
        raise PhotoError(f"{source.dtypes[0]} pixels; 8 or 16 bits are read")
    one_bit = "NBITS" in source.tags(1, ns="IMAGE_STRUCTURE")
    try:
        colours = tuple(source.colorinterp)
    except Exception as error:  # those of GDAL have no public class in common
        raise PhotoError(f"not a readable image ({_said(error)})") from None
    return colours in (_GRAY, _GRAY + _ALPHA, _RGB, _RGB + _ALPHA) and not one_bit


def _read_whole(file: Path) -> np.ndarray:
    try:
        with _unlimited(), Image.open(file) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"not a readable image ({_said(error)})") from None


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Upright pixels of an image that is stored in an EXIF orientation from 2 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _said(error: Exception) -> str:
    return " ".join(str(error.__cause__ or error).split())
