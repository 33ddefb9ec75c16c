"""Masks of any size and convention: where there is crack, and where there are data, in bands."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from cssr.inspection.array_photos import ArrayPhoto
from cssr.inspection.photo_record import PhotoRecord, read_record
from cssr.inspection.photos import FilePhoto, open_photo
from cssr.sources.images.no_data import LOSSY
from cssr.sources.images.photo_headers import Header, PhotoError
from cssr.sources.images.photo_kinds import MASKS_ALONE
from cssr.sources.masks.mask_files import mask_size, read_mask
from cssr.sources.masks.mask_tally import CrackFinder
from cssr.sources.masks.mask_values import MaskError, Rule, check_lossy, holds, lossy_rule

ROWS = 256  # of a mask that are read at a time
BANDED = ("JPEG", "PNG", "BMP", "GTiff")  # drivers; WebP is decoded whole, by GDAL too


class WholeMask:
    """A mask in memory.

    Args:
        content: of its file.
        name: of its file.
        photo: what else is known of its pixels, if it is of a format that photos have.
        crack_value: the value of crack; None to find it.

    Attributes:
        notes: how it is read, for its user.
        no_data: the value of pixels without data, if the file has one that counts.
    """

    def __init__(
        self,
        content: bytes,
        name: str,
        photo: ArrayPhoto | FilePhoto | None,
        *,
        crack_value: int | None,
    ) -> None:
        mask = read_mask(content, name, crack_value=crack_value)
        self.crack = mask.crack
        self.height, self.width = mask.crack.shape
        self.valid = np.ones_like(mask.crack) if mask.valid is None else mask.valid
        if photo is not None and not mask.ignores_alpha:
            self.valid = self.valid & photo.valid(0, self.height)
        self.no_data = photo.no_data if photo else None
        notes = photo.notes if photo else ()
        self.notes = (*notes, *_absence_notes(np.array(mask.values), crack_value))

    def bands(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Where there is crack, and where there are data, (rows, W) bool each."""
        for start in range(0, self.height, ROWS):
            valid = self.valid[start : start + ROWS]
            yield self.crack[start : start + ROWS] & valid, valid


class BandedMask:
    """A mask in a file, of which some rows are in memory; it is read once or twice.

    Its values are counted first, unless there is one rule for all: for lossy files, and for masks
    that `cssr segment` wrote, which hold 0 and 255.

    Args:
        photo: its file, opened as a mask.
        alpha_is_data: whether alpha only tells where there are data, as on maps.
        one_rule: whether crack is from 128 to 255, whatever the other values are.
        lossy: whether compression has changed the values, of 8 bits.
        crack_value: the value of crack; None to find it.

    Attributes:
        notes: how it is read, for its user.
        no_data: the value of pixels without data, if the file has one that counts.

    Raises:
        PhotoError: if the file is damaged.
        MaskError: if it does not tell what is crack.
    """

    def __init__(
        self,
        photo: FilePhoto,
        *,
        alpha_is_data: bool,
        one_rule: bool,
        lossy: bool,
        crack_value: int | None,
    ) -> None:
        self.photo = photo
        self.height, self.width = photo.height, photo.width
        self.no_data = photo.no_data
        self.notes = photo.notes
        self._has_alpha = photo.bands.alpha is not None and not alpha_is_data
        self._finder = CrackFinder(lossy=lossy, crack_value=crack_value)
        self._one_rule = one_rule and not self._has_alpha
        if self._one_rule:
            self._rule = lossy_rule(crack_value)
        else:
            self._rule = self._find_rule()
            self.notes += _absence_notes(self._finder.tally.values, crack_value)

    def bands(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Where there is crack, and where there are data, (rows, W) bool each.

        Raises:
            PhotoError: if the file is damaged.
            MaskError: if it has no value of crack though it is not black, and was not counted.
        """
        most = 0
        for start, stop in self._rows():
            values, alpha = self._read(start, stop)
            valid = self.photo.valid(start, stop)
            if self._has_alpha and not self._finder.is_transparent:
                valid = np.ones_like(valid)
            deciding = self._finder.deciding(values, alpha)
            if self._one_rule:
                most = max(most, int((deciding * valid).max()))
            yield self._rule.crack(deciding) & valid, valid
        if self._one_rule:
            check_lossy(most)

    def _find_rule(self) -> Rule:
        for start, stop in self._rows():
            values, alpha = self._read(start, stop)
            valid = None
            if alpha is None and self.photo.has_gaps:
                valid = self.photo.valid(start, stop)
            self._finder.add(values, alpha, valid)
        return self._finder.rule()

    def _rows(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self.height, ROWS):
            yield start, min(start + ROWS, self.height)

    def _read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        alpha = self.photo.alpha(start, stop) if self._has_alpha else None
        return self.photo.values(start, stop), alpha


def read_mask_record(path: Path) -> PhotoRecord:
    """Read what the files of a mask say of it.

    Raises:
        PhotoError: if it is of no format that masks have.
    """
    if path.suffix.lower() not in MASKS_ALONE:
        return read_record(path)
    try:
        height, width = mask_size(path.read_bytes(), path.name)
    except MaskError as error:
        raise PhotoError(str(error)) from None
    except OSError as error:
        raise PhotoError(f"cannot be read ({error})") from None
    return PhotoRecord(path, Header(height, width, 1, None), None, (), {}, [])


@contextmanager
def open_mask(
    record: PhotoRecord, *, crack_value: int | None = None, is_own: bool = False
) -> Iterator[WholeMask | BandedMask]:
    """Open a mask; see `read_mask` for what is crack in it.

    Files that GDAL reads row by row, of 8 or 16 bits, are read so; others are read whole.

    Args:
        record: what is known of it.
        crack_value: the value of crack; None to find it.
        is_own: whether `cssr segment` wrote it, so that it holds 0 and 255.

    Raises:
        PhotoError: if it is not a photo that `read_header` knows, or pixels are missing.
        MaskError: if it does not tell what is crack.
    """
    if record.path.suffix.lower() in MASKS_ALONE or _has_other_values(record):
        yield _whole(record, None, crack_value)
        return
    with open_photo(record.path, record.header, as_mask=True) as photo:
        if not isinstance(photo, FilePhoto) or record.header.driver not in BANDED:
            yield _whole(record, photo, crack_value)
            return
        is_byte = photo.source.dtypes[0] == "uint8"
        lossy = is_byte and (record.header.driver == "JPEG" or photo.source.compression in LOSSY)
        yield BandedMask(
            photo,
            alpha_is_data=record.place is not None,
            one_rule=lossy or (is_own and is_byte and crack_value is None),
            lossy=lossy,
            crack_value=crack_value,
        )


def _whole(
    record: PhotoRecord, photo: ArrayPhoto | FilePhoto | None, crack_value: int | None
) -> WholeMask:
    return WholeMask(record.path.read_bytes(), record.path.name, photo, crack_value=crack_value)


def _has_other_values(record: PhotoRecord) -> bool:
    """Whether it is a TIFF of other values than 8 or 16 bits, such as floating point."""
    if record.header.driver != "GTiff":
        return False
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        suppress(RasterioError),
        rasterio.open(record.path, driver="GTiff") as source,
    ):
        return not set(source.dtypes) <= {"uint8", "uint16"}
    return False


def _absence_notes(values: np.ndarray, crack_value: int | None) -> tuple[str, ...]:
    """What is told of a mask with other values than 0, of which none is that of crack."""
    if crack_value is None or not values.any() or crack_value in values:
        return ()
    return (f"none of its pixels is {crack_value}; {holds(values)}",)
