"""The scale of each photo, the tables in which it stands, and classes of width."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shell import run_here

from cssr.sources.synthetic import synthesize


@pytest.fixture(scope="module")
def scenes(folder) -> Path:
    """Two photos; the EXIF of the first tells its scale, 2000 · 43.27 / (24 · 80) mm."""
    (folder / "scenes").mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA405: 24, 0x9206: 2.0})
    for name, options in (("a.jpg", {"exif": exif}), ("b.jpg", {})):
        image = synthesize(1, seed=0, size=64, crack_width=(1.0, 3.0))[0]
        Image.fromarray(image[:48]).save(folder / "scenes" / name, **options)
    (folder / "mm.csv").write_text("photo,mm_per_px\na.jpg,0.5\nb.jpg,2\nold.jpg,1\n")
    return folder / "scenes"


def test_each_photo_has_its_scale_from_a_table(folder, scenes):
    command = "cssr segment scenes --model model --out tabled --mm-per-px mm.csv"
    done = run_here(command, folder)
    assert done.stderr == "note: mm.csv: not among the photos: old.jpg\n"
    table = pd.read_csv(folder / "tabled/cracks.csv")
    assert table.groupby("photo").mm_per_px.unique().map(list).to_dict() == {
        "a.jpg": [0.5],
        "b.jpg": [2.0],
    }
    np.testing.assert_allclose(table.length_mm, table.length_px * table.mm_per_px / 4, atol=0.01)
    assert "do not compare" not in (folder / "tabled/index.html").read_text()
    summary = json.loads((folder / "tabled/a.jpg/photo.json").read_text())
    assert summary["mm_per_px_from"] == {"from": "mm.csv"}
    (folder / "mm.csv").write_text("a.jpg,0.5\nb.jpg,3\n")
    again = run_here(f"{command} --resume", folder)
    assert "1 of 2 photos are done" in again.stdout
    measured = run_here("cssr measure tabled -r --mm-per-px mm.csv", folder).stdout
    assert measured == (folder / "tabled/cracks.csv").read_text()


def test_a_photo_whose_exif_tells_no_scale_is_named_and_has_its_row(folder, scenes):
    command = "cssr segment scenes --model model --out by_exif --mm-per-px exif"
    done = run_here(command, folder, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("scenes/b.jpg: no scale: no distance in EXIF")
    table = pd.read_csv(folder / "by_exif/photos.csv").set_index("photo")
    assert table.mm_per_px["a.jpg"] == pytest.approx(45.069, rel=1e-4)
    assert table.error["b.jpg"].startswith("no scale: no distance in EXIF")
    skipped, note = done.stderr.splitlines()
    assert skipped.endswith("; --mm-per-px takes a number or a CSV file too; skipped")
    described = json.loads((folder / "by_exif/a.jpg/photo.json").read_text())
    assert [note] == [f"note: a.jpg: {text}" for text in described["notes"]]
    assert "cropping or resizing would not be seen" in note
    summary = described["mm_per_px_from"]
    assert summary["from"] == "exif"
    assert "43.27 mm" in summary["formula"]
    assert (summary["distance_m"], summary["FocalLengthIn35mmFilm_mm"]) == (2, 24)


def test_photos_that_all_tell_no_scale_end_the_command_with_one_line(folder, scenes):
    done = run_here("cssr segment scenes/b.jpg --out none --mm-per-px exif", folder, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: b.jpg: no scale: no distance in EXIF")
    assert not (folder / "none").exists()


def test_none_found_differs_from_not_there(inspected, folder, tmp_path):
    command = f"cssr segment {folder}/photos/a.png {folder}/photos/broken.jpg"
    run_here(f"{command} --model {folder}/model --threshold 1 --out out", tmp_path, check=False)
    table = pd.read_csv(tmp_path / "out/photos.csv", dtype={"cracks": "Int64"}).set_index("photo")
    assert table.cracks["a.png"] == 0
    assert (table.length_px["a.png"], table.crack_share["a.png"]) == (0, 0)
    assert pd.isna(table.cracks["broken.jpg"])
    assert "cannot be read" in table.error["broken.jpg"] or "damaged" in table.error["broken.jpg"]
    assert (tmp_path / "out/cracks.csv").read_text().startswith("photo,crack,length_px")


def test_rows_of_several_runs_can_be_put_together(inspected, folder):
    summary = json.loads((folder / "out/b.jpg/photo.json").read_text())
    own = pd.read_csv(folder / "out/b.jpg/cracks.csv")
    joint = pd.read_csv(folder / "out/cracks.csv")
    assert list(own) == list(joint)
    assert set(own.photo) == {"b.jpg"}
    assert set(own.threshold) == {0.06}
    assert set(own.scale) == {4}
    assert set(own.model) == {f"sha256:{summary['settings']['model'][:12]}"}
    assert own.mm_per_px.isna().all()
    photos = pd.read_csv(folder / "out/photos.csv").set_index("photo")
    assert photos.cracks["b.jpg"] == len(own)
    assert photos.crack_share["b.jpg"] == pytest.approx(
        own.area_px.sum() / (16 * summary["height"] * summary["width"]), rel=1e-3
    )


def test_masks_have_a_row_each_too(tmp_path):
    (tmp_path / "masks").mkdir()
    for name, value in (("crack.png", 255), ("none.png", 0), ("labels.png", 90)):
        mask = np.zeros((40, 60), np.uint8)
        mask[10:14, 5:55] = value
        mask[30, 30] = value == 90
        Image.fromarray(mask).save(tmp_path / "masks" / name)
    done = run_here("cssr measure masks --out out --mm-per-px 0.1", tmp_path, check=False)
    assert done.returncode == 3
    table = pd.read_csv(tmp_path / "out/photos.csv").set_index("photo")
    assert list(table.cracks[["crack.png", "none.png"]]) == [1, 0]
    assert table.length_mm["crack.png"] == pytest.approx(5, rel=0.05)
    assert table.crack_share["crack.png"] == pytest.approx(200 / 2400, rel=1e-3)
    assert "it holds the values 0, 1 and 90" in table.error["labels.png"]
    assert table.threshold.isna().all()


def test_widths_are_put_in_classes_and_lengths_summed_by_them(folder, scenes):
    command = "cssr segment scenes --model model --out classes --mm-per-px 0.5 --width-classes"
    run_here(f"{command} 0.15,0.3", folder)
    names = ["up to 0.15", "0.15 to 0.3", "over 0.3"]
    table = pd.read_csv(folder / "classes/cracks.csv")
    expected = [names[(width > 0.15) + (width > 0.3)] for width in table.width_max_mm]
    assert list(table.width_class) == expected
    photos = pd.read_csv(folder / "classes/photos.csv")
    columns = ["length_mm_up_to_0.15", "length_mm_0.15_to_0.3", "length_mm_over_0.3"]
    np.testing.assert_allclose(photos[columns].sum(axis=1), photos.length_mm, atol=0.1)
    page = (folder / "classes/index.html").read_text()
    assert all(f'<th scope="row">{name}</th>' in page for name in names)
    measured = run_here("cssr measure classes -r", folder).stdout
    assert measured == (folder / "classes/cracks.csv").read_text()
    assert "2 of 2 photos are done" in run_here(f"{command} 0.15,0.3 --resume", folder).stdout
    assert "are done" not in run_here(f"{command} 0.15,0.4 --resume", folder).stdout


def test_classes_narrower_than_two_px_of_the_results_are_noted(folder, scenes):
    command = "cssr segment scenes/a.jpg --model model --out fine --mm-per-px 0.5 --width-classes"
    note = "its narrowest class of width, 0.1 mm, is below 2 px of the results"
    for classes in ("0.1,0.3", "0.3,0.4"):
        done = run_here(f"{command} {classes}", folder)
        assert done.stderr.startswith(f"note: a.jpg: {note}")
        assert note in json.loads((folder / "fine/a.jpg/photo.json").read_text())["notes"][0]
    assert run_here("cssr measure fine -r", folder).stderr.startswith(f"note: a.jpg: {note}")
    assert run_here(f"{command} 0.25,0.5", folder).stderr == ""
    assert json.loads((folder / "fine/a.jpg/photo.json").read_text())["notes"] == []


def test_results_of_an_older_version_are_measured_shown_and_made_anew(folder, scenes):
    command = "cssr segment scenes --model model --out older"
    run_here(command, folder)
    file = folder / "older/a.jpg/photo.json"
    summary = json.loads(file.read_text())
    for name in ("georeference", "crack_share", "mm_per_px_from", "notes"):
        del summary[name]
    del summary["settings"]["width_classes"]
    file.write_text(json.dumps(summary))
    table = pd.read_csv(file.parent / "cracks.csv")
    table.drop(columns=["photo", "threshold", "model", "scale", "mm_per_px"]).to_csv(
        file.parent / "cracks.csv", index=False
    )
    before = (folder / "older/cracks.csv").read_text()
    assert run_here("cssr measure older -r", folder).stdout == before
    run_here("cssr segment scenes/b.jpg --model model --out older", folder)
    assert (folder / "older/cracks.csv").read_text() == before
    assert "1 of 2 photos are done" in run_here(f"{command} --resume", folder).stdout
    assert "crack_share" in json.loads(file.read_text())
