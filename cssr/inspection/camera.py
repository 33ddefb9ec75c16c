"""The size of a photo's pixels from what its camera has written: EXIF, and DJI's XMP."""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import hypot, isfinite
from pathlib import Path
from typing import Any, NamedTuple

from PIL.ExifTags import Base

from cssr.sources.images.photo_headers import PhotoError, read_metadata

FILM_DIAGONAL = hypot(36, 24)  # mm
UNITS = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # mm, by FocalPlaneResolutionUnit
FARTHEST = 1e5  # m; EXIF has 0xFFFFFFFF for infinity
LONGEST = 2000  # mm, of a 35 mm equivalent; some cameras write anything
STRAIGHT_DOWN = 5.0  # degrees, by which a camera may miss it
AGREEMENT = 0.1  # of two ways to the same angle of view, or distance
SENSORS = (4 / 3, 3 / 2)  # proportions of those that have a 35 mm equivalent, to 1 %


class CameraScale(NamedTuple):
    """The size of a photo's pixels."""

    mm_per_px: float
    read: dict[str, Any]  # and computed, for photo.json
    notes: tuple[str, ...]  # to the user


def camera_scale(file: Path, height: int, width: int) -> CameraScale:
    """The size of a pixel at the distance of what the photo shows.

    With the distance d and the focal length f it is d · pitch / f, where `FocalPlaneXResolution`
    tells the pitch of the sensor's pixels; else d · 43.27 mm / (f35 · diagonal), where f35 is the
    35 mm equivalent, which holds for the diagonal of sensor and film (CIPA DCG-001), not the width.
    The distance is, in this order, what DJI's range finder has measured to the middle of the photo
    (`LRFTargetDistance`), `SubjectDistance`, or `RelativeAltitude` of a camera that looks straight
    down, which counts from where the drone took off.

    Args:
        file: of the photo.
        height: of the photo, px; upright or not.
        width: likewise.

    Raises:
        PhotoError: if something is missing, or contradicts the rest.
    """
    exif, nested = read_metadata(file)
    xmp = dict(_leaves(nested))
    notes = _check_whole(exif, xmp, height, width)
    metres, distance = _distance(exif, xmp)
    mm = metres * 1000
    focal = _positive(exif, Base.FocalLength)
    pitch = _pitch(exif)
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
        _check_proportions(height, width)
        size = by_film
        read = {"FocalLengthIn35mmFilm_mm": film, "diagonal_px": round(hypot(height, width), 1)}
        formula = "distance · 43.27 mm / (FocalLengthIn35mmFilm · diagonal)"
    else:
        raise PhotoError(
            "its EXIF lacks the FocalLengthIn35mmFilm, or FocalLength with FocalPlaneXResolution"
        )
    read = {"formula": formula, **read, "distance_m": metres, **distance}
    return CameraScale(float(f"{size:.6g}"), read, notes)


def _check_whole(
    exif: Mapping[int, Any], xmp: Mapping[str, str], height: int, width: int
) -> tuple[str, ...]:
    """Refuse photos that show less than the lens, or in other pixels; notes where it is open."""
    tags = Base.ExifImageWidth, Base.ExifImageHeight
    sides = [side for tag in tags if (side := _positive(exif, tag))]
    if Counter(sides) - Counter((height, width)):
        said = " × ".join(f"{side:.0f}" for side in sides)
        raise PhotoError(
            f"its EXIF is of {said} px, not {width} × {height}; it was cropped or resized since"
        )
    if xmp.get("HasCrop", "").lower() == "true":
        raise PhotoError("its XMP says that it was cropped")
    zoom = _positive(exif, Base.DigitalZoomRatio)
    if zoom and zoom > 1:
        raise PhotoError(f"a digital zoom of {zoom:g} leaves its focal length open")
    if len(sides) < len(tags):
        return ("its EXIF does not tell both its sides; cropping or resizing would not be seen",)
    return ()


def _check_proportions(height: int, width: int) -> None:
    """Refuse a part of a sensor: the 35 mm equivalent is of the whole."""
    ratio = max(height, width) / min(height, width)
    if all(abs(ratio / sensor - 1) > 0.01 for sensor in SENSORS):
        raise PhotoError(
            f"its sides are as {ratio:.3g} to 1, not 4 to 3 or 3 to 2; it was cropped, perhaps by "
            "the camera, and FocalLengthIn35mmFilm is of the whole sensor"
        )


def _distance(exif: Mapping[int, Any], xmp: Mapping[str, str]) -> tuple[float, dict[str, Any]]:
    """Distance of what the photo shows, m, and where it was read."""
    measured = _positive(xmp, "LRFTargetDistance")
    measured = measured if xmp.get("LRFStatus", "Normal") == "Normal" else None
    focus = _positive(exif, Base.SubjectDistance)
    focus = focus if focus and focus < FARTHEST else None
    altitude = _positive(xmp, "RelativeAltitude")
    pitch = _number(xmp, "GimbalPitchDegree")
    is_down = pitch is not None and abs(pitch + 90) <= STRAIGHT_DOWN
    others = {"LRFTargetDistance": measured, "RelativeAltitude": altitude if is_down else None}
    for name, other in others.items():
        if focus and other and abs(focus / other - 1) > AGREEMENT:
            raise PhotoError(f"its SubjectDistance is {focus:g} m, its {name} {other:g} m")
    if measured:
        return measured, {"distance_from": "XMP LRFTargetDistance"}
    if focus:
        return focus, {"distance_from": "EXIF SubjectDistance"}
    if not altitude:
        raise PhotoError(
            "no distance in EXIF (SubjectDistance) or XMP (LRFTargetDistance, RelativeAltitude)"
        )
    if not is_down:
        looked = "it is not said where the camera looked"
        if pitch is not None:
            looked = f"the camera's pitch was {pitch:g}°, not −90°"
        raise PhotoError(f"its RelativeAltitude, {altitude:g} m, is no distance: {looked}")
    return altitude, {"distance_from": "XMP RelativeAltitude", "GimbalPitchDegree": pitch}


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
