import json
import shutil
import signal
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from shell import environment, run, run_here

from cssr.sources.synthetic import synthesize

TABLES = {"cracks.csv", "photos.csv", "index.html"}


def read(file: Path) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"), rasterio.open(file) as source:
        return source.read()


def test_a_broken_photo_is_told_and_skipped_and_the_exit_code_is_3(inspected):
    assert inspected.returncode == 3
    assert "photos/broken.jpg: damaged" in inspected.stderr
    assert "Traceback" not in inspected.stderr
    assert inspected.stdout.count("cracks, ") == 3


def test_each_photo_gets_its_maps_in_the_size_of_the_results(inspected, folder):
    out = folder / "out/more/c.tif"
    probs, mask, sr = (read(out / f"{name}.tif") for name in ("probability", "mask", "sr"))
    assert (probs.dtype, probs.shape) == (np.uint16, (1, 192, 256))
    assert set(np.unique(mask)) <= {0, 255}
    assert sr.shape == (3, 192, 256)
    off = np.abs(probs / 65535 - 0.06)[(mask > 0) != (probs / 65535 >= 0.06)]
    assert off.max(initial=0) <= 1 / 65535
    with Image.open(out / "overlay.jpg") as overlay:
        assert overlay.size == (256, 192)


def test_the_table_has_a_row_for_each_crack_of_each_photo(inspected, folder):
    table = pd.read_csv(folder / "out/cracks.csv")
    assert set(table.photo) <= {"a.png", "b.jpg", "more/c.tif"}
    for name, rows in table.groupby("photo"):
        summary = json.loads((folder / "out" / name / "photo.json").read_text())
        assert len(rows) == summary["cracks"]
        assert rows.length_px.sum() == pytest.approx(summary["length_px"], abs=0.01 * len(rows))
        features = json.loads((folder / "out" / name / "cracks.geojson").read_text())["features"]
        assert len(features) == len(rows)


def test_the_page_needs_nothing_else(inspected, folder):
    page = (folder / "out/index.html").read_text()
    assert all(name in page for name in ("a.png", "b.jpg", "more/c.tif", "broken.jpg: damaged"))
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page
    assert page.count("data:image/jpeg;base64,") == 6


def test_nothing_unfinished_is_left(inspected, folder):
    assert not list((folder / "out").rglob("*.partial"))
    assert not (folder / "out/broken.jpg").exists()


def test_resume_skips_what_is_done_with_the_same_settings(inspected, folder):
    before = (folder / "out/a.png/photo.json").stat().st_mtime_ns
    (folder / "out/.a.png.partial/old").mkdir(parents=True)  # of a process that was killed
    again = run_here("cssr segment photos --model model -r --out out --resume", folder, check=False)
    assert not (folder / "out/.a.png.partial").exists()
    assert "3 of 4 photos are done" in again.stdout
    assert (folder / "out/a.png/photo.json").stat().st_mtime_ns == before
    other = run_here(
        "cssr segment photos/a.png --model model --out out --resume --threshold 0.9", folder
    )
    assert "are done" not in other.stdout
    assert (folder / "out/a.png/photo.json").stat().st_mtime_ns > before


def test_mm_are_px_of_the_results_times_their_size(inspected, folder):
    run_here("cssr segment photos/b.jpg --model model --out mm --mm-per-px 2 --no-sr", folder)
    table = pd.read_csv(folder / "mm/cracks.csv")
    assert len(table)
    np.testing.assert_allclose(table.length_mm, table.length_px * 2 / 4, atol=0.01)
    assert not (folder / "mm/b.jpg/sr.tif").exists()


def test_results_of_another_photo_of_the_same_name_are_not_replaced(inspected, folder):
    (folder / "elsewhere").mkdir()
    shutil.copy(folder / "photos/b.jpg", folder / "elsewhere/a.png")
    command = "cssr segment elsewhere/a.png --model model --out out"
    before = (folder / "out/a.png/photo.json").read_text()
    done = run_here(command, folder, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: --out: out/a.png is of another photo of this name; name another folder\n"
    )
    assert (folder / "out/a.png/photo.json").read_text() == before


def test_results_of_different_settings_are_called_so(folder):
    command = "cssr segment photos/{} --model model --out mixed --threshold {}"
    assert run_here(command.format("a.png", 0.06), folder).stderr == ""
    done = run_here(command.format("b.jpg", 0.07), folder)
    assert done.stderr == "note: results there differ in threshold\n"
    assert "their numbers do not compare" in (folder / "mixed/index.html").read_text()


def test_a_file_of_the_user_in_the_out_folder_is_not_replaced(folder):
    (folder / "mine").mkdir()
    (folder / "mine/a.png").write_text("precious")
    done = run_here("cssr segment photos/a.png --model model --out mine", folder, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --out: mine/a.png is there, and not of an earlier run")
    assert (folder / "mine/a.png").read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_loses_the_photo_under_way_and_resume_goes_on(folder, number):
    (folder / "many").mkdir(exist_ok=True)
    for k in range(6):
        image = synthesize(k, seed=1, size=256, crack_width=(1.0, 3.0))[0]
        Image.fromarray(image).save(folder / f"many/{k}.png")
    out = folder / f"stopped-{number.name}"
    command = f"cssr segment many --model model --out {out.name} --min-area 100000"  # of noise
    process = subprocess.Popen(
        f"exec {command}",
        shell=True,
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (out / "0.png/photo.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    stderr = process.communicate(timeout=30)[1]
    done = [file.parent.name for file in sorted(out.glob("*.png/photo.json"))]
    assert 1 <= len(done) < 6
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; with --resume it goes on" in stderr
        assert "Traceback" not in stderr
        assert {file.name for file in out.iterdir()} == {*done, *TABLES}
    again = run_here(f"{command} --resume", folder)
    assert f"{len(done)} of 6 photos are done" in again.stdout
    assert {file.name for file in out.iterdir()} == {*(f"{k}.png" for k in range(6)), *TABLES}
    assert len(pd.read_csv(out / "photos.csv")) == 6


def test_a_name_too_long_for_its_results_costs_that_photo_alone(folder, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("n" * 246 + ".png", "z.png"):
        Image.open(folder / "photos/a.png").save(tmp_path / "photos" / name)
    done = run_here(f"cssr segment photos --model {folder}/model --out out", tmp_path, check=False)
    assert done.returncode == 3
    assert "File name too long; skipped" in done.stderr
    assert (tmp_path / "out/z.png/photo.json").exists()


def test_a_photo_that_memory_does_not_suffice_for_costs_that_photo_alone(folder, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(folder / "photos/a.png", tmp_path / "photos/z.png")
    Image.fromarray(np.full((600, 16000), 90, np.uint8)).save(tmp_path / "photos/wide.png")
    code = f"""
import resource, sys
from pathlib import Path
from cssr.cli import main
from cssr.inspection import photo_inspection
load = photo_inspection.load
def limited(*given, **named):
    model = load(*given, **named)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 600 * 2**20,) * 2)
    return model
photo_inspection.load = limited
sys.argv = "cssr segment photos --model {folder}/model".split()
main()
"""
    done = run(f"python -c '{code}'", tmp_path, check=False)
    assert (
        "photos/wide.png: not enough memory for 16,000 × 600 px; try a smaller --tile; skipped"
        in done.stderr.splitlines()
    )
    assert done.returncode == 3
    assert not (tmp_path / "cracks/wide.png").exists()
    assert (tmp_path / "cracks/z.png/photo.json").exists()


def test_results_that_are_not_whole_are_made_again_and_cost_no_other_photo(folder, tmp_path):
    command = f"cssr segment {{}} --model {folder}/model --out out"
    run_here(command.format(folder / "photos/a.png"), tmp_path)
    (tmp_path / "out/a.png/preview.jpg").unlink()
    run_here(command.format(folder / "photos/b.jpg"), tmp_path)
    assert "a.png" not in (tmp_path / "out/index.html").read_text()
    again = run_here(command.format(folder / "photos/a.png") + " --resume", tmp_path)
    assert "photos are done" not in again.stdout
    assert "a.png" in (tmp_path / "out/index.html").read_text()


def test_pictures_among_results_are_no_photos(inspected, folder, tmp_path):
    for name in ("photos", "out"):  # not what other tests have left in the folder
        shutil.copytree(folder / name, tmp_path / name)
    command = f"cssr segment . -r --model {folder / 'model'} --out other"
    done = run_here(command, tmp_path, check=False)
    assert "probability.tif" not in done.stdout + done.stderr
    assert "photos/a.png" in done.stdout


def test_what_is_left_out_and_how_photos_were_read_is_told(folder, tmp_path):
    (tmp_path / "photos").mkdir()
    whole = (folder / "photos/b.jpg").read_bytes()
    (tmp_path / "photos/b.jpg").write_bytes(whole[:-2])
    (tmp_path / "photos/DJI_1.DNG").touch()
    (tmp_path / "photos/._b.jpg").write_bytes(b"\0\5\x16\7")
    done = run_here(f"cssr segment photos --model {folder / 'model'} --out out", tmp_path)
    left_out, note = done.stderr.splitlines()
    assert left_out.startswith("note: photos: left out: 1 DNG (raw files need developing")
    assert note.startswith("note: photos/b.jpg: decoded with a warning, its pixels seem whole")


def test_a_model_that_does_not_know_the_side_of_its_training_images_is_told(folder, tmp_path):
    shutil.copytree(folder / "model", tmp_path / "model")
    description = json.loads((tmp_path / "model/model.json").read_text())
    del description["side"]
    (tmp_path / "model/model.json").write_text(json.dumps(description))
    done = run(f"cssr segment {folder}/photos/a.png --model model", tmp_path)
    [note] = done.stderr.splitlines()
    assert note == (
        "note: model: the side of its training images is not known; light is evened out over "
        "448 px, the paper's"
    )
