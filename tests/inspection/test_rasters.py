import numpy as np
import pytest

from cssr.inspection.rasters import check_whole, new_rasters, write_band
from cssr.inspection.segmenter import Band


def test_a_raster_that_was_cut_off_is_not_taken_for_whole(tmp_path):
    pixels = np.random.default_rng(0).random((600, 600), np.float32)
    band = Band(0, np.zeros((600, 600, 3), np.uint8), np.ones((600, 600), bool), pixels, None)
    with new_rasters(tmp_path, 600, 600, sr=False) as rasters:
        write_band(rasters, 0, band, pixels > 0.5)
    file = tmp_path / "probability.tif"
    check_whole(file)
    content = file.read_bytes()
    for kept in (len(content) // 2, 0):
        file.write_bytes(content[:kept])
        with pytest.raises(OSError, match="not written whole"):
            check_whole(file)
