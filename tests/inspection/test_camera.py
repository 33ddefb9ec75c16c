from math import hypot

import pytest
from PIL import Image

from cssr.inspection.camera import camera_scale
from cssr.inspection.photos import PhotoError

WIDTH, HEIGHT = 400, 300
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
 xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" {}/></rdf:RDF></x:xmpmeta>"""
FILM = {0xA405: 24}  # FocalLengthIn35mmFilm
SENSOR = {0x920A: 8.0, 0xA20E: 400 / 0.8, 0xA210: 3}  # 8 mm; 400 px on 8 mm, per cm
DISTANCE = {0x9206: 2.0}  # m
SIDES = {0xA002: WIDTH, 0xA003: HEIGHT}
DOWN = {"RelativeAltitude": "+12.50", "GimbalPitchDegree": "-90.00"}
RANGED = {"LRFStatus": "Normal", "LRFTargetDistance": "7.5"}
BY_FILM = hypot(36, 24) / 24 / hypot(WIDTH, HEIGHT)  # mm per px and mm of distance


def photo(folder, tags=None, xmp=None, name="a.jpg", size=(WIDTH, HEIGHT)):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags or {})
    exif[0x8769] = 0  # else it is not written to PNG and TIFF
    spaces = {"HasCrop": "crs"}
    attributes = " ".join(
        f'{spaces.get(key, "drone-dji")}:{key}="{value}"' for key, value in (xmp or {}).items()
    )
    options = {"xmp": XMP.format(attributes).encode()} if xmp else {}
    Image.new("RGB", size).save(folder / name, exif=exif, **options)
    return folder / name


def test_the_35_mm_equivalent_is_of_the_diagonal(tmp_path):
    size, read, _ = camera_scale(photo(tmp_path, FILM | DISTANCE), HEIGHT, WIDTH)
    assert size == pytest.approx(2000 * BY_FILM, rel=1e-5)
    assert read["formula"] == "distance · 43.27 mm / (FocalLengthIn35mmFilm · diagonal)"
    assert read["FocalLengthIn35mmFilm_mm"] == 24
    assert read["distance_m"] == 2
    assert read["distance_from"] == "EXIF SubjectDistance"


def test_the_pitch_of_the_sensor_comes_first(tmp_path):
    size, read, _ = camera_scale(photo(tmp_path, SENSOR | DISTANCE), HEIGHT, WIDTH)
    assert size == pytest.approx(2000 * 0.02 / 8)
    assert read["pixel_pitch_mm"] == 0.02


def test_a_photo_that_is_turned_has_the_same_scale(tmp_path):
    file = photo(tmp_path, SENSOR | DISTANCE | SIDES)
    assert camera_scale(file, WIDTH, HEIGHT) == camera_scale(file, HEIGHT, WIDTH)


def test_the_altitude_of_a_drone_that_looks_straight_down_is_the_distance(tmp_path):
    size, read, _ = camera_scale(photo(tmp_path, FILM, DOWN), HEIGHT, WIDTH)
    assert size == pytest.approx(12500 * BY_FILM, rel=1e-5)
    assert read["distance_from"] == "XMP RelativeAltitude"
    assert read["GimbalPitchDegree"] == -90


def test_a_measured_distance_is_better_than_an_altitude(tmp_path):
    ranged = DOWN | RANGED
    size, read, _ = camera_scale(photo(tmp_path, FILM, ranged), HEIGHT, WIDTH)
    assert size == pytest.approx(7500 * BY_FILM, rel=1e-5)
    assert read["distance_from"] == "XMP LRFTargetDistance"


@pytest.mark.parametrize("size", [(400, 225), (300, 300), (300, 700)])
def test_the_equivalent_of_a_sensor_does_not_hold_for_a_part_of_it(tmp_path, size):
    width, height = size
    tags = DISTANCE | {0xA002: width, 0xA003: height}
    with pytest.raises(PhotoError, match="not 4 to 3 or 3 to 2; it was cropped"):
        camera_scale(photo(tmp_path, FILM | tags, size=size), height, width)
    assert camera_scale(photo(tmp_path, SENSOR | tags, size=size), height, width)[0] == 5


@pytest.mark.parametrize("size", [(4928, 3264), (5280, 3956), (1000, 667)])
def test_sensors_have_about_their_proportions(tmp_path, size):
    camera_scale(photo(tmp_path, FILM | DISTANCE, size=size), *size)


@pytest.mark.parametrize("tags", [{}, {0xA002: WIDTH}, {0xA002: 0, 0xA003: HEIGHT}])
def test_a_crop_that_could_not_be_seen_is_noted(tmp_path, tags):
    _, _, notes = camera_scale(photo(tmp_path, FILM | DISTANCE | tags), HEIGHT, WIDTH)
    assert notes == (
        "its EXIF does not tell both its sides; cropping or resizing would not be seen",
    )
    assert camera_scale(photo(tmp_path, FILM | DISTANCE | SIDES), HEIGHT, WIDTH).notes == ()


@pytest.mark.parametrize(
    ("tags", "xmp", "metres"),
    [
        ({0x9206: 12.0}, DOWN | {"HasCrop": "False"}, 12),
        (DISTANCE, DOWN | {"GimbalPitchDegree": "0"}, 2),
        ({0x9206: float(0xFFFFFFFF)}, DOWN, 12.5),
    ],
)
def test_distances_contradict_only_where_both_are_of_what_is_seen(tmp_path, tags, xmp, metres):
    assert (
        camera_scale(photo(tmp_path, FILM | tags, xmp), HEIGHT, WIDTH).read["distance_m"] == metres
    )


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_other_formats_hold_exif_too(tmp_path, name):
    size, _, _ = camera_scale(photo(tmp_path, FILM | DISTANCE, name=name), HEIGHT, WIDTH)
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
        (FILM | DISTANCE | {0xA002: 800, 0xA003: 600}, {}, "is of 800 × 600 px, not 400 × 300"),
        (FILM | DISTANCE | {0xA002: 400, 0xA003: 400}, {}, "is of 400 × 400 px, not 400 × 300"),
        (FILM | DISTANCE | {0xA002: 800}, {}, "is of 800 px, not 400 × 300; it was cropped"),
        (FILM | DISTANCE | {0xA003: 600}, {}, "is of 600 px, not 400 × 300; it was cropped"),
        (FILM | DISTANCE, {"HasCrop": "True"}, "its XMP says that it was cropped"),
        (FILM | {0x9206: 9.0}, DOWN, "SubjectDistance is 9 m, its RelativeAltitude 12.5 m"),
        (FILM | DISTANCE, RANGED, "SubjectDistance is 2 m, its LRFTargetDistance 7.5 m"),
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
