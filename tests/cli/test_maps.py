"""Georeferenced photos and masks, whose results are opened with rasterio and GDAL's vectors."""

import json
import sqlite3
import struct
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from PIL import Image
from rasterio import Affine
from shell import run_here

from cssr.sources.synthetic import synthesize

AT = Affine(0.0005, 0, 500000, 0, -0.0005, 5400000)  # half a mm per px


def write(file: Path, pixels: np.ndarray, crs, transform: Affine) -> Path:
    """Write (H, W) or (H, W, 3) as GeoTIFF."""
    bands = np.atleast_3d(pixels).transpose(2, 0, 1)
    size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    colour = {"photometric": "rgb"} if len(bands) == 3 else {}
    with rasterio.open(
        file, "w", driver="GTiff", dtype="uint8", crs=crs, transform=transform, **size, **colour
    ) as target:
        target.write(bands)
    return file


def lines(file: Path) -> list[list[np.ndarray]]:
    """The coordinates of a GeoPackage's features, read from their well-known binaries."""
    features = []
    for blob in pyogrio.raw.read(file)[2]:
        number, at, parts = struct.unpack_from("<I", blob, 5)[0], 9, []
        for _ in range(number):
            (points,) = struct.unpack_from("<I", blob, at + 5)
            parts.append(np.frombuffer(blob, "<f8", 2 * points, at + 9).reshape(-1, 2))
            at += 9 + 16 * points
        features.append(parts)
    return features


@pytest.fixture(scope="module")
def mapped(folder):
    """A folder with results of a photo on a map."""
    image = synthesize(0, seed=0, size=64, crack_width=(1.0, 3.0))[0]
    write(folder / "map.tif", image[:48], "EPSG:32632", AT)
    run_here("cssr segment map.tif --model model --out mapped", folder)
    return folder / "mapped/map.tif"


@pytest.mark.parametrize("name", ["mask.tif", "probability.tif", "sr.tif"])
def test_maps_of_a_photo_lie_where_it_lies(mapped, folder, name):
    with rasterio.open(folder / "map.tif") as photo, rasterio.open(mapped / name) as result:
        assert result.crs == photo.crs
        assert result.bounds == pytest.approx(photo.bounds, abs=1e-9)
        assert result.shape == (4 * photo.height, 4 * photo.width)


def test_lines_of_a_photo_lie_where_it_lies_with_the_columns_of_the_table(mapped):
    info = pyogrio.read_info(mapped / "cracks.gpkg", force_total_bounds=True)
    table = pd.read_csv(mapped / "cracks.csv")
    assert info["crs"] == "EPSG:32632"
    assert info["geometry_type"] == "MultiLineString"
    assert list(info["fields"]) == list(table)
    assert info["features"] == len(table) > 0
    left, bottom, right, top = info["total_bounds"]
    assert 500000 <= left < right <= 500000 + 64 * 0.0005
    assert 5400000 - 48 * 0.0005 <= bottom < top <= 5400000


def test_the_pixels_of_a_map_are_the_scale(mapped):
    table = pd.read_csv(mapped / "cracks.csv")
    np.testing.assert_allclose(table.length_mm, table.length_px * 0.5 / 4, atol=0.01)
    summary = json.loads((mapped / "photo.json").read_text())
    assert summary["settings"]["mm_per_px"] == 0.5
    assert summary["mm_per_px_from"] == {"from": "georeference"}
    assert summary["georeference"]["crs"] == "EPSG:32632"


def test_a_scale_that_is_given_comes_first(folder, mapped):
    done = run_here("cssr segment map.tif --model model --out given --mm-per-px 3", folder)
    assert done.stderr == "note: map.tif: 3 mm per px, though its map says 0.5\n"
    assert set(pd.read_csv(folder / "given/cracks.csv").mm_per_px) == {3}


@pytest.mark.parametrize(
    ("crs", "east"), [("EPSG:32632", 0), ("EPSG:25832+7837", 0), ("EPSG:31467", 3_000_000)]
)
def test_a_drawn_crack_has_its_place_and_its_length_in_metres(tmp_path, crs, east):
    mask = np.zeros((100, 300), np.uint8)
    mask[48:52, 40:240] = 255
    turned = Affine.translation(east, 0) @ AT @ Affine.rotation(30)
    write(tmp_path / "mask.tif", mask, crs, turned)
    run_here("cssr measure mask.tif --out out", tmp_path)
    ((line,),) = lines(tmp_path / "out/mask.tif.gpkg")
    assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(0.1, abs=0.0005)
    ends = [turned @ (40, 50), turned @ (240, 50)]
    np.testing.assert_allclose(sorted(line[[0, -1]].tolist()), sorted(ends), atol=0.0005)
    table = pd.read_csv(tmp_path / "out/cracks.csv")
    assert table.length_mm[0] == pytest.approx(100, rel=0.01)


def test_degrees_are_no_scale_but_a_place(tmp_path):
    mask = np.zeros((50, 80), np.uint8)
    mask[20:24, 10:60] = 255
    write(tmp_path / "mask.tif", mask, "EPSG:4326", Affine(1e-6, 0, 9, 0, -1e-6, 48))
    done = run_here("cssr measure mask.tif --out out", tmp_path)
    assert done.stderr == (
        "note: mask.tif: no scale: its coordinates are degrees; give --mm-per-px\n"
    )
    ((line,),) = lines(tmp_path / "out/mask.tif.gpkg")
    np.testing.assert_allclose(line.mean(axis=0), (9.000035, 47.999978), atol=1e-6)
    assert "length_mm" not in pd.read_csv(tmp_path / "out/cracks.csv")


def test_a_world_file_gives_a_place_without_coordinate_system(tmp_path, folder):
    image = synthesize(0, seed=0, size=64, crack_width=(1.0, 3.0))[0]
    Image.fromarray(image).save(tmp_path / "a.jpg")
    (tmp_path / "a.jgw").write_text("0.01\n0\n0\n-0.01\n1000.005\n1999.995\n")
    done = run_here(f"cssr segment a.jpg --model {folder}/model", tmp_path)
    assert "note: a.jpg: no scale: its world file names no coordinate system" in done.stderr
    with rasterio.open(tmp_path / "cracks/a.jpg/mask.tif") as mask:
        assert mask.crs is None
        assert mask.bounds == pytest.approx((1000, 1999.36, 1000.64, 2000))
    info = pyogrio.read_info(tmp_path / "cracks/a.jpg/cracks.gpkg", force_total_bounds=True)
    assert 1000 <= info["total_bounds"][0] < info["total_bounds"][2] <= 1000.64
    summary = json.loads((tmp_path / "cracks/a.jpg/photo.json").read_text())
    assert "world file" in summary["notes"][0]


def test_a_world_file_that_is_moved_makes_its_photo_anew(tmp_path, folder):
    Image.fromarray(synthesize(0, seed=0, size=64, crack_width=(1.0, 3.0))[0]).save(
        tmp_path / "a.jpg"
    )
    command = f"cssr segment a.jpg --model {folder}/model --resume"
    run_here(command, tmp_path)
    assert "1 of 1 photos are done" in run_here(command, tmp_path).stdout
    for left in (1000, 3000):
        (tmp_path / "a.jgw").write_text(f"0.01\n0\n0\n-0.01\n{left}\n2000\n")
        assert "photos are done" not in run_here(command, tmp_path).stdout
    assert "1 of 1 photos are done" in run_here(command, tmp_path).stdout


def test_a_photo_without_place_has_no_geopackage(inspected, folder):
    assert not list((folder / "out").rglob("*.gpkg"))
    with warnings.catch_warnings(action="ignore"):
        assert rasterio.open(folder / "out/a.png/mask.tif").crs is None


def test_the_geopackage_of_a_photo_without_crack_opens_too(tmp_path):
    write(tmp_path / "mask.tif", np.zeros((50, 80), np.uint8), "EPSG:32632", AT)
    run_here("cssr measure mask.tif --out out --width-classes 0.1", tmp_path)
    info = pyogrio.read_info(tmp_path / "out/mask.tif.gpkg")
    assert info["features"] == 0
    assert {"photo", "length_mm", "width_class"} <= set(info["fields"])
    with sqlite3.connect(tmp_path / "out/mask.tif.gpkg") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
