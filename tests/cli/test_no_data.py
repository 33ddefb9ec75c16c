import json

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from shell import run_here

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def write(file, pixels, **options):
    profile = {"count": 1, "height": 40, "width": 60, "dtype": "uint8"}
    with rasterio.open(file, "w", driver="GTiff", **profile, **options) as out:
        out.write(pixels[None])


def test_the_share_of_a_photo_without_data_is_told_and_why(folder):
    (folder / "gaps").mkdir()
    light = np.full((40, 60), 90, np.uint8)
    light[:, :15] = 0
    write(folder / "gaps/value.tif", light, nodata=0)
    write(folder / "gaps/whole.tif", light)
    image = Image.fromarray(light).convert("RGB")
    image.putalpha(Image.fromarray(light))
    image.save(folder / "gaps/alpha.png")
    done = run_here("cssr segment gaps --model model --out shares", folder)
    note = "25 % of its pixels are left out; its no-data value is 0"
    assert done.stderr.count("are left out") == 1
    assert f"note: gaps/value.tif: {note}" in done.stderr
    shares = pd.read_csv(folder / "shares/photos.csv").set_index("photo").no_data_share
    assert dict(shares) == {"value.tif": 0.25, "whole.tif": 0, "alpha.png": 0.25}
    summary = json.loads((folder / "shares/value.tif/photo.json").read_text())
    assert summary["no_data_share"] == 0.25
    assert note in summary["notes"]
    run_here("cssr measure shares -r --out again", folder)
    again = pd.read_csv(folder / "again/photos.csv").set_index("photo").no_data_share
    assert dict(again) == dict(shares)


def test_the_share_of_a_mask_without_data_is_told_too(tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[:4] = 127
    mask[10:14, 5:55] = 255
    write(tmp_path / "a.tif", mask, nodata=127)
    mask[:4] = 0
    write(tmp_path / "b.tif", mask, nodata=0)
    done = run_here("cssr measure a.tif b.tif --out out", tmp_path)
    assert "10 % of its pixels are left out; its no-data value is 127" in done.stderr
    assert done.stderr.count("are left out") == 1
    shares = pd.read_csv(tmp_path / "out/photos.csv").set_index("photo").no_data_share
    assert dict(shares) == {"a.tif": 0.1, "b.tif": 0}
