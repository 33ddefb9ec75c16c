from pathlib import Path

import numpy as np
import pytest
from networks import pipeline
from PIL import Image
from shell import run

from cssr.models.saved import save_model
from cssr.sources.synthetic import synthesize


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a model, three photos, a broken one and a folder of one."""
    folder = tmp_path_factory.mktemp("inspection")
    (folder / "model").mkdir()
    description = {"variant": "cssr", "scale": 4, "side": 448, "threshold": 0.06}
    save_model(folder / "model", pipeline("cssr"), description)
    (folder / "photos/more").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.jpg", "more/c.tif")):
        image = synthesize(k, seed=0, size=64, crack_width=(1.0, 3.0))[0]
        Image.fromarray(image[: 64 - 8 * k]).save(folder / "photos" / name)
    whole = (folder / "photos/b.jpg").read_bytes()
    (folder / "photos/broken.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken/a.jpg").write_text("no photo")
    (folder / "soft").mkdir()
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / "soft/a.png")
    return folder


@pytest.fixture(scope="module")
def inspected(folder):
    """The process that inspected them."""
    return run("cssr segment photos --model model --recursive --out out", folder, check=False)
