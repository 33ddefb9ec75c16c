import warnings
from pathlib import Path

import numpy as np
import rasterio
from shell import run


def read(file: Path) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"), rasterio.open(file) as source:
        return source.read()


def test_an_exported_model_finds_the_same_cracks(inspected, folder):
    exported = run("cssr export --model model --onnx model.onnx", folder)
    printed = exported.stdout
    assert "leaked" not in exported.stderr  # what ONNX's bindings would say at the end
    assert float(printed.split("at most ")[1].split()[0]) < 1e-4
    run("cssr segment photos/b.jpg --model model.onnx --out onnx", folder)
    one, two = (read(folder / out / "b.jpg/probability.tif") for out in ("out", "onnx"))
    assert np.abs(one.astype(int) - two).max() <= 7  # 1e-4 of 65,535
