import pytest
from rasterio import Affine
from rasterio.crs import CRS

from cssr.inspection.georeference import Georeference
from cssr.inspection.maps import describe, map_scale, result_georeference

AT = Affine(0.0005, 0, 500000, 0, -0.0005, 5400000)


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
        ("EPSG:3857", AT, "a metre of EPSG:3857 is 0.724 m on the ground"),
        ('LOCAL_CS["site",UNIT["metre",1]]', AT, "unit of its coordinates is unknown"),
    ],
)
def test_where_pixels_are_no_scale_a_note_says_why(crs, transform, note):
    size, why = scale(crs, transform)
    assert size is None
    assert note in why


def test_results_cover_the_photo_with_more_pixels():
    photo = Georeference(CRS.from_epsg(32632), AT @ Affine.rotation(30))
    results = result_georeference(photo, 4)
    assert results.transform @ (4 * 200, 4 * 160) == pytest.approx(photo.transform @ (200, 160))
    assert describe(results)["crs"] == "EPSG:32632"
    assert result_georeference(None, 4) is describe(None) is None
