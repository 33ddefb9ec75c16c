from math import hypot

import pytest
from PIL import Image

from cssr.inspection.camera import camera_scale
from cssr.inspection.photos import PhotoError

WIDTH, HEIGHT = 400, 300
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" {}/></rdf:RDF></x:xmpmeta>"""
FILM = {0xA405: 24}  # FocalLengthIn35mmFilm
SENSOR = {0x920A: 8.0, 0xA20E: 400 / 0.8, 0xA210: 3}  # 8 mm; 400 px on 8 mm, per cm
DISTANCE = {0x9206: 2.0}  # m
DOWN = {"RelativeAltitude": "+12.50", "GimbalPitchDegree": "-90.00"}
BY_FILM = hypot(36, 24) / 24 / hypot(WIDTH, HEIGHT)  # mm per px and mm of distance


def photo(folder, tags=None, xmp=None, name="a.jpg", size=(WIDTH, HEIGHT)):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags or {})
    exif[0x8769] = 0  # else it is not written to PNG and TIFF
    attributes = " ".join(f'drone-dji:{key}="{value}"' for key, value in (xmp or {}).items())
    options = {"xmp": XMP.format(attributes).encode()} if xmp else {}
    Image.new("RGB", size).save(folder / name, exif=exif, **options)
    return folder / name


def test_the_35_mm_equivalent_is_of_the_diagonal(tmp_path):
    size, read = camera_scale(photo(tmp_path, FILM | DISTANCE), HEIGHT, WIDTH)
    assert size == pytest.approx(2000 * BY_FILM, rel=1e-5)
    assert read["formula"] == "distance · 43.27 mm / (FocalLengthIn35mmFilm · diagonal)"
    assert read["FocalLengthIn35mmFilm_mm"] == 24
    assert read["distance_m"] == 2
    assert read["distance_from"] == "EXIF SubjectDistance"


def test_the_pitch_of_the_sensor_comes_first(tmp_path):
    size, read = camera_scale(photo(tmp_path, SENSOR | DISTANCE), HEIGHT, WIDTH)
    assert size == pytest.approx(2000 * 0.02 / 8)
    assert read["pixel_pitch_mm"] == 0.02


def test_a_photo_that_is_turned_has_the_same_scale(tmp_path):
    file = photo(tmp_path, SENSOR | DISTANCE | {0xA002: WIDTH, 0xA003: HEIGHT})
    assert camera_scale(file, WIDTH, HEIGHT) == camera_scale(file, HEIGHT, WIDTH)


def test_the_altitude_of_a_drone_that_looks_straight_down_is_the_distance(tmp_path):
    size, read = camera_scale(photo(tmp_path, FILM, DOWN), HEIGHT, WIDTH)
    assert size == pytest.approx(12500 * BY_FILM, rel=1e-5)
    assert read["distance_from"] == "XMP RelativeAltitude"
    assert read["GimbalPitchDegree"] == -90


def test_a_measured_distance_is_better_than_an_altitude(tmp_path):
    ranged = {**DOWN, "GimbalPitchDegree": "0", "LRFStatus": "Normal", "LRFTargetDistance": "7.5"}
    size, read = camera_scale(photo(tmp_path, FILM | DISTANCE, ranged), HEIGHT, WIDTH)
    assert size == pytest.approx(7500 * BY_FILM, rel=1e-5)
    assert read["distance_from"] == "XMP LRFTargetDistance"


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_other_formats_hold_exif_too(tmp_path, name):
    size, _ = camera_scale(photo(tmp_path, FILM | DISTANCE, name=name), HEIGHT, WIDTH)
    assert size == pytest.approx(2000 * BY_FILM, rel=1e-5)


@pytest.mark.parametrize(
    ("tags", "xmp", "message"),
    [
        ({}, {}, "no distance in EXIF"),
        (FILM, {}, "no distance in EXIF"),
        (FILM | {0x9206: 0.0}, {}, "no distance in EXIF"),
        (FILM | {0x9206: float(0xFFFFFFFF)}, {}, "no distance in EXIF"),
        (DISTANCE, {}, "lacks the FocalLengthIn35mmFilm"),
        (DISTANCE | {0xA405: 48388}, {}, "lacks the FocalLengthIn35mmFilm"),
        (DISTANCE | {0x920A: 8.0}, {}, "lacks the FocalLengthIn35mmFilm"),
        (FILM, DOWN | {"GimbalPitchDegree": "-45.0"}, "the camera's pitch was -45°, not −90°"),
        (FILM, {"RelativeAltitude": "+12.50"}, "it is not said where the camera looked"),
        (FILM, DOWN | {"RelativeAltitude": "-3.0"}, "no distance in EXIF"),
        (FILM | DISTANCE | {0xA002: 800, 0xA003: 600}, {}, "is of 800 × 600 px; it was cropped"),
        (FILM | DISTANCE | {0xA404: 2.0}, {}, "a digital zoom of 2"),
        (FILM | SENSOR | DISTANCE, {}, "its EXIF contradicts itself: 5 mm/px by Focal"),
    ],
)
def test_what_is_missing_or_contradicts_is_named(tmp_path, tags, xmp, message):
    with pytest.raises(PhotoError, match=message):
        camera_scale(photo(tmp_path, tags, xmp), HEIGHT, WIDTH)


def test_broken_xmp_is_an_error_of_the_photo(tmp_path):
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.jpg", xmp=b"<x:xmpmeta")
    with pytest.raises(PhotoError, match="XMP cannot be read"):
        camera_scale(tmp_path / "a.jpg", HEIGHT, WIDTH)
