import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio import Affine
from rasterio.crs import CRS

from cssr.inspection.photos import open_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
UTM = CRS.from_epsg(32632)
PLACE = Affine(0.5, 0, 100, 0, -0.5, 200)
WORLD = "0.5\n0\n0\n-0.5\n100.25\n199.75\n"  # the middle of the first pixel


def georeference(file):
    with open_photo(file) as photo:
        return photo.georeference


def save(file, **options):
    Image.fromarray(PIXELS).save(file, **options)
    return file


def test_a_geotiff_knows_its_place(tmp_path):
    profile = {"driver": "GTiff", "height": 40, "width": 56, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, crs=UTM, transform=PLACE) as out:
        out.write(PIXELS.transpose(2, 0, 1))
    assert georeference(tmp_path / "a.tif") == (UTM, PLACE)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_a_photo_without_a_world_file_has_no_place(tmp_path, suffix):
    assert georeference(save(tmp_path / f"a{suffix}")) is None


@pytest.mark.parametrize(
    ("suffix", "world"),
    [(".jpg", ".jgw"), (".jpg", ".wld"), (".png", ".pgw"), (".tif", ".tfw"), (".bmp", ".bpw")],
)
def test_a_world_file_tells_the_place(tmp_path, suffix, world):
    file = save(tmp_path / f"a{suffix}")
    file.with_suffix(world).write_text(WORLD)
    assert georeference(file) == (None, PLACE)


def test_the_coordinate_system_of_a_world_file_is_that_of_the_prj_beside_it(tmp_path):
    file = save(tmp_path / "a.jpg")
    file.with_suffix(".jgw").write_text(WORLD)
    file.with_suffix(".prj").write_text(UTM.to_wkt(version="WKT1_ESRI"))
    assert georeference(file).crs.to_epsg() == 32632
    file.with_suffix(".prj").write_text("nonsense")
    assert georeference(file) == (None, PLACE)


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
    assert georeference(file).crs == UTM
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
        upright, transform = photo.rows(0, photo.height), photo.georeference.transform
    for y, x in ((0, 0), (3, 20), (39, 55)):
        (row, column), *others = np.argwhere((upright == PIXELS[y, x]).all(axis=2))
        assert not others
        assert transform @ (column + 0.5, row + 0.5) == pytest.approx(PLACE @ (x + 0.5, y + 0.5))
