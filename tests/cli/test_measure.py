import io

import numpy as np
import pandas as pd
from PIL import Image
from shell import run_here


def test_measuring_a_mask_gives_what_segmenting_measured(inspected, folder):
    assert run_here("cssr measure out -r", folder).stdout == (folder / "out/cracks.csv").read_text()


def test_measuring_knows_the_scale_of_what_segmenting_wrote(inspected, folder):
    command = "cssr measure out/more/c.tif/mask.tif out/b.jpg --mm-per-px 2"
    rows = pd.read_csv(io.StringIO(run_here(command, folder).stdout))
    assert set(rows.photo) == {"c.tif", "b.jpg"}
    np.testing.assert_allclose(rows.length_mm, rows.length_px * 2 / 4, atol=0.01)


def test_measuring_knows_the_mm_that_segmenting_was_given(folder):
    run_here("cssr segment photos/a.png --model model --out known --mm-per-px 0.5", folder)
    assert (
        run_here("cssr measure known -r", folder).stdout
        == (folder / "known/cracks.csv").read_text()
    )


def test_a_mask_that_is_mostly_crack_is_called_in_question(tmp_path):
    mask = np.full((40, 40), 255, np.uint8)
    mask[20:24] = 0
    Image.fromarray(mask).save(tmp_path / "inverted.png")
    done = run_here("cssr measure inverted.png", tmp_path)
    assert done.stderr == "note: inverted.png: 90% of it is crack; is it a photo, or inverted?\n"


def test_a_mask_of_zeros_and_ones_is_refused(folder):
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / "ones.png")
    done = run_here("cssr measure ones.png", folder, check=False)
    assert done.returncode == 2
    assert done.stderr == "ones.png: values up to 1; those of crack are 128 to 255; skipped\n"


def test_measurements_are_written_to_a_folder(inspected, folder):
    run_here("cssr measure out/b.jpg/mask.tif out/a.png/overlay.jpg --out measured", folder)
    assert sorted(file.name for file in (folder / "measured").iterdir()) == [
        "b.jpg.geojson",
        "cracks.csv",
        "overlay.jpg.geojson",
        "photos.csv",
    ]


def test_masks_of_16_bits_are_judged_by_all_their_bits(tmp_path):
    Image.fromarray(np.full((8, 8), 255, np.uint16)).save(tmp_path / "dark.png")
    done = run_here("cssr measure dark.png", tmp_path, check=False)
    assert done.returncode == 2
    assert "values up to 1; those of crack are 128 to 255" in done.stderr


def test_soft_values_beside_a_crack_do_not_matter(tmp_path):
    mask = np.zeros((600, 40), np.uint8)
    mask[20:24], mask[500:504] = 255, 90
    Image.fromarray(mask).save(tmp_path / "mask.png")
    table = pd.read_csv(io.StringIO(run_here("cssr measure mask.png", tmp_path).stdout))
    assert list(table.area_px) == [160]


def test_masks_whose_names_differ_in_a_slash_get_a_file_each(tmp_path):
    (tmp_path / "masks/a").mkdir(parents=True)
    for name in ("a/b.png", "a_b.png"):
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "masks" / name)
    run_here("cssr measure masks -r --out out", tmp_path)
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files == ["a_b.png.geojson", "a_b.png_.geojson", "cracks.csv", "photos.csv"]


def test_how_a_mask_was_read_is_told(tmp_path):
    mask = Image.fromarray(np.full((8, 8), 255, np.uint8))
    mask.save(tmp_path / "mask.tif", save_all=True, append_images=[mask])
    done = run_here("cssr measure mask.tif", tmp_path)
    assert done.stderr.splitlines()[0] == (
        "note: mask.tif: the first of 2 pages; the others are not read"
    )
