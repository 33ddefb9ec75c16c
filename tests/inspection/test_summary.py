from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cssr.inspection.photo_record import read_record
from cssr.inspection.summary import FILES, PREVIEWS, Settings, is_done, read_summary, write_summary

SETTINGS = Settings(model="0", threshold=0.5, sr=False, min_area=1, mm_per_px=None)
AUX = "<PAMDataset>{}</PAMDataset>"
NODATA = '<PAMRasterBand band="1"><NoDataValue>{}</NoDataValue></PAMRasterBand>'


@pytest.fixture
def done(tmp_path):
    """A photo, and a function that tells whether its results are done."""
    file, folder = tmp_path / "a.png", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file)
    for name in (*FILES, *PREVIEWS):
        (folder / name).touch()

    def write():
        write_summary(folder, read_record(file), found={}, scale=1, settings=SETTINGS)

    def ask():
        return is_done(folder, read_record(file), SETTINGS)

    write()
    return SimpleNamespace(file=file, folder=folder, write=write, ask=ask)


def test_results_without_a_word_of_files_beside_the_photo_are_done(done):
    assert done.ask()
    summary = done.folder / "photo.json"
    summary.write_text(summary.read_text().replace('"beside": [],', ""))
    assert "beside" not in read_summary(done.folder)
    assert done.ask()


def test_a_no_data_value_beside_the_photo_that_changes_is_seen(done):
    aux = done.file.with_name("a.png.aux.xml")
    aux.write_text(AUX.format(NODATA.format(1)))
    assert not done.ask()
    done.write()
    assert done.ask()
    aux.write_text(AUX.format(NODATA.format(20)))
    assert not done.ask()
    done.write()
    aux.unlink()
    assert not done.ask()


@pytest.mark.parametrize("suffix", [".png.msk", ".pgw"])
def test_a_mask_or_world_file_beside_the_photo_that_changes_is_seen(done, suffix):
    beside = done.file.with_name(f"a{suffix}")
    if suffix == ".pgw":
        beside.write_text("1\n0\n0\n1\n0\n0\n")  # what it says is no place
    else:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(beside, format="TIFF")
    assert not done.ask()
    done.write()
    beside.write_bytes(beside.read_bytes() + b" ")
    assert not done.ask()
