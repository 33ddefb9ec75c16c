import io

import numpy as np
import pandas as pd
import pytest
import rasterio
import tifffile
from PIL import Image
from scipy.io import savemat
from shell import run_here

from cssr.inspection.photos import FilePhoto

CRACK = np.zeros((40, 60), bool)
CRACK[10:14, 5:55] = True
TURNED = Image.Exif()
TURNED[274] = 6
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def save(file, pixels, **options):
    Image.fromarray(pixels).save(file, **options)


def save_colours(file, crack, colour):
    pixels = np.zeros((*crack.shape, len(colour)), np.uint8)
    pixels[crack] = colour
    Image.fromarray(pixels).save(file)


def save_palette(file, crack, **options):
    image = Image.fromarray(crack.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(file, **options)


def save_alpha(file, crack, **options):
    pixels = np.zeros((*crack.shape, 4), np.uint8)
    pixels[..., 3] = crack * 255
    save(file, pixels, **options)


WRITERS = {
    "8 bits.png": lambda file, crack: save(file, (crack * 255).astype(np.uint8)),
    "a.jpg": lambda file, crack: save(file, (crack * 255).astype(np.uint8), quality=90),
    "ones.png": lambda file, crack: save(file, crack.astype(np.uint8)),
    "1 bit.png": save,
    "red.png": lambda file, crack: save_colours(file, crack, (255, 0, 0)),
    "dark.bmp": lambda file, crack: save_colours(file, crack, (90, 90, 0)),
    "palette.png": save_palette,
    "transparent palette.png": lambda file, crack: save_palette(file, crack, transparency=0),
    "c.gif": save_palette,
    "alpha.png": save_alpha,
    "alpha.tif": save_alpha,
    "alpha.webp": lambda file, crack: save_alpha(file, crack, lossless=True, exact=True),
    "turned.png": lambda file, crack: save(file, np.rot90(crack).astype(np.uint8), exif=TURNED),
    "white.webp": lambda file, crack: save(file, (crack * 255).astype(np.uint8), lossless=True),
    "16 bits.png": lambda file, crack: save(file, (crack * 65535).astype(np.uint16)),
    "8 of 16 bits.png": lambda file, crack: save(file, (crack * 255).astype(np.uint16)),
    "float.tif": lambda file, crack: tifffile.imwrite(file, crack.astype(np.float32)),
    "double.tif": lambda file, crack: tifffile.imwrite(file, crack.astype(np.float64)),
    "16 bits.tif": lambda file, crack: tifffile.imwrite(file, crack.astype(np.uint16)),
    "1 bit.tif": save,
    "a.npy": np.save,
    "a.npz": lambda file, crack: np.savez(file, mask=crack.astype(np.int64)),
    "b.mat": lambda file, crack: savemat(file, {"groundTruth": {"Segmentation": crack + 1}}),
}


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


def test_measurements_are_written_to_a_folder(inspected, folder):
    run_here("cssr measure out/b.jpg/mask.tif out/a.png/overlay.jpg --out measured", folder)
    assert sorted(file.name for file in (folder / "measured").iterdir()) == [
        "b.jpg.geojson",
        "cracks.csv",
        "overlay.jpg.geojson",
        "photos.csv",
    ]


def test_soft_edges_are_cut_at_half_of_the_range(tmp_path):
    mask = np.zeros((600, 40), np.uint8)
    mask[19:25, :] = np.array([64, 128, 255, 255, 127, 30])[:, None]
    mask[590] = 90  # in another band of rows
    Image.fromarray(mask).save(tmp_path / "mask.png")
    table = pd.read_csv(io.StringIO(run_here("cssr measure mask.png", tmp_path).stdout))
    assert list(table.area_px) == [120]


def test_labels_are_refused_until_the_value_of_crack_is_given(tmp_path):
    mask = np.zeros((600, 40), np.uint8)
    mask[20:24], mask[500:506] = 255, 90
    Image.fromarray(mask).save(tmp_path / "mask.png")
    done = run_here("cssr measure mask.png", tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "mask.png: it holds the values 0, 90 and 255; --crack-value N says which value is crack; "
        "skipped\n"
    )
    for value, area in ((255, 160), (90, 240)):
        done = run_here(f"cssr measure mask.png --crack-value {value}", tmp_path)
        assert list(pd.read_csv(io.StringIO(done.stdout)).area_px) == [area]
        assert done.stderr == ""


def test_a_mask_without_the_value_of_crack_has_none_and_a_note_says_so(tmp_path):
    Image.fromarray(CRACK.astype(np.uint8)).save(tmp_path / "mask.png")
    done = run_here("cssr measure mask.png --crack-value 2", tmp_path)
    assert not len(pd.read_csv(io.StringIO(done.stdout)))
    assert done.stderr == "note: mask.png: none of its pixels is 2; it holds the values 0 and 1\n"


@pytest.mark.parametrize("crack", [CRACK, CRACK & False], ids=["crack", "no crack"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_crack_is_the_same_in_every_convention(tmp_path, name, crack):
    WRITERS[name](tmp_path / name, crack)
    run_here(f"cssr measure '{name}' --out out", tmp_path)
    photos = pd.read_csv(tmp_path / "out/photos.csv")
    assert photos.crack_share[0] == pytest.approx(crack.mean(), abs=1e-3)
    areas = pd.read_csv(tmp_path / "out/cracks.csv").area_px
    assert list(areas) == ([crack.sum()] if crack.any() else [])
    assert list(photos.no_data_share) == [0]


def test_a_label_of_a_transparent_palette_is_measured_among_all_pixels(tmp_path):
    save_palette(tmp_path / "a.png", CRACK + 2 * CRACK[::-1], transparency=0)
    run_here("cssr measure a.png --crack-value 2 --out out", tmp_path)
    photos = pd.read_csv(tmp_path / "out/photos.csv")
    assert photos.crack_share[0] == pytest.approx(CRACK.mean(), abs=1e-3)


def test_where_a_mask_of_floating_point_has_no_data_nothing_is_measured(tmp_path):
    probs = CRACK.astype(np.float32)
    probs[:, :20] = -9999
    profile = {"count": 1, "height": 40, "width": 60, "dtype": "float32", "nodata": -9999}
    with rasterio.open(tmp_path / "a.tif", "w", "GTiff", **profile) as out:
        out.write(probs[None])
    run_here("cssr measure a.tif --out out", tmp_path)
    photos = pd.read_csv(tmp_path / "out/photos.csv")
    assert photos.no_data_share[0] == pytest.approx(1 / 3, abs=1e-3)
    assert photos.crack_share[0] == pytest.approx(CRACK[:, 20:].mean(), abs=1e-3)


def test_arrays_and_gifs_in_a_folder_are_masks(tmp_path):
    (tmp_path / "masks").mkdir()
    for name in ("a.npy", "b.mat", "c.gif"):
        WRITERS[name](tmp_path / "masks" / name, CRACK)
    done = run_here("cssr measure masks", tmp_path)
    assert list(pd.read_csv(io.StringIO(done.stdout)).photo) == ["a.npy", "b.mat", "c.gif"]


def test_what_is_no_array_is_skipped(tmp_path):
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks/a.npy", CRACK)
    (tmp_path / "masks/b.npy").write_text("no array")
    done = run_here("cssr measure masks", tmp_path, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("masks/b.npy: not a readable image (")


def test_the_alpha_of_a_map_only_tells_where_there_are_data(tmp_path):
    bands = np.stack([CRACK * 0] * 3 + [CRACK * 255]).astype(np.uint8)
    profile = {"count": 4, "height": 40, "width": 60, "dtype": "uint8", "photometric": "rgb"}
    place = rasterio.Affine(0.1, 0, 400_000, 0, -0.1, 5_000_000)
    for name, options in (("map.tif", {"transform": place, "crs": "EPSG:25832"}), ("a.tif", {})):
        with rasterio.open(tmp_path / name, "w", "GTiff", alpha="yes", **profile, **options) as out:
            out.write(bands)
        run_here(f"cssr measure {name} --out {name[0]}", tmp_path)
    on_map, alone = (pd.read_csv(tmp_path / each / "photos.csv").iloc[0] for each in "ma")
    assert (on_map.crack_share, on_map.cracks) == (0, 0)
    assert on_map.no_data_share == pytest.approx((~CRACK).mean(), abs=1e-3)
    assert (alone.no_data_share, alone.cracks) == (0, 1)


def test_a_mask_that_segmenting_wrote_is_read_once(inspected, folder, monkeypatch):
    read = []
    values = FilePhoto.values
    monkeypatch.setattr(FilePhoto, "values", lambda *rows: (read.append(rows[1]), values(*rows))[1])
    run_here("cssr measure out/a.png/mask.tif", folder)
    assert read == [0]
    (folder / "mask.tif").write_bytes((folder / "out/a.png/mask.tif").read_bytes())
    run_here("cssr measure mask.tif", folder)
    assert read == [0, 0, 0]


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
