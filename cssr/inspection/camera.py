"""The size of a photo's pixels from what its camera has written: EXIF, and DJI's XMP."""

from collections.abc import Iterator, Mapping
from math import hypot, isfinite
from pathlib import Path
from typing import Any

from PIL.ExifTags import Base

from cssr.inspection.photo_headers import PhotoError, read_metadata

FILM_DIAGONAL = hypot(36, 24)  # mm
UNITS = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # mm, by FocalPlaneResolutionUnit
FARTHEST = 1e5  # m; EXIF has 0xFFFFFFFF for infinity
LONGEST = 2000  # mm, of a 35 mm equivalent; some cameras write anything
STRAIGHT_DOWN = 5.0  # degrees, by which a camera may miss it
AGREEMENT = 0.1  # of two ways to the same angle of view


def camera_scale(file: Path, height: int, width: int) -> tuple[float, dict[str, Any]]:
    """The size of a pixel at the distance of what the photo shows.

    With the distance d and the focal length f it is d · pitch / f, where `FocalPlaneXResolution`
    tells the pitch of the sensor's pixels; else d · 43.27 mm / (f35 · diagonal), where f35 is the
    35 mm equivalent, which holds for the diagonal of photo and film (CIPA DCG-001), not the width.
    The distance is, in this order, what DJI's range finder has measured to the middle of the photo
    (`LRFTargetDistance`), `SubjectDistance`, or `RelativeAltitude` of a camera that looks straight
    down, which counts from where the drone took off.

    Args:
        file: of the photo.
        height: of the photo, px; upright or not.
        width: likewise.

    Returns:
        mm per px, and what was read and computed, for photo.json.

    Raises:
        PhotoError: if something is missing, or contradicts the rest.
    """
    exif, xmp = read_metadata(file)
    _check_whole(exif, height, width)
    metres, distance = _distance(exif, dict(_leaves(xmp)))
    mm = metres * 1000
    focal, pitch = _positive(exif, Base.FocalLength), _pitch(exif)
    film = _positive(exif, Base.FocalLengthIn35mmFilm)
    film = film if film and film < LONGEST else None
    by_film = film and mm * FILM_DIAGONAL / (film * hypot(height, width))
    if focal and pitch:
        size = mm * pitch / focal
        if by_film and abs(by_film / size - 1) > AGREEMENT:
            raise PhotoError(
                f"its EXIF contradicts itself: {size:.3g} mm/px by FocalPlaneXResolution, "
                f"{by_film:.3g} by FocalLengthIn35mmFilm; was it cropped or resized?"
            )
        read = {"FocalLength_mm": focal, "pixel_pitch_mm": float(f"{pitch:.6g}")}
        formula = "distance · pixel pitch / FocalLength"
    elif film and by_film:
        size = by_film
        read = {"FocalLengthIn35mmFilm_mm": film, "diagonal_px": round(hypot(height, width), 1)}
        formula = "distance · 43.27 mm / (FocalLengthIn35mmFilm · diagonal)"
    else:
        raise PhotoError(
            "its EXIF lacks the FocalLengthIn35mmFilm, or FocalLength with FocalPlaneXResolution"
        )
    return float(f"{size:.6g}"), {"formula": formula, **read, "distance_m": metres, **distance}


def _check_whole(exif: Mapping[int, Any], height: int, width: int) -> None:
    """Refuse photos that show less than the lens, or in other pixels."""
    sides = [_number(exif, tag) for tag in (Base.ExifImageWidth, Base.ExifImageHeight)]
    if all(sides) and sorted(sides) != sorted((height, width)):
        raise PhotoError(
            f"its EXIF is of {sides[0]:.0f} × {sides[1]:.0f} px; it was cropped or resized since"
        )
    zoom = _positive(exif, Base.DigitalZoomRatio)
    if zoom and zoom > 1:
        raise PhotoError(f"a digital zoom of {zoom:g} leaves its focal length open")


def _distance(exif: Mapping[int, Any], xmp: Mapping[str, str]) -> tuple[float, dict[str, Any]]:
    """Distance of what the photo shows, m, and where it was read."""
    metres = _positive(xmp, "LRFTargetDistance")
    if metres and xmp.get("LRFStatus", "Normal") == "Normal":
        return metres, {"distance_from": "XMP LRFTargetDistance"}
    metres = _positive(exif, Base.SubjectDistance)
    if metres and metres < FARTHEST:
        return metres, {"distance_from": "EXIF SubjectDistance"}
    metres = _positive(xmp, "RelativeAltitude")
    if not metres:
        raise PhotoError(
            "no distance in EXIF (SubjectDistance) or XMP (LRFTargetDistance, RelativeAltitude)"
        )
    pitch = _number(xmp, "GimbalPitchDegree")
    if pitch is None or abs(pitch + 90) > STRAIGHT_DOWN:
        looked = "it is not said where the camera looked"
        if pitch is not None:
            looked = f"the camera's pitch was {pitch:g}°, not −90°"
        raise PhotoError(f"its RelativeAltitude, {metres:g} m, is no distance: {looked}")
    return metres, {"distance_from": "XMP RelativeAltitude", "GimbalPitchDegree": pitch}


def _pitch(exif: Mapping[int, Any]) -> float | None:
    """Distance of the sensor's pixels, mm."""
    resolution = _positive(exif, Base.FocalPlaneXResolution)
    unit = UNITS.get(exif.get(Base.FocalPlaneResolutionUnit, 2))
    return unit / resolution if unit and resolution else None


def _leaves(xmp: Any) -> Iterator[tuple[str, str]]:
    """Names and texts in nested dictionaries and lists."""
    for inner in xmp if isinstance(xmp, list) else [xmp]:
        for name, value in inner.items() if isinstance(inner, Mapping) else ():
            if isinstance(value, str):
                yield name, value.strip()
            else:
                yield from _leaves(value)


def _positive(values: Mapping[Any, Any], name: int | str) -> float | None:
    number = _number(values, name)
    return number if number is not None and number > 0 else None


def _number(values: Mapping[Any, Any], name: int | str) -> float | None:
    try:
        number = float(values[name])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return number if isfinite(number) else None
