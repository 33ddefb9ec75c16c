"""What is known of a photo before a pixel of it is decoded."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from cssr.inspection.georeference import Georeference, georeference_of, place_notes
from cssr.sources.images.photo_headers import Header, read_header

Identity = dict[str, Any]


class PhotoRecord(NamedTuple):
    """What is known of a photo before a pixel of it is decoded."""

    path: Path
    header: Header
    place: Georeference | None  # where the upright photo lies on a map, if its file says so
    notes: tuple[str, ...]  # to the user, on a place that is not used
    identity: Identity  # of the file as it was read
    beside: list[Identity]  # of the files that GDAL reads with it: world file, .aux.xml, .msk


def read_record(path: Path) -> PhotoRecord:
    """Read what the files of a photo say of it.

    Raises:
        PhotoError: if it is not a photo that `read_header` knows.
    """
    header = read_header(path)
    record = PhotoRecord(path, header, None, (), _identity(path), [])
    if header.driver is None:
        return record
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        suppress(RasterioError),
        rasterio.open(path, driver=header.driver) as source,
    ):
        return record._replace(
            place=georeference_of(source, header.orientation),
            notes=place_notes(source),
            beside=[_identity(Path(file)) for file in sorted(source.files[1:])],
        )
    return record


def _identity(file: Path) -> Identity:
    """Name, size and time of change of a file, by which it is recognised."""
    status = file.stat()
    return {"file": file.name, "bytes": status.st_size, "changed_ns": status.st_mtime_ns}
