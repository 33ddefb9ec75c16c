import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from cssr.inspection.photo_record import read_record
from cssr.inspection.photos import open_photo

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
UTM = CRS.from_epsg(32632)
PLACE = Affine(0.5, 0, 100, 0, -0.5, 200)
FAR = Affine(0.02, 0.003, 512_345.6, 0.003, -0.02, 5_412_345.6)
WORLD = "0.5\n0\n0\n-0.5\n100.25\n199.75\n"  # the middle of the first pixel


def save(file, **options):
    Image.fromarray(PIXELS).save(file, **options)
    return file


def test_a_geotiff_knows_its_place(tmp_path):
    profile = {"driver": "GTiff", "height": 40, "width": 56, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, crs=UTM, transform=PLACE) as out:
        out.write(PIXELS.transpose(2, 0, 1))
    assert read_record(tmp_path / "a.tif").place == (UTM, PLACE)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_a_photo_without_a_world_file_has_no_place(tmp_path, suffix):
    assert read_record(save(tmp_path / f"a{suffix}")).place is None


@pytest.mark.parametrize(
    ("suffix", "world"),
    [(".jpg", ".jgw"), (".jpg", ".wld"), (".png", ".pgw"), (".tif", ".tfw"), (".bmp", ".bpw")],
)
def test_a_world_file_tells_the_place(tmp_path, suffix, world):
    file = save(tmp_path / f"a{suffix}")
    file.with_suffix(world).write_text(WORLD)
    assert read_record(file).place == (None, PLACE)


def test_the_coordinate_system_of_a_world_file_is_that_of_the_prj_beside_it(tmp_path):
    file = save(tmp_path / "a.jpg")
    file.with_suffix(".jgw").write_text(WORLD)
    file.with_suffix(".prj").write_text(UTM.to_wkt(version="WKT1_ESRI"))
    assert read_record(file).place.crs.to_epsg() == 32632
    file.with_suffix(".prj").write_text("nonsense")
    assert read_record(file).place == (None, PLACE)


def test_the_coordinate_system_and_no_data_of_an_aux_xml_are_read_and_none_is_written(tmp_path):
    file = save(tmp_path / "a.png")
    file.with_suffix(".pgw").write_text(WORLD)
    bands = "".join(
        f'<PAMRasterBand band="{k}"><NoDataValue>0</NoDataValue></PAMRasterBand>' for k in (1, 2, 3)
    )
    aux = f"<PAMDataset><SRS>EPSG:32632</SRS>{bands}</PAMDataset>"
    (tmp_path / "a.png.aux.xml").write_text(aux)
    save(tmp_path / "b.png")
    before = sorted(tmp_path.iterdir())
    assert read_record(file).place.crs == UTM
    with open_photo(file) as photo:
        assert photo.has_gaps
    for each in ("a.png", "b.png"):
        with open_photo(tmp_path / each) as photo:
            photo.rows(0, 40)
            photo.valid(0, 40)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_pixel_of_a_turned_photo_lies_where_it_lay(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    file = save(tmp_path / "a.png", exif=exif)
    file.with_suffix(".pgw").write_text(WORLD)
    with open_photo(file) as photo:
        upright = photo.rows(0, photo.height)
    transform = read_record(file).place.transform
    for y, x in ((0, 0), (3, 20), (39, 55)):
        (row, column), *others = np.argwhere((upright == PIXELS[y, x]).all(axis=2))
        assert not others
        assert transform @ (column + 0.5, row + 0.5) == pytest.approx(PLACE @ (x + 0.5, y + 0.5))


def with_points(file, off=0.0, count=5):
    """A GeoTIFF with ground control points, the first of them some px off."""
    at = [(0, 0), (0, 56), (40, 0), (40, 56), (20, 28)][:count]
    points = [GroundControlPoint(row, col, *(FAR @ (col, row))) for row, col in at]
    points[0].x, points[0].y = FAR @ (off, 0)
    profile = {"driver": "GTiff", "height": 40, "width": 56, "count": 3, "dtype": "uint8"}
    with rasterio.open(file, "w", **profile) as out:
        out.write(PIXELS.transpose(2, 0, 1))
        out.gcps = points, UTM
    return file


@pytest.mark.parametrize("count", [3, 4, 5])
def test_ground_control_points_tell_the_place(tmp_path, count):
    record = read_record(with_points(tmp_path / "a.tif", count=count))
    assert record.notes == ()
    assert record.place.crs == UTM
    assert record.place.transform.almost_equals(FAR, precision=1e-6)


@pytest.mark.parametrize("options", [{"off": 9.0}, {"count": 2}], ids=str)
def test_ground_control_points_that_no_transform_meets_are_told(tmp_path, options):
    record = read_record(with_points(tmp_path / "a.tif", **options))
    assert record.place is None
    assert "its ground control points are not used: no affine" in record.notes[0]


def test_a_coordinate_system_without_a_transform_is_told(tmp_path):
    profile = {"driver": "GTiff", "height": 40, "width": 56, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, crs=UTM) as out:
        out.write(PIXELS.transpose(2, 0, 1))
    record = read_record(tmp_path / "a.tif")
    assert record.place is None
    assert "its coordinate system is not used" in record.notes[0]


@pytest.mark.parametrize("text", ["1\n0\n", "a\n" * 6, "0\n" * 6, "nan\n" * 6])
def test_a_world_file_that_tells_no_place_is_told(tmp_path, text):
    save(tmp_path / "a.jpg", driver="JPEG")
    (tmp_path / "a.jgw").write_text(text)
    record = read_record(tmp_path / "a.jpg")
    assert record.place is None
    assert record.notes == ("a.jgw is not used: it does not say where the photo lies",)
