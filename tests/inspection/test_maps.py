import numpy as np
import pytest
import tifffile
from rasterio import Affine
from rasterio.crs import CRS

from cssr.inspection.georeference import Georeference
from cssr.inspection.maps import describe, map_scale, result_georeference
from cssr.inspection.photo_record import read_record
from cssr.inspection.scales import map_scale_of

AT = Affine(0.0005, 0, 500000, 0, -0.0005, 5400000)


PROJECTED, USER_DEFINED = 1, 32767  # GeoTIFF's kinds of coordinate systems
MOON = """PROJCS["Moon",GEOGCS["Moon",DATUM["Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Moon",0],
 UNIT["degree",0.0174532925199433]],PROJECTION["Mercator_1SP"],UNIT["metre",1]]"""
TURNED = Affine.translation(964862, 5633000) @ Affine.rotation(45) @ Affine.scale(0.001, -0.001)


def local(unit, metres):
    """A site's own coordinate system."""
    return f'LOCAL_CS["site",UNIT["{unit}",{metres}]]'


def scale(crs, transform=AT):
    return map_scale(Georeference(crs and CRS.from_user_input(crs), transform), 160, 200)


@pytest.mark.parametrize(
    ("crs", "transform", "mm"),
    [
        ("EPSG:32632", AT, 0.5),
        ("EPSG:32632", AT @ Affine.rotation(30), 0.5),
        ("EPSG:25832+7837", AT, 0.5),
        ("EPSG:31467", Affine(0.002, 0, 3500000, 0, -0.002, 5400000), 2.0),
        ("EPSG:2263", Affine(0.001, 0, 984000, 0, -0.001, 208000), 0.304800610),  # US survey feet
    ],
)
def test_the_pixels_of_a_projected_map_are_the_scale(crs, transform, mm):
    assert scale(crs, transform) == (pytest.approx(mm), None)


@pytest.mark.parametrize(
    ("crs", "transform", "note"),
    [
        (None, AT, "names no coordinate system"),
        ("EPSG:4326", Affine(1e-8, 0, 9, 0, -1e-8, 48), "are degrees"),
        ("EPSG:32632", AT @ Affine.scale(1, 1.1), "not square"),
        ("EPSG:32632", AT @ Affine.shear(5), "not square"),
        ("EPSG:3857", AT, "a metre of EPSG:3857 is 0.72"),
        # equal areas, at 50° north: 1 m of the map is 0.74 m from west to east, 1.35 m to the north
        ("EPSG:6933", Affine(0.001, 0, 964862, 0, -0.001, 5633000), "is 0.74 to 1.35 m on the"),
        ("EPSG:6933", TURNED, "is 0.74 to 1.35 m on the ground"),
        (local("unknown", 1), AT, "unit of its coordinates is unknown"),
        (local("degree", 0.0174532925199433), AT, "unit of its coordinates is unknown"),
        ("EPSG:4978", AT, "unit of its coordinates is unknown"),
    ],
)
def test_where_pixels_are_no_scale_a_note_says_why(crs, transform, note):
    size, why = scale(crs, transform)
    assert size is None
    assert why.startswith("no scale: ")
    assert note in why
    assert why.endswith("; give --mm-per-px")


@pytest.mark.parametrize(
    ("crs", "mm"),
    [
        (local("metre", 1), 0.5),
        (local("foot", 0.3048), 0.1524),
        (
            f'COMPD_CS["a",{local("metre", 1)},VERT_CS["b",VERT_DATUM["c",2005],UNIT["metre",1]]]',
            0.5,
        ),
        (MOON, 0.5),
    ],
)
def test_a_map_that_cannot_be_compared_with_the_ground_has_a_scale_and_a_note(crs, mm):
    size, note = scale(crs)
    assert size == pytest.approx(mm)
    assert note == "whether a metre of its coordinates is one on the ground cannot be checked"


def test_a_map_beyond_its_projection_cannot_be_compared_with_the_ground():
    size, note = scale("EPSG:32632", Affine(0.0005, 0, 1e30, 0, -0.0005, 1e30))
    assert size == pytest.approx(0.5)
    assert "cannot be checked" in note


@pytest.mark.parametrize(
    ("model", "unit", "mm"),
    [
        (USER_DEFINED, 9001, 0.5),
        (USER_DEFINED, 9002, 0.1524),
        (USER_DEFINED, None, None),
        (PROJECTED, 9001, 0.5),
        (PROJECTED, 9002, None),  # GDAL takes it, and none, for a metre
        (PROJECTED, None, None),
    ],
)
def test_the_unit_of_a_geotiff_without_projection_is_what_it_says(tmp_path, model, unit, mm):
    keys = [(1024, 0, 1, model), (3072, 0, 1, USER_DEFINED)]
    keys += [(3076, 0, 1, unit)] if unit else []
    directory = np.ravel([(1, 1, 0, len(keys)), *keys]).tolist()
    place = [(33550, "d", 3, (0.0005, 0.0005, 0.0)), (33922, "d", 6, (0.0, 0, 0, 100, 200, 0))]
    tags = [*place, (34735, "H", len(directory), directory)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 20), np.uint8), extratags=tags)
    found = map_scale_of(read_record(tmp_path / "a.tif"))
    assert found.mm_per_px == (mm and pytest.approx(mm))
    (note,) = found.notes
    assert ("cannot be checked" if mm else "unit of its coordinates is unknown") in note


def test_results_cover_the_photo_with_more_pixels():
    photo = Georeference(CRS.from_epsg(32632), AT @ Affine.rotation(30))
    results = result_georeference(photo, 4)
    assert results.transform @ (4 * 200, 4 * 160) == pytest.approx(photo.transform @ (200, 160))
    assert describe(results)["crs"] == "EPSG:32632"
    assert result_georeference(None, 4) is describe(None) is None
