import io
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
from networks import pipeline
from PIL import Image
from shell import environment, run

from cssr.cli import main
from cssr.models.saved import save_model
from cssr.sources.synthetic import synthesize

ONE_LINE = r"error: [^\n]+\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a model, three photos, a broken one and a folder of one."""
    folder = tmp_path_factory.mktemp("inspection")
    (folder / "model").mkdir()
    description = {"variant": "cssr", "scale": 4, "threshold": 0.06}
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
    again = run("cssr segment photos --model model -r --out out --resume", folder, check=False)
    assert "3 of 4 photos are done" in again.stdout
    assert (folder / "out/a.png/photo.json").stat().st_mtime_ns == before
    other = run(
        "cssr segment photos/a.png --model model --out out --resume --threshold 0.9", folder
    )
    assert "are done" not in other.stdout
    assert (folder / "out/a.png/photo.json").stat().st_mtime_ns > before


def test_mm_are_px_of_the_results_times_their_size(inspected, folder):
    run("cssr segment photos/b.jpg --model model --out mm --mm-per-px 2 --no-sr", folder)
    table = pd.read_csv(folder / "mm/cracks.csv")
    assert len(table)
    np.testing.assert_allclose(table.length_mm, table.length_px * 2 / 4, atol=0.01)
    assert not (folder / "mm/b.jpg/sr.tif").exists()


def test_measuring_a_mask_gives_what_segmenting_measured(inspected, folder):
    assert run("cssr measure out -r", folder).stdout == (folder / "out/cracks.csv").read_text()


def test_measuring_knows_the_scale_of_what_segmenting_wrote(inspected, folder):
    command = "cssr measure out/more/c.tif/mask.tif out/b.jpg --mm-per-px 2"
    rows = pd.read_csv(io.StringIO(run(command, folder).stdout))
    assert set(rows.photo) == {"c.tif", "b.jpg"}
    np.testing.assert_allclose(rows.length_mm, rows.length_px * 2 / 4, atol=0.01)


def test_measuring_knows_the_mm_that_segmenting_was_given(folder):
    run("cssr segment photos/a.png --model model --out known --mm-per-px 0.5", folder)
    assert run("cssr measure known -r", folder).stdout == (folder / "known/cracks.csv").read_text()


def test_a_mask_that_is_mostly_crack_is_called_in_question(tmp_path):
    mask = np.full((40, 40), 255, np.uint8)
    mask[20:24] = 0
    Image.fromarray(mask).save(tmp_path / "inverted.png")
    done = run("cssr measure inverted.png", tmp_path)
    assert done.stderr == "note: inverted.png: 90% of it is crack; is it a photo, or inverted?\n"


def test_results_of_another_photo_of_the_same_name_are_not_replaced(inspected, folder):
    (folder / "elsewhere").mkdir()
    shutil.copy(folder / "photos/b.jpg", folder / "elsewhere/a.png")
    command = "cssr segment elsewhere/a.png --model model --out out"
    before = (folder / "out/a.png/photo.json").read_text()
    done = run(command, folder, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: --out: out/a.png is of another photo of this name; name another folder\n"
    )
    assert (folder / "out/a.png/photo.json").read_text() == before


def test_results_of_different_settings_are_called_so(folder):
    command = "cssr segment photos/{} --model model --out mixed --threshold {}"
    assert run(command.format("a.png", 0.06), folder).stderr == ""
    done = run(command.format("b.jpg", 0.07), folder)
    assert done.stderr == "note: not all results there are of the same settings\n"
    assert "their numbers do not compare" in (folder / "mixed/index.html").read_text()


def test_the_command_alone_shows_its_help(tmp_path):
    done = run("cssr", tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: cssr")


def test_a_mask_of_zeros_and_ones_is_refused(folder):
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / "ones.png")
    done = run("cssr measure ones.png", folder, check=False)
    assert done.returncode == 2
    assert done.stderr == "ones.png: values up to 1; those of crack are 128 to 255; skipped\n"


def test_a_file_of_the_user_in_the_out_folder_is_not_replaced(folder):
    (folder / "mine").mkdir()
    (folder / "mine/a.png").write_text("precious")
    done = run("cssr segment photos/a.png --model model --out mine", folder, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --out: mine/a.png is there, and not of an earlier run")
    assert (folder / "mine/a.png").read_text() == "precious"


def test_measurements_are_written_to_a_folder(inspected, folder):
    run("cssr measure out/b.jpg/mask.tif out/a.png/overlay.jpg --out measured", folder)
    assert sorted(file.name for file in (folder / "measured").iterdir()) == [
        "b.jpg.geojson",
        "cracks.csv",
        "overlay.jpg.geojson",
    ]


def test_an_exported_model_finds_the_same_cracks(inspected, folder):
    printed = run("cssr export --model model --onnx model.onnx", folder).stdout
    assert float(printed.split("at most ")[1].split()[0]) < 1e-4
    run("cssr segment photos/b.jpg --model model.onnx --out onnx", folder)
    one, two = (read(folder / out / "b.jpg/probability.tif") for out in ("out", "onnx"))
    assert np.abs(one.astype(int) - two).max() <= 7  # 1e-4 of 65,535


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("segment nothing", "nothing: no such file or folder"),
        ("segment empty", "empty: no photo"),
        ("segment broken", "no readable photo: broken/a.jpg: not a readable JPEG"),
        ("segment photos/broken.jpg", "photos/broken.jpg: damaged"),
        ("segment photos --model nothing", "nothing: no such"),
        ("segment photos --model photos", "photos is not a trained model: it has no model.json"),
        ("segment photos --model old", "old is not a trained model"),
        ("segment photos --threshold 1.5", "1.5 is not in [0, 1]"),
        ("segment photos --threshold nan", "nan is not in [0, 1]"),
        ("segment photos --threshold x", "'x' is not a valid float"),
        ("segment photos --device cuda:99", "cuda:99 is not here"),
        ("segment photos --device abacus", "abacus is not auto, cpu, cuda or cuda:N"),
        ("segment photos --device mps", "mps is not auto, cpu, cuda or cuda:N"),
        ("segment photos --device cpu:3", "cpu:3 is not auto, cpu, cuda or cuda:N"),
        ("segment photos --out /sys/x", "--out: /sys/x"),
        ("segment photos --out model/model.json", "model/model.json is a file, not a folder"),
        ("segment photos --tile 16", "a tile of 16 px is too small"),
        ("segment photos --mm-per-px 0", "0 is not in (0, 1e+06]"),
        ("segment photos --mm-per-px 1e300", "1e+300 is not in (0, 1e+06]"),
        ("segment photos --batch 99999999999", "99999999999 is not in the range"),
        ("segment photos --out photos", "photos lies in the folder to write, photos"),
        ("segment broken/a.jpg --model model --out bad/worse", "broken/a.jpg: not a readable JPEG"),
        ("measure soft/a.png --out bad/worse", "soft/a.png: values up to 90"),
        ("segment", "Missing argument 'PATHS...'"),
        ("measure nothing", "nothing: no such file or folder"),
        ("export --onnx model.txt", "the name must end in .onnx"),
        ("frobnicate", "No such command 'frobnicate'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(folder, arguments, message, monkeypatch, capfd):
    (folder / "old").mkdir(exist_ok=True)
    old = json.loads((folder / "model/model.json").read_text())
    old["sr"]["layers"] = old["sr"].pop("stages")  # as another version might have called it
    (folder / "old/model.json").write_text(json.dumps(old))
    (folder / "old/weights.safetensors").write_bytes(
        (folder / "model/weights.safetensors").read_bytes()
    )
    if arguments.startswith("segment photos"):
        arguments += "" if "--model" in arguments else " --model model"
        arguments += "" if "--out" in arguments else " --out bad"
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["cssr", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    stderr = capfd.readouterr().err
    assert ended.value.code == 2
    assert message in stderr
    assert stderr.startswith("error: ") or stderr.endswith("; skipped\n")
    assert stderr.count("\n") == 1
    assert not (folder / "bad").exists()


def test_bad_input_ends_the_process_with_exit_code_2(folder):
    done = run("cssr segment nothing --out bad", folder, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: nothing: no such file or folder\n"


def test_ctrl_c_loses_the_photo_under_way_and_resume_goes_on(folder):
    (folder / "many").mkdir()
    for k in range(6):
        image = synthesize(k, seed=1, size=256, crack_width=(1.0, 3.0))[0]
        Image.fromarray(image).save(folder / f"many/{k}.png")
    command = "cssr segment many --model model --out stopped --min-area 100000"  # noise: too many
    process = subprocess.Popen(
        f"exec {command}",
        shell=True,
        cwd=folder,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (folder / "stopped/0.png/photo.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "interrupted; with --resume it goes on" in stderr
    assert "Traceback" not in stderr
    done = [file.parent.name for file in sorted((folder / "stopped").rglob("photo.json"))]
    assert 1 <= len(done) < 6
    assert {file.name for file in (folder / "stopped").iterdir()} == {
        *done,
        "cracks.csv",
        "index.html",
    }
    again = run(f"{command} --resume", folder)
    assert f"{len(done)} of 6 photos are done" in again.stdout
    assert len(list((folder / "stopped").rglob("photo.json"))) == 6


def test_masks_of_16_bits_are_judged_by_all_their_bits(tmp_path):
    Image.fromarray(np.full((8, 8), 255, np.uint16)).save(tmp_path / "dark.png")
    done = run("cssr measure dark.png", tmp_path, check=False)
    assert done.returncode == 2
    assert "values up to 1; those of crack are 128 to 255" in done.stderr


def test_soft_values_beside_a_crack_do_not_matter(tmp_path):
    mask = np.zeros((600, 40), np.uint8)
    mask[20:24], mask[500:504] = 255, 90
    Image.fromarray(mask).save(tmp_path / "mask.png")
    table = pd.read_csv(io.StringIO(run("cssr measure mask.png", tmp_path).stdout))
    assert list(table.area_px) == [160]


def test_masks_whose_names_differ_in_a_slash_get_a_file_each(tmp_path):
    (tmp_path / "masks/a").mkdir(parents=True)
    for name in ("a/b.png", "a_b.png"):
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "masks" / name)
    run("cssr measure masks -r --out out", tmp_path)
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files == ["a_b.png.geojson", "a_b.png_.geojson", "cracks.csv"]


def test_a_name_too_long_for_its_results_costs_that_photo_alone(folder, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("n" * 246 + ".png", "z.png"):
        Image.open(folder / "photos/a.png").save(tmp_path / "photos" / name)
    done = run(f"cssr segment photos --model {folder}/model --out out", tmp_path, check=False)
    assert done.returncode == 3
    assert "File name too long; skipped" in done.stderr
    assert (tmp_path / "out/z.png/photo.json").exists()


def test_results_that_are_not_whole_are_made_again_and_cost_no_other_photo(folder, tmp_path):
    command = f"cssr segment {{}} --model {folder}/model --out out"
    run(command.format(folder / "photos/a.png"), tmp_path)
    (tmp_path / "out/a.png/preview.jpg").unlink()
    run(command.format(folder / "photos/b.jpg"), tmp_path)
    assert "a.png" not in (tmp_path / "out/index.html").read_text()
    again = run(command.format(folder / "photos/a.png") + " --resume", tmp_path)
    assert "photos are done" not in again.stdout
    assert "a.png" in (tmp_path / "out/index.html").read_text()


def test_pictures_among_results_are_no_photos(inspected, folder, tmp_path):
    for name in ("photos", "out"):  # not what other tests have left in the folder
        shutil.copytree(folder / name, tmp_path / name)
    command = f"cssr segment . -r --model {folder / 'model'} --out other"
    done = run(command, tmp_path, check=False)
    assert "probability.tif" not in done.stdout + done.stderr
    assert "photos/a.png" in done.stdout
